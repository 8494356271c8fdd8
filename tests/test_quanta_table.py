"""The table of quanta: a row a quantum, plain columns, the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import quanta_table
from compiler.expand import expand
from compiler.jobs import JobGraph
from compiler.quanta_table import COLUMNS, write_table
from compiler.rubin import QuantumGraph
from compiler.runtime.quantum_runner import dataset_name
from tests.certificate import by_hand
from tests.certificate.lowered import clusters, jobs_of
from tests.shapes import shape

pq = pytest.importorskip("pyarrow.parquet")


def rows_of(path: Path, jobs: JobGraph) -> list[dict[str, Any]]:
    write_table(path, jobs, jobs.ids)
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def datasets(graph: QuantumGraph, numbers: list[int]) -> list[str]:
    """Names by the rule that documents them."""
    found = []
    for each in map(graph.dataset, numbers):
        existing = each.id.hex if graph.exists_before(each.number) else None
        found.append(dataset_name(each.type, each.data_id.values(), existing))
    return sorted(found)


@pytest.mark.parametrize("rows", [1 << 16, 5, 1])
def test_each_quantum_has_a_row_with_its_job_place_and_datasets(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quanta_table, "ROWS", rows)
    graph = by_hand.graph()
    jobs = jobs_of(graph, clusters(graph, [(0, 4), (2, 3, 6, 7)]))
    found = rows_of(tmp_path / "t.parquet", jobs)
    at = {key: (id, n) for id, job in zip(jobs.ids, jobs.jobs(), strict=True) for n, key in enumerate(job.quanta)}
    assert [(row["job"], row["place"]) for row in found] == list(at.values())
    assert len(found) == graph.n_quanta
    by_key = {(each.label, tuple(each.data_id.items())): each for each in graph.quanta()}
    init = {each.label: [d for row in each.inputs.values() for d in row] for each in graph.init}
    for row in found:
        quantum = by_key[row["label"], tuple(json.loads(row["data_id"]).items())]
        assert at[quantum.label, tuple(quantum.data_id.items())] == (row["job"], row["place"])
        reads = [d for group in quantum.inputs.values() for d in group] + init.get(quantum.label, [])
        assert sorted(row["inputs"]) == datasets(graph, reads)
        assert sorted(row["outputs"]) == datasets(graph, [d for group in quantum.outputs.values() for d in group])


def test_columns_are_plain_and_described_and_the_version_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows_of(path, jobs_of(by_hand.graph()))
    schema = pq.read_schema(path)
    assert {name: str(kind) for name, kind in zip(schema.names, schema.types, strict=True)} == {
        "label": "string",
        "data_id": "string",
        "job": "string",
        "place": "int32",
        "inputs": "list<element: string>",
        "outputs": "list<element: string>",
    }
    assert list(COLUMNS) == schema.names
    assert schema.metadata == {b"rubincwl": quanta_table.VERSION}
    assert b"ARROW:schema" not in pq.read_metadata(path).metadata, "other readers know Parquet's types alone"


def test_the_same_jobs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        rows_of(tmp_path / name, jobs_of(by_hand.graph()))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_reader_may_choose_rows_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows_of(path, jobs_of(by_hand.graph()))
    found = pq.read_table(path, columns=["data_id"], filters=[("label", "=", "combine")]).to_pydict()
    assert [json.loads(each) for each in found["data_id"]] == [
        {"instrument": "Cam", "detector": detector} for detector in (0, 1)
    ]


@pytest.mark.parametrize("value", ["a b", "it's", '"', "é/ö", "\\", "%s", "{}", "", "1"])
def test_strange_values_stand_as_they_are(value: str, tmp_path: Path) -> None:
    graph = shape("isr(kind, x): raw[kind] -> out", {"kind": [value], "x": [1, 2]})
    found = rows_of(tmp_path / "t.parquet", jobs_of(graph))
    assert [json.loads(row["data_id"]) for row in found] == [{"kind": value, "x": 1}, {"kind": value, "x": 2}]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.integers(1, 4))
def test_texts_are_kept_whatever_their_letters(texts: list[str], rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quanta_table, "ROWS", rows)
        assert quanta_table._texts(texts).to_pylist() == texts


def test_calls_of_other_cwl_are_no_quanta(tmp_path: Path) -> None:
    tool = {"class": "CommandLineTool", "id": "main", "baseCommand": "true", "inputs": [], "outputs": []}
    steps = {"one": {"run": tool, "in": {}, "out": []}}
    jobs = expand({"class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps}, {})
    assert rows_of(tmp_path / "t.parquet", jobs) == []
    assert rows_of(tmp_path / "empty.parquet", expand({**EMPTY}, {})) == []
    assert pq.read_schema(tmp_path / "empty.parquet").names == list(COLUMNS)


EMPTY: dict[str, Any] = {"class": "Workflow", "inputs": {}, "outputs": {}, "steps": {}}
