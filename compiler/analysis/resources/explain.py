"""What became of one quantum of a compile: what it asks for and why, its job, its cluster, its datasets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.analysis.resources.reasons import FILE, Explained, Kept
from compiler.diagnostics import CompileError, Diagnostic, Origin, closest
from compiler.rubin import format_quantum

TABLE = "quanta.parquet"
_QUANTUM = re.compile(r"\s*([^\s{}]+)\s*\{(.*)\}\s*", re.DOTALL)
_PAIR = re.compile(r"""\s*(\w+)\s*[:=]\s*("[^"]*"|'[^']*'|[^,]*?)\s*(?:,|$)""")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one quantum."""

    label: str
    data_id: Mapping[str, Any]
    numbers: Sequence[Explained]
    about: Mapping[str, Any]
    """What the table says beside label and data id: ``job``, ``cluster``, ``inputs``, ``outputs`` and the like."""

    def __str__(self) -> str:
        return format_quantum(self.label, self.data_id)


def explain(out: Path, quantum: str) -> Explanation:
    """Explain a quantum of the compiled folder `out`, as in ``isr{exposure: 1000, detector: 3}``.

    Dimensions that all quanta share may be left out. Raises `CompileError` if the folder holds no requests, or if no
    quantum or several have what is given of the data id.
    """
    kept = _requests(out)
    label, wanted = _asked(quantum)
    if label not in kept.labels:
        like = closest(label, kept.labels)
        help = f"did you mean '{like}'?" if like else f"tasks here: {', '.join(kept.labels[:8])}"
        raise _refusal("unknown-task", f"no task '{label}' in '{out}'", help)
    rows = [row for row in _rows(out, label) if _has(row["data_id"], wanted)]
    if len(rows) != 1:
        raise _which(quantum, label, wanted, out, rows)
    (row,) = rows
    about = {key: value for key, value in row.items() if key not in ("label", "data_id", "quantum")}
    return Explanation(label, row["data_id"], kept.explain(kept.case_of(int(row["quantum"]))), about)


def _requests(out: Path) -> Kept:
    path = out / FILE
    try:
        return Kept.read(path)
    except FileNotFoundError:
        help = "name a folder that 'rubincwl compile' wrote"
        raise _refusal("no-file", f"'{out}' holds no {FILE}", help, str(out)) from None
    except (OSError, ValueError) as error:
        raise _refusal("unreadable-file", f"'{path}' cannot be read: {error}", "compile again", str(path)) from error


def _asked(quantum: str) -> tuple[str, dict[str, str]]:
    """Label and values as texts.

    >>> _asked("isr{exposure: 1000, band: 'r'}")
    ('isr', {'exposure': '1000', 'band': 'r'})
    """
    found = _QUANTUM.fullmatch(quantum)
    values: dict[str, str] = {}
    at, text = 0, found[2].strip() if found else ""
    while found and at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None or not pair[2]:
            found = None
            break
        values[pair[1]] = pair[2][1:-1] if pair[2][0] in "'\"" else pair[2]
        at = pair.end()
    if found is None:
        help = "as in 'isr{exposure: 1000, detector: 3}'"
        raise _refusal("bad-quantum", f"{quantum!r} names no quantum", help)
    return found[1], values


def _has(data_id: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(str(data_id.get(key)) == value for key, value in wanted.items())


def _rows(out: Path, label: str) -> Iterator[dict[str, Any]]:
    """The quanta of a task, with whatever the table of jobs says of them."""
    path = out / TABLE
    if not path.is_file():
        raise _refusal("no-file", f"'{out}' holds no {TABLE}", "compile again", str(out))
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, filters=[("label", "=", label)])
        for batch in table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                data_id = row["data_id"]
                yield {**row, "data_id": json.loads(data_id) if isinstance(data_id, str) else dict(data_id)}
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise _refusal("unreadable-file", f"'{path}' cannot be read: {error}", "compile again", str(path)) from error


def _which(
    quantum: str, label: str, wanted: Mapping[str, str], out: Path, rows: Sequence[Mapping[str, Any]]
) -> CompileError:
    """None or several have the data id."""
    if rows:
        shown = ", ".join(format_quantum(label, row["data_id"]) for row in rows[:_SHOWN])
        more = " ..." if len(rows) > _SHOWN else ""
        return _refusal("several-quanta", f"{len(rows):,} quanta are '{quantum}'", f"say more: {shown}{more}")
    every = [row["data_id"] for row in _rows(out, label)]
    known = sorted(every[0]) if every else []
    if odd := next((key for key in wanted if key not in known), None):
        return _refusal("unknown-dimension", f"'{label}' has no dimension '{odd}'", f"it has {', '.join(known)}")
    like = max(every, key=lambda each: sum(str(each[key]) == value for key, value in wanted.items()), default=None)
    help = f"there is {format_quantum(label, like)}" if like else None
    return _refusal("unknown-quantum", f"no quantum '{quantum}'", help)


def _refusal(code: str, message: str, help: str | None, file: str = "") -> CompileError:
    return CompileError([Diagnostic(code, message, Origin(file) if file else None, help)])
