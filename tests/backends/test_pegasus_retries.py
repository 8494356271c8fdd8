"""Retries and memory: HTCondor's own ClassAd library evaluates what we write, side by side with what bps writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backends.pegasus.retries import EXPRESSIONS, attributes_of
from compiler.jobs import Request, Tool
from compiler.runtime.quantum_runner import ENVIRONMENT, GRAPH, TASK_FAILED
from tests.backends.small import DEFAULT, Call, by_hand, loaded, lowered

classad = pytest.importorskip("classad")

EXIT, SIGNAL, HELD, EVICTED = "exit", "signal", "held", "evicted"
Outcome = tuple[str, int]
"""How a try ends: with an exit code, by a signal, held with a reason's code, or taken from its machine."""
OUT_OF_MEMORY: Outcome = (HELD, 34)
KILLED: Outcome = (SIGNAL, 9)
REASONS = {1: "UserRequest", 3: "JobPolicy", 21: "StartdHeldJob", 34: "JobOutOfResources", 47: "JobExecuteExceeded"}


def tries(
    policy: Mapping[str, str], attributes: Mapping[str, object], ends: Sequence[Outcome]
) -> tuple[list[int], str]:
    """MiB that each try of a job asks for, and what became of it: done, failed or held.

    What HTCondor does between tries is done here by hand (its manual, "Job ClassAd Attributes" and condor_submit).
    """
    job = classad.ClassAd({"JobStatus": 1, "NumJobStarts": 0, "NumJobCompletions": 0, "EnteredCurrentStatus": 2**40})
    for name, value in attributes.items():
        job[name] = classad.ExprTree(str(value))
    memory, holds = [], dict.fromkeys(REASONS.values(), 0)

    def says(name: str) -> object:
        return classad.ExprTree(policy.get(name, "false")).eval(job)

    for kind, number in ends:
        asked = says("request_memory")
        assert type(asked) is int
        memory.append(asked)
        job["NumJobStarts"] += 1
        if kind == EVICTED:
            continue
        held = (number, 102 if number == 21 else 0)
        if kind != HELD:
            job["NumJobCompletions"] += 1
            job["ExitBySignal"] = kind == SIGNAL
            job["ExitCode" if kind == EXIT else "ExitSignal"] = number
            if says("on_exit_hold") is True:
                held = (3, int(policy["on_exit_hold_subcode"]))
            elif says("on_exit_remove") is True:
                return memory, "done" if (kind, number) == (EXIT, 0) else "failed"
            else:
                job["LastJobStatus"] = 2
                continue
        job["JobStatus"], job["HoldReasonCode"], job["HoldReasonSubCode"] = 5, *held
        holds[REASONS[held[0]]] += 1
        job["NumHoldsByReason"] = classad.ClassAd({name: times for name, times in holds.items() if times})
        assert not (says("periodic_release") is True and says("periodic_remove") is True)
        if says("periodic_remove") is True:
            return memory, "failed"
        if says("periodic_release") is not True:
            return memory, "held"
        job["LastJobStatus"], job["LastHoldReasonCode"], job["LastHoldReasonSubCode"], job["JobStatus"] = 5, *held, 1
        del job["HoldReasonCode"], job["HoldReasonSubCode"]
    return memory, "waiting"


def ours(ends: Sequence[Outcome], **given: object) -> tuple[list[int], str]:
    request = Request(**{"memory_multiplier": 2.0, "unless_exit": (1, 2), **given})  # type: ignore[arg-type]
    return tries(EXPRESSIONS, {name.removeprefix("+"): value for name, value in attributes_of(request).items()}, ends)


def of_bps(ends: Sequence[Outcome], memory: int, multiplier: float, limit: int, retries: int) -> tuple[list[int], str]:
    """With the expressions that ctrl_bps_htcondor makes, and condor_submit out of ``max_retries``."""
    from lsst.ctrl.bps.htcondor import prepare_utils as bps

    policy = {
        "request_memory": bps._create_request_memory_expr(memory, multiplier, limit),
        "periodic_release": bps._create_periodic_release_expr(memory, multiplier, limit),
        "periodic_remove": bps._create_periodic_remove_expr(memory, multiplier, limit),
        "on_exit_hold": "ExitBySignal == true || ExitCode > 128",
        "on_exit_hold_subcode": "34",
        "on_exit_remove": "NumJobCompletions > JobMaxRetries || ExitCode =?= 0 || member(ExitCode, {1,2})",
    }
    return tries(policy, {"JobMaxRetries": retries}, ends)


@pytest.mark.parametrize("end", [OUT_OF_MEMORY, KILLED, (SIGNAL, 7), (EXIT, 137), (HELD, 21)])
def test_memory_doubles_after_each_try_that_ran_out_of_it_up_to_the_most(end: Outcome) -> None:
    assert ours([end] * 9, memory_max_mib=20_000, retries=9) == ([2048, 4096, 8192, 16_384, 20_000], "failed")
    assert ours([end, end, (EXIT, 0)]) == ([2048, 4096, 8192], "done")


def test_no_more_tries_than_asked_for() -> None:
    assert ours([KILLED] * 9, retries=2) == ([2048, 4096, 8192], "failed")
    assert ours([(EXIT, 3)] * 9, retries=2) == ([2048] * 3, "failed")
    assert ours([(EXIT, 3), OUT_OF_MEMORY, KILLED, KILLED], retries=2) == ([2048, 2048, 4096], "failed")
    assert ours([OUT_OF_MEMORY], retries=0) == ([2048], "failed")


def test_an_exit_code_of_which_the_user_said_so_is_not_tried_again() -> None:
    assert ours([(EXIT, 3), (EXIT, 2), (EXIT, 0)]) == ([2048, 2048], "failed")
    assert ours([(EXIT, 2)] * 9, unless_exit=(), retries=1) == ([2048, 2048], "failed")


def test_a_task_that_raised_is_final_where_bps_would_not_try_it_again() -> None:
    assert ours([(EXIT, TASK_FAILED)], unless_exit=(1, 2)) == ([2048], "failed")
    assert ours([(EXIT, 1), (EXIT, 0)], unless_exit=(1, 2)) == ([2048, 2048], "done"), "a transfer failed"
    assert ours([(EXIT, TASK_FAILED), (EXIT, 0)], unless_exit=(2,)) == ([2048, 2048], "done")


def test_a_job_that_lost_its_machine_asks_for_no_more_and_has_not_failed() -> None:
    lost: Outcome = (EVICTED, 0)
    assert ours([lost, lost, lost, KILLED, lost, (EXIT, 0)], retries=1) == ([2048] * 4 + [4096] * 2, "done")


def test_without_a_multiplier_memory_stays_and_running_out_of_it_is_final() -> None:
    assert ours([KILLED, KILLED, (EXIT, 0)], memory_multiplier=1.0) == ([2048] * 3, "done")
    assert ours([OUT_OF_MEMORY], memory_multiplier=1.0) == ([2048], "failed")


def test_a_hold_by_a_user_is_left_to_the_user_and_one_for_time_is_final() -> None:
    assert ours([(HELD, 1)]) == ([2048], "held")
    assert ours([(HELD, 47)], walltime_s=3600) == ([2048], "failed")
    assert attributes_of(Request(walltime_s=3600))["+AllowedExecuteDuration"] == 3600


memory_failures = st.lists(st.sampled_from([OUT_OF_MEMORY, KILLED, (EXIT, 139)]), max_size=8)
amounts = st.tuples(st.integers(1, 10**6), st.sampled_from([1.5, 2, 2.0, 3]), st.integers(1, 10**7), st.integers(1, 7))


@settings(deadline=None)  # the first example imports bps
@given(memory_failures, amounts)
def test_memory_and_fate_are_those_of_bps(ends: list[Outcome], amount: tuple[int, float, int, int]) -> None:
    pytest.importorskip("lsst.ctrl.bps.htcondor")
    memory, multiplier, most, retries = amount
    most = max(memory, most)
    asked, fate = ours(
        [*ends, (EXIT, 0)], memory_mib=memory, memory_multiplier=multiplier, memory_max_mib=most, retries=retries
    )
    assert (asked, fate) == of_bps([*ends, (EXIT, 0)], memory, multiplier, most, retries)
    grown = [min(int(memory * multiplier**n), most) for n in range(len(asked))]
    assert asked == grown


@settings(deadline=None)
@given(st.lists(st.sampled_from([1, 2, 3, 11]), max_size=8), st.integers(1, 7))
def test_exit_codes_are_tried_again_as_by_bps(codes: list[int], retries: int) -> None:
    pytest.importorskip("lsst.ctrl.bps.htcondor")
    theirs = of_bps([*((EXIT, code) for code in codes), (EXIT, 0)], 2048, 2.0, 491_520, retries)
    for exception in (TASK_FAILED, ENVIRONMENT, GRAPH):
        as_the_runner_says = [(EXIT, exception if code == 1 else code) for code in codes]
        assert ours([*as_the_runner_says, (EXIT, 0)], retries=retries) == theirs


def test_jobs_say_their_numbers_and_the_site_says_what_is_done_with_them(tmp_path: Path) -> None:
    asked = Request(
        cores=4, memory_mib=6000, disk_mib=10_000, walltime_s=5400, gpus=1, retries=3, unless_exit=(1, 2),
        memory_multiplier=2.0, memory_max_mib=64_000, priority=-7, queue="long", accounting_group="rubin.drp",
        accounting_user="me", preemptible=False, environment=(("OMP_NUM_THREADS", "4"),), run_time_s=300.5,
    )  # fmt: skip
    call = Call(Tool("cat"), "cat", ("cat", "x"), ["x"], {"out": "y"}, asked)
    assert lowered(tmp_path, by_hand([call], [("x", "s3://survey/x")]), {"bucket": "night"}) == []
    (job,) = loaded(tmp_path, "workflow.yml")["jobs"]
    assert job["profiles"] == {
        "pegasus": {
            "memory": 6000,
            "cores": 4,
            "gpus": 1,
            "diskspace": 10_000,
            "runtime": 301,
            "maxwalltime": 90,
            "queue": "long",
            "project": "rubin.drp",
        },
        "condor": {
            "priority": -7,
            "accounting_group": "rubin.drp",
            "accounting_group_user": "me",
            "+rubincwl_memory": 6000,
            "+rubincwl_memory_multiplier": 2.0,
            "+rubincwl_memory_max": 64_000,
            "+rubincwl_retries": 3,
            "+rubincwl_unless_exit": "{2,10,13,14}",
            "+AllowedExecuteDuration": 5400,
            "+rubincwl_preemptible": "false",
        },
        "env": {"OMP_NUM_THREADS": "4"},
    }
    compute, _, local = loaded(tmp_path, "sites.yml")["sites"]
    assert {key: compute["profiles"]["condor"][key] for key in EXPRESSIONS} == dict(EXPRESSIONS)
    assert compute["profiles"]["dagman"] == {"RETRY": "0"}
    assert local["profiles"]["dagman"] == {"RETRY": "2"}


def test_a_job_that_asks_for_nothing_special_says_little() -> None:
    assert set(attributes_of(DEFAULT)) == {
        "+rubincwl_memory",
        "+rubincwl_memory_multiplier",
        "+rubincwl_memory_max",
        "+rubincwl_retries",
    }


@pytest.mark.parametrize(
    ("preemptible", "machine", "runs"), [(False, True, False), (False, None, True), (True, True, True)]
)
def test_a_job_that_must_not_be_taken_away_avoids_machines_that_can_be(
    preemptible: bool, machine: bool | None, runs: bool
) -> None:
    requirements = classad.ExprTree(EXPRESSIONS["requirements"])
    job = classad.ClassAd({"rubincwl_preemptible": preemptible, "Requirements": requirements})
    slot = classad.ClassAd({"Requirements": True} | ({} if machine is None else {"rubincwl_preemptible": machine}))
    assert job.symmetricMatch(slot) is runs


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (Request(memory_mib=-1), "pegasus.memory"),
        (Request(environment=(("A B", "1"),)), "'A B'"),
        (Request(environment=(("A", "$HOME"),)), "'$'"),
        (Request(environment=(("A", 'say "x"'),)), "'\"'"),
    ],
)
def test_numbers_and_variables_that_cannot_be_said_are_findings(tmp_path: Path, asked: Request, what: str) -> None:
    call = Call(Tool("cat"), "cat", ("cat", "x"), ["x"], {"out": "y"}, asked)
    (finding,) = lowered(tmp_path, by_hand([call], [("x", "s3://survey/x")]), {"bucket": "night"})
    assert finding.code == "bad-profile"
    assert what in finding.message
