"""Whether a quantum succeeded: what its metadata and its process say, and whether that explains what is absent."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from .call import Call, Quantum
from .exit_codes import ENVIRONMENT, OUTPUT_MISSING, SIGNAL
from .middleware import Ended
from .middleware_log import find_reason
from .records import utc

_ANY_OUTPUT_MISSING, _ALL_OUTPUTS_MISSING = 1, 2  # lsst.pipe.base.QuantumSuccessCaveats


def verdict_on_finished(
    call: Call, quantum: Quantum, metadata: Any, present: set[UUID], *, alone: bool
) -> dict[str, Any]:
    """The quantum wrote its metadata, so it succeeded; does that explain every absent output?

    Caveats are a bit set. A quantum that lost inputs may have given outputs up before it ran, without any bit. What
    the metadata lists as written must be there in any case, and so must the log.
    """
    section = metadata["metadata"]["quantum"]
    caveats = int(section["scalars"].get("caveats", 0))
    written = {UUID(each) for each in section["arrays"].get("outputs", ())}
    lost_inputs = any(d not in present for row in quantum.inputs.values() for d in row)
    explained = lost_inputs or bool(caveats & (_ANY_OUTPUT_MISSING | _ALL_OUTPUTS_MISSING))
    lost = [
        call.datasets[d].name
        for connection, row in quantum.outputs.items()
        for d in row
        if d not in present and (d in written or not explained or connection == "_log")
    ]
    verdict = {"caveats": caveats, "signal": None, **({} if alone else _own_figures(section["arrays"]))}
    if lost:
        message = f"missing although caveats {caveats} do not explain it: {', '.join(lost)}"
        return {**verdict, "status": "output-missing", "exit_code": OUTPUT_MISSING, "message": message}
    return {**verdict, "status": "done", "exit_code": 0}


def _own_figures(arrays: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A quantum's share of a process that ran several, as the middleware measured it."""
    begin, end = datetime.fromisoformat(arrays["prepUtc"][0]), datetime.fromisoformat(arrays["endUtc"][-1])
    return {
        "started": utc(begin.timestamp()),
        "ended": utc(end.timestamp()),
        "wall_seconds": round((end - begin).total_seconds(), 3),
        "cpu_seconds": round(arrays["endCpuTime"][-1] - arrays["prepCpuTime"][0], 3),
        "peak_memory_mib": round(arrays["endMaxResidentSetSize"][-1] / 2**20, 1),
    }


def verdict_on_unfinished(quantum: Quantum, ended: Ended, *, began: bool) -> dict[str, Any]:
    """No metadata: it failed, or its process ended before it started."""
    if not ended.importable:
        return {"exit_code": ENVIRONMENT, "status": "environment", "message": "the task cannot be imported here"}
    if ended.signal is not None:
        name, code = signal.Signals(ended.signal).name, SIGNAL + ended.signal
        if began:
            return {"exit_code": code, "status": "signal", "message": f"ended by {name}"}
        return {"exit_code": code, "status": "not-started", "message": f"{name} ended the call before it started"}
    if ended.code == 0:
        message = "the middleware exited with 0 but left no metadata"
        return {"exit_code": OUTPUT_MISSING, "status": "output-missing", "message": message}
    reason = find_reason(quantum, ended.said)
    return {"message": f"the middleware exited with {ended.code}" + (f": {reason}" if reason else "")}


def verdict_on_init(call: Call, quantum: Quantum, ended: Ended, present: set[UUID]) -> dict[str, Any]:
    lost = [call.datasets[d].name for row in quantum.outputs.values() for d in row if d not in present]
    if ended.code or ended.signal or not ended.importable:
        return verdict_on_unfinished(quantum, ended, began=True)
    if lost:
        return {"status": "output-missing", "exit_code": OUTPUT_MISSING, "message": f"missing: {', '.join(lost)}"}
    return {"status": "done", "exit_code": 0}
