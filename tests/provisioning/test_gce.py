"""Compute Engine keeps the contract of clouds, against a stand-in for Google on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from providers.provisioning.base import ClusterPlan

from .cloud_contract import CloudContract, World, faults
from .fake_gce import Google, How
from .fake_gce_server import Server, gce_plan


@pytest.mark.usefixtures("google_token")
class TestGCE(CloudContract):
    @pytest.fixture
    def new(self, google_server: Server) -> Callable[[], World]:
        return google_server.new

    @pytest.fixture
    def plan(self) -> ClusterPlan:
        return gce_plan()


def begins_an_operation(world: World, call: int) -> bool:
    assert isinstance(world, Google)
    return world.seen[call - 1][0] != "GET"


def head_alone(plan: ClusterPlan) -> ClusterPlan:
    return replace(plan, groups=plan.groups[:1])


@pytest.mark.usefixtures("google_token")
def test_an_operation_that_ends_badly_leaves_nothing(google_server: Server) -> None:
    table = list(faults(lambda: google_server.new(how="operation"), head_alone(gce_plan()), begins_an_operation))
    assert [each for each in table if each.left_by_next] == []
    assert any(each.told for each in table)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("google_token")
@pytest.mark.parametrize("how", ["busy", "dropped", "operation"])
def test_whatever_way_a_single_call_fails_nothing_is_left(google_server: Server, how: How) -> None:
    # Pages of two, so that each single page fails too.
    table = list(faults(lambda: google_server.new(how=how, page=2), gce_plan()))
    assert [each for each in table if each.left_by_next] == []
    # What is only busy is asked again, and the user sees nothing of it.
    assert any(each.told for each in table) == (how == "operation")
