"""Compute Engine keeps the contract of clouds, against a stand-in for Google on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from providers.provisioning.base import ClusterPlan

from .cloud_contract import CloudContract, World, faults, small_plan
from .fake_gce import How, Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.of-the-test")


def gce_plan() -> ClusterPlan:
    plan = small_plan("gcp", "us-central1", head="e2-standard-2", worker="n2-standard-8")
    return replace(plan, identity="nodes")


class TestGCE(CloudContract):
    @pytest.fixture
    def new(self, server: Server) -> Callable[[], World]:
        return server.new

    @pytest.fixture
    def plan(self) -> ClusterPlan:
        return gce_plan()


@pytest.mark.parametrize("how", ["busy", "dropped", "operation"])
def test_whatever_way_a_single_call_fails_nothing_is_left(server: Server, how: How) -> None:
    table = list(faults(lambda: server.new(how=how), gce_plan()))
    assert [each for each in table if each.left_by_next] == []
    # What is only busy is asked again, and the user sees nothing of it.
    assert any(each.told for each in table) == (how == "operation")
