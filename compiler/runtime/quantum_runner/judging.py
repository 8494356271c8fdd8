"""After the middleware: what there is, and whose fault it is where a quantum did not finish."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .call import INIT, Call, Quantum, upstream
from .exit_codes import TASK_FAILED
from .middleware import Ended
from .records import blank_record, describe_process
from .staging import hand_over
from .verdicts import verdict_on_finished, verdict_on_init, verdict_on_unfinished


def judge(
    call: Call, quanta: Sequence[Quantum], passes: Sequence[Ended], work: Path, folder: Path
) -> list[dict[str, Any]]:
    """Hand outputs over to `folder` and judge what is absent; returns a record for each of the quanta that ran."""
    places = {key: work / "store" / each.path.partition("#")[0] for key, each in call.datasets.items()}
    present = {key for key, place in places.items() if place.exists()}
    last = {id: ended for ended in passes for id in ended.given}
    began = {id for ended in passes for id in ended.began}
    process = describe_process(passes, len(quanta))
    records = []
    for quantum in quanta:
        ended = last[quantum.id]
        record = blank_record(quantum, ended, process)
        record["absent_inputs"] = [
            call.datasets[d].name for row in quantum.inputs.values() for d in row if d not in present
        ]
        metadata = next(iter(quantum.outputs.get("_metadata", ())), None)
        if quantum.label == INIT:
            record |= verdict_on_init(call, quantum, ended, present)
        elif metadata in present:
            content = json.loads(places[metadata].read_text())
            record |= verdict_on_finished(call, quantum, content, present, alone=len(quanta) == 1)
        else:
            record |= verdict_on_unfinished(quantum, ended, began=quantum.id in began or len(quanta) == 1)
        records.append(record)
    lost = {each.id for each, record in zip(quanta, records, strict=True) if record["exit_code"]}
    causes = upstream(quanta, lost & began)
    for quantum, record in zip(quanta, records, strict=True):
        if quantum.id in causes and quantum.id in lost - began:
            message = f"it needs what {causes[quantum.id]} was to make"
            record |= {"status": "upstream-failed", "exit_code": TASK_FAILED, "message": message}
        hand_over(call, quantum, record, places, present, folder)
    return records
