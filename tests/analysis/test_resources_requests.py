"""Requests from bps settings, records and published means; machines that hold them; what is kept of the reasons."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.analysis.resources import (
    Kept,
    Reasons,
    Records,
    Written,
    check_fits,
    fitting,
    init_request,
    make_requests,
    read_records,
    write_requests,
)
from compiler.analysis.resources.explain import explain
from compiler.analysis.resources.machines import grown_mib, nearest
from compiler.diagnostics import Findings, Span
from compiler.jobs.request import Request
from compiler.rubin import QuantumGraph
from providers import MachineType, load_provider
from schemas import schema
from tests.shapes import dark
from tests.strategies import graphs


@dataclass(frozen=True)
class Setting:
    value: Any
    place: Span | None = None
    section: str = ""


def asked(settings: Mapping[str, Any], *rules: Mapping[str, Any], records: Records | None = None) -> Request:
    """What the first quantum of a small graph asks for."""
    placed = {key: Setting(value, Span("submit.yaml", 1, 1)) for key, value in settings.items()}
    findings = Findings()
    requests, _ = make_requests(dark(1, 2), Written(rules), lambda label: placed, None, records, findings)
    assert not findings.errors
    return requests.kinds[int(requests.of[0])]


# bps


def test_the_init_job_asks_for_what_its_settings_say_and_no_limit_that_nobody_set_holds_it() -> None:
    placed = {
        "requestMemory": Setting(9000, Span("submit.yaml", 1, 1)),
        "queue": Setting("q", Span("submit.yaml", 2, 1)),
    }
    assert init_request({**placed, "memoryLimit": Setting(4096)}, Findings()) == Request(
        memory_mib=9000, memory_max_mib=9000, queue="q"
    )


def test_a_queue_that_differs_within_a_task_is_refused_at_the_rule_that_says_so() -> None:
    rules = Written(
        [
            {"when": {"label": "isr", "data": "detector = 1"}, "queue": "fast"},
            {"when": {"label": "cpDark"}, "queue": "x"},
        ],
        lambda index, key: Span("config.yaml", index + 1, 7),
    )
    findings = Findings()
    make_requests(dark(1, 2), rules, None, None, None, findings)
    (found,) = findings
    assert (found.code, found.place) == ("varying-setting", Span("config.yaml", 1, 7))
    assert "'isr' differ in 'queue' by rule 1" in found.message
    assert found.help


def test_settings_of_bps_are_what_no_rule_decides() -> None:
    settings = {"requestMemory": 4096, "requestCpus": "2", "requestWalltime": 7200, "retryUnlessExit": 3, "queue": "q"}
    request = asked(settings, {"when": {"label": "isr"}, "memory": "1 GiB"})
    assert (request.memory_mib, request.cores, request.walltime_s) == (1024, 2, 7200)
    assert (request.unless_exit, request.queue) == ((3,), "q")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # ctrl_bps, transform.py: a multiplier counts if it rounds up to more than 1.
        ({"memoryMultiplier": 1.2}, {"memory_multiplier": 1.2}),
        ({"memoryMultiplier": 1}, {"memory_multiplier": 1.0}),
        ({"memoryMultiplier": 0.5}, {"memory_multiplier": 1.0}),
        ({"memoryMultiplier": None}, {"memory_multiplier": 1.0}),
        # Where memory grows and nobody says how often to try again, bps says 5 times.
        ({"memoryMultiplier": 2, "numberOfRetries": None}, {"retries": 5}),
        ({"memoryMultiplier": 1, "numberOfRetries": None}, {"retries": 0}),
        ({"numberOfRetries": 2}, {"retries": 2}),
        ({"retryUnlessExit": None}, {"unless_exit": ()}),
        ({"retryUnlessExit": [2, 1]}, {"unless_exit": (1, 2)}),
        # requestMemoryMax counts below memoryLimit only.
        ({"requestMemoryMax": 9000, "memoryLimit": 8000}, {"memory_max_mib": 8000}),
        ({"requestMemoryMax": 7000, "memoryLimit": 8000}, {"memory_max_mib": 7000}),
        ({"memoryLimit": 8000}, {"memory_max_mib": 8000}),
        ({"environment": {"B": 1, "A": "x"}}, {"environment": (("A", "x"), ("B", "1"))}),
        ({"requestMemory": None, "requestDisk": None}, {"memory_mib": 2048, "disk_mib": None}),
    ],
)
def test_settings_mean_what_they_mean_to_bps(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    request = asked(settings)
    assert {name: getattr(request, name) for name in expected} == expected


def test_a_setting_that_cannot_be_is_told_once_for_all_tasks() -> None:
    findings = Findings()
    bad = {"requestMemory": Setting(-5, Span("submit.yaml", 3, 16))}
    make_requests(dark(2, 2), Written(), lambda label: bad, None, None, findings)
    (finding,) = findings
    assert (finding.code, str(finding.place)) == ("bad-amount", "submit.yaml:3:16")


def test_a_default_of_bps_is_called_a_default_and_bounds_nothing_that_is_asked_for() -> None:
    settings = {
        "memoryLimit": Setting(491_520),
        "memoryMultiplier": Setting(2),
        "requestCpus": Setting(4, Span("submit.yaml", 5, 3), "pipetask.isr"),
    }
    findings = Findings()
    rules = Written([{"memory": "600 GiB"}])
    requests, reasons = make_requests(dark(1, 1), rules, lambda label: settings, None, None, findings)
    assert requests.kinds[0].memory_max_mib == 600 * 1024
    assert not len(findings)
    assert str(reasons.why(0)["memoryMultiplier"]) == "default of bps"
    assert str(reasons.why(0)["cores"]) == "requestCpus of pipetask.isr, submit.yaml:5:3"


# Records


def record(label: str, memory: float, seconds: float, detector: int = 0, status: str = "done") -> dict[str, Any]:
    number = f"{detector:08x}-0000-4000-8000-{len(label):012}"
    start = "2026-01-01T00:00:00.000Z"
    about = {"format": "rubincwl quantum record 1", "label": label, "data_id": {"detector": detector}, "started": start}
    return about | {"quantum_id": number, "status": status, "peak_memory_mib": memory, "wall_seconds": seconds}


RECORDS = [record("isr", 1000 + n, 10.0 + n, n) for n in range(100)]


def stored(folder: Path, how: str) -> Path:
    """Records as files of a folder, as JSON lines, as lines that 'collect' writes, or as its tar."""
    path = folder / {"lines": "all.jsonl", "collected": "collect.jsonl", "tar": "collect.tar", "folder": "records"}[how]
    if how == "lines":
        path.write_text("".join(json.dumps(each) + "\n" for each in RECORDS))
    elif how == "collected":
        rows = [{"name": f"isr_record-{n}", "content": each} for n, each in enumerate(RECORDS)]
        path.write_text("".join(json.dumps(each) + "\n" for each in [*rows, {"name": "m", "content": {"a": 1}}]))
    else:
        single = folder / "records"
        single.mkdir()
        for n, each in enumerate(RECORDS):
            (single / f"isr_record-{n}").write_text(json.dumps(each, indent=1))
        (single / "postISRCCD-0").write_bytes(b"\x00\x01 no record")
        if how == "tar":
            with tarfile.open(path, "w") as tar:
                for file in sorted(single.iterdir()):
                    tar.add(file, file.name)
    return path


@pytest.mark.parametrize("how", ["folder", "lines", "collected", "tar"])
def test_records_are_read_from_wherever_the_runner_leaves_them(how: str, tmp_path: Path) -> None:
    findings = Findings()
    found = read_records(stored(tmp_path, how), findings)
    assert not len(findings)
    assert sorted(found.by_label["isr"].memory_mib) == [1000.0 + n for n in range(100)]


def test_a_record_that_stands_twice_counts_once(tmp_path: Path) -> None:
    folder = stored(tmp_path, "folder")
    shutil.copy(stored(tmp_path, "collected"), folder)
    assert len(read_records(folder, Findings()).by_label["isr"].seconds) == len(RECORDS)


def test_quanta_that_did_not_finish_teach_nothing(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(record("isr", 1, 1, n, status="signal")) + "\n" for n in range(3)))
    findings = Findings()
    assert not read_records(path, findings).by_label
    assert [each.code for each in findings] == ["no-records"]


def test_a_record_that_cannot_be_read_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(json.dumps(RECORDS[0]) + "\nnot json\n" + json.dumps({**RECORDS[1], "wall_seconds": "long"}) + "\n")
    findings = Findings()
    assert len(read_records(path, findings).by_label["isr"].seconds) == 1
    (finding,) = findings
    assert finding.code == "bad-record"
    assert f"{path}:2" in finding.message
    assert f"{path}:3" in finding.message


def test_a_missing_source_of_records_is_a_finding(tmp_path: Path) -> None:
    findings = Findings()
    read_records(tmp_path / "none", findings, Span("c.yaml", 2, 1))
    assert [(each.code, str(each.place)) for each in findings] == [("no-file", "c.yaml:2:1")]


def test_a_percentile_of_records_gives_memory_and_time_with_head_room(tmp_path: Path) -> None:
    records = read_records(stored(tmp_path, "lines"), Findings())
    # The percentile is a value that was seen: of 1000 ... 1099 the 95th is 1095.
    rule = {"memory": {"percentile": 95, "headroom": 2}, "walltime": {"percentile": 100, "headroom": 1.5}}
    request = asked({}, rule, records=records)
    assert (request.memory_mib, request.walltime_s) == (2 * 1095, 164)
    assert request.run_time_s == pytest.approx(np.mean([10.0 + n for n in range(100)]))


def test_bounds_hold_what_records_say(tmp_path: Path) -> None:
    records = read_records(stored(tmp_path, "lines"), Findings())
    assert asked({}, {"memory": {"percentile": 0, "atLeast": "3 GiB"}}, records=records).memory_mib == 3072
    assert asked({}, {"memory": {"percentile": 100, "atMost": "1 GiB"}}, records=records).memory_mib == 1024


def test_a_label_without_records_goes_on_to_the_next_rule(tmp_path: Path) -> None:
    records = read_records(stored(tmp_path, "lines"), Findings())
    rules = [{"memory": {"percentile": 50, "headroom": 1}}, {"memory": "7 GiB"}]
    findings = Findings()
    graph = dark(1, 1)
    requests, reasons = make_requests(graph, Written(rules), None, None, records, findings)
    assert requests.column("memory_mib").tolist() == [1050, 7168, 7168]
    assert "percentile 50 of 100 records is 1,050 MiB" in str(reasons.why(0)["memory"])
    (finding,) = findings
    assert finding.code == "no-records"
    assert finding.message.endswith("cpDark, cpCombine")


# Expected run times


def test_expected_times_come_from_rules_then_the_map_then_records_then_what_was_published(tmp_path: Path) -> None:
    records = read_records(stored(tmp_path, "lines"), Findings())
    graph = dark(1, 1)

    def times(*rules: Mapping[str, Any], run_times: Mapping[str, Any] | None, seen: Records | None) -> list[Any]:
        found, _ = make_requests(graph, Written(rules), None, None, seen, Findings(), run_times=run_times)
        return [found.kinds[int(kind)].run_time_s for kind in found.of]

    rule = {"when": {"label": "isr"}, "runTime": 5}
    given = {"isr": "1m", "test.cpDark": 90, "*Combine": "1h"}
    assert times(rule, run_times=given, seen=records) == [5.0, 90.0, 3600.0]
    assert times(run_times=given, seen=records) == [60.0, 90.0, 3600.0]
    assert times(run_times=None, seen=records) == [59.5, None, None]


def test_a_run_time_that_is_none_is_told_at_its_place() -> None:
    findings = Findings()
    where = {"runTimes.isr": Span("c.yaml", 4, 7)}
    make_requests(dark(1, 1), Written(), None, None, None, findings, run_times={"isr": "soon"}, place=where.get)
    assert [(each.code, str(each.place)) for each in findings] == [("bad-amount", "c.yaml:4:7")]


def test_a_run_time_of_a_task_that_is_not_there_is_a_warning() -> None:
    findings = Findings()
    make_requests(dark(1, 1), Written(), None, None, None, findings, run_times={"irs": 5, "Combine": 5, "cp*": 1})
    told = [(each.severity, each.code, each.message, each.help) for each in findings]
    assert told == [
        ("warning", "rule-matches-nothing", "no task here is 'irs' of runTimes", "did you mean 'isr'?"),
        ("warning", "rule-matches-nothing", "no task here is 'Combine' of runTimes", "did you mean 'cpCombine'?"),
    ]


# Machines

MACHINES = st.lists(
    st.builds(
        MachineType,
        st.just("m"),
        st.integers(1, 8),
        st.integers(1, 64),
        st.none() | st.integers(1, 9),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=5,
)
REQUESTS = st.builds(
    Request,
    cores=st.integers(1, 10),
    memory_mib=st.integers(1, 80_000),
    disk_mib=st.none() | st.integers(1, 12_000),
    gpus=st.integers(0, 3),
)


@given(request=REQUESTS, machines=MACHINES)
def test_a_machine_that_is_said_to_hold_a_request_does_and_none_smaller_does(
    request: Request, machines: list[MachineType]
) -> None:
    def holds(each: MachineType) -> bool:
        disk = each.disk_gib is None or (request.disk_mib or 0) <= each.disk_gib * 1024
        memory = request.memory_mib <= int(each.memory_gib * 1024 * each.usable)
        return request.cores <= each.cores and memory and request.gpus <= each.gpus and disk

    found = fitting(request, machines)
    assert (found is None) == (not any(map(holds, machines)))
    if found is not None:
        assert holds(found)
        assert all(each.memory_gib >= found.memory_gib for each in machines if holds(each))
    else:
        assert nearest(request, machines) in machines


def test_a_machine_holds_less_than_its_label_says() -> None:
    (machine,) = [each for each in load_provider("aws").machines() if each.name == "r6i.2xlarge"]
    assert fitting(Request(memory_mib=64 * 1024), [machine]) is None
    assert fitting(Request(memory_mib=60 * 1024), [machine]) is machine


@given(memory=st.integers(1, 10**6), multiplier=st.floats(1, 16), retries=st.integers(0, 1000))
def test_memory_grows_up_to_its_maximum_and_never_shrinks(memory: int, multiplier: float, retries: int) -> None:
    request = Request(memory_mib=memory, memory_multiplier=multiplier, retries=retries, memory_max_mib=500_000)
    assert memory <= grown_mib(request) <= max(memory, 500_000)
    if retries and multiplier >= 2:
        assert grown_mib(request) >= min(2 * memory, max(memory, 500_000))


def test_a_target_that_knows_no_machines_judges_none() -> None:
    findings = Findings()
    graph = dark(1, 1)
    _, reasons = make_requests(graph, Written([{"memory": "30 TiB"}]), None, None, None, findings)
    check_fits(graph, reasons, (), "onprem", findings)
    assert not len(findings)


# What is kept

CONDITIONS = {"detector": "cores", "band": "gpus", "visit": "retries"}
"""A number that depends on a dimension's value."""


def kept(graph: QuantumGraph, reasons: Reasons, folder: Path) -> Kept:
    write_requests(reasons, graph, folder / "requests.json")
    jsonschema.validate(json.loads((folder / "requests.json").read_text()), schema("requests"))
    return Kept.read(folder / "requests.json")


@given(graph=graphs(), most=st.integers(8, 12))
def test_what_is_kept_explains_every_quantum(graph: QuantumGraph, most: int, tmp_path_factory: Any) -> None:
    rules = [{"when": {"data": f"detector <= {most}"}, "cores": 2, "environment": {"A": "1"}}, {"memory": "3 GiB"}]
    requests, reasons = make_requests(graph, Written(rules), None, "talk", None, Findings())
    found = kept(graph, reasons, tmp_path_factory.mktemp("kept"))
    for quantum in range(graph.n_quanta):
        request = requests.kinds[int(requests.of[quantum])]
        number = int(graph.quantum_task[quantum])
        case = found.case_of(graph.tasks[number].label, quantum - graph.quanta_of(number).start)
        explained = {each.key: each for each in found.explain(case)}
        assert explained["cores"].value == request.cores
        assert explained["memory"].value == request.memory_mib
        assert {key: each.reason for key, each in explained.items()} == dict(reasons.why(quantum))
    for task in graph.tasks:
        with pytest.raises(IndexError):
            found.case_of(task.label, found.quanta(task.label))


def test_the_same_requests_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        graph = dark(2, 2)
        _, reasons = make_requests(graph, Written([{"cores": 2}]), None, "talk", None, Findings())
        write_requests(reasons, graph, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@settings(max_examples=40, deadline=None)
@given(graph=graphs(), random=st.randoms())
def test_explain_finds_the_case_of_every_quantum(graph: QuantumGraph, random: Any, tmp_path_factory: Any) -> None:
    rules = [
        {"when": {"data": f"{name} = {graph.vocabulary[name][0]!r}"}, key: 2}
        for name, key in CONDITIONS.items()
        if graph.vocabulary.get(name)
    ]
    requests, reasons = make_requests(graph, Written(rules), None, None, None, Findings())
    out = tmp_path_factory.mktemp("out")
    kept(graph, reasons, out)
    every = list(graph.quanta())
    order: dict[str, list[Any]] = {}
    for quantum in random.sample(every, len(every)):
        order.setdefault(f"{quantum.label}__quanta", []).append({"data_id": dict(quantum.data_id)})
    (out / "job.json").write_text(json.dumps(order))
    for quantum in every[:3] + every[-3:]:
        pairs = ", ".join(f'{name}: "{value}"' for name, value in quantum.data_id.items())
        found = explain(out, f"{quantum.label}{{{pairs}}}")
        request = requests.kinds[int(requests.of[quantum.number])]
        values = {each.key: each.value for each in found.numbers}
        assert (values["cores"], values["gpus"], values["retries"]) == (request.cores, request.gpus, request.retries)
