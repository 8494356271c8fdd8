"""The nest of scatters that structure recovery finds."""

from __future__ import annotations

from zlib import crc32

from compiler.analysis.structure import Group, recover
from compiler.rubin import QuantumGraph
from compiler.translate import translate
from tests.shapes import dark, shape, single_frame, tract

Nest = list[object]


def nest(graph: QuantumGraph) -> Nest:
    def of(group: Group) -> Nest:
        return [(c.dimensions, of(c)) if isinstance(c, Group) else graph.tasks[c].label for c in group.children]

    return of(recover(graph).root)


def barriers(graph: QuantumGraph) -> list[tuple[str, str]]:
    return [(each.task, each.connection) for each in translate(graph).regroups]


def test_a_gather_over_exposures_closes_a_chain_without_barrier() -> None:
    graph = dark()
    assert nest(graph) == [(("detector",), [(("exposure",), ["isr", "cpDark"]), "cpCombine"])]
    assert barriers(graph) == []


def test_a_gather_of_one_member_is_still_a_gather() -> None:
    assert nest(dark(exposures=1, detectors=1)) == nest(dark())


def test_tasks_by_exposure_and_by_visit_share_the_chain_of_an_image() -> None:
    graph = single_frame()
    assert nest(graph) == [(("exposure", "detector", "visit"), ["isr", "characterizeImage", "calibrate"])]
    assert barriers(graph) == []


def test_two_exposures_of_a_visit_are_gathered_by_it() -> None:
    graph = shape(
        """
        isr(exposure, detector): raw[exposure, detector] -> post
        calibrate(visit, detector): post -> calexp
        """,
        {"exposure": range(10, 14), "visit": (1, 2), "detector": (0, 1)},
        overlap=lambda kind, quantum, dataset: (
            kind != "post" or (int(dataset["exposure"]) - 8) // 2 == quantum["visit"]
        ),
    )
    assert nest(graph) == [(("detector", "visit"), [(("exposure",), ["isr"]), "calibrate"])]
    assert barriers(graph) == []


def test_overlap_of_visits_and_patches_is_one_regroup_and_the_rest_nests_by_patch() -> None:
    graph = tract()
    by_band = [(("visit",), ["makeWarp"]), "assemble", "detect"]
    assert nest(graph) == [
        (("visit", "detector"), ["isr", "calibrate"]),
        (
            ("patch",),
            [
                (("band",), by_band),
                "mergeDetections",
                (("band",), ["measure"]),
                "mergeMeasurements",
                (("band",), ["forced"]),
            ],
        ),
    ]
    assert barriers(graph) == [("makeWarp", "calexp")]


def test_a_task_absent_for_some_data_ids_leaves_the_chain_of_the_others_whole() -> None:
    graph = single_frame(absent={"calibrate": [(1000, 1)]})
    chain = ["isr", "characterizeImage", ((), ["calibrate"])]
    assert nest(graph) == [(("exposure", "detector", "visit"), chain)]


def test_a_missing_exposure_of_one_detector_needs_no_barrier() -> None:
    graph = dark(absent={"isr": [(1001, 2)], "cpDark": [(1001, 2)]})
    assert nest(graph) == nest(dark())
    assert barriers(graph) == []


def test_a_gather_that_leaves_a_member_out_regroups_within_its_own_group_only() -> None:
    graph = shape(
        """
        isr(exposure, detector): raw[exposure, detector] -> post
        combine(detector): post -> dark
        """,
        {"exposure": range(3), "detector": range(2)},
        overlap=lambda kind, quantum, dataset: kind != "post" or (quantum["detector"], dataset["exposure"]) != (1, 2),
    )
    assert [each.within for each in translate(graph).regroups] == [("detector",)]


def test_a_graph_without_regularity_becomes_a_scatter_a_task() -> None:
    graph = shape(
        """
        a(x): -> one
        b(y): one -> two
        c(z): two -> three
        """,
        {"x": range(7), "y": range(5), "z": range(6)},
        overlap=lambda kind, quantum, dataset: crc32(repr((kind, quantum, dataset)).encode()) % 3 == 0,
    )
    assert [group[0] for group in nest(graph)] == [("x",), ("y",), ("z",)]
    assert barriers(graph) == [("b", "one"), ("c", "two")]


def test_separate_pipelines_in_one_graph_stay_separate() -> None:
    graph = shape(
        """
        a(x): -> one
        b(x): one -> two
        c(y): -> three
        d(): three -> four
        """,
        {"x": range(3), "y": range(2)},
    )
    assert nest(graph) == [(("x",), ["a", "b"]), (("y",), ["c"]), "d"]
    assert barriers(graph) == []
