"""Reads what is needed of a quantum graph and plans the call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from .call import INIT, Call, Quantum
from .exit_codes import GRAPH, StopError
from .names import quantum_text, record_name
from .private_store import locate
from .shard import cut_shard


def prepare(graph: str, work: Path, wanted: Sequence[tuple[str, dict[str, str]]] | None, names: dict[str, str]) -> Call:
    """Read what is needed of the graph and plan the call; no quanta (`wanted` None) means the init outputs.

    Raises `StopError` for a graph that cannot be read or lacks a quantum.
    """
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    try:
        with PredictedQuantumGraph.open(graph, import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
            whole = reader.components
            ids: list[UUID] = []
            if wanted is not None:
                reader.read_thin_graph()
                ids = list(dict.fromkeys(_find_all(whole, wanted)))
            reader.read_execution_quanta(ids)
    except (StopError, ImportError):
        raise
    except Exception as error:  # zip, zstd, JSON, pydantic and the middleware's own: all say the same to us
        raise StopError(GRAPH, f"cannot read the quantum graph {graph}: {type(error).__name__}: {error}") from error
    init = {each.task_label: each for each in whole.init_quanta.root}
    models = [whole.quantum_datasets[each] for each in ids]
    touched = [*models, *(init[each.task_label] for each in models if each.task_label in init)]
    touched = touched if wanted is not None else list(init.values())
    datasets, store = locate(whole, touched, work, names)
    quanta = [_quantum(whole, each, init, names) for each in models]
    if wanted is None:
        made = {k: [d.dataset_id for d in v] for each in touched for k, v in _unique_outputs(each)}
        needed = [d.dataset_id for each in touched for v in each.inputs.values() for d in v]
        inputs = {"init": [d for d in needed if d not in set(chain.from_iterable(made.values()))]}
        quanta = [Quantum(UUID(int=0), INIT, {}, inputs, made, "")]

    def cut(chosen: Collection[UUID]) -> Any:
        return cut_shard(whole, [each for each in models if each.quantum_id in chosen], datasets, store)

    return Call(quanta, datasets, cut)


def _unique_outputs(model: Any) -> Iterator[tuple[str, Any]]:
    """Outputs of an init quantum, keyed by dataset type: connections of two tasks may share a name."""
    for found in model.outputs.values():
        yield found[0].dataset_type_name, found


def _find_all(whole: Any, wanted: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[UUID]:
    """For each label and data id the one quantum that holds the given values; values are compared as strings."""
    indices: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], list[UUID]]] = {}
    for label, given in wanted:
        key = (label, tuple(given))
        if key not in indices:
            indices[key] = _index(whole, label, given)
        found = indices[key].get(tuple(given.values()), [])
        if len(found) != 1:
            raise StopError(GRAPH, f"{len(found) or 'no'} quanta {quantum_text(label, given)} in the graph")
        yield found[0]


def _index(whole: Any, label: str, dimensions: Iterable[str]) -> dict[tuple[str, ...], list[UUID]]:
    """Ids of the task's quanta by the values of these dimensions."""
    if label not in whole.pipeline_graph.tasks:
        raise StopError(GRAPH, f"no task '{label}' in the graph; it has {', '.join(whole.pipeline_graph.tasks)}")
    keys = list(whole.pipeline_graph.tasks[label].dimensions.data_coordinate_keys)
    if unknown := sorted(set(dimensions) - set(keys)):
        raise StopError(GRAPH, f"task '{label}' has no dimension {', '.join(unknown)}; it has {', '.join(keys)}")
    places = [keys.index(each) for each in dimensions]
    index: dict[tuple[str, ...], list[UUID]] = {}
    for each in whole.thin_graph.quanta.get(label, []):
        values = tuple(str(each.data_coordinate[place]) for place in places)
        index.setdefault(values, []).append(UUID(str(each.quantum_id)))
    return index


def _quantum(whole: Any, model: Any, init: Mapping[str, Any], names: Mapping[str, str]) -> Quantum:
    required = list(whole.pipeline_graph.tasks[model.task_label].dimensions.required)
    data_id = dict(zip(required, model.data_coordinate, strict=False))
    inputs = {k: [d.dataset_id for d in v] for k, v in model.inputs.items()}
    if model.task_label in init:
        inputs |= {k: [d.dataset_id for d in v] for k, v in init[model.task_label].inputs.items()}
    record = names.get(str(model.quantum_id)) or record_name(model.task_label, data_id.values())
    outputs = {k: [d.dataset_id for d in v] for k, v in model.outputs.items()}
    return Quantum(model.quantum_id, model.task_label, data_id, inputs, outputs, record)
