"""The check on columns finds what the check of the written document finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backends.pegasus.check import check_workflow
from compiler.backends.pegasus.documents import Writer, documents_of
from compiler.backends.pegasus.faults import find_clashes, find_faults
from compiler.backends.pegasus.partition import Limits
from compiler.backends.pegasus.replicas import Replicas
from compiler.backends.pegasus.workflow import abstract
from compiler.diagnostics import Findings
from compiler.jobs import JobGraph, Request, Rows, Tool
from tests.backends.small import Call, by_hand, dark, loaded, lowered

TOOL = Tool("t", "t", ("n",))


def chain(**first: object) -> list[Call]:
    """Three jobs in a row, told out of order: a grouping may put a job before one that it waits for."""
    c = Call(TOOL, "c", ("x", "-i", "y"), ["y"], {"out": "z"}, data_id={"n": 3})
    a = Call(TOOL, "a", ("x", "-i", "raw"), ["raw"], {"out": "x"}, data_id={"n": 1})
    b = Call(TOOL, "b", ("x", "-i", "x"), ["x"], {"out": "y"}, data_id={"n": 2})
    return [c, replace(a, **first), b]  # type: ignore[arg-type]


def graph(**first: object) -> JobGraph:
    return by_hand(chain(**first), [("raw", "s3://survey/raw")])


def named(jobs: JobGraph, **names: str) -> JobGraph:
    """The jobs with files of other names."""
    return replace(jobs, files=replace(jobs.files, names=[names.get(name, name) for name in jobs.files.names]))


def calls(jobs: JobGraph, **columns: object) -> JobGraph:
    """The jobs of other calls."""
    from compiler.jobs import group

    return group("w", jobs.files, replace(jobs.calls, **columns))  # type: ignore[arg-type]


def edge(jobs: JobGraph, call: int, file: int, column: str) -> JobGraph:
    """One more file that a call reads or writes."""
    rows: Rows = getattr(jobs.calls, column)
    pairs = [(int(r), int(i)) for r, i in zip(rows.row, rows.item, strict=True)] + [(call, file)]
    row, item = np.array(sorted(pairs)).T
    return calls(jobs, **{column: Rows.from_pairs(row, item, len(rows))})


RAW, OF_C, OF_A, OF_B = range(4)
FAULTS: dict[str, tuple[str, Callable[[], JobGraph]]] = {
    "two jobs make one file": ("two-producers", lambda: edge(graph(), 0, OF_A, "writes")),
    "two files have one name": ("two-producers", lambda: named(graph(), z="x")),
    "a file that exists is made": ("replica-of-output", lambda: named(graph(), z="raw")),
    "a file that nobody makes": ("missing-replica", lambda: without(edge(graph(), 2, OF_C, "reads"), OF_C)),
    "jobs wait for each other": ("cycle", lambda: edge(graph(), 1, OF_C, "reads")),
    "a name with a slash": ("bad-file-name", lambda: named(graph(), z="d/z")),
    "a name with a quote": ("bad-file-name", lambda: named(graph(), z='z"')),
    "a name too long": ("bad-file-name", lambda: named(graph(), z="z" * 300)),
    "no name": ("bad-file-name", lambda: named(graph(), z="")),
    "memory below nothing": ("bad-profile", lambda: graph(request=Request(memory_mib=-1))),
    "a variable with a quote": ("bad-profile", lambda: graph(request=Request(environment=(("A", "'"),)))),
    "a record's name is taken": (
        "two-producers",
        lambda: named(dark(), dark_schema="isr-MockCam-0-1000_records.jsonl"),
    ),
}


def without(jobs: JobGraph, file: int) -> JobGraph:
    """The jobs of which none makes the file."""
    kept = jobs.calls.writes.item != file
    rows = Rows.from_pairs(jobs.calls.writes.row[kept], jobs.calls.writes.item[kept], len(jobs.calls))
    return calls(jobs, writes=rows)


def both(jobs: JobGraph, folder: Path) -> tuple[set[str], set[str]]:
    """Codes that the check on columns finds, and those found in the document, written all the same."""
    plan, findings = abstract(jobs), Findings()
    documents = documents_of(plan, Limits(10**9, 10**9))
    find_faults(plan, findings)
    find_clashes(plan, documents, findings)
    (folder / "pegasus").mkdir(parents=True, exist_ok=True)
    Writer(plan, documents, Replicas([None] * jobs.files.existing)).write(folder / "pegasus", Findings())
    tools = {f"rubincwl::{name}" for name, _ in plan.transformations()}
    known = set(jobs.files.names[: jobs.files.existing])
    found = check_workflow(loaded(folder, "workflow.yml"), tools, known)
    return {each.code for each in findings}, {each.code for each in found}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_found_in_the_columns_and_in_the_document(what: str, tmp_path: Path) -> None:
    code, make = FAULTS[what]
    ours, theirs = both(make(), tmp_path)
    assert code in theirs
    assert code in ours


@given(st.integers(1, 3), st.integers(1, 3), st.booleans())
@settings(max_examples=15, deadline=None)
def test_what_is_sound_is_sound_for_both(exposures: int, detectors: int, cluster: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert both(dark(exposures, detectors, cluster=cluster), Path(folder)) == (set(), set())


@pytest.mark.parametrize("what", FAULTS)
def test_no_workflow_is_written_of_faulty_jobs(what: str, tmp_path: Path) -> None:
    findings = lowered(tmp_path, FAULTS[what][1](), {"bucket": "night"})
    assert any(each.severity == "error" for each in findings)
    assert not (tmp_path / "pegasus" / "workflow.yml").exists()


def test_faults_are_told_all_at_once(tmp_path: Path) -> None:
    jobs = named(graph(request=Request(memory_mib=-1)), z="x", raw="r w")
    assert both(jobs, tmp_path)[0] == {"two-producers", "bad-profile", "bad-file-name"}


def test_calls_of_one_job_say_once_what_they_share(tmp_path: Path) -> None:
    def call(n: int) -> Call:
        words = ("prog", "--graph", "a.qg", "--task", f"n={n}")
        return Call(TOOL, f"j{n}", words, [], {"out": f"f{n}"}, cluster=0, data_id={"n": n}, shared=3)

    assert lowered(tmp_path, by_hand([call(1), call(2)], []), {"bucket": "night"}) == []
    (job,) = loaded(tmp_path, "workflow.yml")["jobs"]
    assert job["arguments"] == ["prog", "--graph", "a.qg", "--task", "n=1", "--task", "n=2"]


def test_words_that_differ_in_number_or_need_quotes_are_said_of_each_call(tmp_path: Path) -> None:
    from compiler.backends.pegasus.arguments import arguments_of
    from compiler.backends.pegasus.program import programs_of

    jobs = graph()
    (batch,) = jobs.calls.batches
    words = ("x", [("a", "b c"), (), ("it's",)], ["1", "2 2", "50%"], "100%")
    jobs = calls(jobs, batches=(replace(batch, words=words, shared=1),))
    made = arguments_of(jobs, programs_of(jobs))
    told = [json.loads(f"[{each}]") for each in made.own]
    assert told == [["a", "'b c'", "1", "100%"], ["'2 2'", "100%"], ['"it\'s"', "50%", "100%"]]
    assert made.shared == ['"x"']
