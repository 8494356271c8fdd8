"""Is what the workflow does what the quantum graph says? Every difference has a name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from compiler.certificate.canonical import GraphColumns
from compiler.certificate.evaluate import Evaluation
from compiler.certificate.ledger import Ledger
from compiler.certificate.quanta import Given, GraphForm, Init, Ports, Quantum, QuantumKey
from compiler.certificate.references import UnresolvedError, getter
from compiler.certificate.tools import RECORD, Call, Tool
from compiler.certificate.values import UNKNOWN, File, files_in, holds_unknown
from compiler.diagnostics import Origin

_RESERVED = re.compile("[#?%]")
Getters = tuple[tuple[str, tuple[Callable[[Mapping[str, Any]], Any], ...]], ...]


@dataclass(slots=True)
class Comparison:
    """What was counted on the way."""

    quanta: dict[str, int] = field(default_factory=dict)
    """By task label, in the order of the data's flow."""
    datasets: int = 0
    """Datasets that a quantum or the init job reads or writes."""
    inputs: int = 0
    """Those of them that exist before."""
    edges: int = 0
    """Pairs of quanta of which one reads what the other writes."""
    graph_hash: str | None = None
    """None if nothing of the workflow could be evaluated."""
    hash: str | None = None
    """Of the workflow as evaluated: the graph's if they are equal, else None."""


def counted(columns: GraphColumns) -> Comparison:
    """What there is to be compared."""
    graph = columns.graph
    used = columns.used.copy()
    used[list(graph.init_made)] = True
    return Comparison(
        {task.label: len(graph.quanta_of(t)) for t, task in enumerate(graph.tasks)},
        int(used.sum()),
        int((used & columns.existing).sum()),
        columns.n_edges(),
        columns.digest(),
    )


def compare(evaluation: Evaluation, columns: GraphColumns, ledger: Ledger) -> Comparison:
    """Tell every difference between what the workflow does, call by call, and the graph."""
    return _Comparer(evaluation, columns, ledger).run()


class _Comparer:
    def __init__(self, evaluation: Evaluation, columns: GraphColumns, ledger: Ledger) -> None:
        self.evaluation = evaluation
        self.graph = columns.graph
        self.columns = columns
        self.form = GraphForm(columns.graph)
        self.ledger = ledger
        self.used: set[File] = set()
        """Files of the job order that a call takes."""
        self.partial = False
        """Whether some input of some call is unknown."""
        self._getters: dict[Tool, Getters] = {}

    def run(self) -> Comparison:
        self._names()
        calls = self._calls()
        self._init()
        for number in self.form.order():
            expected = self.form.quantum(number)
            call = calls.get(expected.key)
            if call is None:
                self._at(number, "missing-quantum", "the workflow does not run it")
            else:
                self._quantum(number, expected, call)
        for key in sorted(calls.keys() - set(self.form.keys)):
            self.ledger.error("extra-quantum", f"the workflow runs {calls[key]}, which is not in the graph")
        self._given(self.form.given())
        self._results()
        comparison = counted(self.columns)
        if not self.ledger.counts and not self.partial and not self.evaluation.unproved:
            comparison.hash = comparison.graph_hash
        return comparison

    def _names(self) -> None:
        """Two datasets under one name would be one file; two quanta of one data id one job."""
        for name, times in Counter([*self.form.names, *self.form.records]).items():
            if times > 1 and name in self.form.number:
                self.ledger.error("ambiguous-name", f"{times} files of the graph have the name {name!r}")
        for (label, data_id), times in Counter(self.form.keys).items():
            if times > 1:
                text = f"the graph holds {label} {' '.join(data_id)} {times} times"
                self.ledger.error("ambiguous-quantum", text)

    def _calls(self) -> dict[QuantumKey, Call]:
        """The calls of tasks by quantum."""
        calls: dict[QuantumKey, Call] = {}
        for call in self.evaluation.calls:
            if call.tool.init:
                continue
            key = (call.tool.label, call.data_id)
            if key in calls:
                self.ledger.error("doubled-quantum", f"the workflow runs {call} more than once")
            calls[key] = call
        return calls

    def _evaluated(self, call: Call) -> tuple[Quantum, set[str]]:
        """A call as a quantum, and the connections of which not all is known."""
        unknown: set[str] = set()
        after: set[str] = set()
        inputs: Ports = {}
        for connection, gets in self._feeds(call.tool):
            names: list[str] = []
            for get in gets:
                value = get(call.inputs)
                kind = type(value)
                for file in (value,) if kind is File else value if kind is list else ():
                    if type(file) is not File:
                        unknown |= self._nested(connection, file, names)
                        continue
                    names.append(file.name)
                    if file.producer is None:
                        self.used.add(file)
                    elif file.producer.record is not None:
                        after.add(file.producer.record)
                if value is UNKNOWN:
                    unknown.add(connection)
            if names:
                if len(names) > 1:
                    names.sort()
                inputs[connection] = names
        outputs: Ports = {}
        for port, value in call.outputs.items():
            if port == RECORD:
                continue
            if type(value) is File:
                outputs[port] = [value.name]
            elif value is UNKNOWN:
                unknown.add(port)
            elif value:
                outputs[port] = sorted([each.name for each in value])
        key = (call.tool.label, call.data_id)
        return Quantum(key, inputs, outputs, call.record, sorted(after)), unknown

    def _nested(self, connection: str, value: Any, names: list[str]) -> set[str]:
        """Arrays of arrays are staged as their files; no task has such a port, but CWL allows it."""
        for file in files_in(value):
            names.append(file.name)
            if file.producer is None:
                self.used.add(file)
        return {connection} if holds_unknown(value) else set()

    def _feeds(self, tool: Tool) -> Getters:
        found = self._getters.get(tool)
        if found is None:
            found = self._getters[tool] = tuple((name, tuple(map(getter, paths))) for name, paths in tool.feeds)
        return found

    def _quantum(self, number: int, expected: Quantum, call: Call) -> None:
        try:
            actual, unknown = self._evaluated(call)
        except UnresolvedError as problem:
            self._at(number, "unresolved-reference", str(problem))
            return
        if actual == expected:
            return
        if unknown:
            self.partial = True
        self._ports(number, "input", expected.inputs, actual.inputs, unknown)
        self._ports(number, "output", expected.outputs, actual.outputs, unknown)
        if actual.record != expected.record:
            self._at(number, "wrong-record", f"its record is the file {actual.record!r}, not {expected.record!r}")
        if not unknown:
            for record in sorted(set(expected.after) - set(actual.after)):
                self._at(number, "missing-edge", f"it does not wait for the quantum of {record!r}")
            for record in sorted(set(actual.after) - set(expected.after)):
                self._at(number, "extra-edge", f"it waits for the quantum of {record!r}")

    def _ports(self, number: int, what: str, expected: Ports, actual: Ports, unknown: set[str]) -> None:
        for connection in sorted((expected.keys() | actual.keys()) - unknown):
            wanted, got = expected.get(connection, []), actual.get(connection, [])
            if wanted == got:
                continue
            twice = [name for name, times in Counter(got).items() if times > 1]
            if twice:
                self._at(number, f"doubled-{what}", f"connection {connection!r} has {_some(twice)} twice")
            self._differ(number, what, f"connection {connection!r}", set(wanted), set(got))

    def _differ(self, number: int | None, what: str, where: str, wanted: set[str], got: set[str]) -> None:
        lacks, extra = sorted(wanted - got), sorted(got - wanted)
        if lacks and extra:
            text = f"{where} has {_some(extra)} instead of {_some(lacks)}"
            self._at(number, f"wrong-{what}", text)
        elif lacks:
            self._at(number, f"missing-{what}", f"{where} lacks {_some(lacks)}")
        elif extra:
            self._at(number, f"extra-{what}", f"{where} has {_some(extra)}, which the graph has not")

    def _init(self) -> None:
        """Compare the init job."""
        calls = [call for call in self.evaluation.calls if call.tool.init]
        expected = self.form.init()
        if len(calls) > 1:
            self.ledger.error("doubled-quantum", f"the workflow runs the init job {len(calls)} times")
        if not calls:
            if expected is not None:
                text = f"the workflow does not run the init job, which makes {_some(expected.outputs)}"
                self.ledger.error("missing-quantum", text)
            return
        quantum, unknown = self._evaluated(calls[0])
        self.partial |= bool(unknown)
        ports = [sorted(name for row in rows.values() for name in row) for rows in (quantum.inputs, quantum.outputs)]
        actual = Init(*ports)
        if expected is None:
            self.ledger.error("extra-quantum", "the workflow runs an init job; the graph has nothing to initialise")
        elif actual != expected and not unknown:
            for what, wanted, got in zip(("input", "output"), expected, actual, strict=True):
                twice = [name for name, times in Counter(got).items() if times > 1]
                if twice:
                    self.ledger.error(f"doubled-{what}", f"the init job has {_some(twice)} twice")
                self._differ(None, what, "the init job", set(wanted), set(got))

    def _given(self, expected: list[Given]) -> None:
        """Whether the job order's files are the graph's overall inputs, where the datastore has them."""
        wanted = {each.name: each for each in expected}
        for file in sorted(self.used, key=lambda each: (each.name, each.location or "")):
            place = Origin("job.json", file.name)
            here = wanted.get(file.name)
            if here is None:
                if file.name in self.form.number:
                    self.ledger.error(
                        "wrong-source", "it is taken from the job order, although the workflow makes it", place
                    )
                continue
            if here.location is not None and not same_place(file.location, here.location):
                self.ledger.error(
                    "wrong-location", f"it is at {file.location!r}, the graph says {here.location!r}", place
                )
            if file.size is not None and here.size is not None and file.size != here.size:
                self.ledger.error("wrong-size", f"it has {file.size} bytes, the graph says {here.size}", place)
        if self.partial or self.evaluation.unproved:
            return
        for file in self.evaluation.files:
            if file not in self.used and not (file.location or "").startswith("runtime/"):
                self.ledger.error("extra-file", "no quantum takes it", Origin("job.json", file.name))

    def _results(self) -> None:
        """Whether every file that is made is one output of the workflow, and nothing else is."""
        seen: set[File] = set()
        for port, value in self.evaluation.results.items():
            self.partial |= holds_unknown(value)
            place = Origin("workflow.cwl", f"main/{port}")
            for file in files_in(value):
                if file in seen:
                    self.ledger.error("doubled-result", f"{file.name!r} is an output of the workflow twice", place)
                elif file.producer is None:
                    self.ledger.error("extra-result", f"{file.name!r} is an output although no quantum makes it", place)
                seen.add(file)
        if self.partial:
            return
        for call in self.evaluation.calls:
            for value in call.outputs.values():
                for file in (value,) if type(value) is File else files_in(value):
                    if file not in seen:
                        who = "the init job" if call.tool.init else str(call)
                        self.ledger.error("missing-result", f"{file.name!r} of {who} is no output of the workflow")

    def _at(self, number: int | None, code: str, message: str) -> None:
        where = None if number is None else Origin(self.graph.source or "graph", self.form.show(number))
        self.ledger.error(code, message, where)


def same_place(location: str | None, wanted: str) -> bool:
    """Whether a job order's location, which is a URI reference, is a datastore's path."""
    if location is None or location == wanted:
        return location is not None and ("://" in wanted or not _RESERVED.search(wanted))
    return "://" not in wanted and not set("#?") & set(location) and unquote(location) == wanted


def _some(names: Iterable[str]) -> str:
    told = [repr(name) for name in names]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
