"""``explain`` finds one quantum of a compiled folder and tells what gave each of its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiler.analysis.resources import Written, make_requests, write_requests
from compiler.diagnostics import Findings, Span
from compiler.rubin import QuantumGraph
from tests.cli.conftest import Rubincwl
from tests.shapes import shape

pyarrow = pytest.importorskip("pyarrow")


def compiled(folder: Path, graph: QuantumGraph) -> Path:
    """What `explain` reads of a compiled folder: requests, and the table of jobs in an order of its own."""
    import pyarrow.parquet

    def place(index: int, key: str) -> Span:
        return Span("config.yaml", 3 + index, 5)

    rules = [
        {"name": "odd", "when": {"data": "detector = 9"}, "memory": "6 GiB"},
        {"cores": 2, "walltime": "2h", "unlessExit": [1, 2]},
    ]
    _, reasons = make_requests(graph, Written(rules, place), None, "poc-2020", None, Findings())
    write_requests(reasons, graph, folder / "requests.json")
    quanta = sorted(graph.quanta(), key=lambda each: each.id)
    columns = {
        "label": [each.label for each in quanta],
        "data_id": [json.dumps(dict(each.data_id)) for each in quanta],
        "job": [f"job-{each.number // 2}" for each in quanta],
        "outputs": [[f"out-{each.number}-{n}" for n in range(3)] for each in quanta],
    }
    (folder / "pegasus").mkdir()
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "pegasus" / "quanta.parquet")
    return folder


def camera() -> QuantumGraph:
    """Two tasks on a camera, whose name no data id needs to say."""
    return shape(
        """
        isr(instrument, exposure, detector): raw[instrument, exposure, detector] -> post
        cpCombine(instrument, detector): post -> dark
        """,
        {"instrument": ["My Cam"], "exposure": range(1000, 1002), "detector": range(8, 12)},
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return compiled(tmp_path, camera())


def test_every_number_is_told_with_what_gave_it_and_where(rubincwl: Rubincwl, out: Path) -> None:
    done = rubincwl("explain", out, "--quantum", "isr{exposure: 1001, detector: 9}")
    assert done.code == 0
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "isr{instrument: My Cam, exposure: 1001, detector: 9}"
    assert "cores 2 rule 2, config.yaml:4:5" in lines
    assert "memory 6 GiB rule 1 (odd), config.yaml:3:5" in lines
    assert "walltime 2 h rule 2, config.yaml:4:5" in lines
    assert "unlessExit 1 and 2 (of jobs: 2, 10, 13 and 14) rule 2, config.yaml:4:5" in lines
    assert "job job-2" in lines
    assert "outputs 3: out-5-0, out-5-1, out-5-2" in lines
    assert any(line.startswith("by default: disk not said,") for line in lines)


def test_a_profile_is_named_with_its_rule(rubincwl: Rubincwl, out: Path) -> None:
    done = rubincwl("explain", out, "--quantum", "isr{exposure=1001, detector=8, instrument='My Cam'}")
    assert "2 GiB profile poc-2020, rule 2 (small), rubincwl/poc-2020.yaml:" in " ".join(done.out.split())


def test_json_holds_every_number(rubincwl: Rubincwl, out: Path) -> None:
    found = rubincwl("explain", out, "--quantum", "cpCombine{detector: 9}", "--json").json["result"]
    assert found["quantum"] == {"label": "cpCombine", "data_id": {"instrument": "My Cam", "detector": 9}}
    assert found["numbers"]["memory"] == {
        "value": 6144,
        "source": "rule",
        "by": "rule 1 (odd)",
        "place": {"file": "config.yaml", "line": 3, "column": 5},
    }
    assert found["numbers"]["retries"] == {"value": 5, "source": "default", "by": "default", "place": None}
    assert found["runs"]["job"] == "job-4"


@pytest.mark.parametrize(
    ("quantum", "code", "help"),
    [
        ("irs{exposure: 1000, detector: 8}", "unknown-task", "did you mean 'isr'?"),
        ("isr{exposure: 1000, detector: 7}", "unknown-quantum", "there is isr{instrument: My Cam, exposure: 1000,"),
        ("isr{visit: 1000}", "unknown-dimension", "it has detector, exposure, instrument"),
        ("isr{exposure: 1000}", "several-quanta", "say more: isr{instrument: My Cam, exposure: 1000, detector: 8}"),
        ("isr", "bad-quantum", "as in 'isr{exposure: 1000, detector: 3}'"),
        ("isr{exposure}", "bad-quantum", "as in 'isr{exposure: 1000, detector: 3}'"),
    ],
)
def test_a_quantum_that_is_not_there_is_told_with_one_that_is(
    rubincwl: Rubincwl, out: Path, quantum: str, code: str, help: str
) -> None:
    done = rubincwl("explain", out, "--quantum", quantum)
    assert done.code == 1
    assert f"error[{code}]" in done.err
    assert help in done.err


def test_a_folder_without_requests_is_a_finding(rubincwl: Rubincwl, out: Path) -> None:
    (out / "requests.json").write_text("{}")
    assert "error[unreadable-file]" in rubincwl("explain", out, "--quantum", "isr{detector: 9}").err
    (out / "requests.json").unlink()
    assert "error[no-file]" in rubincwl("explain", out, "--quantum", "isr{detector: 9}").err


def test_a_table_that_is_missing_or_none_is_a_finding(rubincwl: Rubincwl, out: Path) -> None:
    table = out / "pegasus" / "quanta.parquet"
    table.write_bytes(b"PAR1 not really")
    assert "error[unreadable-file]" in rubincwl("explain", out, "--quantum", "isr{detector: 9}").err
    table.unlink()
    assert "error[no-file]" in rubincwl("explain", out, "--quantum", "isr{detector: 9}").err


def test_of_a_workflow_without_jobs_the_job_order_tells_the_quanta(rubincwl: Rubincwl, out: Path) -> None:
    (out / "pegasus" / "quanta.parquet").unlink()
    quanta = [dict(each.data_id) for each in camera().quanta() if each.label == "isr"]
    nested = [[{"data_id": each} for each in quanta if each["detector"] == detector] for detector in range(8, 12)]
    (out / "job.json").write_text(json.dumps({"isr__quanta": nested, "other": 1}))
    done = rubincwl("explain", out, "--quantum", "isr{exposure: 1001, detector: 9}")
    assert done.code == 0
    assert "memory           6 GiB" in done.out
    assert "2 GiB" in rubincwl("explain", out, "--quantum", "isr{exposure: 1001, detector: 10}").out


def test_a_table_of_another_compile_is_refused(rubincwl: Rubincwl, out: Path, tmp_path: Path) -> None:
    content = json.loads((out / "requests.json").read_text())
    content["tasks"][0]["quanta"] += 1
    (out / "requests.json").write_text(json.dumps(content))
    done = rubincwl("explain", out, "--quantum", "isr{exposure: 1001, detector: 9}")
    assert "different compiles: 8 and 9 quanta" in done.err
