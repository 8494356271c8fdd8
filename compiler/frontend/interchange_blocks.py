"""Blocks of the interchange format become the columns that a graph's builder takes."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import closest
from compiler.frontend.interchange_lines import (
    MOST_EDGES,
    EdgeColumn,
    FaultError,
    FileColumns,
    Numbers,
    Values,
)
from compiler.rubin.build import Ids
from compiler.rubin.columns import Column
from compiler.rubin.files import UNKNOWN, Ints
from compiler.rubin.ids import parse_ids

_T = TypeVar("_T")


def columns(given: Mapping[str, Values], dimensions: Sequence[str], count: int) -> list[Column]:
    """A column of `count` values for each dimension, in their order."""
    for name in given:
        if name not in dimensions:
            near = closest(name, dimensions)
            names = ", ".join(dimensions) or "none"
            help = f"did you mean '{near}'?" if near else None
            raise FaultError("wrong-data-id", f"'{name}' is none of the dimensions here ({names})", name, help)
    for name in dimensions:
        if name not in given:
            raise FaultError("wrong-data-id", f"no column for the dimension '{name}'", "columns")
    return [_column(given[name], count, name) for name in dimensions]


def ids(given: list[str | None] | None, count: int) -> Ids | None:
    """16 bytes each, or None for those that are to be derived."""
    if given is None:
        return None
    _as_many(given, count, "ids")
    try:
        known = parse_ids([text for text in given if text is not None])
    except ValueError as error:
        raise FaultError("broken-graph", str(error), "ids") from None
    if len(known) == count:
        return known
    rest = iter(known.tolist())
    return [None if text is None else next(rest) for text in given]


def runs(given: list[str] | str | None, usual: str, count: int) -> str | Sequence[str]:
    """One run for all, or one a row."""
    if given is None or isinstance(given, str):
        return usual if given is None else given
    return _as_many(given, count, "run")


def files(given: FileColumns, count: int) -> tuple[list[int], list[str], list[int], list[str], list[str | None]]:
    """Rows that have a record, and their paths, sizes, formatters and checksums."""
    rows = [row for row, path in enumerate(_as_many(given.paths, count, "paths")) if path is not None]
    paths = [path for path in given.paths if path is not None]
    sizes = given.sizes if isinstance(given.sizes, list) else [given.sizes] * count
    formatters = [given.formatters] * count if isinstance(given.formatters, str) else given.formatters
    checksums: list[str | None] = [None] * count if given.checksums is None else given.checksums
    _as_many(sizes, count, "sizes")
    _as_many(formatters, count, "formatters")
    _as_many(checksums, count, "checksums")
    known = [UNKNOWN if size is None else size for size in sizes]
    if len(rows) == count:
        return rows, paths, known, formatters, checksums
    return (
        rows,
        paths,
        [known[row] for row in rows],
        [formatters[row] for row in rows],
        [checksums[row] for row in rows],
    )


def edges(given: EdgeColumn, count: int, datasets: int, name: str) -> tuple[Ints, Ints]:
    """How many datasets each of `count` quanta has on the connection `name`, and their numbers, below `datasets`."""
    if isinstance(given.counts, int):
        total = given.counts * count
        fan = np.full(count, given.counts, dtype=np.int32)
    else:
        fan = np.array(_as_many(given.counts, count, name, "counts"), dtype=np.int32)
        total = int(fan.sum(dtype=np.int64))
    if total > MOST_EDGES:
        message = f"{total} datasets on one connection of a line, {MOST_EDGES} at most"
        raise FaultError("broken-graph", message, name, "cut the line into several")
    return fan, _numbers(given.datasets, total, fan, datasets, name)


def _numbers(given: Numbers, total: int, fan: Ints, datasets: int, name: str) -> Ints:
    """Checked before they become 32 bits wide."""
    if isinstance(given, list) and len(given) != total:
        raise FaultError("broken-graph", f"{len(given)} datasets where the counts add up to {total}", name)
    if total == 0:
        return np.empty(0, dtype=np.int32)
    try:
        numbers = _whole(given, total)
    except OverflowError:
        raise FaultError("unknown-dataset", f"numbers that no dataset has: {datasets} stand before", name) from None
    if int(numbers.min()) < 0 or int(numbers.max()) >= datasets:
        place = int(np.flatnonzero((numbers < 0) | (numbers >= datasets))[0])
        row = int(np.searchsorted(np.cumsum(fan), place, side="right"))
        message = (
            f"no dataset {numbers[place]}, which quantum {row} of this line names: "
            f"{datasets} stand before this line, counted from 0"
        )
        raise FaultError("unknown-dataset", message, name)
    return numbers.astype(np.int32)


def _column(given: Values, count: int, name: str) -> Column:
    if isinstance(given, str):
        return [given] * count
    if isinstance(given, list):
        return _as_many(given, count, name, "values")
    try:
        return _whole(given, count)
    except OverflowError:
        if isinstance(given, int):
            return [given] * count
        raise FaultError("wrong-data-id", "a run of values that are too large", name) from None


def _whole(given: Numbers, count: int) -> NDArray[np.int64]:
    """Integers of 64 bits; raises `OverflowError` where they are larger."""
    if isinstance(given, list):
        return np.frombuffer(array("q", given), dtype=np.int64)
    if isinstance(given, int):
        return np.full(count, given, dtype=np.int64)
    last = given.first + given.step * max(count - 1, 0)
    if max(abs(given.first), abs(given.step), abs(last)) >= 2**62:
        raise OverflowError
    return given.first + given.step * np.arange(count, dtype=np.int64)


def _as_many(given: list[_T], count: int, word: str, what: str | None = None) -> list[_T]:
    if len(given) != count:
        message = f"{len(given)} {what or word} in a line of {count} rows"
        raise FaultError("wrong-data-id" if what == "values" else "broken-graph", message, word)
    return given
