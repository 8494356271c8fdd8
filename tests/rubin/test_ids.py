"""Ids that no file gave follow from names, and only those that are asked for are made."""

from __future__ import annotations

import dataclasses
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import data, integers, lists, sampled_from, text

from compiler.rubin import QuantumGraph
from compiler.rubin.ids import GivenIds, dataset_id, dataset_ids, json_text, parse_ids, quantum_id, quantum_ids
from tests.strategies import graphs

values = lists(integers(-(2**70), 2**70) | text(max_size=5), min_size=2, max_size=2)


@given(rows=lists(values, max_size=4), name=text(max_size=5), run=text(max_size=5))
def test_many_ids_are_those_made_one_by_one(rows: list[list[int | str]], name: str, run: str) -> None:
    columns = [[json_text(row[i]) for row in rows] for i in range(2)]
    runs = [json_text(run)] * len(rows)
    assert dataset_ids(name, columns, runs) == [dataset_id(name, row, run) for row in rows]
    assert quantum_ids(name, columns, len(rows)) == [quantum_id(name, row) for row in rows]
    assert quantum_ids(name, [], 2) == [quantum_id(name, [])] * 2


@given(graph=graphs(), drawn=data())
def test_ids_that_no_file_gave_are_derived_for_those_that_are_asked(graph: QuantumGraph, drawn) -> None:  # type: ignore[no-untyped-def]
    keep = np.array(
        drawn.draw(lists(sampled_from([True, False]), min_size=graph.n_datasets, max_size=graph.n_datasets))
    )
    given_ids = graph.given_dataset_ids
    assert len(given_ids.numbers) == graph.n_datasets
    kept = np.flatnonzero(keep)
    partly = dataclasses.replace(
        graph,
        given_dataset_ids=GivenIds(given_ids.numbers[kept], given_ids.ids[kept]),
        given_quantum_ids=GivenIds.none(),
    )
    asked = drawn.draw(lists(sampled_from(range(graph.n_datasets)), max_size=5)) if graph.n_datasets else []
    expected = []
    for number in asked:
        known = graph.dataset(number)
        derived = dataset_id(known.type, list(known.data_id.values()), known.run)
        expected.append(known.id.bytes if keep[number] else derived)
    assert partly.ids_of(asked) == expected == [partly.dataset(number).id.bytes for number in asked]
    assert [UUID(bytes=id) for id in partly.quantum_ids.tolist()] == [quantum.id for quantum in partly.quanta()]
    assert [quantum.id.bytes for quantum in partly.quanta()] == [
        quantum_id(quantum.label, list(quantum.data_id.values())) for quantum in graph.quanta()
    ]


@given(graph=graphs())
def test_graphs_are_equal_if_their_ids_are_whether_given_or_derived(graph: QuantumGraph) -> None:
    derived = dataclasses.replace(graph, given_dataset_ids=GivenIds.none(), given_quantum_ids=GivenIds.none())
    every = [np.arange(size, dtype=np.int32) for size in (graph.n_datasets, graph.n_quanta)]
    told = dataclasses.replace(
        graph,
        given_dataset_ids=GivenIds(every[0], derived.dataset_ids),
        given_quantum_ids=GivenIds(every[1], derived.quantum_ids),
    )
    assert told == derived
    if graph.n_datasets:
        assert graph != derived


@given(
    ids=lists(integers(0, 2**128 - 1).map(lambda number: UUID(int=number)), max_size=5),
    upper=sampled_from([True, False]),
)
def test_ids_are_read_in_every_form(ids: list[UUID], upper: bool) -> None:
    expected = b"".join(id.bytes for id in ids)
    texts = [str(id).upper() if upper else str(id) for id in ids]
    assert parse_ids(texts).tobytes() == expected
    assert parse_ids(np.array(texts, dtype="S36")).tobytes() == expected
    assert parse_ids([id.hex for id in ids]).tobytes() == expected
    assert parse_ids([*texts[:1], *(id.hex for id in ids[1:])]).tobytes() == expected


ID = "471da641-caaa-4bd8-a5db-6c59aefd7e81"


@pytest.mark.parametrize("wrong", ["", "17", "x" * 36, "é" * 18, " " * 32, ID[:-1] + "g", ID + "0"])
def test_what_is_no_id_is_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not an id of 32 hexadecimal digits"):
        parse_ids([ID, wrong, ID])
