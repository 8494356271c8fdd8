"""Workflows run on paper: steps in the order of their links, scatters unrolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.diagnostics import CompileError, Diagnostic, Findings
from compiler.expand.document import Process, Processes, items, local_id, our_hint, source_of
from compiler.expand.ledger import Ledger
from compiler.expand.references import Evaluate, UnsupportedError, compile_text
from compiler.expand.tool import Resources, Tool, resources_of

Values = dict[str, Any]
Where = tuple[str, tuple[int, ...]]
Call = Callable[[Values, Resources, Where], Values]
"""Runs a process on input values and returns its outputs."""


@dataclass(frozen=True, slots=True)
class _Port:
    """One input of a step."""

    name: str
    sources: tuple[tuple[str, str], ...]
    many: bool
    """Whether `sources` was a list, which merges even if it is short."""
    flatten: bool
    default: Any
    value_from: Evaluate | None


@dataclass(frozen=True, slots=True)
class _Step:
    id: str
    call: Call
    ports: tuple[_Port, ...]
    outputs: tuple[str, ...]
    scatter: tuple[str, ...]
    resources: Resources


class Runner:
    """Reads each process once and calls it as often as the job order says."""

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
                inputs[port] = self._staged(job_order[port])
            elif "default" in body:
                inputs[port] = self._staged(body["default"])
            elif _optional(body["type"]):
                inputs[port] = None
            else:
                self._findings.error("missing-input", f"the job order has no value for the input {port!r}")
        call = self._read(main)
        self._findings.raise_errors()
        try:
            call(inputs, (None, None), ("", ()))
        except UnsupportedError as reason:
            self._findings.error("unsupported-expression", str(reason))

    def _staged(self, value: Any) -> Any:
        """A value of the job order with every File object replaced by the file that it names."""
        if isinstance(value, Mapping):
            if value.get("class") == "File":
                if value.get("secondaryFiles") or "contents" in value:
                    self._findings.error(
                        "unsupported-file", f"the file {value.get('basename')!r} brings contents or others"
                    )
                return self._ledger.existing(value)
            if value.get("class") == "Directory":
                self._findings.error(
                    "unsupported-directory", f"the job order holds a folder: {value.get('location')!r}"
                )
            return {key: self._staged(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._staged(each) for each in value]
        return value

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
            return _regroup
        self._findings.error(
            "unsupported-expression",
            f"{name!r} is an {kind}, whose outputs are not known before it runs",
            help="a regroup must carry the hint 'rubin:Regroup'",
        )
        return lambda inputs, resources, where: {}

    def _read_workflow(self, process: Process) -> Call:
        name = local_id(process.get("id", "main"))
        steps = _in_order([self._read_step(id, body, name) for id, body in items(process.get("steps"), "run")], name)
        outputs = [
            (port, _port(port, body, name, "outputSource"))
            for port, body in items(process.get("outputs"), "outputSource")
        ]
        mine = resources_of(process)

        def call(inputs: Values, given: Resources, where: Where) -> Values:
            given = _stronger(mine, given)
            values: dict[tuple[str, str], Any] = {("", port): value for port, value in inputs.items()}
            for step in steps:
                ready = {port.name: _value(port, values) for port in step.ports}
                path = f"{where[0]}.{step.id}" if where[0] else step.id
                done = _scattered(step, ready, _stronger(step.resources, given), (path, where[1]))
                for port in step.outputs:
                    values[step.id, port] = done[port]
            return {port: _value(link, values) for port, link in outputs}

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
            ports = tuple(_port(port, link, workflow, "source") for port, link in items(body.get("in"), "source"))
        except UnsupportedError as reason:
            self._findings.error("unsupported-expression", f"step {id!r}: {reason}")
            ports = ()
        out = tuple(local_id(each if isinstance(each, str) else each["id"]) for each in body.get("out") or ())
        return _Step(id, self._read(process), ports, out, tuple(map(local_id, scatter)), resources_of(body))


def _port(name: str, body: Mapping[str, Any], workflow: str, field: str) -> _Port:
    source = body.get(field)
    # In the short form of an input a list stands for several sources.
    sources = source if isinstance(source, list) else [source] if source is not None else []
    if "pickValue" in body:
        raise UnsupportedError(f"port {name!r} picks among values")
    return _Port(
        name,
        tuple(source_of(each, workflow) for each in sources),
        isinstance(source, list) and (len(source) > 1 or "linkMerge" in body),
        body.get("linkMerge") == "merge_flattened",
        body.get("default"),
        compile_text(body["valueFrom"]) if "valueFrom" in body else None,
    )


def _value(port: _Port, values: Mapping[tuple[str, str], Any]) -> Any:
    try:
        found = [values[each] for each in port.sources]
    except KeyError as missing:
        step, name = missing.args[0]
        text = f"{step}/{name}" if step else name
        raise CompileError(
            [Diagnostic("unknown-source", f"port {port.name!r} is linked to {text!r}, which is not there")]
        ) from None
    if port.many:
        return [x for each in found for x in (each if isinstance(each, list) else [each])] if port.flatten else found
    value = found[0] if found else None
    return port.default if value is None else value


def _scattered(step: _Step, ready: Values, resources: Resources, where: Where) -> Values:
    if not step.scatter:
        return _called(step, ready, resources, where)
    lists = [ready[port] for port in step.scatter]
    lengths = {len(each) if isinstance(each, list) else -1 for each in lists}
    if len(lengths) != 1 or -1 in lengths:
        sizes = ", ".join(
            f"{p}: {len(v) if isinstance(v, list) else 'no list'}" for p, v in zip(step.scatter, lists, strict=True)
        )
        raise CompileError(
            [Diagnostic("scatter-mismatch", f"step {step.id!r} scatters over lists of unlike length ({sizes})")]
        )
    name, places = where
    done = [
        _called(step, {**ready, **dict(zip(step.scatter, row, strict=True))}, resources, (name, (*places, place)))
        for place, row in enumerate(zip(*lists, strict=True))
    ]
    return {port: [each[port] for each in done] for port in step.outputs}


def _called(step: _Step, inputs: Values, resources: Resources, where: Where) -> Values:
    changed = {
        port.name: port.value_from({"inputs": inputs, "self": inputs[port.name], "runtime": {}})
        for port in step.ports
        if port.value_from is not None
    }
    return step.call({**inputs, **changed} if changed else dict(inputs), resources, where)


def _regroup(inputs: Values, resources: Resources, where: Where) -> Values:
    """Our own ExpressionTool: `index` with each number replaced by that member of the flattened `pool`."""
    pool = list(_flat(inputs["pool"]))

    def pick(index: Any) -> Any:
        if isinstance(index, list):
            return list(map(pick, index))
        if not 0 <= index < len(pool):
            raise CompileError(
                [
                    Diagnostic(
                        "index-out-of-range", f"regroup {where[0]!r} asks for member {index} of a pool of {len(pool)}"
                    )
                ]
            )
        return pool[index]

    return {"members": pick(inputs["index"])}


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _stronger(mine: Resources, given: Resources) -> Resources:
    cores, memory = (own if own is not None else other for own, other in zip(mine, given, strict=True))
    return (cores, memory)


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
