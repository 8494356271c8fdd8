"""Columns: the values that a port has in all calls of a batch, one a row.

A workflow runs once for a whole batch (flattening; Blelloch, *NESL*, 1995): a scatter takes a column of lists for the
column of their members, and what comes back is cut into lists again. So the work in Python follows the size of the
document, and rows are touched by numpy and by comprehensions only. What no narrower column holds stands in `Plain`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.expand.files import FileTable, Ints, StagedFile

Longs = NDArray[np.int64]
FilePart = Ints | tuple[Longs, Ints]
"""Files of every row: shape (rows, k), or where rows begin, shape (rows + 1,), and the files."""

_TEXT = {str, int}
_WORD = {str, int, float}
_NESTED = {list, dict, StagedFile}
_NONE = type(None)


class Column(ABC):
    """Values of a port; `rows` says how many calls there are, which a `Same` does not know."""

    @abstractmethod
    def values(self, rows: int) -> list[Any]:
        """The value of each row."""

    @abstractmethod
    def take(self, index: Longs) -> Column:
        """The column whose row r is this one's row ``index[r]``."""

    @abstractmethod
    def member(self, name: str) -> Column:
        """What ``.name`` or ``[name]`` gives for each row; raises `KeyError`."""

    @abstractmethod
    def files(self, rows: int) -> Iterator[FilePart]:
        """Every file in the values."""

    def texts(self, rows: int) -> list[str]:
        """Each value as it stands inside a text."""
        return list(map(text_of, self.values(rows)))


class Same(Column):
    """One value for all rows."""

    def __init__(self, inner: Column) -> None:
        self.inner = inner
        """Of one row."""

    @cached_property
    def value(self) -> Any:
        return self.inner.values(1)[0]

    def values(self, rows: int) -> list[Any]:
        return [self.value] * rows

    def take(self, index: Longs) -> Column:
        return self

    def member(self, name: str) -> Column:
        return Same(self.inner.member(name))

    def files(self, rows: int) -> Iterator[FilePart]:
        for part in self.inner.files(1):
            found = part[1] if isinstance(part, tuple) else part[0]
            if len(found):
                yield np.broadcast_to(found, (rows, len(found)))

    def spread(self, rows: int) -> Column:
        """The value once a row."""
        return self.inner.take(np.zeros(rows, dtype=np.int64))


class Plain(Column):
    """A Python list."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    @cached_property
    def types(self) -> set[type]:
        return set(map(type, self.items))

    def values(self, rows: int) -> list[Any]:
        return self.items

    def take(self, index: Longs) -> Column:
        return Plain(list(map(self.items.__getitem__, index.tolist())))

    def member(self, name: str) -> Column:
        return Plain([_member(value, name) for value in self.items])

    def files(self, rows: int) -> Iterator[FilePart]:
        if self.types & _NESTED:
            found = [[each.number for each in _files(value)] for value in self.items]
            yield starts(map(len, found)), np.array(list(chain.from_iterable(found)), dtype=np.int32)

    def texts(self, rows: int) -> list[str]:
        if self.types <= {str}:
            return self.items
        if self.types <= _TEXT:
            return mapped(self.items, str)
        return list(map(text_of, self.items))


class Numbers(Column):
    """A file a row."""

    def __init__(self, table: FileTable, numbers: Ints) -> None:
        self.table = table
        self.numbers = numbers

    def values(self, rows: int) -> list[Any]:
        return [StagedFile(self.table, number) for number in self.numbers.tolist()]

    def take(self, index: Longs) -> Column:
        return Numbers(self.table, self.numbers[index])

    def member(self, name: str) -> Column:
        if name in ("path", "basename"):
            return Plain(self.texts(0))
        return Plain([each.member(name) for each in self.values(0)])

    def files(self, rows: int) -> Iterator[FilePart]:
        yield self.numbers[:, None]

    def texts(self, rows: int) -> list[str]:
        return list(map(self.table.names.__getitem__, self.numbers.tolist()))


class Ragged(Column):
    """A list a row."""

    def __init__(self, start: Longs, inner: Column) -> None:
        self.start = start
        """Shape (rows + 1,): the list of row r stands at ``start[r]:start[r + 1]`` of `inner`."""
        self.inner = inner

    @property
    def lengths(self) -> Longs:
        return np.diff(self.start)

    def values(self, rows: int) -> list[Any]:
        inner, cuts = self.inner.values(int(self.start[-1])), self.start.tolist()
        return [inner[a:b] for a, b in pairwise(cuts)]

    def take(self, index: Longs) -> Column:
        lengths = self.lengths[index]
        return Ragged(starts(lengths), self.inner.take(_ranges(self.start[index], lengths)))

    def member(self, name: str) -> Column:
        if name == "length":
            return Plain(self.lengths.tolist())
        try:
            place = int(name)
        except ValueError:
            raise KeyError(name) from None
        if (self.lengths <= place).any():
            raise KeyError(name)
        return self.inner.take(self.start[:-1] + place)

    def files(self, rows: int) -> Iterator[FilePart]:
        for part in self.inner.files(int(self.start[-1])):
            if isinstance(part, tuple):
                yield part[0][self.start], part[1]
            else:
                yield self.start * part.shape[1], part.ravel()


class Record(Column):
    """A record a row, all with the same fields."""

    def __init__(self, fields: Mapping[str, Column]) -> None:
        self.fields = fields

    def values(self, rows: int) -> list[Any]:
        if not self.fields:
            return [{} for _ in range(rows)]
        columns = [each.values(rows) for each in self.fields.values()]
        return [dict(zip(self.fields, row, strict=True)) for row in zip(*columns, strict=True)]

    def take(self, index: Longs) -> Column:
        return Record({name: each.take(index) for name, each in self.fields.items()})

    def member(self, name: str) -> Column:
        return self.fields[name]

    def files(self, rows: int) -> Iterator[FilePart]:
        for each in self.fields.values():
            yield from each.files(rows)


def column_of(values: list[Any], table: FileTable) -> Column:
    """The narrowest column that holds `values` of a job order; their File objects become numbers of `table`."""
    kinds = set(map(type, values))
    if kinds == {list}:
        return Ragged(starts(map(len, values)), column_of(list(chain.from_iterable(values)), table))
    if kinds == {dict}:
        return _of_mappings(values, table)
    if kinds == {StagedFile}:
        return Numbers(table, np.array([each.number for each in values], dtype=np.int32))
    if kinds <= {str, int, float, bool, _NONE}:
        return Plain(values)
    return Plain(list(map(table.staged, values)))


def _of_mappings(values: list[Mapping[str, Any]], table: FileTable) -> Column:
    keys = values[0].keys()
    if "class" in keys:
        if {each.get("class") for each in values} == {"File"}:
            return Numbers(table, table.existing(values))
    elif set(map(len, values)) == {len(keys)}:
        try:
            fields = {key: list(map(itemgetter(key), values)) for key in keys}
        except KeyError:
            pass
        else:
            return Record({key: column_of(each, table) for key, each in fields.items()})
    return Plain(list(map(table.staged, values)))


def filled(column: Column | None, default: Same) -> Column:
    """The column with `default` where it holds None."""
    if column is None or (isinstance(column, Same) and column.value is None):
        return default
    if has_none(column) and isinstance(column, Plain):
        return Plain([default.value if each is None else each for each in column.items])
    return column


def has_none(column: Column) -> bool:
    return column.value is None if isinstance(column, Same) else isinstance(column, Plain) and _NONE in column.types


def merged(columns: Sequence[Column], rows: int, flatten: bool, table: FileTable) -> Column:
    """A list a row of what each column has there; with `flatten`, lists among that give their members."""
    found = zip(*(each.values(rows) for each in columns), strict=True)
    if not flatten:
        return column_of(list(map(list, found)), table)
    return column_of(
        [[x for each in row for x in (each if isinstance(each, list) else [each])] for row in found], table
    )


def repeated(column: Column, lengths: Longs) -> Column:
    """Row r of `column` ``lengths[r]`` times."""
    if isinstance(column, Same):
        return column
    if len(lengths) == 1:
        return Same(column)
    return column.take(np.repeat(np.arange(len(lengths)), lengths))


def as_ragged(column: Column, rows: int) -> Ragged | None:
    """The column as one of lists; None if a value is none."""
    if isinstance(column, Same):
        column = column.spread(rows)
    if isinstance(column, Plain) and column.types <= {list}:
        return Ragged(starts(map(len, column.items)), Plain(list(chain.from_iterable(column.items))))
    return column if isinstance(column, Ragged) else None


def starts(lengths: Iterable[int] | Longs) -> Longs:
    """Where rows of these lengths begin, and where the last one ends."""
    counts = lengths if isinstance(lengths, np.ndarray) else np.fromiter(lengths, np.int64)
    out = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def mapped(values: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
    """`function` of each of `values`, called once for values that are equal and giving one object for them."""
    known = {value: function(value) for value in set(values)}
    return list(map(known.__getitem__, values))


def text_of(value: Any) -> str:
    """A value inside a text, by the specification (CWL v1.2, "Parameter references"); raises `TypeError`."""
    if isinstance(value, str):
        return value
    if isinstance(value, StagedFile):
        return value.lfn
    return json.dumps(value)


def are_words(column: Column) -> bool:
    """Whether each value is one word of a command line."""
    return isinstance(column, Numbers) or (isinstance(column, Plain) and column.types <= _WORD)


def words_of(column: Column, rows: int) -> list[str]:
    """Each value as a word; `are_words` has said that it is one."""
    if isinstance(column, Plain) and float in column.types:
        return list(map(str, column.items))
    return column.texts(rows)


def _ranges(first: Longs, lengths: Longs) -> Longs:
    """The numbers from ``first[r]`` on, as many as ``lengths[r]``, row by row."""
    start = starts(lengths)
    return np.repeat(first - start[:-1], lengths) + np.arange(start[-1])


def _member(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value[name]
    if isinstance(value, StagedFile):
        return value.member(name)
    if isinstance(value, list):
        if name == "length":
            return len(value)
        if name.isdigit() and int(name) < len(value):
            return value[int(name)]
    raise KeyError(name)


def _files(value: Any) -> Iterator[StagedFile]:
    """Every file in a value, depth first."""
    if isinstance(value, StagedFile):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _files(each)
    elif isinstance(value, list):
        for each in value:
            yield from _files(each)
