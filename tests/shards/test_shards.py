"""Shards of a real graph, read back by the middleware and by our own reader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.analysis.requests import Clustering
from compiler.analysis.sharding import shard
from compiler.diagnostics import CompileError
from compiler.frontend.qg import read_qg
from compiler.rubin import QuantumGraph
from compiler.shards import write_shards
from tests.shapes import dark

pytest.importorskip("lsst.pipe.base.quantum_graph")


def by_middleware(path: Path) -> tuple[Any, dict[Any, Any]]:
    """The graph of a file, and its quanta as they would be executed, by id."""
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    with PredictedQuantumGraph.open(path, import_mode=TaskImportMode.ASSUME_CONSISTENT_EDGES) as reader:
        reader.read_all()
        found = reader.finish()
    return found, dict(found.build_execution_quanta())


def written(source: Path, graph: QuantumGraph, folder: Path, size: int) -> list[Path]:
    """Shards of `size` neighbouring quanta each."""
    number = (np.arange(graph.n_quanta) // size).astype(np.int32)
    names = {n: f"{n}.qg" for n in range(int(number.max()) + 1)} | {-1: "init.qg"}
    write_shards(source, graph, number, folder, names)
    return [folder / names[n] for n in range(int(number.max()) + 1)]


def records(data_id: Any) -> list[Any]:
    assert data_id.hasRecords()
    return [data_id.records[element] for element in data_id.dimensions.elements]


@pytest.mark.parametrize("kind", ["dark", "single_frame"])
def test_the_middleware_reads_from_shards_what_it_reads_from_the_whole_graph(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(f"{kind}_demo") / "graph.qg"
    _, whole = by_middleware(source)
    seen = set()
    for path in written(source, read_qg(source), tmp_path, 5):
        _, part = by_middleware(path)
        seen |= part.keys()
        for id, quantum in part.items():
            same = whole[id]
            assert records(quantum.dataId) == records(same.dataId)
            assert quantum.inputs == same.inputs
            assert quantum.outputs == same.outputs
            for ours, theirs in ((quantum.inputs, same.inputs), (quantum.outputs, same.outputs)):
                assert [records(ref.dataId) for row in ours.values() for ref in row] == [
                    records(ref.dataId) for row in theirs.values() for ref in row
                ]
            assert quantum.datastore_records.keys() == same.datastore_records.keys()
    assert seen == whole.keys()


def test_a_shard_holds_the_edges_between_its_quanta_and_no_others(dark_demo: Path, tmp_path: Path) -> None:
    source = dark_demo / "graph.qg"
    whole, _ = by_middleware(source)
    edges = set(whole.quantum_only_xgraph.edges)
    for path in written(source, read_qg(source), tmp_path, 7):
        part, quanta = by_middleware(path)
        assert set(part.quantum_only_xgraph.edges) == {(a, b) for a, b in edges if a in quanta and b in quanta}


def test_the_init_job_gets_a_graph_without_quanta_but_with_every_task(dark_demo: Path, tmp_path: Path) -> None:
    source = dark_demo / "graph.qg"
    whole, _ = by_middleware(source)
    written(source, read_qg(source), tmp_path, 5)
    found, quanta = by_middleware(tmp_path / "init.qg")
    assert not quanta
    assert list(found.pipeline_graph.tasks) == list(whole.pipeline_graph.tasks)


def test_shards_of_one_graph_have_the_same_bytes_each_time(dark_demo: Path, tmp_path: Path) -> None:
    source = dark_demo / "graph.qg"
    graph = read_qg(source)
    first = [path.read_bytes() for path in written(source, graph, tmp_path / "a", 5)]
    assert first == [path.read_bytes() for path in written(source, graph, tmp_path / "b", 5)]


def test_a_graph_that_was_replaced_while_it_is_compiled_is_a_finding(
    dark_demo: Path, single_frame_demo: Path, tmp_path: Path
) -> None:
    graph = read_qg(dark_demo / "graph.qg")
    other = Path(shutil.copyfile(single_frame_demo / "graph.qg", tmp_path / "graph.qg"))
    with pytest.raises(CompileError, match="graph-changed"):
        written(other, graph, tmp_path / "out", 5)


def test_a_cluster_stands_whole_in_one_shard_and_small_ones_share() -> None:
    graph = dark()
    quanta = graph.n_quanta
    cluster = (np.arange(quanta) // 3).astype(np.int32)
    found = shard(graph, Clustering(cluster, ()), enough=4)
    for number in range(int(cluster.max()) + 1):
        assert len(set(found[cluster == number].tolist())) == 1
    sizes = np.bincount(found)
    assert (sizes > 0).all()
    assert sizes.max() < 4 + 3
