"""What one call has to do: its quanta, and every dataset that they touch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from .names import quantum_text

INIT = "_init"
"""The label of what stands for the init outputs of every task."""


@dataclass(slots=True)
class Staged:
    """A dataset of the call: its file's name in the current folder and its place in the private store."""

    name: str
    path: str
    size: int | None = None
    """Bytes that the datastore's record promises, for a dataset that exists before the workflow."""


@dataclass(slots=True)
class Quantum:
    """A quantum to run, with its datasets by connection; init-inputs stand among the inputs."""

    id: UUID
    label: str
    data_id: dict[str, Any]
    inputs: dict[str, list[UUID]]
    outputs: dict[str, list[UUID]]
    record: str
    """File name of its record."""

    def __str__(self) -> str:
        return quantum_text(self.label, self.data_id)


@dataclass(slots=True)
class Call:
    """What one call of the runner has to do: quanta and every dataset that they touch."""

    quanta: list[Quantum]
    """In the order in which they were asked for."""
    datasets: dict[UUID, Staged]
    cut: Callable[[Collection[UUID]], Any]
    """PredictedQuantumGraphComponents that hold these quanta only, their records pointing at the private store."""


def upstream(quanta: Iterable[Quantum], failed: Collection[UUID]) -> dict[UUID, Quantum]:
    """By id of each quantum that depends on a failed one, directly or not: a failed one on which it depends."""
    rows = list(quanta)
    maker = {d: each for each in rows for row in each.outputs.values() for d in row}
    causes: dict[UUID, Quantum] = {}
    grown = True
    while grown:  # at most once a level: data flows from the first to the last where the caller orders them
        before = len(causes)
        for each in rows:
            for source in (maker[d] for d in chain.from_iterable(each.inputs.values()) if d in maker):
                if each.id not in causes and source.id != each.id and (source.id in failed or source.id in causes):
                    causes[each.id] = causes.get(source.id, source)
        grown = len(causes) > before
    return causes
