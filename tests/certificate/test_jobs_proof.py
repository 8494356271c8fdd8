"""The second proof holds for whatever is compiled, and names every single change of table or workflow."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compiler.analysis.clustering import Options, auto
from compiler.analysis.requests import Requests
from compiler.certificate.jobs import JobsProof
from compiler.diagnostics import CompileError
from compiler.rubin import QuantumGraph
from tests import strategies
from tests.certificate import by_hand
from tests.certificate.lowered import (
    Document,
    clusters,
    cut,
    document_of,
    jobs_of,
    lowered,
    proof_of,
    table_of,
    write_document,
    write_rows,
)
from tests.certificate.mutants import mutants, mutate
from tests.shapes import shape, tract

pytest.importorskip("pyarrow")

Rows = list[dict[str, Any]]
GROUPS = ((0, 4), (1, 5), (2, 6, 3, 7), (9, 11))
"""Quanta of the graph by hand: isr with clean of one image or of two, a combination with a stack; two stay alone."""


def graph_by_hand() -> QuantumGraph:
    return by_hand.graph()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph by hand in five jobs."""
    out = tmp_path_factory.mktemp("whole") / "pegasus"
    graph = graph_by_hand()
    lowered(jobs_of(graph, clusters(graph, GROUPS)), out)
    return out


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in sub-workflows of at most two jobs."""
    out = tmp_path_factory.mktemp("parted") / "pegasus"
    graph = graph_by_hand()
    lowered(jobs_of(graph, clusters(graph, GROUPS)), out, partition_jobs=2)
    assert (out / "part-2.yml").is_file()
    return out


@pytest.fixture
def out(compiled: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    shutil.copytree(compiled, tmp_path / "pegasus")
    return tmp_path / "pegasus"


@pytest.fixture
def parts(parted: Path, tmp_path: Path) -> Path:
    shutil.copytree(parted, tmp_path / "parts")
    return tmp_path / "parts"


def job(document: Document, id: str) -> Any:
    return next(each for each in document["jobs"] if each["id"] == id)


def children(document: Document, id: str) -> list[str]:
    found: list[str] = next(each["children"] for each in document["jobDependencies"] if each["id"] == id)
    return found


def uses(document: Document, id: str, kind: str) -> list[dict[str, Any]]:
    return [use for use in job(document, id)["uses"] if use["type"] == kind]


def drop_use(document: Document, id: str, kind: str, begins: str) -> None:
    (found,) = (use for use in uses(document, id, kind) if use["lfn"].startswith(begins))
    job(document, id)["uses"].remove(found)


def codes(proof: JobsProof) -> set[str]:
    return set(proof.counts)


@pytest.mark.parametrize("partition", [20_000, 2])
@given(
    strategies.graphs(max_tasks=4), st.integers(0, 2**32), st.sampled_from([1, 3, 12]), st.sampled_from([False, True])
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_runs_together_the_written_jobs_are_proved(
    partition: int, graph: QuantumGraph, seed: int, largest: int, keep: bool
) -> None:
    jobs = jobs_of(graph, cut(graph, Random(seed), largest), lambda label, port: keep and len(port) % 2 == 0)
    with TemporaryDirectory() as folder:
        out = Path(folder) / "pegasus"
        try:
            lowered(jobs, out, partition_jobs=partition)
        except CompileError as error:
            assume({each.code for each in error.findings if each.severity == "error"} == {"unsafe-arguments"})
            assume(False)
        proof = proof_of(graph, out)
    assert proof.findings == ()
    assert (proof.quanta, proof.to_json()["proved"]) == (graph.n_quanta, True)
    assert proof.jobs == sum(bool(each.quanta) for each in jobs.jobs())
    key = [bool(each.quanta) for each in jobs.jobs()]
    pairs = zip(jobs.edges.item.tolist(), jobs.edges.row.tolist(), strict=True)
    assert proof.edges == sum(key[earlier] and key[later] for earlier, later in pairs)


@pytest.mark.parametrize("partition", [20_000, 5])
def test_the_jobs_of_auto_are_proved(partition: int, tmp_path: Path) -> None:
    graph = tract(visits=5, detectors=4, patches=4, bands=2)
    clustering = auto(graph, Requests.default(graph), Options(target_s=1800, parallel=4))
    lowered(jobs_of(graph, clustering), tmp_path, partition_jobs=partition)
    proof = proof_of(graph, tmp_path)
    assert proof.findings == ()
    assert 1 < proof.jobs == clustering.size < graph.n_quanta
    assert (proof.documents > 1) == (partition == 5)


def test_a_graph_without_quanta_of_a_task_without_dimensions_is_proved_too(tmp_path: Path) -> None:
    graph = shape("gather(): raw[detector] -> sum\nlast(): sum -> all", {"detector": range(3)})
    for folder, groups in (("alone", []), ("together", [(0, 1)])):
        lowered(jobs_of(graph, clusters(graph, groups)), tmp_path / folder)
        assert proof_of(graph, tmp_path / folder).findings == ()
    assert [row["data_id"] for row in table_of(tmp_path / "alone")] == ["{}", "{}"]


def test_data_ids_with_strange_letters_are_told_apart_and_proved(tmp_path: Path) -> None:
    strange = ["a b", "a", "b", "it's", 'say "x"', "é/ö", "*", "a --task b", "-", "a=b", "%s", "{}", "+20"]
    graph = shape("isr(filter, detector): raw[filter] -> out", {"filter": strange, "detector": range(2)})
    lowered(jobs_of(graph, cut(graph, Random(1), 5)), tmp_path)
    assert proof_of(graph, tmp_path).findings == ()
    document = document_of(tmp_path)
    for each in document["jobs"]:
        each["arguments"] = [word.replace("'filter=a b'", "filter=a b") for word in each["arguments"]]
    write_document(tmp_path, document)
    assert codes(proof_of(graph, tmp_path)) >= {"other-arguments"}


def test_a_graph_is_not_proved_by_the_jobs_of_another(compiled: Path) -> None:
    other = shape("isr(exposure): raw[exposure] -> out", {"exposure": range(3)})
    assert codes(proof_of(other, compiled)) == {"extra-quantum", "missing-quantum"}
    empty = shape("isr(exposure): raw[exposure] -> out", {"exposure": []})
    assert codes(proof_of(empty, compiled)) == {"extra-quantum"}


TABLE: dict[str, tuple[Callable[[Rows], object], set[str], str]] = {
    "a quantum is in another job": (
        lambda rows: rows[0].update(job="clean-c0"),
        {"unknown-job"},
        "names 'clean-c0', which is no job",
    ),
    "a quantum is in another job that there is": (
        lambda rows: rows[0].update(job=rows[2]["job"]),
        {"wrong-place"},
        "has the place",
    ),
    "two quanta of two jobs are exchanged": (
        lambda rows: exchange(rows, 0, 2),
        {"other-arguments", "missing-input", "extra-input", "missing-output", "extra-output", "missing-edge", "circle"},
        "lack 'isr instrument=Cam detector=0 exposure=1001'",
    ),
    "two quanta of a job change places": (
        lambda rows: (rows[0].update(place=1), rows[1].update(place=0)),
        {"other-arguments", "wrong-order"},
        "another order than theirs",
    ),
    "a row is missing": (lambda rows: rows.pop(3), {"missing-quantum"}, "stands in no row of the table"),
    "a row stands twice": (lambda rows: rows.append(rows[3]), {"doubled-quantum"}, "several times"),
    "a row is invented": (
        lambda rows: rows.append(rows[3] | {"data_id": '{"instrument":"Cam","detector":7,"exposure":1000}'}),
        {"extra-quantum"},
        '"detector":7',
    ),
    "a label is another": (lambda rows: rows[0].update(label="bias"), {"extra-quantum", "missing-quantum"}, "bias{"),
    "a place is missing": (lambda rows: rows[0].update(place=None), {"wrong-place"}, "place -1"),
    "a job is missing": (lambda rows: rows[0].update(job=None), {"unknown-job"}, "None"),
    "an input is missing": (lambda rows: rows[0]["inputs"].pop(), {"other-datasets"}, "its inputs lack"),
    "an output stands twice": (
        lambda rows: rows[0]["outputs"].append(rows[0]["outputs"][0]),
        {"other-datasets"},
        "its outputs have",
    ),
    "outputs are not told": (lambda rows: rows[0].update(outputs=None), {"other-datasets"}, "its outputs lack"),
    "there are no rows": (lambda rows: rows.clear(), {"missing-quantum"}, "stands in no row"),
}


def exchange(rows: Rows, one: int, other: int) -> None:
    """Give two quanta each other's job and place, the datasets staying theirs."""
    mine, theirs = ({key: rows[n][key] for key in ("job", "place")} for n in (one, other))
    rows[one].update(theirs)
    rows[other].update(mine)


@pytest.mark.parametrize(("change", "expected", "message"), TABLE.values(), ids=TABLE)
def test_a_change_of_the_table_is_named(
    change: Callable[[Rows], object], expected: set[str], message: str, out: Path
) -> None:
    rows = table_of(out)
    change(rows)
    write_rows(out, rows)
    proof = proof_of(graph_by_hand(), out)
    assert codes(proof) == expected
    assert message in " ".join(each.message for each in proof.findings)


def test_the_order_of_rows_means_nothing(out: Path) -> None:
    rows = table_of(out)
    Random(1).shuffle(rows)
    write_rows(out, rows)
    assert proof_of(graph_by_hand(), out).findings == ()


def test_only_some_of_many_findings_are_told_and_all_are_counted(out: Path) -> None:
    rows = table_of(out)
    write_rows(out, [rows[0] | {"data_id": f'{{"detector":{n}}}'} for n in range(50)])
    proof = proof_of(graph_by_hand(), out)
    assert proof.counts == {"extra-quantum": 50, "missing-quantum": 12}
    assert sum(each.code == "extra-quantum" for each in proof.findings) == 21


DISAGREEING = ("disagreeing-job", "disagreeing-workflow")
WORKFLOW: dict[str, tuple[Callable[[Document], object], set[str], str]] = {
    "a quantum is dropped": (
        lambda d: drop_words(job(d, "isr-c0")["arguments"], 5),
        {"other-arguments", *DISAGREEING},
        "of 'isr-c0' lack 'clean instrument=Cam",
    ),
    "a quantum is another": (
        lambda d: swap(job(d, "isr-c0")["arguments"], "exposure=1000", "exposure=1001"),
        {"other-arguments", "disagreeing-job"},
        "lack 'isr instrument=Cam detector=0 exposure=1000'",
    ),
    "a quantum runs twice": (
        lambda d: job(d, "isr-c0")["arguments"].extend(job(d, "isr-c0")["arguments"][-5:]),
        {"other-arguments", *DISAGREEING},
        "name 'clean instrument=Cam",
    ),
    "quanta run in another order": (
        lambda d: reorder(job(d, "isr-c0")["arguments"]),
        {"other-arguments", "disagreeing-job"},
        "another order",
    ),
    "words of a quantum are swapped": (
        lambda d: swap(job(d, "isr-c0")["arguments"], "instrument=Cam", "--task"),
        {"other-arguments", *DISAGREEING},
        "lack",
    ),
    "the metadata names another quantum": (
        lambda d: job(d, "isr-c0")["metadata"].update({"quantum.1": "clean instrument=Cam detector=0 exposure=1001"}),
        {"disagreeing-job"},
        "its metadata names other quanta than its arguments",
    ),
    "the metadata is missing": (lambda d: job(d, "isr-c0").pop("metadata"), {"disagreeing-job"}, "its metadata"),
    "the workflow tells another number": (
        lambda d: d["metadata"].update(quanta="13"),
        {"disagreeing-workflow"},
        "tells 13 quanta, the arguments of all jobs 12",
    ),
    "another verb": (
        lambda d: swap(job(d, "isr-c0")["arguments"], "quanta", "dry"),
        {"other-arguments"},
        "says 'dry'",
    ),
    "another graph": (
        lambda d: swap(job(d, "isr-c0")["arguments"], "graph.qg", "other.qg"),
        {"missing-input", "extra-input"},
        "does not name 'other.qg'",
    ),
    "no records": (
        lambda d: drop(job(d, "isr-c0")["arguments"], "--records", 2),
        {"extra-output", "not-staged-out", "lost-records", "extra-input", "extra-edge"},
        "records",
    ),
    "another checkpoint": (
        lambda d: swap(job(d, "isr-c0")["arguments"], "isr-c0_checkpoint.tar", "isr-c1_checkpoint.tar"),
        {"disagreeing-job"},
        "the checkpoint that it uses",
    ),
    "a job is dropped": (lambda d: remove_job(d, "isr-c0"), {"unknown-job", "disagreeing-workflow"}, "names 'isr-c0'"),
    "the init job is dropped": (
        lambda d: remove_job(d, "_init"),
        {"missing-init"},
        "0 jobs initialise the run",
    ),
    "the gathering job is dropped": (
        lambda d: remove_job(d, "_collect"),
        {"lost-records"},
        "gathered by 0 jobs",
    ),
    "a job stands twice": (
        lambda d: d["jobs"].append(job(d, "isr-c0")),
        {"duplicate-job", "disagreeing-workflow"},
        "several jobs",
    ),
    "a job is invented": (
        lambda d: d["jobs"].append({"type": "job", "id": "more", "arguments": ["quanta"], "uses": []}),
        {"extra-job"},
        "'more' runs nothing of the graph",
    ),
    "a second init job": (
        lambda d: d["jobs"].append(job(d, "_init") | {"id": "again"}),
        {"missing-init"},
        "2 jobs initialise the run",
    ),
    "an edge is missing": (
        lambda d: children(d, "isr-c0").remove("combine-Cam-0"),
        {"missing-edge"},
        "'combine-Cam-0' does not wait for 'isr-c0'",
    ),
    "an edge too many": (
        lambda d: children(d, "isr-c0").append("isr-c1"),
        {"extra-edge"},
        "'isr-c1' needs nothing of 'isr-c0'",
    ),
    "an edge of the init job is missing": (
        lambda d: children(d, "_init").remove("isr-c0"),
        {"missing-edge"},
        "'isr-c0' does not wait for '_init'",
    ),
    "an edge of the init job too many": (
        lambda d: children(d, "_init").append("combine-Cam-0"),
        {"extra-edge"},
        "needs nothing of '_init'",
    ),
    "records are gathered too early": (
        lambda d: children(d, "isr-c0").remove("_collect"),
        {"missing-edge"},
        "'_collect' does not wait for 'isr-c0'",
    ),
    "no edges at all": (lambda d: d["jobDependencies"].clear(), {"missing-edge"}, "does not wait for"),
    "an edge leads nowhere": (
        lambda d: children(d, "isr-c0").append("nobody"),
        {"unknown-job"},
        "'nobody'",
    ),
    "an edge twice": (
        lambda d: children(d, "isr-c0").append("combine-Cam-0"),
        {"doubled-edge"},
        "1 dependencies are declared twice",
    ),
    "records are gathered into another file": (
        lambda d: swap(job(d, "_collect")["arguments"], "--output", "--into"),
        {"disagreeing-job"},
        "another file than its arguments say",
    ),
    "an input is missing": (
        lambda d: drop_use(d, "isr-c0", "input", "raw-"),
        {"missing-input"},
        "does not name 'raw-Cam-0-1000",
    ),
    "what the init job makes is missing": (
        lambda d: drop_use(d, "isr-c0", "input", "schema"),
        {"missing-input"},
        "does not name 'schema'",
    ),
    "an input too many": (
        lambda d: job(d, "isr-c0")["uses"].append({"lfn": "raw-Cam-1-1000", "type": "input"}),
        {"extra-input"},
        "should not name 'raw-Cam-1-1000'",
    ),
    "an input twice": (
        lambda d: job(d, "isr-c0")["uses"].append(uses(d, "isr-c0", "input")[0]),
        {"extra-input"},
        "should not name",
    ),
    "what is made inside is staged in": (
        lambda d: job(d, "isr-c0")["uses"].append({"lfn": "image-Cam-0-1000", "type": "input"}),
        {"extra-input"},
        "'image-Cam-0-1000'",
    ),
    "an output that others read is missing": (
        lambda d: drop_use(d, "isr-c0", "output", "cleaned-"),
        {"missing-output"},
        "does not name 'cleaned-Cam-0-1000'",
    ),
    "a result is missing": (
        lambda d: drop_use(d, "isr-c0", "output", "isr_log"),
        {"missing-output"},
        "'isr_log-Cam-0-1000'",
    ),
    "another job's output": (
        lambda d: job(d, "isr-c0")["uses"].append(uses(d, "isr-c1", "output")[0]),
        {"extra-output"},
        "should not name",
    ),
    "an output twice": (
        lambda d: job(d, "isr-c0")["uses"].append(uses(d, "isr-c0", "output")[0]),
        {"extra-output"},
        "should not name",
    ),
    "a result is not staged out": (
        lambda d: uses(d, "isr-c0", "output")[0].update(stageOut=False),
        {"not-staged-out"},
        "nobody stages out",
    ),
    "the init job's output is missing": (
        lambda d: drop_use(d, "_init", "output", "packages"),
        {"missing-output"},
        "'packages'",
    ),
    "records are not gathered": (
        lambda d: drop_use(d, "_collect", "input", "isr-c0"),
        {"lost-records", "extra-edge", "disagreeing-job"},
        "records of 'isr-c0' is gathered by 0 jobs",
    ),
    "gathers what is no record": (
        lambda d: job(d, "_collect")["uses"].append({"lfn": "packages", "type": "input"}),
        {"extra-input", "disagreeing-job"},
        "no file of records",
    ),
}


def remove_job(document: Document, id: str) -> None:
    """Take a job out, and all that waits for it or that it waits for."""
    document["jobs"].remove(job(document, id))
    document["jobDependencies"] = [each for each in document["jobDependencies"] if each["id"] != id]
    for each in document["jobDependencies"]:
        each["children"] = [child for child in each["children"] if child != id]


def swap(words: list[str], old: str, new: str) -> None:
    words[words.index(old)] = new


def drop(words: list[str], first: str, count: int) -> None:
    start = words.index(first)
    del words[start : start + count]


def drop_words(words: list[str], count: int) -> None:
    del words[-count:]


def reorder(words: list[str]) -> None:
    """Run the last quantum, of four words and ``--task``, before the others."""
    start = words.index("--task")
    words[start:] = [*words[-5:], *words[start:-5]]


@pytest.mark.parametrize(("change", "expected", "message"), WORKFLOW.values(), ids=WORKFLOW)
def test_a_change_of_the_workflow_is_named(
    change: Callable[[Document], object], expected: set[str], message: str, out: Path
) -> None:
    document = copy.deepcopy(document_of(out))
    change(document)
    write_document(out, document)
    proof = proof_of(graph_by_hand(), out)
    assert codes(proof) == expected
    assert message in " ".join(each.message for each in proof.findings)


PARTS: dict[str, tuple[str, Callable[[Document], object], set[str], str]] = {
    "sub-workflows run at the same time": (
        "workflow.yml",
        lambda d: children(d, "part-1").remove("part-3"),
        {"missing-edge"},
        "'part-3' does not wait for 'part-1'",
    ),
    "a sub-workflow waits for one it needs nothing of": (
        "workflow.yml",
        lambda d: d["jobDependencies"].append({"id": "part-3", "children": ["part-1"]}),
        {"extra-edge"},
        "'part-1' needs nothing of 'part-3'",
    ),
    "a sub-workflow runs before the init job": (
        "workflow.yml",
        lambda d: children(d, "_init").remove("part-1"),
        {"missing-edge"},
        "'part-1' does not wait for '_init'",
    ),
    "a sub-workflow is dropped": (
        "workflow.yml",
        lambda d: d["jobs"].remove(job(d, "part-1")),
        {"unknown-job", "disagreeing-workflow"},
        "which is no job",
    ),
    "a file that crosses is not given": (
        "workflow.yml",
        lambda d: drop_use(d, "part-1", "output", "cleaned-Cam-0-1000"),
        {"missing-output"},
        "'part-1' does not name 'cleaned-Cam-0-1000'",
    ),
    "a file that crosses is not taken": (
        "workflow.yml",
        lambda d: drop_use(d, "part-1", "input", "schema"),
        {"missing-input"},
        "'part-1' does not name 'schema'",
    ),
    "a file that does not cross is taken": (
        "workflow.yml",
        lambda d: job(d, "part-2")["uses"].append({"lfn": "image-Cam-0-1000", "type": "input"}),
        {"extra-input"},
        "should not name 'image-Cam-0-1000'",
    ),
    "what crosses is staged out by nobody": (
        "part-1.yml",
        lambda d: [use.update(stageOut=False) for use in d["jobs"][0]["uses"] if use["lfn"].startswith("cleaned")],
        {"not-staged-out"},
        "nobody stages out",
    ),
    "a quantum of a sub-workflow is dropped": (
        "part-1.yml",
        lambda d: drop_words(d["jobs"][0]["arguments"], 5),
        {"other-arguments", *DISAGREEING},
        "lack",
    ),
    "a file of records does not get through": (
        "workflow.yml",
        lambda d: drop_use(d, "_collect", "input", "_collect-part-1"),
        {"lost-records", "extra-edge", "extra-output", "disagreeing-job"},
        "gathered by 0 jobs",
    ),
}


@pytest.mark.parametrize(("file", "change", "expected", "message"), PARTS.values(), ids=PARTS)
def test_a_change_of_sub_workflows_is_named(
    file: str, change: Callable[[Document], object], expected: set[str], message: str, parts: Path
) -> None:
    assert proof_of(graph_by_hand(), parts).findings == ()
    document = document_of(parts, file)
    change(document)
    write_document(parts, document, file)
    proof = proof_of(graph_by_hand(), parts)
    assert codes(proof) == expected
    assert message in " ".join(each.message for each in proof.findings)


def test_clusters_that_wait_for_each_other_are_a_circle(tmp_path: Path) -> None:
    """The table and the arguments agree, and yet no job can be the first."""
    graph = shape("a(x): raw[x] -> m\nb(x): m -> n\nc(x): n -> o", {"x": range(2)})
    lowered(jobs_of(graph, clusters(graph, [(0, 2, 4), (1, 3, 5)])), tmp_path)
    document, rows = document_of(tmp_path), table_of(tmp_path)
    one, other = (each["arguments"] for each in document["jobs"] if each["arguments"][0] == "quanta")
    middle = slice(one.index("b") - 1, one.index("c") - 1)
    one[middle], other[middle] = other[middle], one[middle]
    exchange(rows, 1, 4)
    write_document(tmp_path, document)
    write_rows(tmp_path, rows)
    assert codes(proof_of(graph, tmp_path)) >= {"circle", "missing-edge", "missing-input"}


HARMLESS = re.compile(
    r"^pegasus|^name|^metadata.table|\.namespace|\.name$|nodeLabel|profiles|registerReplica"  # for people, the planner
    r"|jobs\.(0\.uses\.(9|10)|1\.uses\.6)\.stageOut"  # of files of records and a checkpoint, which come back anyway
)
"""Paths of changes after which a workflow still runs the same quanta on the same files."""


def small() -> QuantumGraph:
    return shape("isr(x): raw[x] -> image\nmean(): image -> all", {"x": range(2)})


def test_every_single_change_of_a_workflow_is_caught(tmp_path: Path) -> None:
    graph = small()
    lowered(jobs_of(graph, clusters(graph, [(0, 2)])), tmp_path)
    assert proof_of(graph, tmp_path).findings == ()
    document = document_of(tmp_path)
    missed = []
    for kind, path in mutants(document):
        write_document(tmp_path, mutate(document, kind, path))
        try:
            caught = bool(proof_of(graph, tmp_path).findings)
        except CompileError:
            caught = True
        if not caught and not HARMLESS.search(".".join(map(str, path))):
            missed.append((kind, path))
    assert missed == []


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("workflow.yml", None, "unreadable-workflow"),
        ("workflow.yml", "jobs: []", "unreadable-workflow"),
        ("workflow.yml", '{"jobs": [{"name": 1}]}', "unreadable-workflow"),
        ("part-1.yml", None, "unreadable-workflow"),
        ("quanta.parquet", None, "unreadable-table"),
        ("quanta.parquet", "PAR1 not really", "unreadable-table"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(file: str, content: str | None, code: str, parts: Path) -> None:
    (parts / file).unlink()
    if content is not None:
        (parts / file).write_text(content)
    with pytest.raises(CompileError) as caught:
        proof_of(graph_by_hand(), parts)
    assert [each.code for each in caught.value.findings] == [code]
    assert file in str(caught.value.findings[0])


def test_a_table_without_a_column_is_a_finding(out: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(out / "quanta.parquet")
    for column in ("label", "data_id", "job", "place", "inputs"):
        pyarrow.parquet.write_table(table.drop_columns([column]), out / "quanta.parquet")
        with pytest.raises(CompileError, match="unreadable-table"):
            proof_of(graph_by_hand(), out)
