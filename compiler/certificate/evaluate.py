"""What a CWL v1.2 workflow does with a job order, by the specification.

Workflows are compiled once: each step becomes an object that takes the values of its sources, scatters and
calls its process. Tools are not executed (`tools`); expressions are given to a JavaScript engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from compiler.certificate.conformance import Kind, Kinds
from compiler.certificate.document import (
    MalformedError,
    Node,
    UnsupportedError,
    classes,
    local_name,
    named_items,
    only,
    ports,
    processes,
)
from compiler.certificate.expression import Expression
from compiler.certificate.javascript import JavaScript
from compiler.certificate.ledger import Ledger
from compiler.certificate.links import Feed, Key, feed, outgoing, source_key
from compiler.certificate.tools import HARMLESS, PROCESS_FIELDS, Call, Tool, WrongToolError, input_kinds
from compiler.certificate.values import UNKNOWN, BadFileError, File, JobOrder, describe
from compiler.diagnostics import Origin

_FEATURES = {
    "ScatterFeatureRequirement",
    "SubworkflowFeatureRequirement",
    "MultipleInputFeatureRequirement",
    "StepInputExpressionRequirement",
}


class Process(Protocol):
    """Whatever a step runs."""

    inputs: dict[str, Kind]
    outputs: tuple[str, ...]

    def __call__(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Outputs by port for a value of every input port."""
        ...


@dataclass(slots=True)
class Evaluation:
    """What the workflow would do."""

    calls: list[Call] = field(default_factory=list)
    """Every execution of a tool, the init job included, in the order of the data's flow."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """The workflow's outputs."""
    files: list[File] = field(default_factory=list)
    """The files of the job order."""
    ran: bool = False
    """Whether the document could be evaluated at all."""
    unproved: list[str] = field(default_factory=list)
    """Steps whose expressions could not be evaluated for want of a JavaScript engine."""


def evaluate(document: Any, job_order: Any, ledger: Ledger, javascript: JavaScript) -> Evaluation:
    """Evaluate the process ``main``; faults go to the ledger, and what depends on them is `UNKNOWN`."""
    evaluation = Evaluation()
    compiler = _Compiler(ledger, javascript, evaluation)
    try:
        compiler.processes = processes(document)
        if "main" not in compiler.processes:
            raise MalformedError("no process 'main'")
    except (MalformedError, UnsupportedError) as problem:
        compiler.told(problem, "")
        return evaluation
    main = compiler.process("main", frozenset())
    if not isinstance(main, Workflow):
        if main is not None:
            ledger.error("unsupported-cwl", "the process 'main' is no Workflow", Origin("workflow.cwl", "main"))
        return evaluation
    order = JobOrder()
    evaluation.results = main(_given(main, compiler.processes["main"], job_order, order, ledger))
    evaluation.files = list(order.files.values())
    evaluation.ran = True
    return evaluation


def _given(main: Workflow, node: Node, job_order: Any, order: JobOrder, ledger: Ledger) -> dict[str, Any]:
    """The job order as values of main's inputs."""
    if not isinstance(job_order, dict):
        ledger.error("malformed-job-order", "the job order is no object", Origin("job.json"))
        return dict.fromkeys(main.inputs, UNKNOWN)
    for name in sorted(map(str, job_order.keys() - main.inputs.keys())):
        ledger.error("extra-value", f"{name!r} is no input of the workflow", Origin("job.json", name))
    given: dict[str, Any] = {}
    declared = ports(node, "inputs")
    for name, kind in main.inputs.items():
        raw = job_order.get(name)
        try:
            given[name] = order.value(declared[name].get("default") if raw is None else raw)
        except (BadFileError, RecursionError) as problem:
            ledger.error("malformed-job-order", str(problem), Origin("job.json", name))
            given[name] = UNKNOWN
        if not kind.accepts(given[name]):
            ledger.error("wrong-type", kind.why_not(given[name]), Origin("job.json", name))
            given[name] = UNKNOWN
    return given


class _Compiler:
    """Compiles processes, each once for each set of features that it inherits."""

    def __init__(self, ledger: Ledger, javascript: JavaScript, evaluation: Evaluation) -> None:
        self.ledger = ledger
        self.javascript = javascript
        self.evaluation = evaluation
        self.kinds = Kinds()
        self.processes: dict[str, Node] = {}
        self._made: dict[tuple[str, frozenset[str]], Process | None] = {}
        self._open: list[str] = []

    def told(self, problem: Exception, where: str) -> None:
        """Put a fault of the document into the ledger."""
        match problem:
            case WrongToolError():
                code = problem.code
            case UnsupportedError():
                code = "unsupported-cwl"
            case _:
                code = "malformed-workflow"
        self.ledger.error(code, str(problem), Origin("workflow.cwl", where))

    def process(self, id: str, features: frozenset[str], step: str = "") -> Process | None:
        """The compiled process; None, and told, if it cannot be."""
        kind = self.processes[id].get("class")
        if kind != "Workflow" and kind != "ExpressionTool":
            features, step = frozenset(), ""
        key = (f"{id} {step}" if kind == "ExpressionTool" else id, features)
        if key not in self._made:
            self._made[key] = None
            self._open.append(id)
            try:
                self._made[key] = self._compile(id, self.processes[id], features, step)
            except (MalformedError, UnsupportedError, WrongToolError) as problem:
                self.told(problem, id)
            except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as problem:
                # A document of quite another shape than CWL's: an object where a list must be, and the like.
                self.told(MalformedError(f"it has not the shape of CWL ({type(problem).__name__}: {problem})"), id)
            self._open.pop()
        return self._made[key]

    def _compile(self, id: str, node: Node, features: frozenset[str], step: str) -> Process:
        match node.get("class"):
            case "CommandLineTool":
                return Tool(id, node, self.kinds, self.ledger, self.evaluation.calls)
            case "ExpressionTool":
                unproved = self.evaluation.unproved
                return Expression(step, node, features, self.kinds, self.ledger, self.javascript, unproved)
            case "Workflow":
                return Workflow(id, node, features, self)
        raise UnsupportedError(f"a process of class {node.get('class')!r}")

    def run(self, step: str, node: Node, features: frozenset[str]) -> Process | None:
        """The process that a step runs."""
        run = node.get("run")
        if isinstance(run, dict):
            id = f"{step}/run"
            self.processes[id] = run
        elif isinstance(run, str) and run.startswith("#"):
            id = run[1:]
        else:
            raise UnsupportedError(f"run: {run!r}, which is no process of this document")
        if id not in self.processes:
            raise MalformedError(f"it runs {run!r}, which the document does not hold")
        if id in self._open:
            raise MalformedError(f"{id!r} runs itself")
        return self.process(id, features, step)


def features_of(node: Node, inherited: frozenset[str], where: str) -> frozenset[str]:
    """The requirements in force; raises `UnsupportedError` for one that would change what a tool works on."""
    own = classes(node.get("requirements"))
    hints = {name for name in classes(node.get("hints")) if ":" not in name}
    strange = sorted((own.keys() | hints) - HARMLESS - _FEATURES)
    if strange or own.get("InlineJavascriptRequirement", {}).get("expressionLib"):
        raise UnsupportedError(f"the requirement {', '.join(strange) or 'expressionLib'} in {where}")
    return inherited | frozenset(own)


class Workflow:
    """A Workflow compiled to a function of its inputs."""

    def __init__(self, id: str, node: Node, inherited: frozenset[str], compiler: _Compiler) -> None:
        only(node, PROCESS_FIELDS | {"steps"}, f"workflow {id!r}")
        self._ledger = compiler.ledger
        self._place = Origin("workflow.cwl", id)
        features = features_of(node, inherited, f"workflow {id!r}")
        self.inputs = input_kinds(node, compiler.kinds, f"workflow {id!r}")
        self._checks = tuple((name, kind, kind.accepts) for name, kind in self.inputs.items())
        steps = dict(_steps(node))
        # The last part of an id is enough inside a workflow, and nested ids repeat the workflow's.
        known: set[Key] = {("", name) for name in self.inputs}
        for name, each in steps.items():
            known |= {(name, port) for port in outgoing(each)}
        self._steps = [_Step(id, name, steps[name], features, known, compiler) for name in _flow(id, steps)]
        self._results = [
            (name, feed(each, "outputSource", id, known, features), compiler.kinds.of(each.get("type")))
            for name, each in ports(node, "outputs").items()
        ]
        for name, each in ports(node, "outputs").items():
            only(each, {"id", "type", "label", "doc", "outputSource", "linkMerge", "pickValue"}, f"output {name!r}")
        self.outputs = tuple(name for name, _, _ in self._results)

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by port."""
        values: dict[Key, Any] = {}
        for name, kind, accepts in self._checks:
            value = given[name]
            if not accepts(value):
                self._ledger.error("wrong-type", f"input {name!r}: {kind.why_not(value)}", self._place)
                value = UNKNOWN
            values["", name] = value
        for step in self._steps:
            step(values)
        results = {}
        for name, get, kind in self._results:
            value = results[name] = get(values)
            if not kind.accepts(value):
                self._ledger.error("wrong-type", f"output {name!r}: {kind.why_not(value)}", self._place)
        return results


class _Step:
    """A step: takes values from its workflow's, calls its process, puts values back."""

    def __init__(
        self, workflow: str, name: str, node: Node, inherited: frozenset[str], known: set[Key], compiler: _Compiler
    ) -> None:
        where = f"{workflow}/{name}"
        only(
            node,
            {"id", "label", "doc", "in", "out", "run", "scatter", "scatterMethod", "requirements", "hints"},
            f"step {where!r}",
        )
        self._ledger = compiler.ledger
        self._place = Origin("workflow.cwl", where)
        features = features_of(node, inherited, f"step {where!r}")
        self._out = [(port, (name, port)) for port in outgoing(node)]
        self._process = compiler.run(where, node, features)
        self._feeds: list[tuple[str, Feed]] = []
        for port, each in ports_of_step(node).items():
            only(
                each,
                {"id", "source", "linkMerge", "pickValue", "default", "label"},
                f"input {port!r} of step {where!r}",
            )
            self._feeds.append((port, feed(each, "source", workflow, known, features)))
        raw = node.get("scatter") or []
        self._scatter = tuple(local_name(each) for each in ([raw] if isinstance(raw, str) else raw))
        if len(set(self._scatter)) < len(self._scatter):
            raise MalformedError(f"step {where!r} scatters twice over one input")
        self._check(node, features, where)

    def _check(self, node: Node, features: frozenset[str], where: str) -> None:
        """Whether the step fits the process that it runs."""
        if self._scatter and "ScatterFeatureRequirement" not in features:
            raise MalformedError(f"step {where!r} scatters without ScatterFeatureRequirement")
        method = node.get("scatterMethod")
        if self._scatter and method != "dotproduct" and (method is not None or len(self._scatter) > 1):
            raise UnsupportedError(f"scatterMethod {method!r} in step {where!r}")
        fed = {port for port, _ in self._feeds}
        if set(self._scatter) - fed:
            raise MalformedError(
                f"step {where!r} scatters over {', '.join(sorted(set(self._scatter) - fed))!r}, no input of it"
            )
        if self._process is None:
            return
        if isinstance(self._process, Workflow) and "SubworkflowFeatureRequirement" not in features:
            raise MalformedError(f"step {where!r} runs a workflow without SubworkflowFeatureRequirement")
        if fed - self._process.inputs.keys():
            raise MalformedError(
                f"step {where!r} feeds {', '.join(sorted(fed - self._process.inputs.keys()))!r}, no such port"
            )
        for port, kind in self._process.inputs.items():
            if port not in fed:
                if not kind.optional:
                    raise MalformedError(f"step {where!r} does not feed the port {port!r}")
                self._feeds.append((port, lambda values: None))
        missing = sorted(port for port, _ in self._out if port not in self._process.outputs)
        if missing:
            raise MalformedError(f"step {where!r} hands out {', '.join(missing)!r}, which its process has not")

    def __call__(self, values: dict[Key, Any]) -> None:
        """Add the step's outputs to the values."""
        given = {port: get(values) for port, get in self._feeds}
        if self._process is None:
            for _, key in self._out:
                values[key] = UNKNOWN
        elif self._scatter:
            self._scattered(self._process, given, values)
        else:
            made = self._process(given)
            for port, key in self._out:
                values[key] = made[port]

    def _scattered(self, process: Process, given: dict[str, Any], values: dict[Key, Any]) -> None:
        arrays = {port: given[port] for port in self._scatter if given[port] is not UNKNOWN}
        for port, each in arrays.items():
            if type(each) is not list:
                self._ledger.error("wrong-type", f"scatter over {port!r}, which is {describe(each)}", self._place)
        arrays = {port: each for port, each in arrays.items() if type(each) is list}
        if not arrays:
            for _, key in self._out:
                values[key] = UNKNOWN
            return
        lengths = {port: len(each) for port, each in arrays.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{port!r} has {n}" for port, n in lengths.items())
            self._ledger.error("unequal-scatter", f"arrays scattered together differ in length: {told}", self._place)
        given.update(dict.fromkeys(self._scatter, UNKNOWN))
        names = tuple(arrays)
        out: list[tuple[str, list[Any]]] = [(port, []) for port, _ in self._out]
        # What follows the shortest array of unequal ones is told already; going on shows which quanta are concerned.
        for row in zip(*arrays.values(), strict=False):
            made = process({**given, **dict(zip(names, row, strict=True))})
            for port, gathered in out:
                gathered.append(made[port])
        for (_, key), (_, gathered) in zip(self._out, out, strict=True):
            values[key] = gathered


def _steps(node: Node) -> list[tuple[str, Node]]:
    raw = node.get("steps")
    items = raw.items() if isinstance(raw, dict) else [(each["id"], each) for each in raw or []]
    found = [(local_name(name), each) for name, each in items]
    if len({name for name, _ in found}) < len(found):
        raise MalformedError("two steps share an id")
    return found


def ports_of_step(node: Node) -> dict[str, Node]:
    """The inputs of a step by port; in the map form a bare value is the source."""
    return {local_name(name): each for name, each in named_items(node.get("in"), "id", "source")}


def _flow(workflow: str, steps: dict[str, Node]) -> list[str]:
    """The steps in an order in which data flows, the document's where it is free.

    Raises `MalformedError` for a circle.
    """
    before: dict[str, set[str]] = {}
    for name, node in steps.items():
        before[name] = set()
        for each in ports_of_step(node).values():
            raw = each.get("source") or []
            for source in [raw] if isinstance(raw, str) else raw:
                step, _ = source_key(source, workflow)
                if step in steps:
                    before[name].add(step)
    order: list[str] = []
    done: set[str] = set()
    while len(order) < len(steps):
        ready = [name for name in steps if name not in done and before[name] <= done]
        if not ready:
            raise MalformedError(
                f"the steps {', '.join(name for name in steps if name not in done)} wait for each other"
            )
        order += ready
        done.update(ready)
    return order
