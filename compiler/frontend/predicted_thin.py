"""A predicted graph tells twice which quanta there are and what depends on what: both must say the same."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import Findings, Origin
from compiler.frontend.predicted_documents import ThinGraph
from compiler.rubin import QuantumGraph
from compiler.rubin.columns import distinct
from compiler.rubin.graph import Value
from compiler.rubin.ids import parse_ids

_FRAME = np.frombuffer(b'["%b","%b"],' % (b" " * 36, b" " * 36), dtype=np.uint8)
"""A pair of ids as the middleware writes it; blanks stand for the ids."""


def check_thin(graph: QuantumGraph, thin: ThinGraph, findings: Findings) -> None:
    """Compare the thin graph with the one that was made of all datasets."""

    def fault(message: str) -> None:
        findings.error("broken-graph", f"the quantum graph is broken: {message}", Origin(graph.source, "thin_graph"))

    ids = graph.quantum_ids.view("S16")
    order = np.argsort(ids)
    told = sum(map(len, thin.quanta.values()))
    different = len(ids) - int((ids[order[1:]] == ids[order[:-1]]).sum())
    if different < graph.n_quanta or told != graph.n_quanta:
        fault(f"{told} quanta announced, {different} different ones with datasets")
        return
    try:
        for label, quanta in thin.quanta.items():
            places = _numbers(ids, order, [each.quantum_id for each in quanta])
            if quanta and not _same_quanta(graph, label, places, [each.data_coordinate for each in quanta]):
                fault(f"the quanta of '{label}' have other data ids than with their datasets")
        pairs = _numbers(ids, order, _pairs(thin.edges)).reshape(-1, 2)
    except (KeyError, ValueError):
        fault("a quantum is announced and has no datasets")
        return
    except msgspec.MsgspecError as error:
        fault(str(error))
        return
    _compare_edges(graph, pairs, findings)


def _compare_edges(graph: QuantumGraph, pairs: NDArray[np.int64], findings: Findings) -> None:
    announced = distinct(pairs[:, 0] * graph.n_quanta + pairs[:, 1])
    makers = graph.producer[graph.reads.dataset].astype(np.int64)
    readers = np.repeat(np.arange(graph.n_quanta), np.diff(graph.reads.start))
    found = distinct((makers * graph.n_quanta + readers)[makers >= 0])
    if np.array_equal(announced, found):
        return
    different = np.setxor1d(announced, found).tolist()
    one, other = divmod(different[0], graph.n_quanta)
    findings.error(
        "broken-graph",
        f"the quantum graph is broken: {len(different)} edges between quanta disagree with their datasets, "
        f"one of them from {graph.quantum(one)} to {graph.quantum(other)}",
        Origin(graph.source, "thin_graph"),
    )


def _pairs(edges: msgspec.Raw) -> list[str] | NDArray[np.bytes_]:
    """The ids of all pairs, one pair's after the other's; raises `msgspec.MsgspecError` if these are no pairs."""
    text = bytes(edges)
    rows, rest = divmod(len(text) - 1, len(_FRAME))
    if rows and not rest:
        # Written without blanks every pair is equally long, and all of them can be looked at together.
        table = np.frombuffer(text[1:-1] + b",", dtype=np.uint8).reshape(rows, len(_FRAME))
        of_ids = np.equal(_FRAME, ord(" "))
        if bool((table[:, ~of_ids] == _FRAME[~of_ids]).all()):
            return np.ascontiguousarray(table[:, of_ids]).view("S36").reshape(-1)
    return [id for pair in msgspec.json.decode(text, type=list[tuple[str, str]]) for id in pair]


def _numbers(
    ids: NDArray[np.bytes_], order: NDArray[np.intp], texts: list[str] | NDArray[np.bytes_]
) -> NDArray[np.int64]:
    """The number of each quantum by its id; raises `KeyError` for one that is none, `ValueError` for no id."""
    if not len(texts):
        return np.empty(0, dtype=np.int64)
    asked = parse_ids(texts).view("S16")
    if not len(ids):
        raise KeyError
    place = np.minimum(np.searchsorted(ids, asked, sorter=order), len(ids) - 1)
    number = order[place]
    if bool((ids[number] != asked).any()):
        raise KeyError
    return number


def _same_quanta(graph: QuantumGraph, label: str, places: NDArray[np.int64], values: list[tuple[Value, ...]]) -> bool:
    task = graph.task_number(label)
    within = places - graph.task_start[task]
    if within.min() < 0 or within.max() >= len(graph.quantum_codes[task]):
        return False
    width = len(graph.tasks[task].all_dimensions)
    if set(map(len, values)) != {width}:
        return False
    for column, dimension in enumerate(graph.tasks[task].all_dimensions):
        code = {value: place for place, value in enumerate(graph.vocabulary[dimension])}
        told = [code.get(row[column], -1) for row in values]
        if not np.array_equal(graph.quantum_codes[task][within, column], told):
            return False
    return True
