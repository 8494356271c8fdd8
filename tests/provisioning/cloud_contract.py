"""What provisioning does to any cloud, whichever single call of it fails; a cloud's tests derive from `CloudContract`.

Each test works on a `World`: an account that starts empty, of which calls can be made to fail, and that tells what is
really there, tags or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from providers.base import MachineType, Price
from providers.provisioning.apply import Applied, RefusedError, apply
from providers.provisioning.base import (
    Choice,
    Cloud,
    CloudError,
    ClusterPlan,
    Group,
    Limits,
    Resource,
    node_name,
)
from providers.provisioning.destroy import Destroyed, destroy


class World(Protocol):
    """An empty account of a cloud."""

    def cloud(self) -> Cloud:
        """A client of its own, as another machine of the user would make one."""
        ...

    def fail(self, nth: int, *, after_effect: bool) -> None:
        """Make the `nth` call from now on fail (from 1), once: before it does anything, or after it took effect."""
        ...

    def calls(self) -> int:
        """How many calls there were so far; a call is whatever can fail by itself, such as one HTTP request."""
        ...

    def changes(self) -> int:
        """How many of them changed anything."""
        ...

    def left(self) -> list[str]:
        """Everything in the account that costs or that a user would have to remove, tags or not; sorted."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting for it."""
        ...

    def fill(self, choice: Choice) -> None:
        """From now on there is no capacity for `choice`."""
        ...

    def take_away(self, name: str) -> None:
        """Interrupt the spot node `name`, as the cloud does."""
        ...


@dataclass(frozen=True)
class Fault:
    """One row of the table of faults."""

    verb: str
    nth: int
    after_effect: bool
    told: bool
    """Whether the verb told that something failed; a client that tried again need not."""
    left_by_next: tuple[str, ...]
    """Orphans: what was there too much after the next call had finished the work."""


def faults(
    new: Callable[[], World], plan: ClusterPlan, worth: Callable[[World, int], bool] = lambda world, call: True
) -> Iterator[Fault]:
    """Fail each single call of an apply, then finish it by another; and each of a destroy, then destroy again.

    After each, what is really there is held against an undisturbed apply, or against nothing. `worth` picks the calls
    that fail: it is given an undisturbed world, and the number of a call in its life (from 1).
    """
    calm = new()
    before = calm.calls()
    assert _apply(calm, plan).complete
    whole, between = Counter(calm.left()), calm.calls()
    assert _destroy(calm, plan).complete
    of_apply = [call - before for call in range(before + 1, between + 1) if worth(calm, call)]
    of_destroy = [call - between for call in range(between + 1, calm.calls() + 1) if worth(calm, call)]
    for nth in of_apply:
        for after_effect in (False, True):
            world = new()
            world.fail(nth, after_effect=after_effect)
            told = _told(lambda world=world: _apply(world, plan).complete)  # type: ignore[misc]
            world.sleep(600)
            again = _apply(world, plan)
            assert again.complete, f"call {nth} of apply failed, and the next does not finish it: {again}"
            there = Counter(world.left())
            assert not whole - there, f"call {nth} of apply failed, and the next leaves out {whole - there}"
            yield Fault("apply", nth, after_effect, told, tuple((there - whole).elements()))
            world = new()
            world.fail(nth, after_effect=after_effect)
            told = _told(lambda world=world: _apply(world, plan).complete)  # type: ignore[misc]
            assert _destroy(world, plan).complete
            yield Fault("apply, then destroy", nth, after_effect, told, tuple(world.left()))
    for nth in of_destroy:
        for after_effect in (False, True):
            world = new()
            assert _apply(world, plan).complete
            world.fail(nth, after_effect=after_effect)
            told = _told(lambda world=world: _destroy(world, plan).complete)  # type: ignore[misc]
            if told:
                assert _destroy(world, plan).complete
            yield Fault("destroy", nth, after_effect, told, tuple(world.left()))


def _apply(world: World, plan: ClusterPlan) -> Applied:
    return apply(world.cloud(), plan, sleep=world.sleep)


def _destroy(world: World, plan: ClusterPlan) -> Destroyed:
    return destroy(world.cloud(), plan.name, sleep=world.sleep)


def _told(verb: Callable[[], bool]) -> bool:
    """Whether it told a failure, in one way or the other."""
    try:
        return not verb()
    except (CloudError, RefusedError):
        return True


def small_plan(cloud: str = "memory", region: str = "here", head: str = "small", worker: str = "large") -> ClusterPlan:
    """A head and two workers: spot, with the same machine on demand to fall back on."""

    def choice(machine: str, market: str, usd: float) -> Choice:
        price = Price(machine, region, market, usd, "2026-01-01", "the test")  # type: ignore[arg-type]
        return Choice(MachineType(machine, 4, 16.0), market, None, price)  # type: ignore[arg-type]

    return ClusterPlan(
        name="dark",
        provider=cloud,
        region=region,
        groups=(
            Group("head", 1, (choice(head, "on-demand", 0.1),), 20, "#cloud-config\n# the head\n"),
            Group(
                "workers",
                2,
                (choice(worker, "spot", 0.05), choice(worker, "on-demand", 0.2)),
                20,
                "#cloud-config\n# a worker\n",
            ),
        ),
        ssh_from=("192.0.2.0/24",),
        ssh_key=None,
        limits=Limits(10.0, 100.0, 12 * 3600, 1800),
        image="debian-13",
        labels={"project": "night"},
    )


class CloudContract:
    """Derive, give the fixtures, and pytest runs all of this against the cloud."""

    @pytest.fixture
    def new(self) -> Callable[[], World]:
        """Makes an empty account."""
        raise NotImplementedError

    @pytest.fixture
    def world(self, new: Callable[[], World]) -> World:
        return new()

    @pytest.fixture
    def plan(self) -> ClusterPlan:
        """A head and two spot workers with something to fall back on, as `small_plan` gives it."""
        raise NotImplementedError

    def worth(self, world: World, call: int) -> bool:
        """Whether to fail this call too, as `faults` asks it: where calls take long, one of each kind may do."""
        return True

    def nodes(self, world: World, plan: ClusterPlan) -> dict[str, Resource]:
        """The working nodes by their names, each of which there is once."""
        found = [each for each in world.cloud().find(plan.name) if each.kind == "node" and each.state == "running"]
        assert len({each.name for each in found}) == len(found)
        return {each.name: each for each in found}

    def test_it_keeps_the_protocol(self, world: World) -> None:
        cloud = world.cloud()
        assert isinstance(cloud, Cloud)
        assert cloud.user_data_limit > 4096

    def test_an_empty_account_has_nothing_of_the_cluster(self, world: World, plan: ClusterPlan) -> None:
        assert world.cloud().find(plan.name) == ()

    def test_what_is_planned_passes_the_preflight_without_a_change(self, world: World, plan: ClusterPlan) -> None:
        before = world.changes(), world.left()
        assert world.cloud().preflight(plan) == ()
        assert (world.changes(), world.left()) == before

    def test_apply_makes_the_head_and_each_worker_once(self, world: World, plan: ClusterPlan) -> None:
        assert _apply(world, plan).complete
        nodes = self.nodes(world, plan)
        expected = {node_name(plan.name, g.name, n): g for g in plan.groups for n in range(1, g.count + 1)}
        assert set(nodes) == set(expected)
        for name, group in expected.items():
            first = group.choices[0]
            assert nodes[name].role == group.name
            assert (nodes[name].machine, nodes[name].market) == (first.machine.name, first.market)
            assert nodes[name].made_of in ("", group.made_of)
        assert nodes[node_name(plan.name, "head", 1)].address

    def test_a_repeated_apply_changes_nothing_and_says_so(self, world: World, plan: ClusterPlan) -> None:
        _apply(world, plan)
        before, left = world.changes(), world.left()
        again = _apply(world, plan)
        assert again.complete
        assert not again.changed
        assert again.standing.differences == ()
        assert (world.changes(), world.left()) == (before, left)

    def test_destroy_leaves_nothing_and_may_be_repeated(self, world: World, plan: ClusterPlan) -> None:
        clean = world.left()
        _apply(world, plan)
        assert world.left() != clean
        assert _destroy(world, plan).complete
        assert world.left() == clean
        again = _destroy(world, plan)
        assert again.complete
        assert again.removed == ()

    def test_destroy_leaves_other_clusters_alone(self, world: World, plan: ClusterPlan) -> None:
        # One whose name begins with the other's, as names of things do where there are no tags.
        other = replace(plan, name=f"{plan.name}-2")
        _apply(world, other)
        alone = world.left()
        _apply(world, plan)
        assert {each.name for each in world.cloud().find(plan.name)}.isdisjoint(
            each.name for each in world.cloud().find(other.name)
        )
        assert _destroy(world, plan).complete
        assert world.left() == alone
        assert _destroy(world, other).complete
        assert world.cloud().find(other.name) == ()

    def test_where_there_is_no_capacity_the_next_choice_is_taken(self, world: World, plan: ClusterPlan) -> None:
        first, second = plan.groups[1].choices[:2]
        world.fill(first)
        assert _apply(world, plan).complete
        workers = [each for each in self.nodes(world, plan).values() if each.role == plan.groups[1].name]
        assert {(each.machine, each.market) for each in workers} == {(second.machine.name, second.market)}

    def test_without_any_capacity_apply_tells_it_and_finishes_later(
        self, new: Callable[[], World], plan: ClusterPlan
    ) -> None:
        world = new()
        for choice in plan.groups[1].choices:
            world.fill(choice)
        done = _apply(world, plan)
        assert not done.complete
        assert [each.code for each in done.failures] == ["no-capacity"]
        assert [number for _, number in done.standing.missing] == [1, 2]
        assert _destroy(world, plan).complete

    def test_a_spot_node_that_was_taken_away_is_replaced(self, world: World, plan: ClusterPlan) -> None:
        _apply(world, plan)
        whole = world.left()
        name = node_name(plan.name, plan.groups[1].name, 2)
        before = self.nodes(world, plan)
        world.take_away(name)
        again = _apply(world, plan)
        assert again.complete
        assert [each.name for each in again.made if each.kind == "node"] == [name]
        after = self.nodes(world, plan)
        assert {key: each.id for key, each in after.items() if key != name} == {
            key: each.id for key, each in before.items() if key != name
        }
        world.sleep(600)
        assert world.left() == whole

    def test_another_size_of_the_cluster_is_made_up_and_never_cut(self, world: World, plan: ClusterPlan) -> None:
        _apply(world, plan)
        head, workers = plan.groups
        more = replace(plan, groups=(head, replace(workers, count=3)))
        assert [each.name for each in _apply(world, more).made] == [node_name(plan.name, workers.name, 3)]
        fewer = _apply(world, plan)
        assert not fewer.changed
        assert [each.code for each in fewer.standing.differences] == ["not-in-plan"]
        assert len(self.nodes(world, plan)) == 4

    def test_who_may_come_in_is_changed_under_a_running_cluster_and_told(self, world: World, plan: ClusterPlan) -> None:
        _apply(world, plan)
        left, nodes = world.left(), set(self.nodes(world, plan))
        moved = replace(plan, ssh_from=("198.51.100.0/24",))
        done = _apply(world, moved)
        assert done.complete
        assert {each.kind for each in done.made} == {"firewall"}
        assert set(self.nodes(world, plan)) == nodes
        assert world.left() == left
        before = world.changes()
        assert not _apply(world, moved).changed
        assert world.changes() == before

    def test_user_data_beyond_the_limit_is_refused_before_anything_is_made(
        self, world: World, plan: ClusterPlan
    ) -> None:
        limit = world.cloud().user_data_limit
        head, workers = plan.groups
        long = replace(plan, groups=(head, replace(workers, user_data="#cloud-config\n" + "#" * limit)))
        before = world.left()
        with pytest.raises(RefusedError) as refused:
            _apply(world, long)
        assert [each.code for each in refused.value.problems] == ["user-data-too-long"]
        assert world.left() == before

    def test_whichever_single_call_fails_nothing_is_made_twice_or_left(
        self, new: Callable[[], World], plan: ClusterPlan
    ) -> None:
        table = list(faults(new, plan, self.worth))
        assert {each.verb for each in table} == {"apply", "apply, then destroy", "destroy"}
        assert [each for each in table if each.left_by_next] == []
        assert any(each.told for each in table)
