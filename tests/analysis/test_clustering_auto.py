"""Clusters by expected run time."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.analysis.clustering import Options, auto, choose, savings
from compiler.analysis.requests import Clustering, Request, Requests
from compiler.diagnostics import Findings
from compiler.rubin import QuantumGraph
from tests.analysis.cluster_checks import any_requests, groups, is_acyclic, is_dense, requests_of
from tests.shapes import dark, shape, single_frame, tract
from tests.strategies import build_graph, graph_shapes, graphs

BUSY = Options(parallel=1, minimum_s=0.0)
"""As few jobs as the target allows."""

any_options = st.builds(
    Options,
    minimum_s=st.sampled_from([0.0, 10.0, 120.0]),
    target_s=st.sampled_from([120.0, 3600.0]),
    maximum_s=st.sampled_from([3600.0, 7200.0]),
    maximum_quanta=st.sampled_from([1, 2, 7, 100]),
    parallel=st.sampled_from([1, 2, 5, 100]),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[QuantumGraph, Requests, Options]:
    graph = draw(st.one_of(graphs(), st.builds(tract, visits=st.integers(1, 6), patches=st.integers(1, 4))))
    return graph, draw(any_requests(graph)), draw(any_options)


@settings(deadline=None)
@given(cases())
def test_every_quantum_is_in_one_cluster_and_numbers_follow_first_quanta(
    case: tuple[QuantumGraph, Requests, Options],
) -> None:
    graph, requests, options = case
    clustering = auto(graph, requests, options)
    assert len(clustering.of) == graph.n_quanta
    assert len(clustering.names) == len(graph.tasks)
    assert is_dense(clustering.of.tolist())


@settings(deadline=None)
@given(cases())
def test_no_clustering_makes_a_cycle(case: tuple[QuantumGraph, Requests, Options]) -> None:
    graph, requests, options = case
    assert is_acyclic(graph, auto(graph, requests, options).of)


@settings(deadline=None)
@given(cases())
def test_quanta_of_a_cluster_ask_for_the_same(case: tuple[QuantumGraph, Requests, Options]) -> None:
    graph, requests, options = case
    asked: dict[int, set[Request]] = {}
    for cluster, kind in zip(auto(graph, requests, options).of.tolist(), requests.of.tolist(), strict=True):
        asked.setdefault(cluster, set()).add(replace(requests.kinds[kind], run_time_s=None, walltime_s=None))
    assert all(len(each) == 1 for each in asked.values())


@settings(deadline=None)
@given(cases())
def test_a_job_of_several_quanta_keeps_below_the_maxima(case: tuple[QuantumGraph, Requests, Options]) -> None:
    graph, requests, options = case
    of = auto(graph, requests, options).of
    limits = [min(options.unknown_s, each.walltime_s or options.unknown_s) for each in requests.kinds]
    times = [limit if e.run_time_s is None else e.run_time_s for e, limit in zip(requests.kinds, limits, strict=True)]
    sizes = np.bincount(of)
    seconds = np.bincount(of, np.array(times)[requests.of])
    assert sizes.max(initial=0) <= options.maximum_quanta
    assert seconds[sizes > 1].max(initial=0.0) <= options.maximum_s + 1e-6


@settings(max_examples=40, deadline=None)
@given(graph_shapes(), st.randoms(use_true_random=False), st.data())
def test_the_order_of_the_input_means_nothing(shape: object, random: Random, data: st.DataObject) -> None:
    graph, other = build_graph(shape), build_graph(shape, random)  # type: ignore[arg-type]
    requests = data.draw(any_requests(graph))
    swapped = Requests(requests.kinds[::-1], (len(requests.kinds) - 1 - requests.of).astype(np.int32))
    options = data.draw(any_options)
    assert auto(graph, requests, options).of.tolist() == auto(other, swapped, options).of.tolist()


@settings(deadline=None)
@given(cases())
def test_tasks_have_one_name_exactly_if_their_quanta_run_together(
    case: tuple[QuantumGraph, Requests, Options],
) -> None:
    graph, requests, options = case
    clustering = auto(graph, requests, options)
    together: dict[int, set[int]] = {}
    for task, cluster in zip(graph.quantum_task.tolist(), clustering.of.tolist(), strict=True):
        together.setdefault(cluster, set()).add(task)
    for tasks in together.values():
        assert len({clustering.names[t] for t in tasks}) == 1
    alone = set(range(len(graph.tasks))).difference(*(t for t in together.values() if len(t) > 1))
    for t in alone:
        assert clustering.names[t] == graph.tasks[t].label


@settings(deadline=None)
@given(cases())
def test_what_is_saved_agrees_with_a_count_job_by_job(case: tuple[QuantumGraph, Requests, Options]) -> None:
    graph, requests, options = case
    of = auto(graph, requests, options).of
    quanta = list(graph.quanta())
    reads = {(of[q.number], q.number, d) for q in quanta for row in q.inputs.values() for d in row}
    maker = {d: of[q.number] for q in quanta for row in q.outputs.values() for d in row}
    staged = {(job, d) for job, _, d in reads if maker.get(d) != job}
    readers: dict[int, set[int]] = {}
    for job, _, d in reads:
        readers.setdefault(d, set()).add(job)
    found = savings(graph, of)
    assert found.stage_ins == len(reads) - len(staged)
    assert found.stage_outs == sum(readers.get(d) == {job} for d, job in maker.items())
    assert found.starts == graph.n_quanta - len(set(of.tolist()))


def test_a_chain_of_one_image_is_one_job() -> None:
    graph = single_frame(exposures=2, detectors=3)
    found = groups(graph, auto(graph, Requests.default(graph)))
    assert len(found) == 6
    assert frozenset({"isr{exposure: 1001, detector: 2}", "characterizeImage{visit: 1001, detector: 2}",
                      "calibrate{visit: 1001, detector: 2}"}) in found  # fmt: skip


def test_a_chain_longer_than_the_target_is_cut() -> None:
    graph = single_frame(exposures=1, detectors=1)
    requests = requests_of(graph, **{task.label: Request(run_time_s=1500.0) for task in graph.tasks})
    assert auto(graph, requests).of.tolist() == [0, 0, 1]


def test_a_quantum_longer_than_a_job_should_be_is_alone() -> None:
    graph = dark(exposures=3, detectors=4)
    requests = requests_of(graph, isr=Request(run_time_s=1.0), cpDark=Request(run_time_s=9000.0))
    clustering = auto(graph, requests, BUSY)
    of_dark = clustering.of[graph.quantum_task == graph.task_number("cpDark")]
    assert np.bincount(clustering.of)[of_dark].tolist() == [1] * 12


def test_tasks_of_another_memory_stay_apart() -> None:
    graph = single_frame(exposures=2, detectors=2)
    requests = requests_of(graph, characterizeImage=Request(memory_mib=30720))
    clustering = auto(graph, requests)
    assert len(groups(graph, clustering)) == 12
    assert clustering.names == ("isr", "characterizeImage", "calibrate")


def test_different_time_limits_do_not_keep_quanta_apart() -> None:
    graph = single_frame(exposures=1, detectors=1)
    requests = requests_of(graph, isr=Request(walltime_s=60), calibrate=Request(walltime_s=900))
    assert auto(graph, requests).size == 1


def test_siblings_fill_jobs_evenly_up_to_the_target() -> None:
    graph = shape("isr(visit): raw[visit] -> post", {"visit": range(50)})
    requests = requests_of(graph, isr=Request(run_time_s=250.0))
    # 14 of them take 3500 s; 50 need four jobs, of 12 or 13.
    assert sorted(np.bincount(auto(graph, requests, BUSY).of).tolist()) == [12, 12, 13, 13]


def test_a_small_graph_keeps_jobs_for_the_slots() -> None:
    graph = dark(exposures=3, detectors=4)
    assert auto(graph, Requests.default(graph)).size == 12 + 4
    assert auto(graph, Requests.default(graph), replace(BUSY, parallel=3)).size < 16


def test_quanta_below_the_minimum_are_merged_even_if_slots_stay_idle() -> None:
    graph = shape("quick(visit): raw[visit] -> post", {"visit": range(60)})
    requests = requests_of(graph, quick=Request(run_time_s=6.0))
    assert np.bincount(auto(graph, requests).of).tolist() == [20, 20, 20]


def test_neighbours_share_as_many_inputs_as_they_can() -> None:
    graph = shape(
        "isr(visit, detector): raw[visit, detector], bias[detector], dark[detector] -> post",
        {"visit": range(6), "detector": range(10)},
    )
    requests = requests_of(graph, isr=Request(run_time_s=600.0))
    for cluster in groups(graph, auto(graph, requests, BUSY)):
        # Six to a job: all visits of one detector, whose bias and dark are staged once.
        assert len({name.rpartition(" ")[2] for name in cluster}) == 1


def test_a_gather_takes_its_feeders_in_if_enough_gathers_are_left() -> None:
    graph = dark(exposures=4, detectors=5)
    times = requests_of(graph, **{task.label: Request(run_time_s=60.0) for task in graph.tasks})
    assert auto(graph, times, Options(parallel=5)).size == 5
    assert auto(graph, times, Options(parallel=6)).size > 5


def test_a_branch_does_not_wait_for_another_unless_slots_are_busy() -> None:
    graph = shape(
        """
        isr(visit): raw[visit] -> post
        left(visit): post -> a
        right(visit): post -> b
        """,
        {"visit": range(4)},
    )
    requests = requests_of(graph, **{task.label: Request(run_time_s=200.0) for task in graph.tasks})
    assert auto(graph, requests, Options(parallel=100)).size == 8
    assert auto(graph, requests, Options(parallel=4)).size == 4


def test_a_diamond_is_one_chain() -> None:
    graph = shape(
        """
        isr(visit): raw[visit] -> post
        characterize(visit): post -> psf
        calibrate(visit): post, psf -> calexp
        """,
        {"visit": range(3)},
    )
    assert auto(graph, Requests.default(graph)).of.tolist() == [0, 1, 2] * 3


def test_what_is_done_and_saved_is_said_in_one_line() -> None:
    graph = single_frame(exposures=2, detectors=3)
    requests = requests_of(graph, **{task.label: Request(run_time_s=600.0) for task in graph.tasks})
    assert auto(graph, requests).said == (
        "clustering: 18 quanta in 6 jobs (auto, about 30 min each); saves 12 start-ups of about 35 s = 7 min of "
        "machine time, and 18 stage-ins"
    )
    assert "where unknown 5 min a quantum" in auto(graph, Requests.default(graph)).said


def test_without_clustering_every_quantum_is_a_job() -> None:
    graph, findings = single_frame(), Findings()
    found = choose(graph, Requests.default(graph), (), "none", Options(), findings)
    assert found.of.tolist() == Clustering.single(graph).of.tolist()
    assert not findings.items


@pytest.mark.parametrize(
    "options",
    [
        Options(minimum_s=-1.0),
        Options(target_s=0.0, minimum_s=0.0),
        Options(maximum_quanta=0),
        Options(parallel=0),
        Options(unknown_s=float("nan")),
        Options(minimum_s=7200.0),
        Options(maximum_s=600.0),
    ],
)
def test_absurd_or_contradictory_bounds_are_findings(options: Options) -> None:
    graph, findings = single_frame(), Findings()
    found = choose(graph, Requests.default(graph), (), "auto", options, findings)
    assert {each.code for each in findings.errors} == {"cluster-option"}
    assert all(each.help for each in findings.errors)
    assert found.size == graph.n_quanta


def test_the_published_tract_needs_an_eighth_of_the_jobs() -> None:
    from compiler.demo_data.make import KINDS
    from compiler.demo_data.make import Options as Sizes
    from compiler.demo_data.synthetic import synthetic_graph
    from compiler.demo_data.workloads import workloads

    kind = KINDS["tract-9615"]
    assert kind.layout is not None
    graph = synthetic_graph("tract-9615", kind.shape, kind.layout(Sizes()))
    facts = workloads()["tract-9615"].tasks
    by_task = {task.label: facts[task.task_class.rpartition(".")[2]] for task in graph.tasks}
    memory = {"small": 2048, "large": 30720}
    requests = requests_of(
        graph, **{k: Request(memory_mib=memory[f.memory], run_time_s=f.mean_seconds) for k, f in by_task.items()}
    )
    clustering = auto(graph, requests)
    assert graph.n_quanta == 27_074
    assert clustering.size * 8 <= graph.n_quanta
    held = np.bincount(clustering.of, requests.column("memory_mib")) / np.bincount(clustering.of)
    assert set(held.tolist()) == {2048.0, 30720.0}
