"""A graph's lines with a row each, and in blocks: what docs/interchange.md says, written out plainly."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

Line = dict[str, Any]


def column(given: Any, count: int) -> list[Any]:
    """The values that a column of `count` rows stands for."""
    if isinstance(given, dict):
        return [given["first"] + i * given.get("step", 1) for i in range(count)]
    return given if isinstance(given, list) else [given] * count


def as_rows(lines: Iterable[Line]) -> list[Line]:
    """Each row of a block as a line of its own."""
    found: list[Line] = []
    dimensions: dict[str, list[str]] = {}
    for line in lines:
        if line["kind"] == "dataset_type":
            dimensions[line["name"]] = line.get("dimensions", [])
        elif line["kind"] == "task":
            dimensions["of " + line["label"]] = [*line.get("dimensions", []), *line.get("implied", [])]
        if line["kind"] == "datasets":
            found.extend(_dataset_rows(line, dimensions[line["type"]]))
        elif line["kind"] == "quanta":
            found.extend(_quantum_rows(line, dimensions["of " + line["task"]]))
        else:
            found.append(line)
    return found


def _values(block: Line, dimensions: list[str]) -> list[list[Any]]:
    columns = [column(block["columns"][d], block["count"]) for d in dimensions]
    return [[each[row] for each in columns] for row in range(block["count"])]


def _dataset_rows(block: Line, dimensions: list[str]) -> Iterator[Line]:
    count, files = block["count"], block.get("files", {"paths": None})
    names = {"path": "paths", "size": "sizes", "formatter": "formatters", "checksum": "checksums"}
    parts = {one: column(files[many], count) for one, many in names.items() if many in files}
    run, ids = column(block.get("run"), count), column(block.get("ids"), count)
    for row, values in enumerate(_values(block, dimensions)):
        file = {name: part[row] for name, part in parts.items()}
        yield {
            "kind": "dataset",
            "type": block["type"],
            "values": values,
            "run": run[row],
            "id": ids[row],
            "file": None if file["path"] is None else file,
        }


def _quantum_rows(block: Line, dimensions: list[str]) -> Iterator[Line]:
    ids = column(block.get("ids"), block["count"])
    sides = {side: _lists(block.get(side, {}), block["count"]) for side in ("inputs", "outputs")}
    for row, values in enumerate(_values(block, dimensions)):
        edges = {side: {name: each[row] for name, each in lists.items()} for side, lists in sides.items()}
        yield {"kind": "quantum", "task": block["task"], "values": values, "id": ids[row], **edges}


def _lists(side: Line, count: int) -> dict[str, list[list[int]]]:
    found = {}
    for name, each in side.items():
        counts = column(each.get("counts", 1), count)
        numbers = iter(column(each["datasets"], sum(counts)))
        found[name] = [list(itertools.islice(numbers, n)) for n in counts]
    return found


def as_blocks(lines: Iterable[Line], size: int, random: Random) -> list[Line]:
    """Neighbouring rows of one type or task in blocks of up to `size`; some rows stay as they are."""
    found: list[Line] = []
    dimensions: dict[str, list[str]] = {}
    key = {"dataset": "type", "quantum": "task"}
    for (kind, _), group in itertools.groupby(lines, lambda line: (line["kind"], line.get(key.get(line["kind"], "")))):
        rows = list(group)
        for line in rows:
            if kind == "dataset_type":
                dimensions[line["name"]] = line.get("dimensions", [])
            elif kind == "task":
                dimensions["of " + line["label"]] = [*line.get("dimensions", []), *line.get("implied", [])]
        if kind not in key or random.random() < 0.2:
            found.extend(rows)
            continue
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            names = dimensions[part[0]["type"] if kind == "dataset" else "of " + part[0]["task"]]
            block = {
                "count": len(part),
                "columns": {d: [row["values"][i] for row in part] for i, d in enumerate(names)},
            }
            block["ids"] = [row.get("id") for row in part]
            found.append(_datasets(part, block) if kind == "dataset" else _quanta(part, block))
    return found


def _datasets(rows: list[Line], block: Line) -> Line:
    files = [row.get("file") or {"path": None} for row in rows]
    if all(row.get("run") is not None for row in rows):
        block["run"] = [row["run"] for row in rows]
    elif any(row.get("run") is not None for row in rows):
        block["run"] = [row["run"] or "out/run" for row in rows]
    block["files"] = {
        "paths": [each["path"] for each in files],
        "sizes": [each.get("size") for each in files],
        "formatters": [each.get("formatter", "") for each in files],
        "checksums": [each.get("checksum") for each in files],
    }
    return {"kind": "datasets", "type": rows[0]["type"], **block}


def _quanta(rows: list[Line], block: Line) -> Line:
    for side in ("inputs", "outputs"):
        names = sorted({name for row in rows for name in row.get(side, {})})
        block[side] = {
            name: {
                "datasets": [n for row in rows for n in row.get(side, {}).get(name, [])],
                "counts": [len(row.get(side, {}).get(name, [])) for row in rows],
            }
            for name in names
        }
    return {"kind": "quanta", "task": rows[0]["task"], **block}
