"""Our reader of `.qg`, on a small file whose every part can be spoilt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest

from compiler.diagnostics import CompileError, Diagnostic
from compiler.frontend.qg import read_qg
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.rubin import StoredFile
from tests.frontend.qg_file import QgFile, dataset, record, uid


def findings_of(path: Path) -> list[Diagnostic]:
    with pytest.raises(CompileError) as caught:
        read_quantum_graph(path)
    return [each for each in caught.value.findings if each.severity == "error"]


def test_a_graph_is_read(tmp_path: Path) -> None:
    graph = read_qg(QgFile().write(tmp_path / "graph.qg"))
    assert [(t.label, t.task_class, t.dimensions, t.implied) for t in graph.tasks] == [
        ("flatten", "my.FlattenTask", ("instrument", "detector", "exposure"), ("band",)),
        ("combine", "my.CombineTask", ("instrument", "detector"), ()),
    ]
    assert [str(q) for q in graph.quanta()][3:5] == [
        "flatten{instrument: Cam, detector: 1, exposure: 11}",
        "combine{instrument: Cam, detector: 0}",
    ]
    combine = graph.quantum(5)
    assert [graph.dataset(d).data_id["exposure"] for d in combine.inputs["flats"]] == [10, 11]
    assert {graph.dataset(d).type for row in combine.outputs.values() for d in row} == {"mean", "combine_metadata"}
    assert list(graph.files.values()) == [StoredFile(f"raw/{n}.json", 50, "json.F") for n in range(4)]
    assert [each.label for each in graph.init] == ["", "combine", "flatten"]
    assert graph.output_run == "out/run"


def test_the_order_of_quanta_in_the_file_does_not_matter(tmp_path: Path) -> None:
    straight, shuffled = QgFile(), QgFile()
    for rows in (shuffled.quanta, shuffled.init, shuffled.thin["edges"], shuffled.thin["quanta"]["flatten"]):
        Random(5).shuffle(rows)
    shuffled.pipeline["tasks"] = dict(reversed(shuffled.pipeline["tasks"].items()))
    assert read_qg(straight.write(tmp_path / "a.qg")) == read_qg(shuffled.write(tmp_path / "b.qg"))


def test_a_compression_dictionary_is_used(tmp_path: Path) -> None:
    packed = QgFile(dictionary=b'"data_coordinate":["Cam",0,10,"g"],"run":"out/run"' * 4)
    assert read_qg(packed.write(tmp_path / "a.qg")) == read_qg(QgFile().write(tmp_path / "b.qg"))


def test_lengths_may_have_another_size(tmp_path: Path) -> None:
    small = QgFile(length_size=4)
    small.header["int_size"] = 4
    assert read_qg(small.write(tmp_path / "a.qg")) == read_qg(QgFile().write(tmp_path / "b.qg"))


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    read_qg(QgFile().write(tmp_path / "graph.qg"), lambda done, whole: told.append((done, whole)))
    assert told == [(0, 6)]


def test_a_name_with_another_suffix_is_read_by_content(tmp_path: Path) -> None:
    assert read_quantum_graph(QgFile().write(tmp_path / "graph.json")).n_quanta == 6


def test_every_truncation_is_a_finding(tmp_path: Path) -> None:
    whole = QgFile().write(tmp_path / "graph.qg").read_bytes()
    cut = tmp_path / "cut.qg"
    for length in [*range(0, len(whole), 61), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        assert findings_of(cut)


def test_every_flipped_bit_is_a_finding_or_means_nothing(tmp_path: Path) -> None:
    path = QgFile().write(tmp_path / "graph.qg")
    whole, right = path.read_bytes(), read_qg(path)
    noticed = 0
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        try:
            assert read_quantum_graph(path) == right
        except CompileError:
            noticed += 1
    assert noticed > len(whole) / 13 / 2  # the rest are dates and names in the archive's headers


def test_random_bytes_behind_an_archive_signature_are_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "graph.qg"
    for seed in range(30):
        path.write_bytes(b"PK\x03\x04" + Random(seed).randbytes(400))
        assert findings_of(path)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty-file"), (b"description: a pipeline\n", "not-a-graph"), (b"\x89PNG\r\n", "not-a-graph")],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "graph.qg"
    path.write_bytes(content)
    assert [each.code for each in findings_of(path)] == [code]


def test_what_cannot_be_opened_is_a_finding(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.qg"):
        assert [each.code for each in findings_of(path)] == ["cannot-read"]
    with pytest.raises(CompileError, match="cannot-read"):
        read_qg(tmp_path / "absent.qg")


@pytest.mark.parametrize(
    "member", ["header.json.zst", "pipeline_graph.json.zst", "thin_graph.json.zst", "init_quanta.json.zst",
               "quantum_datasets.mb"],
)  # fmt: skip
def test_a_missing_member_is_named(tmp_path: Path, member: str) -> None:
    (found,) = findings_of(QgFile(left_out=member).write(tmp_path / "graph.qg"))
    assert found.code == "broken-graph"
    assert member in found.message


SPOILT: dict[str, tuple[Callable[[QgFile], object], str]] = {
    "a header without a version": (lambda f: f.header.pop("version"), "missing required field `version`"),
    "a length of no bytes": (lambda f: f.header.update(int_size=0), "integers of 0 bytes"),
    "a graph of what was done": (lambda f: f.header.update(graph_type="provenance"), "type 'provenance'"),
    "a task without a class": (lambda f: f.pipeline["tasks"]["combine"].pop("task_class"), "`$.tasks[...]`"),
    "an unknown dimension": (lambda f: f.pipeline["tasks"]["combine"].update(dimensions=["star"]), "'star'"),
    "a connection of no dataset type": (lambda f: f.pipeline["dataset_types"].pop("mean"), "'mean'"),
    "a dataset type without dimensions": (
        lambda f: f.pipeline["dataset_types"]["mean"].update(dimensions=None), "'mean' has no dimensions"),
    "circular dimensions": (
        lambda f: f.pipeline["dimensions"]["elements"]["band"].update(requires=["exposure"]), "in a circle"),
    "circular tasks": (
        lambda f: f.pipeline["tasks"]["flatten"]["inputs"]["raw"].update(dataset_type_name="mean"), "in a circle"),
    "a quantum of no task": (lambda f: f.quanta[0].update(task_label="fold"), "no task 'fold'"),
    "a quantum without a value": (lambda f: f.quanta[0]["data_coordinate"].pop(), "3 values for 4 dimensions"),
    "a number with a fraction": (lambda f: f.quanta[0].update(data_coordinate=["Cam", 0.5, 1, "g"]), "block 0"),
    "a dataset without a value": (
        lambda f: f.quanta[0]["inputs"]["raw"][0]["data_coordinate"].pop(), "'raw' has 3 values for 4 dimensions"),
    "a dataset of no type": (
        lambda f: f.quanta[0]["inputs"]["raw"][0].update(dataset_type_name="row"), "no dataset type 'row'"),
    "an undeclared connection": (lambda f: f.quanta[0]["inputs"].update(dark=[]), "no connection 'dark'"),
    "an output among the inputs": (lambda f: f.quanta[0]["inputs"].update(out=[]), "no connection 'out'"),
    "an id that is none": (lambda f: f.quanta[0].update(quantum_id="17"), "'17' is not an id"),
    "an id of other letters": (lambda f: f.quanta[0].update(quantum_id="xyz"), "hexadecimal"),
    "a quantum that is missing": (lambda f: f.quanta.pop(), "6 quanta announced, 5"),
    "a quantum that stands twice": (lambda f: f.quanta.append(f.quanta[0]), "6 quanta announced, 6 different"),
    "another quantum than announced": (lambda f: f.quanta[0].update(quantum_id=uid(999)), "has no datasets"),
    "an announced data id that differs": (
        lambda f: f.thin["quanta"]["combine"][0].update(data_coordinate=["Cam", 1]), "other data ids"),
    "an announced label that differs": (
        lambda f: f.thin["quanta"].update(flatten=f.thin["quanta"]["combine"], combine=f.thin["quanta"]["flatten"]),
        "other data ids"),
    "an edge too few": (lambda f: f.thin["edges"].pop(), "1 edges between quanta disagree"),
    "an edge too many": (lambda f: f.thin["edges"].append([uid(100), uid(201)]), "1 edges between quanta disagree"),
    "an edge in the datasets only": (
        lambda f: f.quanta[4]["inputs"]["flats"].append(dataset(12, "flat", "Cam", 1, 10, "g")),
        "from flatten{instrument: Cam, detector: 1, exposure: 10} to combine{instrument: Cam, detector: 0}"),
    "no quanta": (
        lambda f: (f.quanta.clear(), f.thin.update(quanta={}, edges=[])), "the graph has no quanta"),
    "two producers": (
        lambda f: f.quanta[5]["outputs"].update(out=f.quanta[4]["outputs"]["out"]), "is written by combine{"),
    "a doubled dataset": (
        lambda f: f.quanta[5]["outputs"].update(out=[dataset(99, "mean", "Cam", 0)]), "has two ids"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_document_is_a_finding(tmp_path: Path, what: str) -> None:
    spoil, expected = SPOILT[what]
    file = QgFile()
    spoil(file)
    found = findings_of(file.write(tmp_path / "graph.qg"))
    assert any(expected in str(each) for each in found), found


def test_a_spoilt_value_anywhere_is_a_finding_or_means_nothing(tmp_path: Path) -> None:
    """Each value in each document is replaced by values of other types; nothing else than `CompileError` is raised."""

    def places(node: Any) -> list[tuple[Any, Any]]:
        rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        return [pair for key, value in rows for pair in [(node, key), *places(value)]]

    file = QgFile()
    path = tmp_path / "graph.qg"
    for container, key in chain.from_iterable(
        map(places, (file.header, file.pipeline, file.thin, file.init, file.quanta[3], file.quanta[4]))
    ):
        before = container[key]
        for wrong in (None, -1, "no", [], {}):
            container[key] = wrong
            try:
                read_quantum_graph(file.write(path))
            except CompileError:
                continue
            finally:
                container[key] = before


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    file = QgFile()
    file.quanta[0]["task_label"] = "fold"
    file.quanta[5]["inputs"]["dark"] = []
    assert [str(each.place).rpartition(": ")[2] for each in findings_of(file.write(tmp_path / "g.qg"))] == [
        "fold{}",
        "1}",
    ]


def test_a_block_longer_than_the_file_is_a_finding(tmp_path: Path) -> None:
    (found,) = findings_of(QgFile(length_size=4).write(tmp_path / "graph.qg"))
    assert "is longer than the file" in found.message


def test_a_planned_graph_without_datastore_records_is_refused(tmp_path: Path) -> None:
    file = QgFile()
    for quantum in file.quanta[1:]:
        quantum["datastore_records"] = {}
    (found,) = findings_of(file.write(tmp_path / "graph.qg"))
    assert (found.code, found.severity) == ("no-datastore-records", "error")
    assert found.message.startswith("3 datasets that exist before the workflow have no datastore record")


def test_a_dataset_in_several_files_is_refused(tmp_path: Path) -> None:
    file = QgFile()
    (rows,) = file.quanta[0]["datastore_records"]["FileDatastore@<butlerRoot>"]["records"]["Info"].values()
    rows["file_datastore_records"] *= 2
    assert [each.code for each in findings_of(file.write(tmp_path / "graph.qg"))] == ["unsupported-composite"]


def test_an_unknown_size_is_kept_unknown(tmp_path: Path) -> None:
    file = QgFile()
    (rows,) = file.quanta[0]["datastore_records"]["FileDatastore@<butlerRoot>"]["records"]["Info"].values()
    rows["file_datastore_records"][0]["file_size"] = -1
    file.quanta[1]["datastore_records"]["other"] = record(1)["FileDatastore@<butlerRoot>"]
    graph = read_qg(file.write(tmp_path / "graph.qg"))
    assert [each.size for each in graph.files.values()] == [None, 50, 50, 50]


def test_another_version_needs_the_middleware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lsst.pipe.base.pipeline_graph.io", None)
    file = QgFile()
    file.header["version"] = 7
    (found,) = findings_of(file.write(tmp_path / "graph.qg"))
    assert found.code == "unknown-graph-version"
    assert "extra 'lsst'" in (found.help or "")


def test_an_old_graph_needs_the_middleware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lsst.pipe.base.pipeline_graph.io", None)
    path = tmp_path / "graph.qgraph"
    path.write_bytes(b"qgraph4\xf6\xe8\xa9 and more")
    assert [each.code for each in findings_of(path)] == ["unknown-graph-version"]
