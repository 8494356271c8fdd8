"""A graph is the same whether it was built of rows or of columns, in any order."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from

from compiler.rubin import DatasetType, GraphBuilder, QuantumGraph, Task
from compiler.rubin.columns import Vocabulary, distinct, spread
from tests.strategies import graphs


@given(graph=graphs(), seed=integers(0, 3))
def test_columns_in_any_order_give_the_graph_that_rows_gave(graph: QuantumGraph, seed: int) -> None:
    draw = Random(seed)
    builder = GraphBuilder("columns", graph.output_run)
    for kind in draw.sample(graph.dataset_types, len(graph.dataset_types)):
        builder.add_dataset_type(kind)
    for task in draw.sample(graph.tasks, len(graph.tasks)):
        builder.add_task(task)
    order = np.array(draw.sample(range(graph.n_datasets), graph.n_datasets), dtype=np.int32)
    handle = np.empty_like(order)
    handle[order] = np.arange(len(order), dtype=np.int32)
    for number, kind in enumerate(graph.dataset_types):
        rows = [graph.dataset(d) for d in order[graph.dataset_type_of[order] == number].tolist()]
        builder.add_datasets(
            kind.name,
            [[row.data_id[d] for row in rows] for d in kind.dimensions],
            [row.run for row in rows],
            len(rows),
            [row.id.bytes for row in rows],
            handle[[row.number for row in rows]] if rows else np.empty(0, dtype=np.int32),
        )
    for number, file in graph.files.items():
        builder.add_file(int(handle[number]), file)
    for number, task in enumerate(graph.tasks):
        _add_quanta(builder, graph, number, task, handle, draw)
    for init in graph.init:
        sides = [
            {name: handle[list(row)].tolist() for name, row in side.items()} for side in (init.inputs, init.outputs)
        ]
        builder.add_init(init.label, init.id.bytes, *sides)
    assert builder.doubled_datasets() == []
    assert builder.finish() == graph


def _add_quanta(
    builder: GraphBuilder, graph: QuantumGraph, number: int, task: Task, handle: np.ndarray, draw: Random
) -> None:
    quanta = draw.sample(graph.quanta_of(number), len(graph.quanta_of(number)))
    codes = graph.quantum_codes[number][np.array(quanta, dtype=np.int64) - graph.task_start[number]].tolist()
    columns = [[graph.vocabulary[d][row[i]] for row in codes] for i, d in enumerate(task.all_dimensions)]
    views = [graph.quantum(q) for q in quanta]
    sides = []
    for kinds, rows in (
        (("input", "prerequisite"), [v.inputs for v in views]),
        (("output",), [v.outputs for v in views]),
    ):
        names = [c.name for c in task.connections if c.kind in kinds]
        parts = {
            name: [handle[draw.sample(row.get(name, ()), len(row.get(name, ())))] for row in rows] for name in names
        }
        sides.append(
            {
                name: (
                    np.array([len(part) for part in each], dtype=np.int32),
                    np.concatenate([np.empty(0, dtype=np.int32), *each]).astype(np.int32),
                )
                for name, each in draw.sample(list(parts.items()), len(parts))
            }
        )
    builder.add_quanta(task.label, columns, len(quanta), [v.id.bytes for v in views], *sides)


def test_doubled_datasets_are_found_by_name_and_by_id() -> None:
    builder = GraphBuilder(output_run="out")
    for name in ("a", "b"):
        builder.add_dataset_type(DatasetType(name, ("n",)))
    builder.add_datasets("a", [[1, 2, 3]], "in", 3)
    builder.add_datasets("a", [[2]], "out", 1)
    builder.add_datasets("a", [[3, 1]], "in", 2, [None, bytes(16)])
    builder.add_datasets("b", [[1, 2, 3]], ["in", "in", "out"], 3, [bytes(16), b"0123456789abcdef", None])
    assert builder.doubled_datasets() == [4, 6]


@given(column=lists(sampled_from([0, 1, -5, 7, 10**6, -(2**62), 2**70, "0", "a", ""])))
def test_codes_stand_for_their_values_however_these_are_encoded(column: list[int | str]) -> None:
    known = Vocabulary()
    first, again = known.encode(column), [known.code(value) for value in column]
    assert first.tolist() == again == known.encode(column).tolist()
    values, place = known.finish()
    assert [values[place[code]] for code in first.tolist()] == column
    assert list(values) == sorted(set(column), key=lambda value: (isinstance(value, str), value))


@given(column=lists(integers(-3000, 3000)))
def test_numbers_that_lie_together_get_codes_like_others(column: list[int]) -> None:
    one, other = Vocabulary(), Vocabulary()
    other.code(5)
    for known in (one, other):
        codes = known.encode(np.array(column, dtype=np.int64))
        values, place = known.finish()
        assert [values[place[code]] for code in codes.tolist()] == column


@given(counts=lists(integers(0, 3)), step=integers(0, 4))
def test_spread_places_are_those_of_each_row(counts: list[int], step: int) -> None:
    start = np.arange(len(counts)) * step
    expected = [first + i for first, count in zip(start.tolist(), counts, strict=True) for i in range(count)]
    assert spread(start, np.array(counts, dtype=np.int32)).tolist() == expected


@given(numbers=lists(integers(-5, 5)))
def test_distinct_numbers_are_sorted(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, dtype=np.int64)).tolist() == sorted(set(numbers))


@pytest.mark.parametrize(("columns", "count"), [([], 1), ([[1, 2]], 1)])
def test_columns_of_another_length_are_refused(columns: list[list[int]], count: int) -> None:
    builder = GraphBuilder()
    builder.add_dataset_type(DatasetType("a", ("n",)))
    with pytest.raises(ValueError, match="values for each of the dimensions n"):
        builder.add_datasets("a", columns, "in", count)
