"""Small job graphs and a folder to lower them to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from compiler.backends.pegasus import Settings, lower
from compiler.backends.pegasus.replicas import NOTHING, Known
from compiler.diagnostics import Diagnostic
from compiler.jobs import Batch, Calls, Files, JobGraph, Port, Request, Rows, Tool, group
from compiler.runtime.bundle import write_runner
from compiler.runtime.quantum_runner import dataset_name, record_name
from providers import load_provider

WHOLE: dict[str, Any] = {"bucket": "dark-night", "prefix": "runs/1", "credentials": "me@amazon"}
SCHEMAS = Path(__file__).parent / "pegasus_schema"
RUNTIME = {"quantum_runner.pyz": "quantum_runner.pyz", "graph.qg": "graph.qg", "butler.yaml": "butler.yaml"}
DEFAULT = Request()


@dataclass
class Call:
    """A call as a test says it."""

    tool: Tool
    id: str
    words: tuple[str, ...]
    reads: list[str] = field(default_factory=list)
    writes: dict[str, str] = field(default_factory=dict)
    """Port and file name."""
    request: Request = DEFAULT
    cluster: int = -1
    data_id: dict[str, Any] = field(default_factory=dict)
    shared: int = 0


def by_hand(calls: Sequence[Call], existing: Sequence[tuple[str, str]], name: str = "w", **keep: Any) -> JobGraph:
    """A job graph of calls, those of one tool next to each other, and existing files as (name, location)."""
    tools = list(dict.fromkeys(call.tool for call in calls))
    batches: list[Batch] = []
    ports: list[Port] = []
    made: list[str] = []
    for tool, found in groupby(enumerate(calls), key=lambda each: each[1].tool):
        numbers, mine = zip(*found, strict=True)
        columns = zip(*(call.words for call in mine), strict=True)
        words = tuple(one[0] if len(set(one)) == 1 else list(one) for one in columns)
        values = tuple([call.data_id[dimension] for call in mine] for dimension in tool.dimensions)
        batches.append(
            Batch(tools.index(tool), numbers[0], numbers[-1] + 1, words, mine[0].shared or len(words), values)
        )
        for port in mine[0].writes:
            first = len(existing) + len(made)
            made += [call.writes[port] for call in mine]
            ports.append(Port(tools.index(tool), port, first, len(existing) + len(made)))
    names = [*(each for each, _ in existing), *made]
    place = {each: number for number, each in enumerate(names)}
    files = Files(names, [location for _, location in existing], np.full(len(existing), -1), tuple(ports))
    reads = [(number, place[each]) for number, call in enumerate(calls) for each in call.reads]
    writes = [(number, place[each]) for number, call in enumerate(calls) for each in call.writes.values()]
    requests = list(dict.fromkeys(call.request for call in calls))
    columns_of = Calls(
        tuple(tools),
        tuple(batches),
        [call.id for call in calls],
        rows(reads, len(calls)),
        rows(writes, len(calls)),
        tuple(requests),
        np.array([requests.index(call.request) for call in calls], dtype=np.int32),
        np.array([call.cluster for call in calls], dtype=np.int32),
    )
    return group(name, files, columns_of, **keep)


def rows(pairs: Sequence[tuple[int, int]], count: int) -> Rows:
    row, item = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Rows.from_pairs(row, item, count)


def dark(exposures: int = 1, detectors: int = 2, instrument: str = "MockCam", cluster: bool = False) -> JobGraph:
    """isr and cpDark an exposure and detector, combine a detector; `cluster`: those of a detector are one job."""
    existing = [(lfn, f"runtime/{file}") for lfn, file in RUNTIME.items()]
    init = Tool("_init", is_init=True)
    tools = {
        "isr": Tool("isr", "isr", ("instrument", "detector", "exposure"), cluster="detectors"),
        "cp_dark": Tool("cp_dark", "cpDark:v2", ("instrument", "detector", "exposure"), cluster="detectors"),
        "combine": Tool("combine", "combine", ("instrument", "detector"), cluster="detectors"),
    }
    runner = ("python3", "quantum_runner.pyz")
    common = ("--graph", "graph.qg", "--butler", "butler.yaml")
    calls = [Call(init, "_init", (*runner, "init", *common), list(RUNTIME), {"dark_schema": "dark_schema"})]
    every = [(d, e) for d in range(detectors) for e in range(1000, 1000 + exposures)]
    for id, tool in tools.items():
        for d, e in every if id != "combine" else [(d, 0) for d in range(detectors)]:
            data_id = {"instrument": instrument, "detector": d} | ({} if id == "combine" else {"exposure": e})
            out = "dark" if id == "combine" else "out"
            if id == "isr":
                raw = dataset_name("raw", [instrument, d, e], f"{e * 1000 + d:032x}")
                existing.append((raw, f"inputs/raw/all/raw_{e}_{d}.json"))
                reads = [raw]
            elif id == "cp_dark":
                reads = [dataset_name("isr_out", data_id.values())]
            else:
                reads = [dataset_name("cp_dark_out", [instrument, d, e]) for other, e in every if other == d]
                reads.append("dark_schema")
            assert tool.label is not None
            writes = {port: dataset_name(f"{id}_{port.lstrip('_')}", data_id.values()) for port in (out, "_metadata")}
            writes["_record"] = record_name(tool.label, data_id.values())
            words = (*runner, "quanta", *common, "--task", tool.label, *(f"{k}={v}" for k, v in data_id.items()))
            request = Request(memory_mib=3000 if id == "combine" else 2048)
            name, number = dataset_name(id, data_id.values()), d if cluster else -1
            calls.append(Call(tool, name, words, [*RUNTIME, *reads], writes, request, number, data_id, shared=7))
    return by_hand(calls, existing, "dark")


def lowered(
    folder: Path, jobs: JobGraph | None = None, aws: dict[str, Any] | None = None, **settings: Any
) -> list[Diagnostic]:
    """Lower for AWS into folder/pegasus; without `aws` and settings everything open is left open."""
    return lowered_to("aws", folder, jobs, aws, **settings)


def lowered_to(
    target: str,
    folder: Path,
    jobs: JobGraph | None = None,
    theirs: dict[str, Any] | None = None,
    known: Known = NOTHING,
    **settings: Any,
) -> list[Diagnostic]:
    """Lower for a target, with the provider's settings and a script that sets the science stack up."""
    (folder / "runtime").mkdir(parents=True, exist_ok=True)
    for name in RUNTIME.values():
        (folder / "runtime" / name).write_text("")
    write_runner(folder / "runtime" / RUNTIME["quantum_runner.pyz"])
    chosen = Settings(**{"setup_script": "/opt/lsst/setup.sh", **settings})
    return lower(
        jobs or dark(),
        provider=load_provider(target, theirs or {}),
        settings=chosen,
        out=folder / "pegasus",
        known=known,
    )


def loaded(folder: Path, name: str) -> Any:
    text = (folder / "pegasus" / name).read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("{") else yaml.safe_load(text)


def validator(schema: str) -> Draft7Validator:
    """By one of Pegasus' own schemas."""
    found = {each.name: yaml.safe_load(each.read_text()) for each in SCHEMAS.glob("*.yml")}
    registry = Registry().with_resources([(n, Resource.from_contents(each)) for n, each in found.items()])
    return Draft7Validator(found[schema], registry=registry)


def written_by_api(name: str, jobs: Sequence[Any], **metadata: str) -> dict[str, Any]:
    """What Pegasus.api makes of its own jobs."""
    from Pegasus.api import Workflow

    workflow = Workflow(name).add_jobs(*jobs)
    workflow.add_metadata(**metadata)
    stream = StringIO()
    workflow.write(stream, _format="json")
    written: dict[str, Any] = json.loads(stream.getvalue())
    return written
