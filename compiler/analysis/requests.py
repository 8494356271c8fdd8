"""What each quantum asks of the machine that runs it, and the cluster in which it runs, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compiler.jobs.request import Request
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

__all__ = ["TASK_WIDE", "Clustering", "Request", "Requests"]

TASK_WIDE = ("unless_exit", "queue", "accounting_group", "accounting_user", "preemptible", "environment")
"""Fields of a request that are the same for all quanta of a task: quantum by quantum workflows say numbers only."""


@dataclass(frozen=True, eq=False)
class Requests:
    """The request of every quantum: few kinds, many quanta."""

    kinds: tuple[Request, ...]
    of: Ints
    """Shape (quanta,): each quantum's place in `kinds`."""

    @classmethod
    def default(cls, graph: QuantumGraph) -> Requests:
        """The same for all."""
        return cls((Request(),), np.zeros(graph.n_quanta, dtype=np.int32))

    def column(self, name: str) -> np.ndarray:
        """Shape (quanta,): one field of the requests."""
        return np.array([getattr(each, name) for each in self.kinds])[self.of]


@dataclass(frozen=True, eq=False)
class Clustering:
    """Which quanta run together, one after the other in one process."""

    of: Ints
    """Shape (quanta,): the number of each quantum's cluster. Numbers are dense from 0, in the order of each cluster's
    first quantum, so that the same grouping has the same numbers."""
    names: tuple[str, ...]
    """Shape (tasks,): what users call the clusters of each task: a name of theirs, or one made of labels."""
    said: str = ""
    """One line for users: what was done and what it saves."""
    whole: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    """By name of a cluster, the ``diskMiB`` and ``walltimeS`` that its jobs ask for instead of their quanta's sum."""

    @property
    def size(self) -> int:
        return int(self.of.max(initial=-1)) + 1

    @classmethod
    def single(cls, graph: QuantumGraph) -> Clustering:
        """A cluster a quantum."""
        labels = tuple(task.label for task in graph.tasks)
        return cls(np.arange(graph.n_quanta, dtype=np.int32), labels)
