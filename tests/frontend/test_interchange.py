"""The interchange format: nothing is lost, and every fault has a line and a column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

import jsonschema
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import integers

from compiler.diagnostics import CompileError, Diagnostic, Span, render
from compiler.frontend.interchange import read_interchange, write_interchange
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.rubin import QuantumGraph
from compiler.rubin.ids import NAMESPACE, dataset_id, init_id, quantum_id
from schemas import schema
from tests.frontend.interchange_forms import as_blocks, as_rows
from tests.strategies import GraphShape, build_graph, graph_shapes, graphs

DOCUMENT = Path(__file__).parents[2] / "docs" / "interchange.md"
relaxed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def example() -> list[str]:
    """The lines of the graph in the documentation."""
    return documented()[0]


@pytest.fixture
def in_blocks() -> list[str]:
    """The same graph in blocks: six lines as before, then five."""
    rows, blocks = documented()
    return [*rows[:6], *blocks]


def documented() -> list[list[str]]:
    found = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return [each.splitlines() for each in found]


def read(path: Path, lines: list[str]) -> QuantumGraph:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_quantum_graph(path)


def read_objects(path: Path, lines: Iterable[dict[str, Any]]) -> QuantumGraph:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return read_interchange(path)


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


@given(shape=graph_shapes(), seed=integers(0, 5), size=integers(1, 4))
@settings(relaxed, max_examples=40)
def test_neither_the_order_of_lines_nor_their_size_matters(
    shape: GraphShape, seed: int, size: int, tmp_path: Path
) -> None:
    """Lines of one kind change places, as rows and as blocks of any size; datasets are then numbered anew."""
    graph = build_graph(shape)
    write_interchange(graph, tmp_path / "graph.ndjson")
    lines = as_rows(json.loads(line) for line in (tmp_path / "graph.ndjson").read_text(encoding="utf-8").splitlines())
    kinds = {k: [each for each in lines if each["kind"] == k] for k in dict.fromkeys(each["kind"] for each in lines)}
    order = Random(seed).sample(range(graph.n_datasets), graph.n_datasets)
    place = {number: position for position, number in enumerate(order)}
    kinds["dataset"] = [kinds["dataset"][number] for number in order]
    for rows in (kinds.get("quantum", []), kinds["task"], kinds["dataset_type"], kinds.get("init", [])):
        Random(seed).shuffle(rows)
    for each in [*kinds.get("quantum", []), *kinds.get("init", [])]:
        for side in ("inputs", "outputs"):
            each[side] = {name: [place[d] for d in row] for name, row in each.get(side, {}).items()}
    shuffled = [each for rows in kinds.values() for each in rows]
    assert read_objects(tmp_path / "rows.ndjson", shuffled) == graph
    assert read_objects(tmp_path / "blocks.ndjson", as_blocks(shuffled, size, Random(seed))) == graph


@given(graph=graphs())
@settings(relaxed, max_examples=20)
def test_a_file_of_version_1_is_read(graph: QuantumGraph, tmp_path: Path) -> None:
    write_interchange(graph, tmp_path / "graph.ndjson")
    first, *rest = (json.loads(line) for line in (tmp_path / "graph.ndjson").read_text(encoding="utf-8").splitlines())
    assert read_objects(tmp_path / "old.ndjson", [first | {"version": 1}, *as_rows(rest)]) == graph


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
    (1, '"version":2', '"version":9', "unknown-graph-version", '"version"', "version 9"),
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


BLOCK_FAULTS = [
    (1, '"version":2', '"version":1', 7, "unknown-graph-version", '"kind"', "blocks are of version 2"),
    (1, '"datasets":5', '"datasets":6', 1, "broken-graph", "", "announces 6 datasets, 5 follow"),
    (7, '"count":2', '"count":3', 7, "wrong-data-id", '"detector"', "2 values in a line of 3 rows"),
    (7, '"count":2', '"count":2000000', 7, "broken-graph", '"count"', "<= 1048576"),
    (7, '"count":2,', "", 7, "broken-graph", "", "missing required field `count`"),
    (7, '"type":"raw"', '"type":"ram"', 7, "unknown-dataset-type", '"ram"', "no dataset type 'ram'"),
    (7, '"detector":[0,1]', '"detectro":[0,1]', 7, "wrong-data-id", '"detectro"', "none of the dimensions here"),
    (7, ',"detector":[0,1]', "", 7, "wrong-data-id", '"columns"', "no column for the dimension 'detector'"),
    (7, "[0,1]", "[0,1.5]", 7, "broken-graph", '"columns"', "got `float`"),
    (7, "[0,1]", "[1,1]", 7, "doubled-dataset", "", "dataset 1 ('raw', row 1 of this line) stood before"),
    (7, '"run":"raw/all"', '"run":["raw/all"]', 7, "broken-graph", '"run"', "1 run in a line of 2 rows"),
    (7, '"run"', '"ids":["x",null],"run"', 7, "broken-graph", '"ids"', "'x' is not an id"),
    (7, '"sizes":508', '"sizes":-1', 7, "broken-graph", '"sizes"', ">= 0"),
    (7, '"sizes":508', '"sizes":[1]', 7, "broken-graph", '"sizes"', "1 sizes in a line of 2 rows"),
    (8, '{"first":0}', '{"first":4611686018427387904}', 8, "wrong-data-id", '"detector"', "values that are too large"),
    (10, '"task":"flatten"', '"task":"flattem"', 10, "unknown-task", '"flattem"', "no task 'flattem'"),
    (10, '"raw":{', '"row":{', 10, "unknown-connection", '"row"', "no connection of kind input or prerequisite 'row'"),
    (10, '"datasets":[0,1]', '"datasets":[0,5]', 10, "unknown-dataset", '"raw"', "no dataset 5, which quantum 1"),
    (10, '"datasets":[0,1]', '"datasets":[0,-1]', 10, "unknown-dataset", '"raw"', "no dataset -1, which quantum 1"),
    (10, '{"first":2}', '{"first":2,"step":3}', 10, "unknown-dataset", '"out"', "no dataset 5, which quantum 1"),
    (10, '"datasets":[0,1]', f'"datasets":[0,{2**70}]', 10, "unknown-dataset", '"raw"', "numbers that no dataset has"),
    (10, '"datasets":[0,1]', '"datasets":[0]', 10, "broken-graph", '"raw"', "1 datasets where the counts add up to 2"),
    (11, '"counts":[2]', '"counts":[1]', 11, "broken-graph", '"flats"', "2 datasets where the counts add up to 1"),
    (11, '"counts":[2]', '"counts":[1,1]', 11, "broken-graph", '"flats"', "2 counts in a line of 1 rows"),
    (11, '"counts":[2]', '"counts":[-1]', 11, "broken-graph", '"counts"', ">= 0"),
    (10, '"first":2}', '"first":2},"counts":16777216', 10, "broken-graph", '"out"', "16777216 at most"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "old", "new", "told", "code", "marked", "message"), BLOCK_FAULTS)
def test_a_fault_in_a_block_is_told_with_its_line(
    in_blocks: list[str], tmp_path: Path, line: int, old: str, new: str, told: int, code: str, marked: str, message: str
) -> None:
    path = tmp_path / "graph.ndjson"
    lines = replaced(in_blocks, line, old, new)
    found = next(each for each in findings_of(path, lines) if each.code == code)
    assert message in found.message
    assert isinstance(found.place, Span)
    assert (found.place.file, found.place.line) == (str(path), told)
    assert lines[told - 1][found.place.column - 1 :].startswith(marked)


def test_the_documented_blocks_are_the_same_graph(example: list[str], in_blocks: list[str], tmp_path: Path) -> None:
    assert read(tmp_path / "blocks.ndjson", in_blocks) == read(tmp_path / "rows.ndjson", example)
    validator = jsonschema.Draft202012Validator(schema("interchange"))
    assert all(validator.is_valid(json.loads(line)) for line in in_blocks)


def test_of_a_long_line_only_the_neighbourhood_of_a_fault_is_shown(in_blocks: list[str], tmp_path: Path) -> None:
    path = "x" * 5000
    lines = replaced(replaced(in_blocks, 7, "raw_0.fits", path), 7, '"sizes":508', '"sizes":-1')
    (found,) = findings_of(tmp_path / "graph.ndjson", lines)
    _, line, carets = render(found).splitlines()
    assert len(line) < 420
    assert line[carets.index("^") : carets.rindex("^") + 1] == '"sizes"'


def test_a_block_that_repeats_a_line_of_its_own_is_told(in_blocks: list[str], tmp_path: Path) -> None:
    row = '{"kind":"dataset","type":"flat","values":["MyCam",1]}'
    (found,) = findings_of(tmp_path / "g", [in_blocks[0].replace(":5}", ":6}"), *in_blocks[1:7], row, *in_blocks[7:9]])
    assert (found.code, found.place) == ("broken-graph", Span(str(tmp_path / "g"), 1, 1))
    head = in_blocks[0].replace('"quanta":3,"datasets":5', '"quanta":0,"datasets":6')
    (found,) = findings_of(tmp_path / "g", [head, *in_blocks[1:7], row, *in_blocks[7:9]])
    assert (found.code, found.place) == ("doubled-dataset", Span(str(tmp_path / "g"), 9, 1))
    assert "dataset 4 ('flat', row 1 of this line)" in found.message


def test_numbers_behind_a_block_that_cannot_be_read_stay_right(in_blocks: list[str], tmp_path: Path) -> None:
    lines = replaced(replaced(in_blocks, 7, '"files"', '"flies"'), 8, '"first"', '"fisrt"')
    found = findings_of(tmp_path / "graph.ndjson", lines)
    assert [(each.code, each.place.line) for each in found if isinstance(each.place, Span)] == [
        ("broken-graph", 7),
        ("broken-graph", 8),
    ]


def test_values_that_exceed_the_machine_stay_what_they_are(in_blocks: list[str], tmp_path: Path) -> None:
    lines = replaced(replaced(in_blocks, 7, "[0,1]", f'["0",{2**70}]'), 8, '{"first":0}', '["0",1]')
    graph = read(tmp_path / "graph.ndjson", lines)
    assert [graph.dataset(d).data_id["detector"] for q in (0, 1) for d in graph.quantum(q).inputs["raw"]] == [
        "0",
        2**70,
    ]


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


@pytest.mark.parametrize(("form", "numbers"), [(0, (0, 1, 4, 6, 11)), (1, (0, 1, 4))])
def test_the_schema_refuses_no_line_that_is_read(form: int, numbers: tuple[int, ...], tmp_path: Path) -> None:
    """Every value of every line is spoilt; where the graph is read nevertheless, the schema agrees."""
    validator = jsonschema.Draft202012Validator(schema("interchange"))
    path = tmp_path / "graph.ndjson"
    rows, blocks = documented()
    example = rows if form == 0 else [*rows[:6], *blocks]
    for number in (each + 6 * form for each in numbers):
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
