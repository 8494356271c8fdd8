"""EC2 does all that a cloud must, whichever single call fails, and in whichever manner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from providers.provisioning.apply import apply
from providers.provisioning.base import ClusterPlan
from tests.provisioning.amazon import REGION, SSH_KEY, Account
from tests.provisioning.cloud_contract import CloudContract, World, faults, small_plan
from tests.provisioning.faulty_server import Manner


@pytest.fixture
def plan() -> ClusterPlan:
    planned = small_plan("aws", REGION, "m6i.xlarge", "r6i.2xlarge")
    return replace(planned, identity="rubincwl-node", ssh_key=SSH_KEY)


class TestEC2(CloudContract):
    """Calls are not repeated here: each that fails is one that has failed for good."""

    @pytest.fixture
    def new(self, new_account: Callable[..., Account]) -> Callable[[], World]:
        return new_account

    @pytest.fixture
    def plan(self, plan: ClusterPlan) -> ClusterPlan:
        return plan

    def worth(self, world: World, call: int) -> bool:
        """The first and the last of each kind that changes something; `test_every_fault` fails all there are."""
        assert isinstance(world, Account)
        actions = [each.action if each.changes else "" for each in world.recorded]
        action = actions[call - 1]
        return action != "" and (action not in actions[: call - 1] or action not in actions[call:])


@pytest.mark.exhaustive
@pytest.mark.parametrize("manner", ["status 500", "dropped"])
def test_every_fault(new_account: Callable[..., Account], plan: ClusterPlan, manner: Manner) -> None:
    table = list(faults(lambda: new_account(manner=manner), plan))
    for verb in ("apply", "apply, then destroy", "destroy"):
        rows = [each for each in table if each.verb == verb]
        orphans = sum(len(each.left_by_next) for each in rows)
        print(f"{verb} | {manner} | {len(rows)} failed | {sum(each.told for each in rows)} told | {orphans} orphans")
    assert [each for each in table if each.left_by_next] == []


@pytest.mark.parametrize(("manner", "after_effect"), [("status 500", False), ("dropped", True)])
def test_a_client_with_patience_gets_over_a_call_that_fails(
    new_account: Callable[..., Account], plan: ClusterPlan, manner: Manner, after_effect: bool
) -> None:
    calm = new_account()
    assert apply(calm.cloud(), plan, sleep=calm.sleep).complete
    for action in ("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "ImportKeyPair", "RunInstances"):
        nth = next(n for n, call in enumerate(calm.recorded, 1) if call.action == action and call.changes)
        account = new_account(patience_s=(1.0, 2.0), manner=manner)
        account.fail(nth, after_effect=after_effect)
        assert apply(account.cloud(), plan, sleep=account.sleep).complete
        assert account.calls() > calm.calls(), "no call was repeated"
        assert account.left() == calm.left()
