"""Units: quanta that feed each other, grown so that no cycle can come about.

Two rules, one after the other, join what is of the same class and fits into a job:

1. *Follow.* A quantum joins the unit that makes everything it reads. Nothing but that unit leads to it, so there is no
   second way from the unit to the quantum, which would close a cycle. Such a unit has one head, and every other quantum
   of it is reached from there.
2. *Gather.* A unit joins the one unit that reads what it makes. Nothing but that unit is reached from it, so again
   there is no second way. All feeders of a unit join it, or none.

A unit's *root* is the head of the one that the others were gathered into. What leaves a unit leaves it behind its root,
and what enters it leads to its root: an edge between two units leads from a root of an earlier task to a root of a
later one. This is what makes the merging of siblings safe (`compiler.analysis.clustering.siblings`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.analysis.clustering.edges import QuantumEdges
from compiler.analysis.clustering.options import Options
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


@dataclass(frozen=True, eq=False)
class Units:
    """A partition of quanta; what is known of a unit stands at its root."""

    root: Ints
    """Shape (quanta,): of each quantum the root of its unit."""
    seconds: NDArray[np.float64]
    """Shape (quanta,): at roots, how long the unit runs."""
    size: Ints
    """Shape (quanta,): at roots, how many quanta it has."""


def grow_units(
    graph: QuantumGraph, edges: QuantumEdges, classes: Ints, seconds: NDArray[np.float64], options: Options
) -> Units:
    """The units of `graph`; `classes` and `seconds`, the expected run times, have shape (quanta,)."""
    growing = _Growing(graph, edges, classes, options, seconds.copy())
    for task in range(len(graph.tasks)):
        growing.follow(task)
    into = growing.gather()
    return Units(into[growing.root], growing.seconds, growing.size)


class _Growing:
    """Units as they grow."""

    def __init__(
        self, graph: QuantumGraph, edges: QuantumEdges, classes: Ints, options: Options, seconds: NDArray[np.float64]
    ) -> None:
        self.graph, self.edges, self.classes, self.options, self.seconds = graph, edges, classes, options, seconds
        self.root = np.arange(graph.n_quanta, dtype=np.int32)
        self.size = np.ones(graph.n_quanta, dtype=np.int32)
        self.tail = self.root.copy()
        """At roots, the quantum that joined last."""
        self.taken = np.empty_like(self.root)
        """At roots, while they are looked at, a quantum that would join."""

    def follow(self, task: int) -> None:
        """Let the quanta of `task` join units of earlier tasks."""
        first, last = (int(each) for each in self.graph.task_start[task : task + 2])
        row = self.edges.of_task(self.graph, task)
        reader, writer = self.edges.reader[row] - first, self.edges.writer[row]
        maker = _only(reader, self.root[writer], last - first)
        quanta = np.flatnonzero(maker >= 0)
        unit = maker[quanta]
        fits = self.classes[unit] == self.classes[quanta + first]
        fits &= self.seconds[unit] + self.seconds[quanta + first] <= self.options.target_s
        fits &= self.size[unit] < self.options.maximum_quanta
        quanta, unit = quanta[fits], unit[fits]
        # A unit that feeds several quanta of one task fans out: those are siblings, merged in their own right.
        self.taken[unit] = quanta
        self.taken[unit[self.taken[unit] != quanta]] = -1
        alone = self.taken[unit] == quanta
        quanta, unit = quanta[alone], unit[alone]
        # What reads from the end of a unit could not have run beside it. Other branches could: they only join where
        # enough are left to keep the slots busy.
        continues = np.zeros(last - first, dtype=bool)
        continues[reader[self.tail[self.root[writer]] == writer]] = True
        if np.count_nonzero(~continues[quanta]) < self.options.parallel:
            quanta, unit = quanta[continues[quanta]], unit[continues[quanta]]
        quanta = quanta + first
        self.root[quanta] = unit
        self.tail[unit] = quanta
        self.seconds[unit] += self.seconds[quanta]
        self.size[unit] += 1

    def gather(self) -> Ints:
        """Let units join the only one that they feed. Shape (quanta,): at old roots the new ones."""
        into = np.arange(len(self.root), dtype=np.int32)
        writer, reader = self.root[self.edges.writer], self.root[self.edges.reader]
        outside = writer != reader
        fed = _only(writer[outside], reader[outside], len(self.root))
        ends = np.zeros(len(self.root), dtype=bool)
        ends[writer[outside & (self.tail[writer] == self.edges.writer)]] = True
        feeders = np.flatnonzero(fed >= 0)
        feeders = feeders[self.classes[feeders] == self.classes[fed[feeders]]]
        feeders = feeders[np.argsort(fed[feeders], kind="stable")]
        # By task of the unit that is fed, in the order of flow: what it gathered is known when it is a feeder itself.
        cuts = np.searchsorted(fed[feeders], self.graph.task_start)
        for task in range(len(self.graph.tasks)):
            chosen = feeders[cuts[task] : cuts[task + 1]]
            chosen = chosen[self._may_gather(chosen, fed[chosen], ends[chosen])]
            into[chosen] = fed[chosen]
            np.add.at(self.seconds, fed[chosen], self.seconds[chosen])
            np.add.at(self.size, fed[chosen], self.size[chosen])
        while not np.array_equal(into[into], into):
            into = into[into]
        return into

    def _may_gather(self, feeder: NDArray[np.intp], fed: Ints, ends: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which feeders may join, all of a unit or none; `ends` tells whether what they end with is what is read."""
        _, place, feeders = np.unique(fed, return_inverse=True, return_counts=True)
        seconds = np.bincount(place, self.seconds[feeder])[place] + self.seconds[fed]
        size = np.bincount(place, self.size[feeder])[place] + self.size[fed]
        fits = (seconds <= self.options.target_s) & (size <= self.options.maximum_quanta)
        # Several feeders could have run side by side, and so could a branch of one.
        chain = (feeders[place] == 1) & ends
        busy = len(feeders) >= self.options.parallel
        return np.asarray(fits & (chain | (seconds <= self.options.minimum_s) | busy))


def _only(row: NDArray[np.integer], item: Ints, size: int) -> Ints:
    """Shape (size,): the item of each row all of whose items are the same, -1 for other rows."""
    some = np.full(size, -1, dtype=np.int32)
    some[row] = item
    some[row[some[row] != item]] = -1
    return some
