"""Records of quanta, and the files that they are written to."""

from __future__ import annotations

import json
import platform
import resource
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .call import Call, Quantum
from .exit_codes import TASK_FAILED
from .middleware import Ended


def blank_record(quantum: Quantum, ended: Ended | None, process: Mapping[str, Any]) -> dict[str, Any]:
    """A record before judgement; schemas/quantum_record.schema.json tells what every field means."""
    ran = ended is not None
    ended = ended or Ended(0, None, time.time(), 0.0, 0.0, 0.0, [], True)
    return {
        "format": "rubincwl quantum record 1",
        "label": quantum.label,
        "data_id": quantum.data_id,
        "quantum_id": str(quantum.id),
        "status": "failed",
        "exit_code": TASK_FAILED,
        "middleware_exit_code": ended.code if ran and ended.signal is None else None,
        "signal": ended.signal,
        "caveats": None,
        "message": "",
        "started": utc(ended.started),
        "ended": utc(ended.started + ended.wall),
        "wall_seconds": round(ended.wall, 3),
        "cpu_seconds": round(ended.cpu, 3),
        "peak_memory_mib": round(ended.memory, 1),
        "process": dict(process),
        "host": platform.node(),
        "python": platform.python_version(),
        "outputs": [],
        "absent_inputs": [],
        "absent_outputs": [],
    }


def describe_process(passes: Sequence[Ended], quanta: int) -> dict[str, Any]:
    """What the whole call took, the runner itself included."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "quanta": quanta,
        "wall_seconds": round(sum(each.wall for each in passes), 3),
        "cpu_seconds": round(sum(each.cpu for each in passes) + own.ru_utime + own.ru_stime, 3),
        "peak_memory_mib": round(max((each.memory for each in passes), default=0.0), 1),
    }


def utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_records(call: Call, records: Sequence[Mapping[str, Any]], together: str | None, folder: Path) -> None:
    """One file a quantum; or all in one, a collection as `collect` makes it, with the metadata of finished quanta."""
    if together is None:
        for quantum, record in zip(call.quanta, records, strict=True):
            if quantum.record:
                (folder / quantum.record).write_text(json.dumps(record, indent=1) + "\n")
        return
    rows: dict[str, Any] = {}
    for quantum, record in zip(call.quanta, records, strict=True):
        rows[quantum.record] = record
        for output in record["outputs"]:
            if output["connection"] == "_metadata":
                rows[output["name"]] = json.loads((folder / output["name"]).read_text())
    with (folder / together).open("w") as stream:
        for name, content in sorted(rows.items()):
            stream.write(json.dumps({"name": name, "content": content}) + "\n")
