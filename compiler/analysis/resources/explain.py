"""What became of one quantum of a compile: what it asks for and why, its job, its cluster, its datasets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from compiler.analysis.resources.reasons import FILE, Explained, Kept
from compiler.diagnostics import CompileError, Diagnostic, Origin, closest
from compiler.rubin import format_quantum

TABLE = "quanta.parquet"
_QUANTUM = re.compile(r"\s*([^\s{}]+)\s*\{(.*)\}\s*", re.DOTALL)
_PAIR = re.compile(r"""\s*(\w+)\s*[:=]\s*("[^"]*"|'[^']*'|[^,]*?)\s*(?:,|$)""")
_SHOWN = 5
_UNREADABLE = (OSError, ValueError, KeyError, TypeError)  # pyarrow's errors are among them


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one quantum."""

    label: str
    data_id: Mapping[str, Any]
    numbers: Sequence[Explained]
    about: Mapping[str, Any]
    """What the table of jobs says beside label and data id: ``job``, place in it, files. Empty for CWL alone."""

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
    every = _data_ids(out, label, kept)
    found = [data_id for data_id in every if _has(data_id, wanted)]
    if len(found) != 1:
        raise _which(quantum, label, wanted, every, found)
    (data_id,) = found
    return Explanation(
        label, data_id, kept.explain(kept.case_of(label, every.index(data_id))), _about(out, label, data_id)
    )


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


def _data_ids(out: Path, label: str, kept: Kept) -> list[dict[str, Any]]:
    """Data ids of all quanta of a task, in the order of their numbers: the graph's, which is that of their values."""
    path = _table(out)
    source = path or out / "job.json"
    try:
        found = _from_table(path, label) if path else _from_job_order(source, label)
        dimensions = kept.dimensions(label)
        ordered = [{name: data_id[name] for name in dimensions} for data_id in found]
        ordered.sort(key=lambda data_id: [(isinstance(value, str), value) for value in data_id.values()])
    except FileNotFoundError:
        raise _refusal("no-file", f"'{out}' holds neither {TABLE} nor job.json", "compile again", str(out)) from None
    except _UNREADABLE as error:
        raise _refusal(
            "unreadable-file", f"'{source}' cannot be read: {error}", "compile again", str(source)
        ) from error
    if len(ordered) != kept.quanta(label):
        message = (
            f"'{source.name}' and {FILE} are of different compiles: {len(ordered):,} and {kept.quanta(label):,} quanta"
        )
        raise _refusal("unreadable-file", f"{message} of '{label}'", "compile again", str(source))
    return ordered


def _table(out: Path) -> Path | None:
    """The table of jobs, where there are any."""
    return next((path for path in (out / "pegasus" / TABLE, out / TABLE) if path.is_file()), None)


def _from_table(path: Path, label: str) -> list[dict[str, Any]]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, columns=["label", "data_id"], filters=[("label", "=", label)])
    return [msgspec.json.decode(text) for text in table.column("data_id").to_pylist()]


def _from_job_order(path: Path, label: str) -> list[dict[str, Any]]:
    """Of a workflow that is CWL alone there are no jobs; its job order has a record for each quantum."""
    from compiler.cwl.build import identifier

    order = msgspec.json.decode(path.read_bytes())
    return [record["data_id"] for record in _records(order[f"{identifier(label)}__quanta"])]


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _records(each)
    else:
        yield value


def _about(out: Path, label: str, data_id: Mapping[str, Any]) -> dict[str, Any]:
    """The quantum's row of the table; empty where there is none."""
    path = _table(out)
    if path is None:
        return {}
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, filters=[("label", "=", label)])
    texts = table.column("data_id").to_pylist()
    row = next(number for number, text in enumerate(texts) if msgspec.json.decode(text) == data_id)
    (found,) = table.slice(row, 1).to_pylist()
    return {key: value for key, value in found.items() if key not in ("label", "data_id")}


def _which(
    quantum: str,
    label: str,
    wanted: Mapping[str, str],
    every: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> CompileError:
    """None or several have the data id."""
    if found:
        shown = ", ".join(format_quantum(label, data_id) for data_id in found[:_SHOWN])
        more = " ..." if len(found) > _SHOWN else ""
        return _refusal("several-quanta", f"{len(found):,} quanta are '{quantum}'", f"say more: {shown}{more}")
    known = sorted(every[0]) if every else []
    if odd := next((key for key in wanted if key not in known), None):
        return _refusal("unknown-dimension", f"'{label}' has no dimension '{odd}'", f"it has {', '.join(known)}")
    like = max(every, key=lambda each: sum(str(each[key]) == value for key, value in wanted.items()), default=None)
    help = f"there is {format_quantum(label, like)}" if like else None
    return _refusal("unknown-quantum", f"no quantum '{quantum}'", help)


def _refusal(code: str, message: str, help: str | None, file: str = "") -> CompileError:
    return CompileError([Diagnostic(code, message, Origin(file) if file else None, help)])
