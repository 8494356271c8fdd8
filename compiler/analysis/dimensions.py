"""The dimensions by which quanta can be grouped: declared, implied, and joined by what the edges show.

A visit is made of exposures, and the graph does not say of which except by its edges: image reduction reads an
exposure and its successors a visit. Where the edges map one such dimension onto the other, each exposure gets its
visit (and, one to one, each visit its exposure), so that both tasks stand in one chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.analysis.flow import Flow
from compiler.rubin import QuantumGraph
from compiler.rubin.columns import distinct
from compiler.rubin.graph import Ints

# Joined by `visit_definition` in the default dimension universe, hence one thing even where there is only one of each.
JOINED = frozenset({"exposure", "group", "visit"})


@dataclass(frozen=True, eq=False)
class Keys:
    """For each task, the dimensions that can key a group, with a code per quantum."""

    order: tuple[str, ...]
    """Every dimension: required ones of the graph's tasks first, in their order."""
    columns: tuple[dict[str, Ints], ...]
    """For each task, by dimension, shape (quanta of the task,)."""

    def names(self, task: int) -> frozenset[str]:
        return frozenset(self.columns[task])


def task_keys(graph: QuantumGraph, flows: Sequence[Flow]) -> Keys:
    """The keys of each task's quanta."""
    columns = [
        {d: graph.quantum_codes[t][:, i] for i, d in enumerate(task.all_dimensions)}
        for t, task in enumerate(graph.tasks)
    ]
    for x, y in _joinable(flows, columns):
        _join(graph, flows, columns, x, y)
    required = dict.fromkeys(d for task in graph.tasks for d in task.dimensions)
    every = dict.fromkeys(d for column in columns for d in column)
    return Keys(tuple({**required, **every}), tuple(columns))


def _joinable(flows: Sequence[Flow], columns: Sequence[dict[str, Ints]]) -> list[tuple[str, str]]:
    """Pairs of dimensions of which a flow's producer has one and its consumer the other."""
    pairs: dict[tuple[str, str], None] = {}
    for flow in flows:
        ours, theirs = columns[flow.producer], columns[flow.consumer]
        for x in ours.keys() - theirs.keys():
            for y in theirs.keys() - ours.keys():
                pairs[x, y] = None
    return sorted(pairs)


def _join(graph: QuantumGraph, flows: Sequence[Flow], columns: list[dict[str, Ints]], x: str, y: str) -> None:
    """If the edges map values of `x` onto values of `y`, give `y` to tasks that have `x`, and back if one to one."""
    pairs = _observed(flows, columns, x, y)
    if pairs is None:
        return
    known = {x, y} <= JOINED
    if not known and len(distinct(pairs[:, 0])) < 2:
        return
    forward = _mapping(pairs[:, 0], pairs[:, 1])
    back = _mapping(pairs[:, 1], pairs[:, 0])
    if forward is None or (back is None and not known):
        return
    size_x, size_y = len(graph.vocabulary[x]), len(graph.vocabulary[y])
    for column in columns:
        if x in column and y not in column:
            column[y] = _translate(column[x], forward, size_x, size_y)
        elif back is not None and y in column and x not in column:
            column[x] = _translate(column[y], back, size_y, size_x)


def _observed(flows: Sequence[Flow], columns: Sequence[dict[str, Ints]], x: str, y: str) -> np.ndarray | None:
    found = []
    for flow in flows:
        ours, theirs = columns[flow.producer], columns[flow.consumer]
        if x in ours and y in theirs and x not in theirs and y not in ours:
            found.append(np.stack([ours[x][flow.writer], theirs[y][flow.reader]], axis=1))
    if not found:
        return None
    pairs = np.concatenate(found)
    # One number a pair sorts far faster than rows do.
    width = int(pairs[:, 1].max(initial=0)) + 1
    return np.stack(np.divmod(distinct(pairs[:, 0].astype(np.int64) * width + pairs[:, 1]), width), axis=1)


def _mapping(source: Ints, target: Ints) -> dict[int, int] | None:
    """The function from source to target codes that unique pairs describe, or None."""
    return dict(zip(source.tolist(), target.tolist(), strict=True)) if len(distinct(source)) == len(source) else None


def _translate(codes: Ints, mapping: dict[int, int], size: int, target_size: int) -> Ints:
    # A value that no edge maps keeps a code of its own behind the known ones. Values may exceed the
    # vocabulary if they were made here before, hence the larger table.
    top = max(size, int(codes.max(initial=0)) + 1)
    table = np.arange(top, dtype=np.int32) + target_size + size
    for source, target in mapping.items():
        table[source] = target
    return table[codes]
