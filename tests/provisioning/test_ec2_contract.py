"""EC2 does all that a cloud must, whichever single call fails, and in whichever manner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from providers.provisioning.base import ClusterPlan
from tests.provisioning.amazon import REGION, SSH_KEY, Account, amazon_server, new_account
from tests.provisioning.cloud_contract import CloudContract, World, small_plan

__all__ = ["amazon_server", "new_account"]


class TestEC2(CloudContract):
    """Calls are not repeated here: each that fails is one that has failed for good."""

    @pytest.fixture
    def new(self, new_account: Callable[..., Account]) -> Callable[[], World]:
        return new_account

    @pytest.fixture
    def plan(self) -> ClusterPlan:
        planned = small_plan("aws", REGION, "m6i.xlarge", "r6i.2xlarge")
        return replace(planned, identity="rubincwl-node", ssh_key=SSH_KEY)
