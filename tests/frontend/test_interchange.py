"""The interchange format: nothing is lost, and every fault has a line and a column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import UUID, uuid5

import jsonschema
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from compiler.diagnostics import CompileError, Diagnostic, Span
from compiler.frontend.interchange import read_interchange, write_interchange
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.rubin import QuantumGraph
from compiler.rubin.ids import NAMESPACE, dataset_id, init_id, quantum_id
from compiler.schema_files import schema
from tests.strategies import GraphShape, build_graph, graph_shapes, graphs

DOCUMENT = Path(__file__).parents[2] / "docs" / "interchange.md"
relaxed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def example() -> list[str]:
    """The lines of the graph in the documentation."""
    found = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1].splitlines()


def read(path: Path, lines: list[str]) -> QuantumGraph:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_quantum_graph(path)


def findings_of(path: Path, lines: list[str]) -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as caught:
        read(path, lines)
    return caught.value.findings


@given(graph=graphs())
@relaxed
def test_reading_what_was_written_gives_the_same_graph(graph: QuantumGraph, tmp_path: Path) -> None:
    for name in ("graph.ndjson", "graph.ndjson.zst"):
        write_interchange(graph, tmp_path / name)
        assert read_interchange(tmp_path / name) == graph


@given(shape=graph_shapes())
@relaxed
def test_the_same_graph_gives_the_same_bytes(shape: GraphShape, tmp_path: Path) -> None:
    write_interchange(build_graph(shape), tmp_path / "a.zst")
    write_interchange(build_graph(shape, Random(1)), tmp_path / "b.zst")
    assert (tmp_path / "a.zst").read_bytes() == (tmp_path / "b.zst").read_bytes()


@given(graph=graphs())
@settings(relaxed, max_examples=20)
def test_every_line_follows_the_schema(graph: QuantumGraph, tmp_path: Path) -> None:
    write_interchange(graph, tmp_path / "graph.ndjson")
    validator = jsonschema.Draft202012Validator(schema("interchange"))
    for line in (tmp_path / "graph.ndjson").read_text(encoding="utf-8").splitlines():
        assert validator.is_valid(json.loads(line)), line


@given(shape=graph_shapes())
@settings(relaxed, max_examples=30)
def test_the_order_of_lines_does_not_matter(shape: GraphShape, tmp_path: Path) -> None:
    """Lines of one kind change places; datasets are then numbered anew."""
    graph = build_graph(shape)
    write_interchange(graph, tmp_path / "graph.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "graph.ndjson").read_text(encoding="utf-8").splitlines()]
    kinds = {k: [each for each in lines if each["kind"] == k] for k in dict.fromkeys(each["kind"] for each in lines)}
    order = Random(2).sample(range(graph.n_datasets), graph.n_datasets)
    place = {number: position for position, number in enumerate(order)}
    kinds["dataset"] = [kinds["dataset"][number] for number in order]
    for rows in (kinds.get("quantum", []), kinds["task"], kinds["dataset_type"], kinds.get("init", [])):
        Random(3).shuffle(rows)
    for each in [*kinds.get("quantum", []), *kinds.get("init", [])]:
        for side in ("inputs", "outputs"):
            each[side] = {name: [place[d] for d in row] for name, row in each.get(side, {}).items()}
    shuffled = tmp_path / "shuffled.ndjson"
    shuffled.write_text("".join(json.dumps(each) + "\n" for rows in kinds.values() for each in rows), encoding="utf-8")
    assert read_interchange(shuffled) == graph


def test_the_documented_example_is_a_graph(example: list[str], tmp_path: Path) -> None:
    graph = read(tmp_path / "graph.ndjson", example)
    assert [str(q) for q in graph.quanta()] == [
        "flatten{instrument: MyCam, detector: 0}",
        "flatten{instrument: MyCam, detector: 1}",
        "combine{instrument: MyCam}",
    ]
    assert [file.path for file in graph.files.values()] == ["raw/all/raw_0.fits", "raw/all/raw_1.fits"]
    validator = jsonschema.Draft202012Validator(schema("interchange"))
    assert all(validator.is_valid(json.loads(line)) for line in example)


def test_missing_ids_are_derived_as_documented(example: list[str], tmp_path: Path) -> None:
    graph = read(tmp_path / "graph.ndjson", example)
    assert graph.quantum(0).id == uuid5(NAMESPACE, '["quantum","flatten",["MyCam",0]]')
    (raw,) = graph.quantum(0).inputs["raw"]
    assert graph.dataset(raw).id == uuid5(NAMESPACE, '["dataset","raw",["MyCam",0],"raw/all"]')
    assert str(NAMESPACE) in DOCUMENT.read_text(encoding="utf-8")
    assert UUID(bytes=init_id("é\n")) == uuid5(NAMESPACE, '["init","é\\n"]')
    assert dataset_id("a", ["1"], "r") != dataset_id("a", [1], "r")
    assert quantum_id("a", []) != init_id("a")


def test_empty_lines_and_joined_files_are_read(example: list[str], tmp_path: Path) -> None:
    whole = read(tmp_path / "a.ndjson", example)
    assert read(tmp_path / "b.ndjson", ["", *example[:4], "  ", *example[4:]]) == whole
    halves = ["\n".join(part).encode() + b"\n" for part in (example[:6], example[6:])]
    (tmp_path / "c").write_bytes(b"".join(zstandard.compress(half) for half in halves))
    assert read_quantum_graph(tmp_path / "c") == whole


def replaced(example: list[str], line: int, old: str, new: str) -> list[str]:
    assert old in example[line - 1]
    return [*example[: line - 1], example[line - 1].replace(old, new, 1), *example[line:]]


FAULTS = [
    # line, what stands there, what is put there, code, marked text, part of the message
    (1, '"version":1', '"version":9', "unknown-graph-version", '"version"', "version 9"),
    (1, "rubincwl-graph", "other", "not-a-graph", '"format"', "'other'"),
    (1, '"kind":"graph"', '"kind":"task","label":"a"', "broken-graph", "", "unknown field `format`"),
    (1, '"quanta":3', '"quanta":4', "broken-graph", "", "announces 4 quanta, 3 follow"),
    (1, '"datasets":5', '"datasets":6', "broken-graph", "", "announces 6 datasets, 5 follow"),
    (3, '"name":"flat"', '"name":"raw"', "broken-graph", '"raw"', "'raw' is declared twice"),
    (2, '"detector"]', '"instrument"]', "broken-graph", '"instrument"', "'instrument' stands here twice"),
    (2, '"kind":"dataset_type"', '"kind":"dataset_kind"', "broken-graph", '"kind"', "Invalid value 'dataset_kind'"),
    (4, '"dimensions":["instrument"]', '"dimensions":"instrument"', "broken-graph", '"dimensions"', "Expected `array`"),
    (5, '"dataset_type":"flat"', '"dataset_type":"falt"', "unknown-dataset-type", '"falt"', "no dataset type 'falt'"),
    (5, '"kind":"input"', '"kind":"put"', "broken-graph", '"kind"', "Invalid enum value 'put'"),
    (7, '["MyCam",0]', '["MyCam"]', "wrong-data-id", '"values"', "1 values for 2 dimensions (instrument, detector)"),
    (7, '["MyCam",0]', '["MyCam",0.5]', "broken-graph", '"values"', "got `float` in 'values[1]'"),
    (7, '"type":"raw"', '"type":"ram"', "unknown-dataset-type", '"ram"', "no dataset type 'ram'"),
    (8, '["MyCam",1]', '["MyCam",0]', "doubled-dataset", '"raw"', "stood before"),
    (9, '"type":"flat"', '"type":"flat","it":1', "broken-graph", '"it"', "unknown field `it`"),
    (12, '"task":"flatten"', '"task":"flattem"', "unknown-task", '"flattem"', "no task 'flattem'"),
    (12, '"raw":[0]', '"row":[0]', "unknown-connection", '"row"', "'row'"),
    (12, '"raw":[0]', '"out":[0]', "unknown-connection", '"out"', "no connection of kind input or prerequisite 'out'"),
    (12, '"raw":[0]', '"raw":[5]', "unknown-dataset", '"raw"', "no dataset 5: 5 stand before"),
    (12, '"raw":[0]', '"raw":[-1]', "unknown-dataset", '"raw"', "no dataset -1"),
    (13, '"out":[3]', '"out":[2]', "two-producers", None, "is written by flatten{"),
    (14, '{"flats":[2,3]}', '{"flats":[2,3]', "broken-graph", '"inputs"', "got `object` in 'inputs[...]'"),
    (14, '["MyCam"]', '["MyCam"', "broken-graph", "", "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "old", "new", "code", "marked", "message"), FAULTS)
def test_a_fault_is_told_with_its_place(
    example: list[str], tmp_path: Path, line: int, old: str, new: str, code: str, marked: str | None, message: str
) -> None:
    path = tmp_path / "graph.ndjson"
    lines = replaced(example, line, old, new)
    found = next(each for each in findings_of(path, lines) if each.code == code)
    assert message in found.message
    if marked is not None:
        assert isinstance(found.place, Span)
        assert (found.place.file, found.place.line) == (str(path), line)
        text = lines[line - 1][found.place.column - 1 :]
        assert text.startswith(marked)


def test_the_place_of_a_syntax_error_is_its_column(tmp_path: Path, example: list[str]) -> None:
    (found,) = findings_of(tmp_path / "g", [example[0], '{"kind":"dataset_type","name":"é",oops}'])
    assert str(found.place).endswith(":2:35")


def test_all_faults_are_told_at_once_and_numbers_stay_right(example: list[str], tmp_path: Path) -> None:
    lines = replaced(replaced(example, 7, '"raw"', '"ram"'), 9, '"flat"', '"falt"')
    found = findings_of(tmp_path / "graph.ndjson", lines)
    assert [(each.code, each.place.line) for each in found if isinstance(each.place, Span)] == [
        ("unknown-dataset-type", 7),
        ("unknown-dataset-type", 9),
    ]
    assert found[1].help == "did you mean 'flat'?"


def test_every_truncation_is_a_finding(example: list[str], tmp_path: Path) -> None:
    text = ("\n".join(example) + "\n").encode()
    path = tmp_path / "graph.ndjson"
    for whole, least in ((text, 1), (zstandard.compress(text), 0)):
        for length in range(0, len(whole) - least, 7):
            path.write_bytes(whole[:length])
            with pytest.raises(CompileError):
                read_quantum_graph(path)


def test_corrupt_compressed_text_is_a_finding(example: list[str], tmp_path: Path) -> None:
    text = ("\n".join(example) + "\n").encode()
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(text)
    path = tmp_path / "graph.ndjson"
    path.write_bytes(whole)
    right = read_quantum_graph(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        try:
            assert read_quantum_graph(path) == right
        except CompileError:
            continue


def wrong_values(node: object, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], object]]:
    rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in rows:
        for wrong in (None, -1, 1.5, True, "no", [], {}, [[]], 2**70):
            yield (*path, key), wrong
        yield from wrong_values(value, (*path, key))


def test_the_schema_refuses_no_line_that_is_read(example: list[str], tmp_path: Path) -> None:
    """Every value of every line is spoilt; where the graph is read nevertheless, the schema agrees."""
    validator = jsonschema.Draft202012Validator(schema("interchange"))
    path = tmp_path / "graph.ndjson"
    for number in (0, 1, 4, 6, 11):
        for where, wrong in wrong_values(json.loads(example[number])):
            spoilt = node = json.loads(example[number])
            for key in where[:-1]:
                node = node[key]
            node[where[-1]] = wrong
            path.write_text(
                "\n".join([*example[:number], json.dumps(spoilt), *example[number + 1 :]]), encoding="utf-8"
            )
            try:
                read_interchange(path)
            except CompileError:
                continue
            assert validator.is_valid(spoilt), spoilt


def test_tasks_in_a_circle_are_a_finding(example: list[str], tmp_path: Path) -> None:
    found = findings_of(tmp_path / "g", replaced(example, 5, '"dataset_type":"raw"', '"dataset_type":"mean"'))
    assert [each.code for each in found] == ["circular-tasks"]


def test_an_unknown_schema_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no schema 'nothing'"):
        schema("nothing")
