"""Growing columns of data ids and edges, and how they are sorted at last; `compiler.rubin.build` fills them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.rubin.files import Ints
from compiler.rubin.graph import Value


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Values of one dimension that its vocabulary has encoded already."""

    codes: Ints

    def __len__(self) -> int:
        return len(self.codes)


Column = Sequence[Value] | NDArray[np.int64] | Coded
"""Values of one dimension, row by row."""
Ids = Callable[[Sequence[int]], list[bytes]]
"""The ids of rows, asked only where nothing else decides their order."""


class Vocabulary:
    """The values of one dimension, by codes in the order of their coming."""

    def __init__(self) -> None:
        self.codes: dict[Value, int] = {}

    def code(self, value: Value) -> int:
        return self.codes.setdefault(value, len(self.codes))

    def encode(self, column: Column) -> Ints:
        """The code of each value."""
        if isinstance(column, Coded):
            return column.codes
        values = column if isinstance(column, np.ndarray) else _integers(column)
        if values is None:
            for value in dict.fromkeys(column):
                self.code(value)
            return np.fromiter(map(self.codes.__getitem__, column), dtype=np.int32, count=len(column))
        if not len(values):
            return np.empty(0, dtype=np.int32)
        low, high = int(values.min()), int(values.max())
        if high - low > 4 * len(values) + 1024:
            used, place = np.unique(values, return_inverse=True)
            return self._known(used)[place.reshape(-1)]
        # Numbers that lie close together need no sorting: a table tells the code of each.
        shifted = values - low
        there = np.zeros(high - low + 1, dtype=bool)
        there[shifted] = True
        table = np.empty(len(there), dtype=np.int32)
        table[there] = self._known(np.flatnonzero(there) + low)
        return table[shifted]

    def finish(self) -> tuple[tuple[Value, ...], Ints]:
        """The values, sorted, integers before strings, and the place among them of each code."""
        values = list(self.codes)
        order = sorted(range(len(values)), key=lambda i: (isinstance(values[i], str), values[i]))
        place = np.empty(len(values), dtype=np.int32)
        place[order] = np.arange(len(values), dtype=np.int32)
        return tuple(values[i] for i in order), place

    def _known(self, values: NDArray[np.int64]) -> Ints:
        found = list(map(self.codes.get, values.tolist()))
        if None in found:
            found = [self.code(value) for value in values.tolist()]
        return np.array(found, dtype=np.int32)


@dataclass
class Table:
    """Data ids as codes, a growing column for each dimension."""

    dimensions: tuple[str, ...]
    vocabularies: list[Vocabulary]
    rows: int = 0
    codes: list[array[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.codes = [array("i") for _ in self.dimensions]

    def add(self, values: Sequence[Value]) -> None:
        """Raises `ValueError` for too few values."""
        if len(values) < len(self.vocabularies):
            raise ValueError(f"{len(values)} values for the dimensions {', '.join(self.dimensions)}")
        for column, known, value in zip(self.codes, self.vocabularies, values, strict=False):
            column.append(known.code(value))
        self.rows += 1

    def extend(self, columns: Sequence[Column], count: int) -> None:
        """Add `count` rows; raises `ValueError` unless there is a column of that length for each dimension."""
        if len(columns) < len(self.dimensions) or any(len(each) != count for each in columns):
            raise ValueError(f"not {count} values for each of the dimensions {', '.join(self.dimensions)}")
        for column, known, values in zip(self.codes, self.vocabularies, columns, strict=False):
            column.frombytes(known.encode(values).tobytes())
        self.rows += count

    def values(self, row: int) -> list[Value]:
        """As they were added; slow, for single rows."""
        return [list(known.codes)[column[row]] for known, column in zip(self.vocabularies, self.codes, strict=True)]

    def sorted(
        self, final: Mapping[str, Ints], ids: Ids, last: tuple[Ints, int] | None = None, significant: int | None = None
    ) -> tuple[Ints, NDArray[np.intp]]:
        """Final codes in sorted order, shape (rows, dimensions), and the places where they stood.

        Only the first `significant` columns decide; then `last`, a column and how many different values it has;
        then the ids.
        """
        columns = [final[d][ints(column)] for d, column in zip(self.dimensions, self.codes, strict=True)]
        deciding = [(c, len(final[d])) for c, d in zip(columns, self.dimensions, strict=True)][:significant]
        place = _order(_keys([*deciding, last] if last else deciding, self.rows), ids)
        out = np.empty((self.rows, len(columns)), dtype=np.int32)
        for i, column in enumerate(columns):
            out[:, i] = column[place]
        return out, place


@dataclass
class EdgeRows:
    """Edges of one direction, quantum after quantum of one task."""

    counts: array[int] = field(default_factory=lambda: array("i"))
    connection: array[int] = field(default_factory=lambda: array("i"))
    dataset: array[int] = field(default_factory=lambda: array("i"))

    def add(self, row: Mapping[str, Sequence[int]], places: Mapping[str, int]) -> None:
        before = len(self.dataset)
        for name, handles in row.items():
            self.connection.extend([places[name]] * len(handles))
            self.dataset.extend(handles)
        self.counts.append(len(self.dataset) - before)

    def extend(self, parts: Sequence[tuple[int, Ints, Ints]], count: int) -> None:
        """Add those of `count` quanta: for each connection its place, datasets a quantum, and the datasets."""
        whole = np.zeros(count, dtype=np.int32)
        for _, counts, _ in parts:
            whole += counts
        dataset = np.empty(int(whole.sum()), dtype=np.int32)
        connection = np.empty_like(dataset)
        free = np.cumsum(whole) - whole
        for place, counts, handles in sorted(parts, key=lambda part: part[0]):
            at = spread(free, counts)
            dataset[at] = handles
            connection[at] = place
            free += counts
        self.counts.frombytes(whole.tobytes())
        self.connection.frombytes(connection.tobytes())
        self.dataset.frombytes(dataset.tobytes())

    def sorted(self, place: NDArray[np.intp], number: Ints) -> tuple[Ints, Ints, Ints]:
        """Edges a quantum, dataset numbers and connections, for quanta in the order of `place`."""
        counts = ints(self.counts)
        dataset, connection = number[ints(self.dataset)], ints(self.connection)
        if not _ascending(place):
            at = spread((np.cumsum(counts) - counts)[place], counts[place])
            counts, dataset, connection = counts[place], dataset[at], connection[at]
        start = np.cumsum(counts) - counts
        wrong = (dataset[1:] < dataset[:-1]) & (connection[1:] == connection[:-1])
        wrong |= connection[1:] < connection[:-1]
        # Between two quanta there is no order to keep.
        wrong[start[(start > 0) & (start < len(dataset))] - 1] = False
        if wrong.any():
            mixed = distinct(np.searchsorted(start, np.flatnonzero(wrong), side="right") - 1)
            at = spread(start[mixed], counts[mixed])
            order = np.lexsort((dataset[at], connection[at], np.repeat(mixed, counts[mixed])))
            dataset[at] = dataset[at[order]]
            connection = connection.copy()
            connection[at] = connection[at[order]]
        return counts, dataset, connection


def spread(start: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """The places ``start[i], start[i] + 1, …``, `counts[i]` of them, one row after the other.

    >>> spread(np.array([10, 20]), np.array([2, 1])).tolist()
    [10, 11, 20]
    """
    behind = np.cumsum(counts, dtype=np.int64)
    total = int(behind[-1]) if len(behind) else 0
    if total == len(counts) and bool((counts == 1).all()):
        return np.asarray(start, dtype=np.int64)
    return np.repeat(start - (behind - counts), counts) + np.arange(total)


def distinct(numbers: NDArray[np.integer]) -> NDArray[np.integer]:
    """Sorted, each once, like `numpy.unique`, whose newer releases take a hundred times longer where few are equal."""
    numbers = np.sort(numbers)
    first = np.ones(len(numbers), dtype=bool)
    first[1:] = numbers[1:] != numbers[:-1]
    return numbers[first]


def ints(column: array[int]) -> Ints:
    return np.frombuffer(column, dtype=np.int32) if column else np.empty(0, dtype=np.int32)


def starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)


def _integers(column: Sequence[Value]) -> NDArray[np.int64] | None:
    """None where some value is no integer, or a very large one."""
    try:
        return np.frombuffer(array("q", column), dtype=np.int64)  # type: ignore[type-var]
    except (TypeError, OverflowError):
        return None
    except ValueError:  # an empty column
        return np.empty(0, dtype=np.int64)


def _keys(columns: Sequence[tuple[Ints, int]], rows: int) -> NDArray[np.int64]:
    """A number a row that sorts as the columns do, the first one first; each comes with the size of its values."""
    key = np.zeros(rows, dtype=np.int64)
    room = 1
    for column, size in columns:
        if room * max(size, 1) >= 2**63:
            used, dense = np.unique(key, return_inverse=True)
            key, room = dense.reshape(-1), len(used)
        key *= max(size, 1)
        key += column
        room *= max(size, 1)
    return key


def _order(key: NDArray[np.int64], ids: Ids) -> NDArray[np.intp]:
    """The places of rows by key, then by id."""
    if bool((key[1:] > key[:-1]).all()):
        return np.arange(len(key))
    place = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[place[1:]] == key[place[:-1]])
    if len(same):
        tied = distinct(np.concatenate([same, same + 1]))
        rows = place[tied]
        keys = key[rows].tolist()
        known = ids(rows.tolist())
        place[tied] = rows[sorted(range(len(rows)), key=lambda i: (keys[i], known[i]))]
    return place


def _ascending(place: NDArray[np.intp]) -> bool:
    return bool((place[1:] > place[:-1]).all())
