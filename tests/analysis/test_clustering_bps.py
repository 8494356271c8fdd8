"""Clusters by bps's keys: what they mean, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.analysis.clustering import Options, choose
from compiler.analysis.clustering.cycles import find_cycle
from compiler.analysis.requests import Clustering, Request, Requests
from compiler.diagnostics import Findings
from compiler.rubin import QuantumGraph
from tests.analysis.cluster_checks import Spec, groups, is_acyclic, is_dense, requests_of
from tests.shapes import dark, shape, single_frame
from tests.strategies import UNIVERSE, graphs

IMAGE = Spec("image", ("isr", "characterizeImage", "calibrate"), ("visit", "detector"), (("visit", "exposure"),))


def cluster(graph: QuantumGraph, *specs: Spec, requests: Requests | None = None) -> tuple[Clustering, Findings]:
    findings = Findings()
    return choose(graph, requests or Requests.default(graph), specs, "bps", Options(), findings), findings


def codes(findings: Findings) -> list[str]:
    return [each.code for each in findings]


def test_quanta_that_agree_on_the_dimensions_run_together() -> None:
    graph = single_frame(exposures=2, detectors=3)
    found, findings = cluster(graph, IMAGE)
    assert not findings.items
    assert found.of.tolist() == [0, 1, 2, 3, 4, 5] * 3
    assert found.names == ("image",) * 3


def test_quanta_of_no_cluster_are_alone() -> None:
    graph = dark(exposures=3, detectors=2)
    found, _ = cluster(graph, Spec("d", ("cpDark",), ("detector",)))
    sizes = np.bincount(found.of)[found.of]
    assert sizes.tolist() == [1] * 6 + [3] * 6 + [1] * 2
    assert found.names == ("isr", "d", "cpCombine")


def test_without_dimensions_all_quanta_are_one_cluster() -> None:
    graph = dark(exposures=3, detectors=2)
    found, _ = cluster(graph, Spec("all", ("isr", "cpDark", "cpCombine")))
    assert found.size == 1


def test_a_cluster_of_other_tasks_changes_nothing_and_is_told() -> None:
    graph = single_frame()
    found, findings = cluster(graph, Spec("late", ("calibrte",), ("visit",)))
    assert found.size == graph.n_quanta
    assert [(each.code, each.severity, each.help) for each in findings] == [
        ("cluster-unknown-task", "note", "did you mean 'calibrate'?")
    ]


def test_partition_values_are_sorted_as_text_and_the_first_parts_are_longer() -> None:
    graph = shape("isr(exposure): raw[exposure] -> post", {"exposure": range(8, 15)})
    spec = Spec("part", ("isr",), (), partition_dimensions=("exposure",), partition_max_clusters=3)
    # As text: 10 11 12 13 14 8 9, in runs of 3, 2 and 2.
    assert groups(graph, cluster(graph, spec)[0]) == {
        frozenset(f"isr{{exposure: {e}}}" for e in part) for part in ((10, 11, 12), (13, 14), (8, 9))
    }
    spec = replace(spec, partition_max_clusters=None, partition_max_size=5)
    assert np.bincount(cluster(graph, spec)[0].of).tolist() == [2, 5]


def test_values_that_make_one_name_make_one_cluster_as_in_bps() -> None:
    graph = shape("isr(filter): raw[filter] -> post", {"filter": ["a_b", "a__b", "a/b", "ab"]})
    found, _ = cluster(graph, Spec("f", ("isr",), ("filter",)))
    assert found.size == 2


def test_dimensions_can_be_found_along_edges() -> None:
    graph = shape(
        """
        region(group, detector): raw[group, detector] -> region
        diff(visit, detector): region -> diff
        """,
        {"group": ["a", "b"], "visit": [1, 2], "detector": [0, 1]},
        overlap=lambda kind, quantum, dataset: kind != "region" or "ab"[int(quantum["visit"]) - 1] == dataset["group"],
    )
    spec = Spec("both", ("region", "diff"), ("visit", "detector"))
    assert codes(cluster(graph, spec)[1]) == ["cluster-dimension-missing"]
    for found, findings in (
        cluster(graph, replace(spec, find_dependency_method="sink")),
        cluster(graph, replace(spec, dimensions=("group", "detector"), find_dependency_method="source")),
    ):
        assert not findings.items
        assert len(groups(graph, found)) == 4
        assert frozenset({"region{group: b, detector: 1}", "diff{visit: 2, detector: 1}"}) in groups(graph, found)


def test_a_task_left_out_of_the_middle_is_a_cycle_with_its_tasks_a_place_and_a_way_out() -> None:
    graph = single_frame()
    spec = replace(IMAGE, pipetasks=("isr", "calibrate"))
    found, findings = cluster(graph, spec)
    (finding,) = findings
    assert found.size == graph.n_quanta
    assert str(finding) == (
        "submit.yaml:7:3: error[cluster-cycle]: cluster 'image' would wait for itself: "
        "'isr' feeds 'characterizeImage', 'characterizeImage' feeds 'calibrate'"
    )
    assert finding.help == "put 'characterizeImage' into cluster 'image', too, or split it"


def test_clusters_that_wait_for_each_other_by_their_tasks_are_a_cycle() -> None:
    graph = shape(
        """
        a(visit): raw[visit] -> x
        b(visit): x -> y
        c(visit): raw[visit] -> z
        d(visit): z, y -> w
        e(visit): z -> v
        f(visit): v -> u
        g(visit): w, u -> t
        """,
        {"visit": range(2)},
    )
    one, other = Spec("one", ("b", "e"), ("visit",)), Spec("other", ("c", "a"), ("visit",))
    assert not cluster(graph, one, other)[1].items
    _, findings = cluster(graph, Spec("one", ("a", "f"), ("visit",)), Spec("other", ("b", "e"), ("visit",)))
    assert codes(findings) == ["cluster-cycle"]
    assert "clusters 'one', 'other' would wait for each other" in findings.items[0].message


def test_dimensions_that_split_what_feeds_each_other_are_a_cycle_with_its_quanta() -> None:
    graph = shape(
        """
        isr(exposure): raw[exposure] -> post
        mix(visit): post -> mixed
        """,
        {"exposure": [1, 2], "visit": [1, 2]},
    )
    spec = Spec("v", ("isr", "mix"), ("visit",), (("visit", "exposure"),))
    _, findings = cluster(graph, spec)
    (finding,) = findings
    assert finding.code == "cluster-cycle"
    assert finding.place == spec.place
    assert finding.message == (
        "clusters made by 'v' would wait for each other: isr{exposure: 1} feeds mix{visit: 2}, "
        "isr{exposure: 2} feeds mix{visit: 1}"
    )
    assert finding.help is not None
    assert "take 'mix' out of the cluster" in finding.help


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (replace(IMAGE, equal_dimensions=()), "cluster-dimension-missing"),
        (replace(IMAGE, pipetasks=("isr", "isr")), "cluster-task-twice"),
        (replace(IMAGE, find_dependency_method="sinc"), "cluster-find-method"),
        (replace(IMAGE, partition_dimensions=("detector",)), "cluster-partition"),
        (replace(IMAGE, partition_dimensions=("detector",), partition_max_size=1, partition_max_clusters=9),
         "cluster-partition"),
        (replace(IMAGE, partition_dimensions=("detector",), partition_max_size=-1), "cluster-partition"),
        (replace(IMAGE, template="{visit"), "cluster-template"),
        (replace(IMAGE, template="{detector:date}"), "cluster-template"),
        (replace(IMAGE, template="{tract:03d}"), "cluster-template"),
        (replace(IMAGE, dimensions=("visit",), partition_dimensions=("detector",), partition_max_clusters=1),
         "cluster-partition"),
    ],
)  # fmt: skip
def test_what_bps_refuses_is_a_finding_with_a_place_and_a_way_out(spec: Spec, code: str) -> None:
    _, findings = cluster(single_frame(), spec)
    assert {each.code for each in findings.errors} == {code}
    assert all(each.place == spec.place and each.help for each in findings.errors)


def test_a_task_in_two_clusters_is_a_finding() -> None:
    _, findings = cluster(single_frame(), IMAGE, Spec("again", ("isr",), ("exposure",)))
    assert [each.message for each in findings] == ["task 'isr' is in clusters 'image' and 'again'"]


def test_a_cluster_of_several_memory_classes_is_told() -> None:
    graph = single_frame()
    requests = requests_of(graph, calibrate=Request(memory_mib=30720))
    found, findings = cluster(graph, IMAGE, requests=requests)
    assert found.size == 6
    assert [(each.code, each.severity) for each in findings] == [("cluster-mixes-memory", "note")]
    assert "2048 to 30720 MiB" in findings.items[0].message


@st.composite
def clustered(draw: st.DrawFn) -> tuple[QuantumGraph, list[Spec]]:
    """Graphs with clusters of one or several tasks by some dimensions that all of these have."""
    graph = draw(graphs())
    labels = draw(st.permutations([task.label for task in graph.tasks]))
    cut = draw(st.integers(1, len(labels)))
    specs = []
    for number, chosen in enumerate((labels[:cut], labels[cut:])):
        common = [d for d in UNIVERSE if all(d in t.all_dimensions for t in graph.tasks if t.label in chosen)]
        dims = tuple(draw(st.lists(st.sampled_from(common), unique=True))) if common else ()
        parts = tuple(draw(st.lists(st.sampled_from(common), unique=True, max_size=2))) if common else ()
        size = draw(st.integers(1, 4)) if parts else None
        specs.append(Spec(f"c{number}", tuple(chosen), dims, partition_dimensions=parts, partition_max_size=size))
    return graph, specs


@settings(deadline=None)
@given(clustered())
def test_clusters_are_a_partition_without_cycles_or_a_finding_says_so(case: tuple[QuantumGraph, list[Spec]]) -> None:
    graph, specs = case
    found, findings = cluster(graph, *specs)
    assert is_dense(found.of.tolist())
    assert len(found.of) == graph.n_quanta
    assert set(codes(findings)) <= {"cluster-cycle"}
    assert findings.errors or is_acyclic(graph, found.of)


@settings(deadline=None)
@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_a_cycle_is_found_exactly_if_there_is_one(size: int, pairs: list[tuple[int, int]]) -> None:
    from graphlib import CycleError, TopologicalSorter

    edges = {(a % size, b % size) for a, b in pairs}
    columns = np.array(sorted(edges), dtype=np.int64).reshape(-1, 2)
    cycle = find_cycle(size, columns[:, 0], columns[:, 1])
    assert len(cycle) != 1
    assert all(step in edges for step in zip(cycle, [*cycle[1:], *cycle[:1]], strict=True))
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for a, b in edges:
        if a != b:
            sorter.add(b, a)
    try:
        sorter.prepare()
    except CycleError:
        assert cycle
    else:
        assert not cycle
