"""Values of many calls at once: a column holds what stands at one port, a row for each call.

A scatter then costs what its columns cost, not a dictionary a call (flattening, as G. Blelloch's NESL does it):
a `Ragged` column of N arrays becomes a batch of as many calls as the arrays hold together. Columns hold only
what is regular; whatever else stands in a job order is an `OddError`, and the interpreter (`evaluate`) judges it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class OddError(Exception):
    """Something is wrong, or beyond columns; the text says what, for whoever cannot have it explained row by row."""


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """A file a row."""

    numbers: Ints
    """Shape (rows,): those of the job order as `Given` counts them, behind them those that calls make."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A string, number, boolean or nothing a row; of no rows, it stands for a column of any kind."""

    items: Sequence[Any]
    types: frozenset[type]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """An array a row."""

    start: Ints
    """Shape (rows + 1,): the items of row i are ``start[i]:start[i + 1]``."""
    items: Column


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """A record a row, all of the same fields."""

    rows: int
    fields: dict[str, Column]


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """One value in all rows."""

    rows: int
    one: Column
    """Of one row."""


Column = Files | Values | Ragged | Records | Same


def size(column: Column) -> int:
    """How many rows a column has."""
    match column:
        case Files():
            return len(column.numbers)
        case Values():
            return len(column.items)
        case Ragged():
            return len(column.start) - 1
    return column.rows


def take(column: Column, rows: Ints) -> Column:
    """The column with these rows, in this order; a row may come more than once.

    >>> take(Values(["a", "b"], frozenset({str})), np.array([1, 1, 0])).items
    ['b', 'b', 'a']
    """
    match column:
        case Files():
            return Files(column.numbers[rows])
        case Values():
            items = column.items
            return Values([items[row] for row in rows.tolist()], column.types)
        case Ragged():
            start = starts(np.diff(column.start)[rows])
            shift = np.repeat(column.start[rows] - start[:-1], np.diff(start))
            return Ragged(start, take(column.items, shift + np.arange(start[-1])))
        case Records():
            return Records(len(rows), {name: take(each, rows) for name, each in column.fields.items()})
    return Same(len(rows), column.one)


def repeat(column: Column, counts: Ints) -> Column:
    """The column with each row as often as `counts` says."""
    if isinstance(column, Same):
        return Same(int(counts.sum()), column.one)
    if len(counts) == 1:
        return Same(int(counts[0]), column)
    return take(column, np.repeat(np.arange(len(counts)), counts))


def starts(counts: Ints) -> Ints:
    """Where arrays of these lengths begin when they stand one behind the other, and where the last ends."""
    found = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=found[1:])
    return found


def full(column: Column) -> Column:
    """The column with every row of its own, and every item of its arrays too."""
    match column:
        case Same():
            return full(take(column.one, np.zeros(column.rows, dtype=np.int64)))
        case Ragged():
            return Ragged(column.start, full(column.items))
    return column


def follow(column: Column, path: Sequence[str | int]) -> Column:
    """What a parameter reference leads to, row by row; raises `OddError` where it is no field of a record."""
    for at, segment in enumerate(path):
        match column:
            case Same():
                return Same(column.rows, follow(column.one, path[at:]))
            case Records() if segment in column.fields:
                column = column.fields[str(segment)]
            case _ if size(column):
                raise OddError(f"a reference to {segment!r}, which is no field of a record in all calls")
    return column


def flat(column: Column) -> tuple[Ints, Column]:
    """What the arrays of a full column hold at last, and the row of each.

    >>> flat(Ragged(np.array([0, 2, 2, 3]), Values(["a", "b", "c"], frozenset({str}))))[0].tolist()
    [0, 0, 2]
    """
    if not isinstance(column, Ragged):
        return np.arange(size(column)), column
    inner, leaf = flat(column.items)
    return np.repeat(np.arange(size(column)), np.diff(column.start))[inner], leaf


def flat_files(column: Column) -> tuple[Ints, Ints]:
    """The row and the number of every file of a column of files, or of arrays of them however nested."""
    rows, leaf = flat(full(column))
    if not isinstance(leaf, Files) and len(rows):
        raise OddError("a value that is no file where files are expected")
    return rows, leaf.numbers if isinstance(leaf, Files) else rows


def with_leaf(column: Column, leaf: Column) -> Column:
    """A full column whose arrays hold something else at last."""
    return Ragged(column.start, with_leaf(column.items, leaf)) if isinstance(column, Ragged) else leaf


def plain(column: Column) -> list[Any]:
    """The rows of a full column as nested lists; files as their numbers."""
    match column:
        case Files():
            numbers: list[Any] = column.numbers.tolist()
            return numbers
        case Values():
            return list(column.items)
        case Ragged():
            items = plain(column.items)
            return [items[a:b] for a, b in pairwise(column.start.tolist())]
    raise OddError("a record where arrays are expected")


class Given:
    """Makes columns of a job order's plain objects; knows its files, each once, by number."""

    def __init__(self) -> None:
        self.locations: list[str] = []
        self.names: list[str] = []
        self.sizes: list[int | None] = []
        self._by_location: dict[str, int] = {}
        self._numbers: dict[tuple[str, ...], dict[str, int]] = {}
        """By the names of the fields of File objects, then by location."""
        self._told: list[object] = []
        """Base names as the job order says them."""

    def column(self, values: Sequence[Any]) -> Column:
        """The column of plain values, a row each; raises `OddError` for what is not alike in all rows."""
        types = frozenset(map(type, values))
        if types == {dict}:
            return self._files(values) if "class" in values[0] else self._records(values)
        if types == {list}:
            counts = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
            return Ragged(starts(counts), self.column(list(chain.from_iterable(values))))
        if types & {dict, list}:
            raise OddError("arrays or objects among other values in the job order")
        return Values(values, types)

    def _records(self, rows: Sequence[dict[str, Any]]) -> Column:
        names = tuple(rows[0])
        # As many fields as the first, and each of the first's: the same fields.
        if set(map(len, rows)) != {len(names)}:
            raise OddError("records in the job order that differ in their fields")
        try:
            return Records(len(rows), {name: self.column(list(map(itemgetter(name), rows))) for name in names})
        except KeyError as missing:
            raise OddError(f"records in the job order of which some have no {missing}") from None

    def _files(self, rows: Sequence[dict[str, Any]]) -> Files:
        fields = tuple(rows[0])
        if len(set(map(len, rows))) > 1:
            fields = _FIELDS
            rows = [dict.fromkeys(_FIELDS) | row for row in rows]
            if set(map(len, rows)) != {len(_FIELDS)}:
                raise OddError("Files in the job order with other fields")
        try:
            columns = {name: list(map(itemgetter(name), rows)) for name in fields}
            locations = columns["location"]
            known = self._numbers.setdefault(fields, {})
            for place, location in enumerate(locations):
                if location not in known:
                    known[location] = self._file({name: column[place] for name, column in columns.items()})
        except (KeyError, TypeError):
            raise OddError("Files in the job order that are not alike") from None
        numbers = list(map(known.__getitem__, locations))
        for name, told in (("basename", self._told), ("size", self.sizes)):
            if name in columns and list(map(told.__getitem__, numbers)) != columns[name]:
                raise OddError("a File in the job order with two names or sizes")
        # By value alone 1 is True, and 1.0.
        if columns["class"].count("File") < len(rows) or set(map(type, columns.get("size", ()))) - {int, type(None)}:
            raise OddError("a File in the job order of another class, or whose size is no number")
        return Files(np.array(numbers, dtype=np.int64))

    def _file(self, file: dict[str, Any]) -> int:
        location, name = file.get("location"), file.get("basename")
        if file.keys() - set(_FIELDS) or type(location) is not str or type(file.get("size")) not in (int, type(None)):
            raise OddError("a File in the job order that is not just class, location, basename and size")
        told = name
        if name is None:
            name = unquote(location.rstrip("/").rsplit("/", 1)[-1])
        if type(name) is not str or not name or "/" in name:
            raise OddError(f"a File at {location!r} without a usable base name")
        number = self._by_location.setdefault(location, len(self.names))
        if number == len(self.names):
            self.locations.append(location)
            self.names.append(name)
            self._told.append(told)
            self.sizes.append(file.get("size"))
        elif (told, file.get("size")) != (self._told[number], self.sizes[number]):
            raise OddError(f"a File at {location!r} with two names or sizes")
        return number


_FIELDS = ("class", "location", "basename", "size")
