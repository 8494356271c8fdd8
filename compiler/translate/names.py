"""File names that follow from a quantum's data id, so that the document can say them once for all its quanta."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.rubin import QuantumGraph
from compiler.runtime.quantum_runner import LONGEST_NAME, dataset_name, record_name


def output_name(graph: QuantumGraph, task: int, connection: int) -> str | None:
    """The pattern of the files of an output of which every quantum writes one; None if they have none.

    They have one if each dataset's data id is part of its quantum's, and no value needs to be escaped in a name.
    """
    port = graph.tasks[task].connections[connection]
    dimensions = graph.tasks[task].dimensions
    if not set(port.dimensions) <= set(dimensions):
        return None
    row = slice(*(int(graph.writes.start[int(graph.task_start[t])]) for t in (task, task + 1)))
    written = graph.writes.dataset[row][graph.writes.connection[row] == connection]
    kind = [each.name for each in graph.dataset_types].index(port.dataset_type)
    codes = graph.dataset_codes[kind][written - int(graph.type_start[kind])]
    chosen = graph.quantum_codes[task][:, [dimensions.index(d) for d in port.dimensions]]
    if not np.array_equal(codes, chosen):
        return None
    return _pattern(graph, dataset_name(port.dataset_type, ()), port.dimensions)


def record_pattern(graph: QuantumGraph, task: int) -> str | None:
    """The pattern of the names of a task's records, if they have one."""
    declared = graph.tasks[task]
    return _pattern(graph, record_name(declared.label, ()), declared.dimensions)


def _pattern(graph: QuantumGraph, stem: str, dimensions: Sequence[str]) -> str | None:
    length = len(stem)
    for dimension in dimensions:
        values = [str(each) for each in graph.vocabulary.get(dimension, ())]
        if any(dataset_name(each, ()) != each for each in values):
            return None
        length += 1 + max(map(len, values), default=0)
    if length > LONGEST_NAME:
        return None
    return "-".join([stem, *(f"$(inputs._quantum.data_id.{d})" for d in dimensions)])
