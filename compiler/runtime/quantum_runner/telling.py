"""Says on standard error and output what becomes of quanta, in lines that stay as they are."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .call import Quantum

RECORD_PREFIX = "rubincwl-record: "
"""With what a line that holds a record begins."""
_LONGEST_LINE = 4000  # below PIPE_BUF, so that lines of jobs that share standard error do not mix
_LONGEST_OUTPUT = 200_000  # of records on standard output: Pegasus' kickstart keeps 256 KiB of it


def tell(record: Mapping[str, Any], quantum: Quantum, tail: Sequence[str]) -> None:
    """A line for the quantum; of a failed one also the end of its log, and its record in one line that survives
    where a failed job's files are lost. Written at once, so that lines of parallel jobs do not mix."""
    if record["status"] == "done":
        say(f"rubincwl: done {quantum} {record['wall_seconds']:.1f} s\n")
        return
    lines = [f"rubincwl: failed {quantum} exit {record['exit_code']}: {record['message']}"]
    if record["status"] not in ("upstream-failed", "not-started"):
        lines += [f"rubincwl| {each}" for each in tail]
    say("\n".join(lines) + "\n")
    say(record_line(record, _LONGEST_LINE, tail) + "\n")


def record_line(record: Mapping[str, Any], longest: int, tail: Sequence[str] = ()) -> str:
    """The record in one line of fewer than `longest` characters: the log, then files, then words are left out."""
    kept = list(tail)
    fields = dict(record, message=record["message"][:1000])
    while True:
        line = RECORD_PREFIX + json.dumps(fields | ({"log_tail": kept} if kept else {}), separators=(",", ":"))
        if len(line) < longest:
            return line
        if kept:
            del kept[: max(1, len(kept) // 4)]
        elif droppable := [each for each in ("outputs", "absent_inputs", "absent_outputs") if fields[each]]:
            fields[droppable[0]] = []
        elif len(fields["message"]) > 100:
            fields["message"] = fields["message"][:100]
        else:
            return line


def print_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Every record of a failed call on standard output, which workflow systems keep where files are lost."""
    room, longest = _LONGEST_OUTPUT, min(_LONGEST_LINE, _LONGEST_OUTPUT // max(1, len(records)))
    sys.stdout.flush()
    for number, record in enumerate(records):
        line = (record_line(record, longest) + "\n").encode(errors="replace")
        room -= len(line)
        if room < 0:
            os.write(1, f"rubincwl: {len(records) - number} more records were left out\n".encode())
            return
        _write(1, line)


def say(text: str) -> None:
    sys.stderr.flush()
    _write(2, text.encode(errors="replace"))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
