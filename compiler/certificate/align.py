"""Does what batches of calls do equal the quantum graph? Compared by number, column by column.

A file is the number that the evaluation gave it; here each gets the dataset that it is. Names are compared where a
file is made or given, and nowhere else: two datasets never share a name, which is shown first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from compiler.certificate.batches import Batch, Batches, Made, Names
from compiler.certificate.canonical import GraphColumns, Pairs, by_row, packed
from compiler.certificate.columns import Column, Ints, OddError, Same, Values, flat_files, full, size
from compiler.certificate.compare import Comparison, counted, same_place
from compiler.certificate.tools import RECORD
from compiler.rubin.graph import Task
from compiler.runtime.quantum_runner import LONGEST_NAME, dataset_name, record_name


def align(batches: Batches, columns: GraphColumns) -> Comparison:
    """Compare all that `compare` compares; raises `OddError` at the first difference."""
    _unambiguous(columns)
    _Aligner(batches, columns).run()
    comparison = counted(columns)
    comparison.hash = comparison.graph_hash
    return comparison


def _unambiguous(columns: GraphColumns) -> None:
    """Two datasets under one name would be one file; two quanta of one data id one job."""
    graph = columns.graph
    for dimension, values in graph.vocabulary.items():
        if len(set(map(str, values))) < len(values):
            raise OddError(f"dimension {dimension!r} has two values of one text")
    types, labels = {each.name for each in graph.dataset_types}, {task.label for task in graph.tasks}
    if len(types) < len(graph.dataset_types) or len(labels) < len(graph.tasks):
        raise OddError("two tasks or dataset types of one name")
    if types & {f"{label}_record" for label in labels}:
        raise OddError("a dataset type is called as the records of a task are")
    written = np.bincount(graph.writes.dataset, minlength=graph.n_datasets)
    written[list(graph.init_made)] += 1
    if written.max(initial=0) > 1:
        raise OddError("a dataset that two quanta write")
    for t, task in enumerate(graph.tasks):
        if len(_doubled(columns.quantum_keys(t))):
            raise OddError(f"the graph holds a quantum of {task.label!r} twice")
    for y, kind in enumerate(graph.dataset_types):
        keys = packed(graph.dataset_codes[y], [len(graph.vocabulary[d]) for d in kind.dimensions])
        # Names of other data ids differ; those of one may differ by what tells existing datasets apart.
        names = columns.names(_doubled(keys) + int(graph.type_start[y]))
        if len(set(names)) < len(names):
            raise OddError(f"two datasets of type {kind.name!r} have one file name")


def _doubled(keys: Ints) -> Ints:
    """Places of numbers that come more than once."""
    order = np.argsort(keys, kind="stable")
    twin = np.diff(keys[order]) == 0
    return order[np.append(twin, False) | np.insert(twin, 0, False)] if twin.any() else order[:0]


class _Aligner:
    def __init__(self, batches: Batches, columns: GraphColumns) -> None:
        self.batches = batches
        self.graph = columns.graph
        self.columns = columns
        self.dataset = np.full(batches.n_files, -1, dtype=np.int64)
        """Shape (files,): the dataset that each file is, or -1."""
        self.used = np.zeros(len(batches.given.names), dtype=np.bool_)
        """Shape (given files,): whether a call takes it."""
        self._coded: dict[tuple[int, str], tuple[Column, Ints | None]] = {}

    def run(self) -> None:
        graph = self.graph
        by_task: list[list[tuple[Batch, Ints]]] = [[] for _ in graph.tasks]
        init: list[Batch] = []
        for batch in self.batches.all:
            self._runtime(batch)
            if batch.tool.init:
                init.append(batch)
            elif batch.rows:
                t = self._task(batch)
                by_task[t].append((batch, self._quanta(batch, t)))
        for t, found in enumerate(by_task):
            quanta = np.concatenate([np.empty(0, dtype=np.int64), *(numbers for _, numbers in found)])
            if not np.array_equal(np.sort(quanta), np.arange(len(graph.quanta_of(t)))):
                raise OddError(f"the quanta of {graph.tasks[t].label!r} are not run once each")
            self._outputs(t, found)
        self._given()
        self._init(init)
        for t, found in enumerate(by_task):
            self._inputs(t, found)
        self._all_given()
        self._results()

    def _runtime(self, batch: Batch) -> None:
        for place, column in enumerate(batch.runtime):
            for number in np.unique(flat_files(column.one if isinstance(column, Same) else column)[1]).tolist():
                given = self.batches.given
                if number >= len(given.names) or not given.locations[number].startswith("runtime/"):
                    raise OddError(f"{batch.tool.id!r} runs with a file that is not below 'runtime/'")
                if place == 0 and given.names[number] != "quantum_runner.pyz":
                    raise OddError(f"{batch.tool.id!r} does not run the quantum runner")

    def _task(self, batch: Batch) -> int:
        for t, task in enumerate(self.graph.tasks):
            if task.label == batch.tool.label and set(task.dimensions) == set(batch.tool.dimensions):
                return t
        raise OddError(f"{batch.tool.label!r} is no task of the graph")

    def _quanta(self, batch: Batch, t: int) -> Ints:
        """Shape (rows,): the number, within its task, of the quantum that each call runs."""
        task = self.graph.tasks[t]
        width = len(task.dimensions)
        wanted = self.graph.quantum_codes[t][:, :width]
        said = np.empty((batch.rows, width), dtype=np.int64)
        for place, dimension in enumerate(task.dimensions):
            codes = self._codes(batch.data_id[dimension], dimension)
            if codes is None:
                raise OddError(f"{task.label!r} runs for a {dimension} that the graph has not")
            said[:, place] = codes
        keys = packed(np.concatenate([wanted, said]), [len(self.graph.vocabulary[d]) for d in task.dimensions])
        known, asked = keys[: len(wanted)], keys[len(wanted) :]
        order = np.argsort(known, kind="stable")
        at = np.searchsorted(known[order], asked)
        at[at == len(known)] = 0
        quanta = order[at] if len(known) else at
        if not len(known) or not np.array_equal(known[quanta], asked):
            raise OddError(f"{task.label!r} runs for a data id that the graph has not")
        return quanta

    def _codes(self, column: Column, dimension: str) -> Ints | None:
        """Shape (rows,): places in the vocabulary of values of one text; None if there is another value."""
        key = (id(column), dimension)
        if key not in self._coded:
            self._coded[key] = (column, self._looked_up(column, dimension))
        return self._coded[key][1]

    def _looked_up(self, column: Column, dimension: str) -> Ints | None:
        if isinstance(column, Same):
            one = self._codes(column.one, dimension)
            return None if one is None else np.repeat(one, column.rows)
        # Without this True would be 1, which the command line does not say so.
        if not isinstance(column, Values) or len(column.types) > 1 or not column.types <= {int, str}:
            return None
        place = {value: code for code, value in enumerate(self.graph.vocabulary.get(dimension, ()))}
        try:
            return np.fromiter(map(place.__getitem__, column.items), dtype=np.int64, count=len(column.items))
        except KeyError:
            return None

    def _outputs(self, t: int, found: Sequence[tuple[Batch, Ints]]) -> None:
        """Show that calls make their quanta's datasets, and nothing else beside the record."""
        task = self.graph.tasks[t]
        wanted = self.columns.pairs("writes", t)
        made: dict[str, list[tuple[Ints, Ints]]] = {}
        for batch, quanta in found:
            if RECORD not in batch.made:
                raise OddError(f"{task.label!r} hands no record on")
            for port, files in batch.made.items():
                runs = quanta[files.rows]
                if port == RECORD:
                    self._records(task, t, files, runs)
                elif len(runs):
                    place = _place(task, port, "output")
                    datasets = self._named(files, runs, wanted.get(place), f"{task.label!r}, output {port!r}")
                    self.dataset[files.numbers] = datasets
                    made.setdefault(port, []).append((runs, datasets))
        _equal(task, "output", wanted, made)

    def _records(self, task: Task, t: int, files: Made, quanta: Ints) -> None:
        codes = self.graph.quantum_codes[t][quanta]
        if self._said(files.names, record_name(task.label, ()), task.dimensions, codes):
            return
        vocabulary = [self.graph.vocabulary[d] for d in task.dimensions]
        rows = zip(*([values[c] for c in codes[:, i].tolist()] for i, values in enumerate(vocabulary)), strict=True)
        names = [record_name(task.label, row) for row in (rows if vocabulary else [()] * len(quanta))]
        if _joined(files.names, len(quanta)) != names:
            raise OddError(f"{task.label!r}: records have other names")

    def _named(self, files: Made, quanta: Ints, wanted: Pairs | None, where: str) -> Ints:
        """Shape (files,): the dataset that has each file's name."""
        if wanted is None:
            raise OddError(f"{where}: the graph writes nothing there")
        graph = self.graph
        y = int(graph.dataset_type_of[wanted.datasets[0]])
        if np.array_equal(wanted.quanta, np.arange(len(wanted.quanta))) and quanta.max() < len(wanted.quanta):
            # One dataset a quantum: where names follow from the data id they need not be spelled out.
            datasets = wanted.datasets[quanta]
            if (graph.dataset_type_of[datasets] == y).all() and not self.columns.existing[datasets].any():
                kind = graph.dataset_types[y]
                codes = graph.dataset_codes[y][datasets - graph.type_start[y]]
                if self._said(files.names, dataset_name(kind.name, ()), kind.dimensions, codes):
                    return datasets
        number = dict(zip(self.columns.names(wanted.datasets), wanted.datasets.tolist(), strict=True))
        try:
            return np.fromiter(
                map(number.__getitem__, _joined(files.names, len(quanta))), dtype=np.int64, count=len(quanta)
            )
        except (KeyError, TypeError):
            raise OddError(f"{where}: a file has another name than any dataset that the graph writes there") from None

    def _said(self, names: Names, head: str, dimensions: Sequence[str], codes: np.ndarray) -> bool:
        """Whether names are plainly ``head-value-value``, where the values are those of data ids of these codes."""
        columns = names[1::2]
        literals = tuple(f"{head}-" if place == 0 else "-" for place in range(len(dimensions))) or (head,)
        if names[::2] != literals or len(columns) != len(dimensions):
            return False
        length = len(head)
        for place, (column, dimension) in enumerate(zip(columns, dimensions, strict=True)):
            texts = self.columns.texts(dimension)
            plain = texts == list(map(str, self.graph.vocabulary[dimension]))
            length += 1 + max(map(len, texts))
            if isinstance(column, str) or not plain or length > LONGEST_NAME:
                return False
            said = self._codes(column, dimension)
            if said is None or not np.array_equal(said, codes[:, place]):
                return False
        return True

    def _given(self) -> None:
        """Find the dataset of each file of the job order."""
        columns = self.columns
        number: dict[str, int] = {}
        for first, last in zip(self.graph.type_start[:-1].tolist(), self.graph.type_start[1:].tolist(), strict=True):
            datasets = np.flatnonzero(columns.existing[first:last] & columns.used[first:last]) + first
            number.update(zip(columns.names(datasets), datasets.tolist(), strict=True))
        names = self.batches.given.names
        self.dataset[: len(names)] = np.fromiter(map(number.get, names, repeat(-1)), dtype=np.int64, count=len(names))

    def _taken(self, numbers: Ints, where: str) -> Ints:
        """The datasets of files that calls take."""
        datasets = self.dataset[numbers]
        if (datasets < 0).any():
            raise OddError(f"{where}: a file that is no dataset of the graph")
        self.used[numbers[numbers < len(self.used)]] = True
        return datasets

    def _init(self, found: Sequence[Batch]) -> None:
        expected = self.columns.init()
        if expected is None or len(found) != 1 or found[0].rows != 1:
            if expected is not None or any(batch.rows for batch in found):
                raise OddError("the init job is not run once")
            return
        graph, (batch,) = self.graph, found
        taken = [flat_files(column)[1] for columns in batch.feeds.values() for column in columns]
        datasets = self._taken(np.concatenate([np.empty(0, dtype=np.int64), *taken]), "the init job")
        if sorted(datasets.tolist()) != [d for d in self.columns.init_read if self.columns.existing[d]]:
            raise OddError("the init job takes other files")
        number = {self.columns.names(np.array([d]))[0]: d for d in graph.init_made}
        made = [(name, n) for each in batch.made.values() for name, n in _names_of(each)]
        if sorted(name for name, _ in made) != expected[1]:
            raise OddError("the init job makes other files")
        for name, file in made:
            self.dataset[file] = number[name]

    def _inputs(self, t: int, found: Sequence[tuple[Batch, Ints]]) -> None:
        """Show that calls take their quanta's datasets, and nothing else."""
        graph, task = self.graph, self.graph.tasks[t]
        wanted = dict(self.columns.pairs("reads", t))
        n = len(graph.quanta_of(t))
        for name, row in self.columns.init_reads(t).items():
            place = next((i for i, each in enumerate(task.connections) if each.name == name), -1)
            before = wanted.get(place)
            quanta, datasets = np.repeat(np.arange(n), len(row)), np.tile(np.array(row, dtype=np.int64), n)
            if before is not None:
                quanta, datasets = np.append(before.quanta, quanta), np.append(before.datasets, datasets)
            if len(quanta):
                wanted[place] = Pairs(*by_row(quanta, datasets))
        taken: dict[str, list[tuple[Ints, Ints]]] = {}
        for batch, quanta in found:
            for name, columns in batch.feeds.items():
                for column in columns:
                    rows, files = flat_files(column)
                    if len(rows):
                        where = f"{task.label!r}, connection {name!r}"
                        taken.setdefault(name, []).append((quanta[rows], self._taken(files, where)))
        _equal(task, "input", wanted, taken)

    def _all_given(self) -> None:
        """Whether the job order's files are where the graph says, and none is there for nothing."""
        given = self.batches.given
        (numbers,) = np.nonzero(self.used)
        locations, sizes = self.columns.locations(self.dataset[numbers])
        for number, location, size_there in zip(numbers.tolist(), locations, sizes.tolist(), strict=True):
            here = given.sizes[number]
            if location is not None and not same_place(given.locations[number], location):
                raise OddError(f"{given.names[number]!r} is elsewhere in the graph")
            if here is not None and size_there >= 0 and here != size_there:
                raise OddError(f"{given.names[number]!r} has another size in the graph")
        for number in np.flatnonzero(~self.used).tolist():
            if not given.locations[number].startswith("runtime/"):
                raise OddError(f"nothing takes {given.names[number]!r}")

    def _results(self) -> None:
        handed = [flat_files(column)[1] for column in self.batches.results.values()]
        counts = np.bincount(np.concatenate([self.dataset[:0], *handed]), minlength=self.batches.n_files)
        first = len(self.batches.given.names)
        if counts[:first].any() or (counts[first:] != 1).any():
            raise OddError("the workflow's outputs are not what its quanta make, each once")


def _place(task: Task, name: str, kind: str) -> int:
    for place, each in enumerate(task.connections):
        if each.name == name and (each.kind == "output") == (kind == "output"):
            return place
    raise OddError(f"{task.label!r} has no {kind} {name!r}")


def _equal(task: Task, kind: str, wanted: dict[int, Pairs], got: dict[str, list[tuple[Ints, Ints]]]) -> None:
    left = set(wanted)
    for name, parts in got.items():
        place = _place(task, name, kind)
        rows, datasets = (np.concatenate(each) for each in zip(*parts, strict=True))
        rows, datasets = by_row(rows, datasets)
        pairs = wanted.get(place)
        if pairs is None or not np.array_equal(rows, pairs.quanta) or not np.array_equal(datasets, pairs.datasets):
            raise OddError(f"{task.label!r}, connection {name!r}: other {kind}s than in the graph")
        left.discard(place)
    if left:
        names = ", ".join(repr(task.connections[place].name) for place in sorted(left))
        raise OddError(f"{task.label!r}: no {kind}s on connection {names}")


def _joined(names: Names, rows: int) -> list[Any]:
    """File names spelled out."""
    columns: list[Iterable[Any]] = []
    for part in names:
        if isinstance(part, str):
            columns.append(repeat(part, rows))
            continue
        column = full(part)
        if size(column) and not (isinstance(column, Values) and column.types <= {str, int}):
            raise OddError("a file name of what is no text")
        items = column.items if isinstance(column, Values) else []
        columns.append(items if len(names) == 1 else map(str, items))
    return list(map("".join, zip(*columns, strict=True))) if len(columns) > 1 else list(*columns)


def _names_of(made: Made) -> Iterable[tuple[Any, int]]:
    return zip(_joined(made.names, len(made.numbers)), made.numbers.tolist(), strict=True)
