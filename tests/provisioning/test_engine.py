"""What apply, status and destroy do beyond the contract: many faults, interruptions, guards, differences."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.base import MachineType, Price
from providers.provisioning.apply import Applied, RefusedError, apply
from providers.provisioning.base import Choice, CloudError, ClusterPlan, Limits, Resource
from providers.provisioning.destroy import Destroyed, destroy
from providers.provisioning.standing import stand
from providers.provisioning.status import rates_of, status
from tests.provisioning.cloud_contract import faults, small_plan
from tests.provisioning.memory_cloud import Memory, MemoryCloud

PLAN = small_plan()
WHOLE = ["firewall dark-firewall", "key dark-key", "node dark-head-1", "node dark-workers-1", "node dark-workers-2"]


def made(memory: Memory, plan: ClusterPlan = PLAN) -> Applied:
    return apply(memory.cloud(), plan, sleep=memory.sleep)


def removed(memory: Memory) -> Destroyed:
    return destroy(memory.cloud(), PLAN.name, sleep=memory.sleep)


FAULTS = st.dictionaries(st.integers(1, 60), st.booleans(), max_size=20)
"""Which calls fail, and whether after they took effect."""


@settings(deadline=None)
@given(FAULTS, st.sampled_from([0.0, 90.0]), st.sampled_from([0.0, 2.0]))
def test_however_many_calls_fail_repeating_apply_completes_and_repeating_destroy_empties(
    faulty: dict[int, bool], ends_in: float, slow: float
) -> None:
    memory = Memory(faults=dict(faulty), ends_in=ends_in, slow_to_list=slow)
    assert any(tried(memory) for _ in range(len(faulty) + 1))
    assert Counter(memory.left()) == Counter(WHOLE)
    assert any(removed(memory).complete for _ in range(len(faulty) + 1))
    assert memory.left() == []


def tried(memory: Memory) -> bool:
    """Whether an apply completes; some time passes after one that does not."""
    try:
        return made(memory).complete
    except CloudError:
        return False
    finally:
        memory.sleep(10)


class Interrupted(MemoryCloud):
    """Its user presses Ctrl-C in the call `at`, before or after it took effect."""

    def __init__(self, memory: Memory, at: int, after_effect: bool) -> None:
        super().__init__(memory)
        memory.fail(at, after_effect=after_effect)

    def __getattribute__(self, name: str) -> object:
        found = object.__getattribute__(self, name)
        if name not in ("find", "preflight", "prepare", "start", "destroy"):
            return found

        def call(*args: object) -> object:
            try:
                return found(*args)
            except CloudError as fault:
                raise KeyboardInterrupt from fault

        return call


@pytest.mark.parametrize("after_effect", [False, True])
def test_an_interruption_at_any_call_leaves_what_the_next_one_finishes_or_removes(after_effect: bool) -> None:
    calm = Memory()
    made(calm)
    calls = calm.calls()
    for at in range(1, calls + 1):
        memory = Memory()
        with pytest.raises(KeyboardInterrupt):
            apply(Interrupted(memory, at, after_effect), PLAN, sleep=memory.sleep)
        assert made(memory).complete
        assert memory.left() == WHOLE
        with pytest.raises(KeyboardInterrupt):
            destroy(Interrupted(memory, 3, after_effect), PLAN.name, sleep=memory.sleep)
        assert removed(memory).complete
        assert memory.left() == []


def test_the_table_of_faults_has_a_row_for_each_call_and_no_orphan() -> None:
    table = list(faults(Memory, PLAN))
    by_verb = Counter(each.verb for each in table)
    # find, preflight, firewall, key, three nodes, find; find, five things, two looks at nothing: twice each
    assert by_verb == {"apply": 16, "apply, then destroy": 16, "destroy": 16}
    assert all(each.left_by_next == () for each in table)
    assert all(each.told for each in table if each.verb == "apply" and not each.after_effect and each.nth < 8)


def test_without_a_head_no_worker_is_started() -> None:
    memory = Memory()
    memory.fill(PLAN.groups[0].choices[0])
    done = made(memory)
    assert [each.code for each in done.failures] == ["no-capacity"]
    assert not [each for each in memory.left() if each.startswith("node")]


def test_one_group_that_fails_does_not_keep_others_from_starting() -> None:
    head, workers = PLAN.groups
    rare = replace(workers, name="rare", choices=(replace(workers.choices[0], machine=MachineType("rare", 8, 64)),))
    memory = Memory(full={("rare", "spot")})
    done = made(memory, replace(PLAN, groups=(head, rare, workers)))
    assert [(each.code, "dark-rare-1" in each.message) for each in done.failures] == [("no-capacity", True)]
    assert memory.left() == WHOLE


def test_too_small_a_quota_is_told_before_anything_is_made_and_counts_only_what_is_missing() -> None:
    memory = Memory(quota=2)
    with pytest.raises(RefusedError) as refused:
        made(memory)
    assert [each.code for each in refused.value.problems] == ["quota"]
    assert memory.left() == []
    memory = Memory(quota=3)
    made(memory)
    memory.take_away("dark-workers-1")
    memory.quota = 4  # the one that stopped counts until it is removed
    assert made(memory).complete


def test_limits_count_what_runs_already() -> None:
    memory = Memory()
    made(memory)
    head, workers = PLAN.groups
    # 0.1 for the head and 0.2 for each worker, were they on demand: 0.5 runs, 0.9 would.
    more = replace(PLAN, groups=(head, replace(workers, count=4)))
    with pytest.raises(RefusedError) as refused:
        made(memory, replace(more, limits=replace(PLAN.limits, usd_hour=0.5)))
    (problem,) = refused.value.problems
    assert (problem.code, problem.setting) == ("over-limit", "cluster.limits.usd_hour")
    with pytest.raises(RefusedError) as refused:
        made(memory, replace(more, limits=replace(PLAN.limits, usd_total=4.0)))
    assert [each.setting for each in refused.value.problems] == ["cluster.limits.usd_total"]
    assert memory.left() == WHOLE
    assert made(memory, more).complete


def test_machines_of_unknown_price_that_run_already_keep_a_limited_cluster_from_growing() -> None:
    memory = Memory()
    made(memory)
    head, workers = PLAN.groups
    price = Price("other", "here", "spot", 0.05, "2026-01-01", "the test")
    others = replace(workers, count=3, choices=(Choice(MachineType("other", 4, 16), "spot", None, price),))
    changed = replace(PLAN, groups=(head, others))
    with pytest.raises(RefusedError) as refused:
        made(memory, changed)
    assert [each.code for each in refused.value.problems] == ["unknown-price"]
    unlimited = replace(changed, limits=Limits(None, None, 3600, 600))
    assert [each.code for each in made(memory, unlimited).standing.differences] == ["differs-from-plan"] * 2


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (replace(PLAN, groups=(replace(PLAN.groups[0], user_data="#other"), PLAN.groups[1])), "dark-head-1"),
        (replace(PLAN, groups=(replace(PLAN.groups[0], disk_gib=99), PLAN.groups[1])), "dark-head-1"),
    ],
)
def test_what_is_there_and_otherwise_than_planned_is_told_and_left(changed: ClusterPlan, told: str) -> None:
    memory = Memory()
    made(memory)
    before = memory.changes()
    done = made(memory, changed)
    assert done.complete
    assert not done.changed
    assert memory.changes() == before
    assert all(each.code == "differs-from-plan" for each in done.standing.differences)
    assert any(f"'{told}'" in each.message for each in done.standing.differences)


def test_workers_whose_head_is_gone_are_told_to_be_of_no_use() -> None:
    memory = Memory()
    made(memory)
    memory.take_away("dark-head-1")
    standing = stand(PLAN, memory.cloud().find("dark"))
    assert [each.code for each in standing.differences] == ["head-gone"]


def test_a_node_that_is_there_twice_is_told_and_counted_but_not_removed() -> None:
    memory = Memory()
    made(memory)
    (key, (node, tags)) = next(item for item in memory.things.items() if item[1][0].name == "dark-workers-1")
    memory.things["i-twin"] = (replace(node, id="i-twin"), tags)
    done = made(memory)
    assert [each.code for each in done.standing.differences] == ["node-twice"]
    assert len(done.standing.alive) == 4
    assert key in memory.things
    assert "i-twin" in memory.things


def test_destroy_goes_past_what_cannot_be_removed_and_tells_it() -> None:
    class Stubborn(MemoryCloud):
        def destroy(self, resource: Resource) -> None:
            if resource.kind == "key":
                raise CloudError("you may not remove keys")
            super().destroy(resource)

    memory = Memory()
    made(memory)
    done = destroy(Stubborn(memory), "dark", sleep=memory.sleep)
    assert not done.complete
    assert memory.left() == ["key dark-key"]
    assert [each.name for each in done.left] == ["dark-key"]
    assert ["you may not remove keys" in each.message for each in done.failures] == [True]
    assert removed(memory).complete


def test_destroy_waits_for_machines_that_take_minutes_to_end() -> None:
    memory = Memory(ends_in=200.0)
    made(memory)
    start = memory.clock
    assert removed(memory).complete
    assert memory.left() == []
    assert memory.clock - start < 300


def test_status_tells_age_what_is_left_and_what_it_has_cost() -> None:
    memory = Memory()
    made(memory)
    memory.sleep(3600)
    rates = rates_of(
        [Price("small", "here", "on-demand", 0.1, "", ""), Price("large", "here", "on-demand", 0.2, "", "")], {}
    )
    found = status(memory.cloud(), "dark", rates, PLAN.limits.lease_s, lambda: memory.clock)
    assert [each.node.name for each in found.nodes] == ["dark-head-1", "dark-workers-1", "dark-workers-2"]
    assert [each.kind for each in found.others] == ["firewall", "key"]
    for each in found.nodes:
        assert each.age_s is not None
        assert 3600 <= each.age_s < 3700
        assert each.lease_left_s == each.cloud_left_s == PLAN.limits.lease_s - each.age_s
    assert found.usd_hour == pytest.approx(0.5)
    assert found.usd == pytest.approx(0.5 * (found.nodes[0].age_s or 0) / 3600)


def test_a_price_that_nobody_knows_leaves_the_sum_unknown_and_the_users_own_goes_first() -> None:
    memory = Memory()
    made(memory)
    found = status(memory.cloud(), "dark", {}, None, lambda: memory.clock)
    assert (found.usd_hour, found.usd) == (None, None)
    assert found.nodes[0].lease_left_s is None
    table = [Price("large", "here", "spot", 0.07, "", ""), Price("large", "here", "on-demand", 0.2, "", "")]
    rates = rates_of(table, {"large": {"spot": 0.01}, "new": {"on-demand": 3.0}})
    assert rates["large", "spot"] == 0.01
    assert rates["new", "spot"] == rates["new", "on-demand"] == 3.0


def test_nobody_is_let_into_a_complete_cluster_whom_a_new_one_would_refuse() -> None:
    memory = Memory()
    assert made(memory).complete
    with pytest.raises(RefusedError, match="nearly everybody"):
        made(memory, replace(PLAN, ssh_from=("0.0.0.0/0",)))
    assert made(memory).changed is False
