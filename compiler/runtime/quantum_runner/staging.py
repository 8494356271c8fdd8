"""Between the current folder, where a workflow system puts and fetches files, and the private datastore."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from .call import Call, Quantum
from .exit_codes import INPUT_MISSING, StopError
from .markers import MARKER, is_marker


def link_inputs(call: Call, quanta: Sequence[Quantum], work: Path, folder: Path) -> None:
    """Put the staged inputs where the quantum-backed butler looks for them; absent ones are left out.

    What one of `quanta` makes for another stays inside.

    Raises `StopError` if one is missing or cut short, since the middleware may take that for "nothing to do".
    """
    made = {d for each in quanta for row in each.outputs.values() for d in row}
    faults: list[str] = []
    for quantum in quanta:
        for dataset in chain.from_iterable(quantum.inputs.values()):
            staged = call.datasets[dataset]
            source = folder / staged.name
            target = work / "store" / staged.path.partition("#")[0]
            if dataset in made or target.is_symlink():
                continue
            if not source.exists():
                faults.append(f"{staged.name} is missing")
            elif is_marker(source):
                continue
            elif staged.size is not None and source.stat().st_size != staged.size:
                faults.append(f"{staged.name} has {source.stat().st_size} bytes, its record says {staged.size}")
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.realpath(source))
    if faults:
        raise StopError(INPUT_MISSING, f"stage-in is incomplete: {'; '.join(dict.fromkeys(faults))}")


def hand_over(
    call: Call, quantum: Quantum, record: dict[str, Any], places: Mapping[UUID, Path], present: set[UUID], folder: Path
) -> None:
    """Move outputs to their names and put markers for the rest; a failed quantum hands over its log."""
    done = record["status"] == "done"
    for connection, row in quantum.outputs.items():
        for dataset in row if done or connection == "_log" else ():
            target = folder / call.datasets[dataset].name
            if dataset in present:
                os.replace(places[dataset], target)
                size, digest = size_and_sum(target)
                record["outputs"].append(
                    {"connection": connection, "name": target.name, "size": size, "sha256": digest}
                )
            elif done:
                about = {"dataset": str(dataset), "quantum": str(quantum.id), "caveats": record["caveats"]}
                target.write_bytes(MARKER + json.dumps(about).encode() + b"\n")
                record["absent_outputs"].append({"connection": connection, "name": target.name})


def size_and_sum(file: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return file.stat().st_size, digest
