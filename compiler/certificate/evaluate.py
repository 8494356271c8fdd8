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
    unproved: list[str] = field(default_factory=list)
    """Steps whose expressions could not be evaluated for want of a JavaScript engine."""


class Program:
    """A document compiled, to be evaluated with a job order."""

    def __init__(self, main: Workflow, node: Node, evaluation: Evaluation, ledger: Ledger) -> None:
        self.main = main
        self.defaults = {name: each.get("default") for name, each in ports(node, "inputs").items()}
        """What stands for inputs that a job order leaves out."""
        self._evaluation = evaluation
        self._ledger = ledger

    def interpret(self, job_order: Any) -> Evaluation:
        """Evaluate call by call; faults go to the ledger, and what depends on them is `UNKNOWN`."""
        order = JobOrder()
        self._evaluation.results = self.main(self._given(job_order, order))
        self._evaluation.files = list(order.files.values())
        return self._evaluation

    def _given(self, job_order: Any, order: JobOrder) -> dict[str, Any]:
        """The job order as values of main's inputs."""
        ledger, kinds = self._ledger, self.main.inputs
        if not isinstance(job_order, dict):
            ledger.error("malformed-job-order", "the job order is no object", Origin("job.json"))
            return dict.fromkeys(kinds, UNKNOWN)
        for name in sorted(map(str, job_order.keys() - kinds.keys())):
            ledger.error("extra-value", f"{name!r} is no input of the workflow", Origin("job.json", name))
        given: dict[str, Any] = {}
        for name, kind in kinds.items():
            raw = job_order.get(name)
            try:
                given[name] = order.value(self.defaults[name] if raw is None else raw)
            except (BadFileError, RecursionError) as problem:
                ledger.error("malformed-job-order", str(problem), Origin("job.json", name))
                given[name] = UNKNOWN
            if not kind.accepts(given[name]):
                ledger.error("wrong-type", kind.why_not(given[name]), Origin("job.json", name))
                given[name] = UNKNOWN
        return given


def compiled(document: Any, ledger: Ledger, javascript: JavaScript) -> Program | None:
    """The process ``main`` of a document; None, and told, if it cannot be evaluated at all."""
    evaluation = Evaluation()
    compiler = _Compiler(ledger, javascript, evaluation)
    try:
        compiler.processes = processes(document)
        if "main" not in compiler.processes:
            raise MalformedError("no process 'main'")
    except (MalformedError, UnsupportedError) as problem:
        compiler.told(problem, "")
        return None
    main = compiler.process("main", frozenset())
    if isinstance(main, Workflow):
        return Program(main, compiler.processes["main"], evaluation, ledger)
    if main is not None:
        ledger.error("unsupported-cwl", "the process 'main' is no Workflow", Origin("workflow.cwl", "main"))
    return None


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
        self.id = id
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
        self.steps = [Step(id, name, steps[name], features, known, compiler) for name in _flow(id, steps)]
        self.results = [
            (name, feed(each, "outputSource", id, known, features), compiler.kinds.of(each.get("type")))
            for name, each in ports(node, "outputs").items()
        ]
        for name, each in ports(node, "outputs").items():
            only(each, {"id", "type", "label", "doc", "outputSource", "linkMerge", "pickValue"}, f"output {name!r}")
        self.outputs = tuple(name for name, _, _ in self.results)

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by port."""
        values: dict[Key, Any] = {}
        for name, kind, accepts in self._checks:
            value = given[name]
            if not accepts(value):
                self._ledger.error("wrong-type", f"input {name!r}: {kind.why_not(value)}", self._place)
                value = UNKNOWN
            values["", name] = value
        for step in self.steps:
            step(values)
        results = {}
        for name, get, kind in self.results:
            value = results[name] = get(values)
            if not kind.accepts(value):
                self._ledger.error("wrong-type", f"output {name!r}: {kind.why_not(value)}", self._place)
        return results


class Step:
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
        self.where = where
        self._ledger = compiler.ledger
        self._place = Origin("workflow.cwl", where)
        features = features_of(node, inherited, f"step {where!r}")
        self.out: list[tuple[str, Key]] = [(port, (name, port)) for port in outgoing(node)]
        self.process = compiler.run(where, node, features)
        self.feeds: list[tuple[str, Feed]] = []
        for port, each in ports_of_step(node).items():
            only(
                each,
                {"id", "source", "linkMerge", "pickValue", "default", "label"},
                f"input {port!r} of step {where!r}",
            )
            self.feeds.append((port, feed(each, "source", workflow, known, features)))
        raw = node.get("scatter") or []
        self.scatter = tuple(local_name(each) for each in ([raw] if isinstance(raw, str) else raw))
        if len(set(self.scatter)) < len(self.scatter):
            raise MalformedError(f"step {where!r} scatters twice over one input")
        self._check(node, features, where)

    def _check(self, node: Node, features: frozenset[str], where: str) -> None:
        """Whether the step fits the process that it runs."""
        if self.scatter and "ScatterFeatureRequirement" not in features:
            raise MalformedError(f"step {where!r} scatters without ScatterFeatureRequirement")
        method = node.get("scatterMethod")
        if self.scatter and method != "dotproduct" and (method is not None or len(self.scatter) > 1):
            raise UnsupportedError(f"scatterMethod {method!r} in step {where!r}")
        fed = {port for port, _ in self.feeds}
        if set(self.scatter) - fed:
            raise MalformedError(
                f"step {where!r} scatters over {', '.join(sorted(set(self.scatter) - fed))!r}, no input of it"
            )
        if self.process is None:
            return
        if isinstance(self.process, Workflow) and "SubworkflowFeatureRequirement" not in features:
            raise MalformedError(f"step {where!r} runs a workflow without SubworkflowFeatureRequirement")
        if fed - self.process.inputs.keys():
            raise MalformedError(
                f"step {where!r} feeds {', '.join(sorted(fed - self.process.inputs.keys()))!r}, no such port"
            )
        for port, kind in self.process.inputs.items():
            if port not in fed:
                if not kind.optional:
                    raise MalformedError(f"step {where!r} does not feed the port {port!r}")
                self.feeds.append((port, Feed(lambda values: None)))
        missing = sorted(port for port, _ in self.out if port not in self.process.outputs)
        if missing:
            raise MalformedError(f"step {where!r} hands out {', '.join(missing)!r}, which its process has not")

    def __call__(self, values: dict[Key, Any]) -> None:
        """Add the step's outputs to the values."""
        given = {port: get(values) for port, get in self.feeds}
        if self.process is None:
            for _, key in self.out:
                values[key] = UNKNOWN
        elif self.scatter:
            self._scattered(self.process, given, values)
        else:
            made = self.process(given)
            for port, key in self.out:
                values[key] = made[port]

    def _scattered(self, process: Process, given: dict[str, Any], values: dict[Key, Any]) -> None:
        arrays = {port: given[port] for port in self.scatter if given[port] is not UNKNOWN}
        for port, each in arrays.items():
            if type(each) is not list:
                self._ledger.error("wrong-type", f"scatter over {port!r}, which is {describe(each)}", self._place)
        arrays = {port: each for port, each in arrays.items() if type(each) is list}
        if not arrays:
            for _, key in self.out:
                values[key] = UNKNOWN
            return
        lengths = {port: len(each) for port, each in arrays.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{port!r} has {n}" for port, n in lengths.items())
            self._ledger.error("unequal-scatter", f"arrays scattered together differ in length: {told}", self._place)
        given.update(dict.fromkeys(self.scatter, UNKNOWN))
        names = tuple(arrays)
        out: list[tuple[str, list[Any]]] = [(port, []) for port, _ in self.out]
        # What follows the shortest array of unequal ones is told already; going on shows which quanta are concerned.
        for row in zip(*arrays.values(), strict=False):
            made = process({**given, **dict(zip(names, row, strict=True))})
            for port, gathered in out:
                gathered.append(made[port])
        for (_, key), (_, gathered) in zip(self.out, out, strict=True):
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
