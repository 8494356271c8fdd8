"""OpenStack keeps the contract of clouds: real keystone, glance, placement, neutron and nova, make-believe machines."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace

import pytest

from providers.base import MachineType
from providers.provisioning.apply import RefusedError, apply
from providers.provisioning.base import Choice, CloudError, ClusterPlan
from providers.provisioning.cloud_init.node import HEAD_METADATA
from providers.provisioning.destroy import destroy
from tests.openstack.account import SSH_KEY, Account
from tests.openstack.services import FLAVORS, REGION
from tests.provisioning.cloud_contract import CloudContract, Fault, World, faults, small_plan
from tests.provisioning.faulty_server import Manner

pytestmark = pytest.mark.openstack


def flavor(name: str) -> Choice:
    cores, memory, disk = FLAVORS[name]
    return Choice(MachineType(name, cores, memory / 1024, disk), "on-demand")


@pytest.fixture
def plan() -> ClusterPlan:
    """A head and two workers, with something larger to fall back on."""
    planned = small_plan("onprem", REGION)
    head, workers = planned.groups
    groups = (replace(head, choices=(flavor("small"),)), replace(workers, choices=(flavor("large"), flavor("huge"))))
    return replace(
        planned, groups=groups, ssh_key=SSH_KEY, limits=replace(planned.limits, usd_hour=None, usd_total=None)
    )


def head_alone(plan: ClusterPlan) -> ClusterPlan:
    return replace(plan, groups=plan.groups[:1])


class TestOpenStack(CloudContract):
    """Calls are not repeated here: each that fails is one that has failed for good."""

    @pytest.fixture
    def new(self, new_account: Callable[..., Account]) -> Callable[[], World]:
        return new_account

    @pytest.fixture
    def plan(self, plan: ClusterPlan) -> ClusterPlan:
        return plan

    def worth(self, world: World, call: int) -> bool:
        """The first of each kind, and the last of those that change something; `test_every_fault` fails all."""
        assert isinstance(world, Account)
        kinds = [(each.kind, each.changes) for each in world.recorded]
        kind = kinds[call - 1]
        return kind not in kinds[: call - 1] or (kind[1] and kind not in kinds[call:])

    def test_whichever_single_call_fails_nothing_is_made_twice_or_left(
        self, new: Callable[[], World], plan: ClusterPlan
    ) -> None:
        head, workers = plan.groups
        small = replace(plan, groups=(head, replace(workers, count=1)))
        table = list(faults(new, small, self.worth))
        show(table, "status 500")
        assert {each.verb for each in table} == {"apply", "apply, then destroy", "destroy"}
        assert [each for each in table if each.left_by_next] == []
        assert any(each.told for each in table)


@pytest.mark.exhaustive
@pytest.mark.parametrize("manner", ["status 500", "dropped"])
def test_every_fault(new_account: Callable[..., Account], plan: ClusterPlan, manner: Manner) -> None:
    table = list(faults(lambda: new_account(manner=manner), plan))
    show(table, manner)
    assert [each for each in table if each.left_by_next] == []


def show(table: list[Fault], manner: Manner) -> None:
    for verb in ("apply", "apply, then destroy", "destroy"):
        rows = [each for each in table if each.verb == verb]
        orphans = sum(len(each.left_by_next) for each in rows)
        print(f"{verb} | {manner} | {len(rows)} failed | {sum(each.told for each in rows)} told | {orphans} orphans")


def applied(account: Account, plan: ClusterPlan) -> dict[str, dict]:  # type: ignore[type-arg]
    """What nova's administrator sees of the machines, by name."""
    done = apply(account.cloud(), plan, sleep=account.sleep)
    assert done.complete, done.failures
    print(f"{account.calls()} calls, {account.changes()} of them changes")
    return {each["name"]: each for each in account.servers()}


def test_machines_are_what_the_plan_says(new_account: Callable[..., Account], plan: ClusterPlan) -> None:
    account = new_account()
    servers = applied(account, plan)
    head = servers["dark-head-1"]
    address = head["addresses"]["inside"][0]["addr"]
    for group in plan.groups:
        for number in range(1, group.count + 1):
            server = servers[f"dark-{group.name}-{number}"]
            own = {} if group.head else {HEAD_METADATA: address}
            assert server["metadata"] == {**plan.tags(group), **own}
            assert server["flavor"]["original_name"] == group.choices[0].machine.name
            assert server["config_drive"]
            assert [server["key_name"]] == account.keys()
            assert b64decode(account.user_data(server["id"])).decode() == group.user_data


def test_ssh_reaches_the_head_and_condor_the_pool_alone(new_account: Callable[..., Account], plan: ClusterPlan) -> None:
    account = new_account()
    servers = applied(account, replace(plan, ssh_from=("192.0.2.0/24", "2001:db8::/64")))
    groups = {each["name"]: each for each in account.firewalls()}
    pool, head = groups["rubincwl-dark-pool"], groups["rubincwl-dark-head"]
    fields = ("ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")

    def let_in(group: dict) -> set:  # type: ignore[type-arg]
        rules = (each for each in group["security_group_rules"] if each["direction"] == "ingress")
        return {tuple(each[field] for field in fields) for each in rules}

    assert let_in(pool) == {("IPv4", "tcp", 9618, 9618, None, pool["id"])}
    assert let_in(head) == {
        ("IPv4", "tcp", 22, 22, "192.0.2.0/24", None),
        ("IPv6", "tcp", 22, 22, "2001:db8::/64", None),
    }
    inside = {each["device_id"]: set(each["security_groups"]) for each in account.network("ports")}
    assert inside.pop(servers["dark-head-1"]["id"]) == {pool["id"], head["id"]}
    assert set(map(frozenset, inside.values())) == {frozenset({pool["id"]})}


def test_a_machine_that_has_shut_itself_down_is_told_and_replaced(
    new_account: Callable[..., Account], plan: ClusterPlan
) -> None:
    account = new_account()
    account.quota(2 + 2 * 8)  # it holds its share until it is removed
    servers = applied(account, plan)
    account.stop(servers["dark-workers-1"]["id"])
    found = {each.name: each for each in account.cloud().find("dark") if each.kind == "node"}
    assert found["dark-workers-1"].state == "stopped"
    assert found["dark-workers-1"].ends_at is None, "nova ends nothing by itself"
    after = applied(account, plan)
    assert after.keys() == servers.keys()
    assert after["dark-workers-1"]["id"] != servers["dark-workers-1"]["id"]


def test_workers_are_not_started_without_a_head(new_account: Callable[..., Account], plan: ClusterPlan) -> None:
    account = new_account()
    cloud = account.cloud()
    cloud.prepare(plan, ())
    with pytest.raises(CloudError, match="dark-head-1 does not run"):
        cloud.start(plan, plan.groups[1], plan.groups[1].choices[0], 1)
    assert account.servers() == []


def test_the_user_data_may_be_as_long_as_nova_takes(new_account: Callable[..., Account], plan: ClusterPlan) -> None:
    account = new_account()
    cloud = account.cloud()
    cloud.prepare(plan, ())
    full = replace(plan.groups[0], user_data="#" * cloud.user_data_limit)
    node = cloud.start(plan, full, full.choices[0], 1)
    assert len(b64decode(account.user_data(node.id))) == cloud.user_data_limit
    with pytest.raises(CloudError, match="user_data"):
        cloud.start(plan, replace(full, user_data="#" * (cloud.user_data_limit + 1)), full.choices[0], 2)


def test_what_would_fail_is_told_before_anything_is_made(
    new_account: Callable[..., Account], plan: ClusterPlan
) -> None:
    account = new_account()
    account.quota(17)
    head, workers = plan.groups
    wrong = MachineType("small", 3, 8.0)
    spot = (replace(flavor("large"), market="spot"), Choice(MachineType("enormous", 1, 1.0), "on-demand"))
    bad = replace(
        plan,
        groups=(
            replace(head, choices=(Choice(wrong, "on-demand", "nowhere"),), disk_gib=30),
            replace(workers, choices=spot, count=20),
        ),
        image="plan9",
        network="elsewhere",
    )
    with pytest.raises(RefusedError) as refused:
        apply(account.cloud(floating_from="nothing"), bad, sleep=account.sleep)
    codes = sorted(each.code for each in refused.value.problems)
    assert codes == [
        "bad-zone",
        "machine-differs",
        "no-network",
        "no-network",
        "no-spot",
        "no-such-machine",
        "quota-short",
        "quota-short",
        "small-disk",
        "unknown-image",
    ]
    assert account.changes() == 0
    assert account.left() == []


def test_a_wrong_password_is_told_and_not_shown(new_account: Callable[..., Account], plan: ClusterPlan) -> None:
    account = new_account()
    account.clouds.write_text(account.clouds.read_text().replace("password: secret", "password: no-such-password"))
    with pytest.raises(CloudError, match="does not take the credentials") as told:
        account.cloud().find("dark")
    assert "no-such-password" not in str(told.value)


@pytest.mark.parametrize(("manner", "after_effect"), [("status 500", False), ("dropped", True)])
def test_a_client_with_patience_gets_over_a_call_that_fails(
    new_account: Callable[..., Account], plan: ClusterPlan, manner: Manner, after_effect: bool
) -> None:
    plan = head_alone(plan)
    calm = new_account()
    assert apply(calm.cloud(), plan, sleep=calm.sleep).complete
    for kind in ("security-groups", "os-keypairs", "servers"):
        nth = next(n for n, call in enumerate(calm.recorded, 1) if call.changes and call.path.endswith(kind))
        account = new_account(patience_s=(0.5, 1.0), manner=manner)
        account.fail(nth, after_effect=after_effect)
        assert apply(account.cloud(), plan, sleep=account.sleep).complete
        assert account.left() == calm.left()
        assert destroy(account.cloud(), "dark", sleep=account.sleep).complete
        assert account.left() == []


def test_groups_of_the_same_name_elsewhere_are_not_touched(
    new_account: Callable[..., Account], plan: ClusterPlan
) -> None:
    plan = head_alone(plan)
    other = new_account()
    applied(other, plan)
    left = other.left()
    mine = new_account()
    applied(mine, plan)
    assert destroy(mine.cloud(), "dark", sleep=mine.sleep).complete
    assert (mine.left(), other.left()) == ([], left)
