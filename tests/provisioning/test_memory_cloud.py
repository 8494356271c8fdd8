"""The contract, held by the cloud in memory: so the engine itself is at fault where another cloud breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from providers.provisioning.base import ClusterPlan
from tests.provisioning.cloud_contract import CloudContract, World, small_plan
from tests.provisioning.memory_cloud import Memory


class TestMemoryCloud(CloudContract):
    @pytest.fixture
    def new(self) -> Callable[[], World]:
        return Memory

    @pytest.fixture
    def plan(self) -> ClusterPlan:
        return small_plan()


class TestSlowMemoryCloud(CloudContract):
    """Nodes take a minute and a half to end and hold the firewall; lists are two seconds behind."""

    @pytest.fixture
    def new(self) -> Callable[[], World]:
        return lambda: Memory(ends_in=90.0, slow_to_list=2.0)

    @pytest.fixture
    def plan(self) -> ClusterPlan:
        return small_plan()
