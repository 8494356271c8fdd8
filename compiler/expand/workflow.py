"""Workflows run on paper, for a batch of calls at a time: steps in the order of their links, scatters unrolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.diagnostics import CompileError, Diagnostic, Findings
from compiler.expand.asked import Asks, asks_of
from compiler.expand.columns import Column, Plain, Ragged, Same, as_ragged, column_of, filled, merged, repeated
from compiler.expand.document import Process, Processes, items, local_id, our_hint, source_of
from compiler.expand.files import FileTable
from compiler.expand.ledger import Ledger
from compiler.expand.references import Scope, Text, UnsupportedError, compile_text, constant
from compiler.expand.regroup import regroup
from compiler.expand.tool import Tool, Where

Values = dict[str, Column]
Call = Callable[[Values, int, Asks, Where], Values]
"""Runs a process on the input values of so many calls and returns its outputs."""


@dataclass(frozen=True, slots=True)
class _Port:
    """One input of a step, or one output of a workflow."""

    name: str
    sources: tuple[tuple[str, str], ...]
    many: bool
    """Whether `sources` was a list, which merges even if it is short."""
    flatten: bool
    default: Same
    value_from: Text | None


@dataclass(frozen=True, slots=True)
class _Step:
    id: str
    call: Call
    ports: tuple[_Port, ...]
    outputs: tuple[str, ...]
    scatter: tuple[str, ...]
    asks: Asks


class Runner:
    """Reads each process once and calls it as often as the workflow has steps that run it."""

    def __init__(self, processes: Processes, ledger: Ledger, findings: Findings) -> None:
        self._processes = processes
        self._ledger = ledger
        self._findings = findings
        self._calls: dict[int, Call] = {}
        self._kept: list[Process] = []

    def run_main(self, main: Process, job_order: Mapping[str, Any]) -> None:
        """Run `main` on a job order; what it finds is in the ledger and the findings."""
        inputs: Values = {}
        for port, body in items(main.get("inputs")):
            if port in job_order:
                inputs[port] = column_of([job_order[port]], self._ledger.table)
            elif "default" in body:
                inputs[port] = column_of([body["default"]], self._ledger.table)
            elif _optional(body["type"]):
                inputs[port] = Plain([None])
            else:
                self._findings.error("missing-input", f"the job order has no value for the input {port!r}")
        call = self._read(main)
        self._findings.raise_errors()
        try:
            call(inputs, 1, {}, Where())
        except UnsupportedError as reason:
            self._findings.error("unsupported-expression", str(reason))

    def _read(self, process: Process) -> Call:
        known = self._calls.get(id(process))
        if known is None:
            self._kept.append(process)  # so that no other process gets its id()
            known = self._calls[id(process)] = self._read_new(process)
        return known

    def _read_new(self, process: Process) -> Call:
        kind = process.get("class")
        if kind == "CommandLineTool":
            return Tool(process, self._ledger, self._findings).call
        if kind == "Workflow":
            return self._read_workflow(process)
        name = local_id(process.get("id", "an unnamed process"))
        if kind == "ExpressionTool" and our_hint(process, "Regroup") is not None:
            return self._regroup
        self._findings.error(
            "unsupported-expression",
            f"{name!r} is an {kind}, whose outputs are not known before it runs",
            help="a regroup must carry the hint 'rubin:Regroup'",
        )
        return lambda inputs, rows, asks, where: {}

    def _regroup(self, inputs: Values, rows: int, asks: Asks, where: Where) -> Values:
        return {"members": regroup(inputs["pool"], inputs["index"], rows, where.step, self._ledger.table)}

    def _read_workflow(self, process: Process) -> Call:
        name = local_id(process.get("id", "main"))
        steps = _in_order([self._read_step(id, body, name) for id, body in items(process.get("steps"), "run")], name)
        outputs = [
            (port, self._port(port, body, name, "outputSource"))
            for port, body in items(process.get("outputs"), "outputSource")
        ]
        mine, table = asks_of(process), self._ledger.table

        def call(inputs: Values, rows: int, asks: Asks, where: Where) -> Values:
            asks = {**asks, **mine}
            values = {("", port): value for port, value in inputs.items()}
            for step in steps:
                ready = {port.name: _value(port, values, rows, table) for port in step.ports}
                path = f"{where.step}.{step.id}" if where.step else step.id
                done = _scattered(step, ready, rows, {**asks, **step.asks}, Where(path, where.places))
                for port in step.outputs:
                    values[step.id, port] = done[port]
            return {port: _value(link, values, rows, table) for port, link in outputs}

        return call

    def _read_step(self, id: str, body: Mapping[str, Any], workflow: str) -> _Step:
        process = self._processes.find(body["run"])
        method = body.get("scatterMethod", "dotproduct")
        scatter = body.get("scatter") or []
        scatter = [scatter] if isinstance(scatter, str) else scatter
        if "when" in body:
            self._findings.error("unsupported-when", f"step {id!r} runs on a condition")
        if method != "dotproduct" and len(scatter) > 1:
            self._findings.error("unsupported-scatter", f"step {id!r} scatters as {method!r}")
        try:
            ports = tuple(self._port(port, link, workflow, "source") for port, link in items(body.get("in"), "source"))
        except UnsupportedError as reason:
            self._findings.error("unsupported-expression", f"step {id!r}: {reason}")
            ports = ()
        out = tuple(local_id(each if isinstance(each, str) else each["id"]) for each in body.get("out") or ())
        return _Step(id, self._read(process), ports, out, tuple(map(local_id, scatter)), asks_of(body))

    def _port(self, name: str, body: Mapping[str, Any], workflow: str, field: str) -> _Port:
        source = body.get(field)
        # In the short form of an input a list stands for several sources.
        sources = source if isinstance(source, list) else [source] if source is not None else []
        if "pickValue" in body:
            raise UnsupportedError(f"port {name!r} picks among values")
        default = body.get("default")
        return _Port(
            name,
            tuple(source_of(each, workflow) for each in sources),
            isinstance(source, list) and (len(source) > 1 or "linkMerge" in body),
            body.get("linkMerge") == "merge_flattened",
            constant(None) if default is None else Same(column_of([default], self._ledger.table)),
            compile_text(body["valueFrom"]) if "valueFrom" in body else None,
        )


def _value(port: _Port, values: Mapping[tuple[str, str], Column], rows: int, table: FileTable) -> Column:
    try:
        found = [values[each] for each in port.sources]
    except KeyError as missing:
        step, name = missing.args[0]
        text = f"{step}/{name}" if step else name
        raise CompileError(
            [Diagnostic("unknown-source", f"port {port.name!r} is linked to {text!r}, which is not there")]
        ) from None
    if port.many:
        return merged(found, rows, port.flatten, table)
    return filled(found[0] if found else None, port.default)


def _scattered(step: _Step, ready: Values, rows: int, asks: Asks, where: Where) -> Values:
    if not rows:
        return {port: Plain([]) for port in step.outputs}
    if not step.scatter:
        return _called(step, ready, rows, asks, where)
    lists = {port: as_ragged(ready[port], rows) for port in step.scatter}
    first = lists[step.scatter[0]]
    if first is None or any(each is None or (each.start != first.start).any() for each in lists.values()):
        raise CompileError([_mismatch(step, ready, rows)])
    lengths, total = first.lengths, int(first.start[-1])
    inner = {port: repeated(column, lengths) for port, column in ready.items() if port not in lists}
    inner |= {port: each.inner for port, each in lists.items() if each is not None}
    place = np.arange(total) - np.repeat(first.start[:-1], lengths)
    places = (*(np.repeat(each, lengths) for each in where.places), place)
    done = _called(step, inner, total, asks, Where(where.step, places))
    return {port: Ragged(first.start, _spread(done[port], total)) for port in step.outputs}


def _mismatch(step: _Step, ready: Values, rows: int) -> Diagnostic:
    """The finding about the first call whose lists are not of one length."""
    for row in zip(*(ready[port].values(rows) for port in step.scatter), strict=True):
        lengths = [len(each) if isinstance(each, list) else "no list" for each in row]
        if len(set(lengths)) != 1 or "no list" in lengths:
            break
    sizes = ", ".join(f"{port}: {length}" for port, length in zip(step.scatter, lengths, strict=True))
    return Diagnostic("scatter-mismatch", f"step {step.id!r} scatters over lists of unlike length ({sizes})")


def _spread(column: Column, rows: int) -> Column:
    return column.spread(rows) if isinstance(column, Same) else column


def _called(step: _Step, inputs: Values, rows: int, asks: Asks, where: Where) -> Values:
    if not rows:
        return {port: Plain([]) for port in step.outputs}
    scope = Scope(rows, inputs)
    changed = {
        port.name: scope.with_self(inputs[port.name]).evaluate(port.value_from)
        for port in step.ports
        if port.value_from is not None
    }
    return step.call({**inputs, **changed}, rows, asks, where)


def _in_order(steps: list[_Step], workflow: str) -> list[_Step]:
    """Steps so that each stands behind those that feed it, else as written."""
    before = {step.id: {source[0] for port in step.ports for source in port.sources} - {""} for step in steps}
    ordered: list[_Step] = []
    placed: set[str] = set()
    waiting = list(steps)
    while waiting:
        ready = [step for step in waiting if before[step.id] <= placed]
        if not ready:
            names = ", ".join(repr(step.id) for step in waiting)
            raise CompileError(
                [
                    Diagnostic(
                        "cycle", f"steps of {workflow!r} wait for each other or for steps that are not there: {names}"
                    )
                ]
            )
        ordered.append(ready[0])
        placed.add(ready[0].id)
        waiting.remove(ready[0])
    return ordered


def _optional(type: Any) -> bool:
    return (isinstance(type, list) and "null" in type) or (isinstance(type, str) and type.endswith("?"))
