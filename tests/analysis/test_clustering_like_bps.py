"""lsst-ctrl-bps and we make the same clusters of the same real graphs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from compiler.analysis.clustering import Options, choose
from compiler.analysis.requests import Requests
from compiler.diagnostics import CompileError, Findings
from compiler.frontend.qg import read_qg
from compiler.rubin import QuantumGraph
from tests.analysis.cluster_checks import Spec

pytestmark = pytest.mark.real

DARK = Spec("dark", ("isr", "cpDark"), ("exposure", "detector"))


def pair(folder: Path) -> tuple[QuantumGraph, Any]:
    """The graph as we read it and as bps does."""
    pytest.importorskip("lsst.ctrl.bps")
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    with PredictedQuantumGraph.open(folder / "graph.qg", import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
        reader.read_thin_graph()
        return read_qg(folder / "graph.qg"), reader.finish()


def bps_config(specs: tuple[Spec, ...]) -> dict[str, Any]:
    """What a user would write in a submit file."""

    def section(spec: Spec) -> dict[str, Any]:
        keys = {
            "pipetasks": ", ".join(spec.pipetasks),
            "dimensions": ", ".join(spec.dimensions),
            "equalDimensions": ", ".join(map(":".join, spec.equal_dimensions)),
            "partitionDimensions": ", ".join(spec.partition_dimensions),
            "partitionMaxClusters": spec.partition_max_clusters,
            "partitionMaxSize": spec.partition_max_size,
            "findDependencyMethod": spec.find_dependency_method,
            "clusterTemplate": spec.template,
        }
        return {key: value for key, value in keys.items() if value}

    return {"cluster": {spec.name: section(spec) for spec in specs}}


def theirs(graph: Any, specs: tuple[Spec, ...]) -> set[frozenset[UUID]]:
    from lsst.ctrl.bps import BpsConfig
    from lsst.ctrl.bps import quantum_clustering_funcs as functions

    config = BpsConfig({".bps_defined": {"runQgraphFile": "graph.qg"}, **bps_config(specs)})
    config[".bps_defined.runQgraphFile"] = "graph.qg"
    make = functions.dimension_clustering if specs else functions.single_quantum_clustering
    clustered = make(config, graph, "clustered")
    clustered.validate()
    return {cluster.qgraph_node_ids for cluster in clustered.clusters()}


def ours(graph: QuantumGraph, specs: tuple[Spec, ...]) -> set[frozenset[UUID]]:
    findings = Findings()
    found = choose(graph, Requests.default(graph), specs, "bps", Options(), findings)
    findings.raise_errors()
    members: dict[int, set[UUID]] = {}
    for number, cluster in enumerate(found.of.tolist()):
        members.setdefault(cluster, set()).add(graph.quantum(number).id)
    return {frozenset(each) for each in members.values()}


@pytest.fixture(scope="module")
def dark_pair(dark_demo: Path) -> tuple[QuantumGraph, Any]:
    return pair(dark_demo)


@pytest.fixture(scope="module")
def frame_pair(single_frame_demo: Path) -> tuple[QuantumGraph, Any]:
    return pair(single_frame_demo)


@pytest.mark.parametrize(
    "specs",
    [
        (),
        (DARK,),
        (replace(DARK, dimensions=("detector",)),),
        (replace(DARK, dimensions=()),),
        (Spec("all", ("cpCombine", "cpDark", "isr"), ("instrument", "detector")),),
        (Spec("isr", ("isr",), ("exposure",)), Spec("dark", ("cpDark", "elsewhere"), ("detector",))),
        (replace(DARK, dimensions=("detector",), partition_dimensions=("exposure",), partition_max_size=2),),
        (replace(DARK, dimensions=("detector",), partition_dimensions=("exposure",), partition_max_clusters=9),),
        (replace(DARK, dimensions=(), partition_dimensions=("exposure", "detector"), partition_max_clusters=5),),
        (replace(DARK, dimensions=("exposure",), partition_dimensions=("detector",), partition_max_clusters=99),),
        (replace(DARK, find_dependency_method="source"),),
        (replace(DARK, dimensions=("detector",), find_dependency_method="sink", partition_dimensions=("exposure",),
                 partition_max_size=1),),
        (replace(DARK, template="{detector:03d}_{label}_{unknown}"),),
        (replace(DARK, template="{node_label}_{exposure}", partition_dimensions=("day_obs",), partition_max_size=1),),
        (replace(DARK, template="{label}_{node_number}"),),
        (Spec("cpDark", ()),),
        (Spec("cpDark", (), ("detector",)), Spec("last", ("cpCombine",), ())),
    ],
    ids=str,
)  # fmt: skip
def test_clusters_of_dark_are_those_of_bps(dark_pair: tuple[QuantumGraph, Any], specs: tuple[Spec, ...]) -> None:
    graph, other = dark_pair
    assert ours(graph, specs) == theirs(other, specs)


FRAME = Spec("image", ("isr", "characterizeImage", "calibrate"), ("visit", "detector"), (("visit", "exposure"),))


@pytest.mark.parametrize(
    "specs",
    [
        (FRAME,),
        (replace(FRAME, dimensions=("exposure",)),),
        (replace(FRAME, dimensions=("physical_filter", "detector")),),
        (replace(FRAME, dimensions=("detector",), partition_dimensions=("visit",), partition_max_size=1),),
        (replace(FRAME, dimensions=("detector",), partition_dimensions=("exposure",), partition_max_clusters=7),),
        (Spec("isr", ("isr",), ("group", "day_obs")), Spec("rest", ("characterizeImage", "calibrate"), ("band",))),
        (replace(FRAME, equal_dimensions=(("exposure", "visit"),), find_dependency_method="sink"),),
    ],
    ids=str,
)
def test_clusters_of_single_frame_are_those_of_bps(
    frame_pair: tuple[QuantumGraph, Any], specs: tuple[Spec, ...]
) -> None:
    graph, other = frame_pair
    assert ours(graph, specs) == theirs(other, specs)


@pytest.mark.parametrize(
    "spec",
    [
        replace(FRAME, equal_dimensions=()),
        replace(FRAME, pipetasks=("isr", "calibrate")),
        replace(FRAME, pipetasks=("isr", "isr")),
        replace(FRAME, dimensions=(), partition_dimensions=("detector",)),
        replace(FRAME, partition_dimensions=("detector",), partition_max_clusters=2),
        replace(FRAME, partition_dimensions=("detector",), partition_max_clusters=9, partition_max_size=9),
        replace(FRAME, find_dependency_method="middle"),
    ],
    ids=str,
)
def test_what_bps_refuses_is_refused(frame_pair: tuple[QuantumGraph, Any], spec: Spec) -> None:
    graph, other = frame_pair
    with pytest.raises((RuntimeError, KeyError)):
        theirs(other, (spec,))
    with pytest.raises(CompileError):
        ours(graph, (spec,))
