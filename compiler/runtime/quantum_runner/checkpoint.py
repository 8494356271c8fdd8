"""What the finished quanta of a failed call made, kept in a tar for the next one."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from .call import Call, Quantum
from .markers import is_marker
from .staging import size_and_sum
from .tar import add_member
from .telling import say

CHECKPOINT_INDEX = "rubincwl-checkpoint.json"
"""The member that holds format and records."""
_CHECKPOINT = "rubincwl checkpoint 1"


def write_checkpoint(file: Path, records: Mapping[UUID, Mapping[str, Any]], folder: Path) -> None:
    """Keep what finished quanta made (`records` by quantum) in a tar, its index first; it appears whole or not at all.

    Without records it is an empty checkpoint: Pegasus transfers the file of a successful job, too, and waits for
    minutes if there is none.
    """
    names = [each["name"] for record in records.values() for each in chain(record["outputs"], record["absent_outputs"])]
    index = {"format": _CHECKPOINT, "records": list(records.values())}
    part = file.with_name(file.name + ".part")
    with tarfile.open(part, "w") as tar:
        add_member(tar, CHECKPOINT_INDEX, io.BytesIO(content := json.dumps(index).encode()), len(content))
        for name in names:
            with (folder / name).open("rb") as stream:
                add_member(tar, name, stream, (folder / name).stat().st_size)
    os.replace(part, file)


def restore_checkpoint(file: Path, call: Call, folder: Path) -> dict[UUID, dict[str, Any]]:
    """Unpack what earlier calls finished of these quanta; returns their records.

    What is not of this graph, damaged or incomplete is told and run again.
    """
    if not file.exists():
        return {}
    try:
        with tarfile.open(file) as tar:
            index = json.load(tar.extractfile(CHECKPOINT_INDEX) or io.BytesIO())
            if index["format"] != _CHECKPOINT:
                raise ValueError(f"its format is {index['format']!r}")
            found = {UUID(each["quantum_id"]): each for each in index["records"]}
            mine = {each.id: each for each in call.quanta}
            if foreign := len(found.keys() - mine.keys()):
                say(f"rubincwl: {foreign} quanta in {file.name} are not of this call\n")
            return {id: found[id] for id in found if id in mine and _unpack(tar, call, mine[id], found[id], folder)}
    except (tarfile.TarError, KeyError, ValueError, TypeError, OSError, EOFError) as error:
        say(f"rubincwl: the checkpoint {file.name} cannot be used: {type(error).__name__}: {error}\n")
        return {}


def _unpack(tar: tarfile.TarFile, call: Call, quantum: Quantum, record: Mapping[str, Any], folder: Path) -> bool:
    """Put a finished quantum's files into `folder`; false, and told, if one is not what its record says."""
    expected = {call.datasets[d].name for row in quantum.outputs.values() for d in row}
    sums = {each["name"]: (each["size"], each["sha256"]) for each in record["outputs"]}
    absent = {each["name"] for each in record["absent_outputs"]}
    faults = [f"{each} is not in its record" for each in expected - sums.keys() - absent]
    for name in expected & (sums.keys() | absent):
        try:
            source = tar.extractfile(name)
        except (KeyError, tarfile.TarError) as error:
            faults.append(str(error))
            continue
        with (folder / name).open("wb") as target:
            shutil.copyfileobj(source or io.BytesIO(), target)
        if name in sums and sums[name] != size_and_sum(folder / name):
            faults.append(f"{name} has another checksum than its record says")
        elif name in absent and not is_marker(folder / name):
            faults.append(f"{name} is no marker")
    if not faults:
        say(f"rubincwl: kept {quantum} of an earlier try\n")
        return True
    say(f"rubincwl: what the checkpoint holds of {quantum} cannot be used: {'; '.join(sorted(faults))}\n")
    for name in expected:
        (folder / name).unlink(missing_ok=True)
    return False
