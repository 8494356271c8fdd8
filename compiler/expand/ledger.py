"""What an expansion has found so far: batches of calls, their files, what they ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from compiler.diagnostics import Findings
from compiler.expand.columns import Column, FilePart
from compiler.expand.files import FileTable, Ints
from compiler.jobs import Batch, Calls, Files, Request, Rows, Tool


@dataclass(frozen=True, slots=True)
class Asked:
    """What the calls of a batch ask for."""

    kinds: list[Request]
    of: Ints
    """Shape (calls,): places in `kinds`."""
    cluster: Ints
    """Shape (calls,): -1 where none is named."""


@dataclass(slots=True)
class Ledger:
    """Calls in the order in which they were made."""

    findings: Findings
    table: FileTable
    tools: list[Tool] = field(default_factory=list)
    _batches: list[Batch] = field(default_factory=list)
    _ids: list[str] = field(default_factory=list)
    _reads: list[Rows] = field(default_factory=list)
    _writes: list[Rows] = field(default_factory=list)
    _kinds: dict[Request, int] = field(default_factory=dict)
    _request: list[Ints] = field(default_factory=list)
    _cluster: list[Ints] = field(default_factory=list)

    def add_tool(self, tool: Tool) -> int:
        self.tools.append(tool)
        return len(self.tools) - 1

    def add_calls(
        self,
        batch: Batch,
        ids: list[str],
        inputs: Iterable[Column],
        outputs: Iterable[Column],
        asked: Asked,
    ) -> None:
        """Calls of one step; `batch` counts them from 0."""
        rows, first = len(ids), len(self._ids)
        self._batches.append(replace(batch, first=first, last=first + rows))
        self._ids += ids
        self._reads.append(file_rows([part for each in inputs for part in each.files(rows)], rows))
        self._writes.append(file_rows([part for each in outputs for part in each.files(rows)], rows))
        place = [self._kinds.setdefault(kind, len(self._kinds)) for kind in asked.kinds]
        self._request.append(np.array(place, dtype=np.int32)[asked.of])
        self._cluster.append(asked.cluster)

    def finish(self) -> tuple[Files, Calls]:
        """All files and calls. Two calls of one id and two makers of one file are findings."""
        none = np.zeros(0, dtype=np.int32)
        calls = Calls(
            tuple(self.tools),
            tuple(self._batches),
            self._ids,
            _joined(self._reads),
            _joined(self._writes),
            tuple(self._kinds),
            np.concatenate([none, *self._request]),
            np.concatenate([none, *self._cluster]),
        )
        self._check(calls)
        return self.table.files(), calls

    def _check(self, calls: Calls) -> None:
        if len(set(calls.ids)) < len(calls.ids):
            seen: set[str] = set()
            for id in calls.ids:
                if id in seen:
                    help = "one data id stands twice"
                    self.findings.error("duplicate-job", f"two jobs are called {id!r}", help=help)
                seen.add(id)
        for number, earlier in self.table.twice():
            first, made = calls.producer
            other = f"job {calls.ids[made[earlier - first]]!r} makes" if earlier >= first else "the job order brings"
            name = self.table.names[number]
            self.findings.error(
                "two-producers", f"job {calls.ids[made[number - first]]!r} makes {name!r}, which {other} as well"
            )


def file_rows(parts: list[FilePart], rows: int) -> Rows:
    """Every file of each row once, sorted."""
    if not any(isinstance(part, tuple) for part in parts):
        wide = np.concatenate([np.zeros((rows, 0), dtype=np.int32), *cast(list[Ints], parts)], axis=1)
        wide.sort(axis=1)
        if not (wide[:, 1:] == wide[:, :-1]).any():
            return Rows(np.arange(rows + 1) * wide.shape[1], wide.ravel())
    row, item = [], []
    for part in parts:
        start, found = part if isinstance(part, tuple) else (np.arange(rows + 1) * part.shape[1], part.ravel())
        row.append(np.repeat(np.arange(rows, dtype=np.int32), np.diff(start)))
        item.append(found)
    return Rows.from_pairs(np.concatenate(row), np.concatenate(item), rows)


def _joined(parts: list[Rows]) -> Rows:
    """The rows of all parts, one part behind the other."""
    offset = np.cumsum([0, *(len(each.item) for each in parts)])
    start = [each.start[1:] + before for each, before in zip(parts, offset, strict=False)]
    item = [np.zeros(0, dtype=np.int32), *(each.item for each in parts)]
    return Rows(np.concatenate([np.zeros(1, dtype=np.int64), *start]), np.concatenate(item))
