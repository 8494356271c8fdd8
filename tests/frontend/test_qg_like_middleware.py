"""Our reader of `.qg` and the middleware's own give the same graph."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from compiler.diagnostics import CompileError, Findings
from compiler.frontend import qg
from compiler.frontend.consistency import check_consistency
from compiler.frontend.interchange import read_interchange, write_interchange
from compiler.frontend.pipeline import read_pipeline
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.frontend.universe import Element, Universe
from compiler.rubin import QuantumGraph

pytestmark = pytest.mark.real


@pytest.fixture(params=["dark_demo", "single_frame_demo"])
def real(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder / "graph.qg"


@pytest.fixture
def theirs(real: Path) -> Any:
    """The graph as the middleware reads it, and its components."""
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    with PredictedQuantumGraph.open(real, import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
        reader.read_all()
        return reader.components


@pytest.fixture
def ours(real: Path) -> QuantumGraph:
    return qg.read_qg(real)


def test_tasks_and_connections_are_equal(ours: QuantumGraph, theirs: Any) -> None:
    expected = {}
    for label, node in theirs.pipeline_graph.tasks.items():
        edges = [("input", node.inputs), ("prerequisite", node.prerequisite_inputs), ("output", node.outputs)]
        edges += [("init-input", node.init.inputs), ("init-output", node.init.outputs)]
        rows = [(kind, each) for kind, side in edges for each in side.values()]
        rows += [
            ("output", node.metadata_output),
            ("output", node.log_output),
            ("init-output", node.init.config_output),
        ]
        expected[label] = (
            node.task_class_name,
            tuple(node.dimensions.required),
            tuple(node.dimensions.implied),
            {
                (kind, e.connection_name, e.parent_dataset_type_name, e.storage_class_name, tuple(
                    theirs.pipeline_graph.dataset_types[e.parent_dataset_type_name].dimensions.required
                ))
                for kind, e in rows
            },
        )  # fmt: skip
    assert expected == {
        t.label: (
            t.task_class,
            t.dimensions,
            t.implied,
            {(c.kind, c.name, c.dataset_type, c.storage_class, c.dimensions) for c in t.connections},
        )
        for t in ours.tasks
    }
    types = theirs.pipeline_graph.dataset_types
    assert {y.name: (y.dimensions, y.storage_class, y.is_calibration) for y in ours.dataset_types} == {
        n: (tuple(y.dimensions.required), y.storage_class_name, y.dataset_type.isCalibration())
        for n, y in types.items()
    } | {"packages": ((), "Packages", False)}


def test_quanta_and_their_datasets_are_equal(ours: QuantumGraph, theirs: Any) -> None:
    def of(side: dict[str, Any]) -> dict[str, set[UUID]]:
        return {name: {each.dataset_id for each in row} for name, row in side.items() if row}

    tasks = theirs.pipeline_graph.tasks
    expected = {
        each.quantum_id: (
            each.task_label,
            dict(zip(tasks[each.task_label].dimensions.data_coordinate_keys, each.data_coordinate, strict=True)),
            of(each.inputs),
            of(each.outputs),
        )
        for each in theirs.quantum_datasets.values()
    }

    def ids(side: Any) -> dict[str, set[UUID]]:
        return {name: {ours.dataset(d).id for d in row} for name, row in side.items()}

    found = {}
    for quantum in ours.quanta():
        task = int(ours.quantum_task[quantum.number])
        codes = ours.quantum_codes[task][quantum.number - int(ours.task_start[task])].tolist()
        whole = {d: ours.vocabulary[d][c] for d, c in zip(ours.tasks[task].all_dimensions, codes, strict=True)}
        assert whole | quantum.data_id == whole
        found[quantum.id] = (quantum.label, whole, ids(quantum.inputs), ids(quantum.outputs))
    assert found == expected

    rows = [row for q in theirs.quantum_datasets.values() for side in (q.inputs, q.outputs) for row in side.values()]
    rows += [row for q in theirs.init_quanta.root for side in (q.inputs, q.outputs) for row in side.values()]
    widths = {y.name: len(y.dimensions) for y in ours.dataset_types}
    assert {d.id: (d.type, tuple(d.data_id.values()), d.run) for d in map(ours.dataset, range(ours.n_datasets))} == {
        d.dataset_id: (
            d.dataset_type_name,
            tuple(d.data_coordinate[: widths[d.dataset_type_name]]),
            d.run,
        )
        for row in rows
        for d in row
    }


def test_edges_between_quanta_are_equal(ours: QuantumGraph, theirs: Any) -> None:
    found = set()
    for quantum in ours.quanta():
        for row in quantum.inputs.values():
            for dataset in row:
                maker = int(ours.producer[dataset])
                if maker >= 0:
                    found.add((ours.quantum(maker).id, quantum.id))
    assert found == set(theirs.assemble().quantum_only_xgraph.edges)


def test_init_quanta_are_equal(ours: QuantumGraph, theirs: Any) -> None:
    assert {
        each.label: (
            each.id,
            {name: [ours.dataset(d).id for d in row] for name, row in each.inputs.items()},
            {name: [ours.dataset(d).id for d in row] for name, row in each.outputs.items()},
        )
        for each in ours.init
    } == {
        each.task_label: (
            each.quantum_id,
            {name: [d.dataset_id for d in row] for name, row in each.inputs.items()},
            {name: [d.dataset_id for d in row] for name, row in each.outputs.items()},
        )
        for each in theirs.init_quanta.root
    }


def test_datastore_records_are_equal(ours: QuantumGraph, theirs: Any) -> None:
    from lsst.daf.butler.datastore.record_data import DatastoreRecordData

    expected = {}
    for quantum in theirs.quantum_datasets.values():
        for store in quantum.datastore_records.values():
            for id, tables in DatastoreRecordData.from_simple(store).records.items():
                (info,) = [each for rows in tables.values() for each in rows]
                expected[id] = (info.path, info.file_size, info.formatter, info.checksum)
    found = {ours.dataset(n).id: (f.path, f.size, f.formatter, f.checksum) for n, f in ours.files.items()}
    assert found == expected
    assert set(ours.files) == {d for d in range(ours.n_datasets) if ours.exists_before(d)}


def test_the_order_of_quanta_and_a_dictionary_do_not_matter(ours: QuantumGraph, theirs: Any, tmp_path: Path) -> None:
    rows = list(theirs.quantum_datasets.items())
    theirs.quantum_datasets = dict(Random(3).sample(rows, len(rows)))
    theirs.write(tmp_path / "again.qg", zstd_dict_n_inputs=16)
    assert qg.read_qg(tmp_path / "again.qg") == ours


def test_another_version_is_left_to_the_middleware(
    ours: QuantumGraph, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qg, "VERSION", 99)
    assert qg.read_qg(real) == ours


def test_an_old_graph_is_left_to_the_middleware(ours: QuantumGraph, real: Path, tmp_path: Path) -> None:
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    with PredictedQuantumGraph.open(real) as reader:  # the old format is written by the task classes themselves
        reader.read_all()
        reader.components.write(tmp_path / "old.qgraph")
    old = read_quantum_graph(tmp_path / "old.qgraph")
    assert [str(q) for q in old.quanta()] == [str(q) for q in ours.quanta()]
    assert old.reads == ours.reads
    assert old.writes == ours.writes


def test_the_interchange_format_keeps_everything(ours: QuantumGraph, tmp_path: Path) -> None:
    write_interchange(ours, tmp_path / "graph.ndjson.zst")
    assert read_interchange(tmp_path / "graph.ndjson.zst") == ours


def test_a_real_graph_is_sound_and_fits_its_pipeline(real: Path) -> None:
    findings = Findings()
    graph = read_quantum_graph(real, findings)
    assert list(findings) == []
    assert check_consistency(read_pipeline(real.with_name("pipeline.yaml")), graph) == []


def test_every_truncation_is_a_finding(real: Path, tmp_path: Path) -> None:
    whole = real.read_bytes()
    cut = tmp_path / "cut.qg"
    for length in range(1, len(whole), len(whole) // 40):
        cut.write_bytes(whole[:length])
        with pytest.raises(CompileError):
            read_quantum_graph(cut)


def test_dimensions_are_split_like_the_middleware_does() -> None:
    pytest.importorskip("lsst.daf.butler")
    from lsst.daf.butler import DimensionUniverse

    universe = DimensionUniverse()
    declared = universe.dimensionConfig.toDict()
    elements = msgspec.convert(declared["elements"], dict[str, Element])
    ours = Universe(elements, declared["skypix"])
    names = [d.name for d in universe.dimensions if d.name not in universe.skypix_dimensions.names]
    for group in [*combinations([*names, "htm7", "healpix9", "htm12"], 2), tuple(names), ("healpix10", "healpix9")]:
        expected = universe.conform(group)
        assert ours.split(group) == (tuple(expected.required), tuple(expected.implied))
