"""Our own ExpressionTool: members of a pool picked by index lists, without running its JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from compiler.diagnostics import CompileError, Diagnostic
from compiler.expand.columns import Column, Longs, Plain, Ragged, Same, column_of, starts
from compiler.expand.files import FileTable


def regroup(pool: Column, index: Column, rows: int, step: str, table: FileTable) -> Column:
    """For each call `index` with each number replaced by that member of the flattened `pool`.

    Raises `CompileError` for a number that no member has.
    """
    start, members = _flat(_spread(pool, rows), rows)
    return _Regroup(start, members, step, table).pick(_spread(index, rows), np.arange(rows))


class _Regroup:
    def __init__(self, start: Longs, members: Column, step: str, table: FileTable) -> None:
        self._start = start
        """Shape (calls + 1,): where the pool of each call begins in `members`."""
        self._members = members
        self._step = step
        self._table = table

    def pick(self, index: Column, call: Longs) -> Column:
        """The members that `index` names; ``call[r]`` is the call whose pool its row r means."""
        if isinstance(index, Ragged):
            return Ragged(index.start, self.pick(index.inner, np.repeat(call, index.lengths)))
        values = index.values(len(call))
        if isinstance(index, Plain) and index.types <= {int}:
            return self._members.take(self._places(np.array(values, dtype=np.int64), call))
        return column_of(
            [self._pick_one(each, np.array([n])) for each, n in zip(values, call, strict=True)], self._table
        )

    def _pick_one(self, index: Any, call: Longs) -> Any:
        if isinstance(index, list):
            return [self._pick_one(each, call) for each in index]
        return self._members.take(self._places(np.array([index]), call)).values(1)[0]

    def _places(self, index: Longs, call: Longs) -> Longs:
        sizes = np.diff(self._start)[call]
        wrong = np.flatnonzero((index < 0) | (index >= sizes))
        if len(wrong):
            self._refuse(int(index[wrong[0]]), int(sizes[wrong[0]]))
        return self._start[call] + index

    def _refuse(self, index: int, size: int) -> NoReturn:
        message = f"regroup {self._step!r} asks for member {index} of a pool of {size}"
        raise CompileError([Diagnostic("index-out-of-range", message)])


def _flat(column: Column, rows: int) -> tuple[Longs, Column]:
    """All members of each row, however nested, and where those of each row begin."""
    if isinstance(column, Ragged):
        start, inner = _flat(column.inner, int(column.start[-1]))
        return start[column.start], inner
    if isinstance(column, Plain) and list in column.types:
        found = [list(_members(each)) for each in column.items]
        return starts(map(len, found)), Plain([each for row in found for each in row])
    return np.arange(rows + 1), column


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _members(each)
    else:
        yield value


def _spread(column: Column, rows: int) -> Column:
    return column.spread(rows) if isinstance(column, Same) else column
