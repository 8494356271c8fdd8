"""What a CommandLineTool's call is: which quantum it runs, what is staged for it, which files come out.

A tool is never executed. Its command line says which quantum the runner will run, its staging says which
files stand in the working folder, its globs say which files are handed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compiler.certificate.conformance import Kind, Kinds, is_array, is_file, record_fields
from compiler.certificate.document import MalformedError, Node, UnsupportedError, classes, only, ports
from compiler.certificate.ledger import Ledger
from compiler.certificate.references import Getter, Path, Template, UnresolvedError, getter, parse, show, text_of
from compiler.certificate.values import UNKNOWN, File, describe
from compiler.diagnostics import Origin

QUANTUM = "_quantum"
"""The port that holds what differs from quantum to quantum: a record of ``data_id``, ``inputs``, ``outputs``."""
RECORD = "_record"
"""The output port of a quantum's record."""
PROCESS_FIELDS = {"class", "id", "label", "doc", "hints", "requirements", "inputs", "outputs", "intent", "cwlVersion"}
HARMLESS = {
    "ResourceRequirement",
    "DockerRequirement",
    "NetworkAccess",
    "WorkReuse",
    "ToolTimeLimit",
    "EnvVarRequirement",
    "InlineJavascriptRequirement",
}
"""Requirements that change where and when a tool runs, not what it runs on."""
_WILD = re.compile(r"[*?\[\]\\/]")


class WrongToolError(ValueError):
    """A tool that cannot do what its task needs, with the finding's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, eq=False)
class Call:
    """One execution of a tool."""

    tool: Tool
    data_id: tuple[str, ...]
    """``dimension=value`` as on the command line, in the order of `Tool.dimensions`."""
    inputs: Mapping[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    """Files by port."""
    record: str | None = None
    """Name of the quantum's record file."""

    def __str__(self) -> str:
        return f"{self.tool.label}{{{', '.join(each.replace('=', ': ', 1) for each in self.data_id)}}}"


@dataclass(slots=True)
class _Command:
    """A command line of the quantum runner, taken apart."""

    init: bool
    runtime: tuple[Path, Path, Path]
    """Where the runner, the graph and the butler configuration stand among a call's inputs."""
    label: str = ""
    data_id: dict[str, Template] = field(default_factory=dict)


@dataclass(slots=True)
class Output:
    """An output port of a tool."""

    port: str
    names: Callable[[Mapping[str, Any]], Any]
    array: bool
    template: Template | None
    """What `names` is made from, if that is one string."""


class Tool:
    """A CommandLineTool compiled to a function from a call's inputs to its outputs.

    Raises `MalformedError`, `UnsupportedError` or `WrongToolError` for a tool that is none of ours.
    """

    def __init__(self, id: str, node: Node, kinds: Kinds, ledger: Ledger, calls: list[Call]) -> None:
        only(node, PROCESS_FIELDS | {"baseCommand", "arguments"}, f"tool {id!r}")
        self.id = id
        self.place = Origin("workflow.cwl", id)
        self._ledger = ledger
        self._calls = calls
        self.inputs = input_kinds(node, kinds, f"tool {id!r}")
        self._checks = tuple((name, kind, kind.accepts) for name, kind in self.inputs.items())
        command = _command(node)
        self.init = command.init
        """Whether this is the init job."""
        self.label = command.label
        _agree(classes(node.get("hints")), command)
        self.dimensions = tuple(sorted(command.data_id))
        self.data_id = command.data_id
        """By dimension: what the command line says."""
        self._values = tuple(_text(command.data_id[each]) for each in self.dimensions)
        self.twice = self._told_twice(command)
        self.runtime = command.runtime
        self._runtime = tuple(map(getter, command.runtime))
        self._runtime_seen: tuple[Any, ...] = ()
        self.feeds = self._connections(command)
        """Where the files of each connection stand among a call's inputs; sorted by connection."""
        hints = {name for name in classes(node.get("hints")) if ":" not in name} - HARMLESS
        if hints:
            raise UnsupportedError(f"the hint {', '.join(sorted(hints))}")
        self._check_staging(classes(node.get("requirements")))
        self.globs = tuple(_output(name, each, kinds) for name, each in ports(node, "outputs").items())
        self.outputs = tuple(each.port for each in self.globs)
        self.asked = _asked(node)
        """References in what the tool asks of a machine, and in hints of ours; they lead to numbers."""
        self._asked = tuple((path, getter(path)) for path in self.asked)

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by port; every value `UNKNOWN` if this call cannot be identified."""
        for name, kind, accepts in self._checks:
            if not accepts(given[name]):
                self._fault("wrong-type", f"input {name!r}: {kind.why_not(given[name])}")
                return dict.fromkeys(self.outputs, UNKNOWN)
        try:
            return self._run(given)
        except UnresolvedError as problem:
            self._fault("unresolved-reference", str(problem))
            return dict.fromkeys(self.outputs, UNKNOWN)

    def _run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = [value(given) for value in self._values]
        if UNKNOWN in values:
            return dict.fromkeys(self.outputs, UNKNOWN)
        data_id = tuple([f"{name}={value}" for name, value in zip(self.dimensions, values, strict=True)])
        call = Call(self, data_id, given)
        self._check_runtime(given)
        for dimension, get in self.twice:
            said = text_of(get(given))
            if f"{dimension}={said}" not in data_id:
                self._fault("disagreeing-data-id", f"{call}: the record says {dimension}={said}")
        for path, get in self._asked:
            number = get(given)
            if number is not UNKNOWN and type(number) not in (int, float):
                raise UnresolvedError(f"{show(path)}: {describe(number)} where a number is asked for")
        outputs = call.outputs
        for each in self.globs:
            outputs[each.port] = self._files(call, each, given)
        record = outputs.get(RECORD)
        if type(record) is File:
            call.record = record.name
        self._calls.append(call)
        return outputs

    def _files(self, call: Call, output: Output, given: Mapping[str, Any]) -> Any:
        names = output.names(given)
        if names is UNKNOWN:
            return UNKNOWN
        if type(names) is str and not output.array:
            found = [File(names, call)]
        elif type(names) is str or type(names) is list:
            found = [File(each, call) for each in ([names] if type(names) is str else names)]
        else:
            found = []
        for each in found:
            if type(each.name) is not str or not each.name or _WILD.search(each.name):
                raise UnresolvedError(f"output {output.port!r}: {each.name!r} is no name of one file")
        if output.array:
            return found
        if len(found) != 1:
            raise UnresolvedError(f"output {output.port!r} is one file, its glob is {describe(names)}")
        return found[0]

    def _check_runtime(self, given: Mapping[str, Any]) -> None:
        seen = tuple([get(given) for get in self._runtime])
        if seen == self._runtime_seen:
            return
        self._runtime_seen = seen
        for path, file in zip(self.runtime, seen, strict=True):
            if type(file) is File and not (file.location or "").startswith("runtime/"):
                text = f"{show(path)} is {file.name!r} at {file.location!r}, not below 'runtime/'"
                self._fault("wrong-runtime", text)
            elif type(file) is not File and file is not UNKNOWN:
                self._fault("wrong-runtime", f"{show(path)} is {describe(file)}, no file")
        if type(seen[0]) is File and seen[0].name != "quantum_runner.pyz":
            self._fault("wrong-runtime", f"the command runs {seen[0].name!r}, not the quantum runner")

    def _connections(self, command: _Command) -> tuple[tuple[str, tuple[Path, ...]], ...]:
        found: dict[str, list[Path]] = {}
        for name, kind in self.inputs.items():
            if name == QUANTUM:
                fields = record_fields(record_fields(kind)["inputs"]) if "inputs" in record_fields(kind) else {}
                for each in fields:
                    found.setdefault(each, []).append((QUANTUM, "inputs", each))
            elif (name,) not in command.runtime and kind.holds_files:
                found.setdefault(name, []).append((name,))
        return tuple((name, tuple(found[name])) for name in sorted(found))

    def _told_twice(self, command: _Command) -> list[tuple[str, Getter]]:
        """Dimensions whose value on the command line is not simply the record's, to be compared at each call."""
        quantum = record_fields(self.inputs[QUANTUM]) if QUANTUM in self.inputs else {}
        said = record_fields(quantum["data_id"]) if "data_id" in quantum else {}
        if said and said.keys() != command.data_id.keys():
            raise WrongToolError(
                "disagreeing-data-id",
                f"the record's data id is of {', '.join(sorted(said))}, the command line's of "
                f"{', '.join(sorted(command.data_id)) or 'nothing'}",
            )
        return [
            (each, getter((QUANTUM, "data_id", each)))
            for each in sorted(said)
            if command.data_id[each].reference != (QUANTUM, "data_id", each)
        ]

    def _check_staging(self, requirements: Mapping[str, Node]) -> None:
        strange = sorted(requirements.keys() - HARMLESS - {"InitialWorkDirRequirement"})
        if strange:
            raise UnsupportedError(f"the requirement {', '.join(strange)}")
        listing = requirements.get("InitialWorkDirRequirement", {}).get("listing", [])
        staged: set[Path] = set()
        for each in listing if isinstance(listing, list) else [listing]:
            path = parse(each).reference
            if path is None:
                raise UnsupportedError(f"the listing entry {each!r}")
            if path in staged:
                self._fault("extra-staged", f"{show(path)} is staged twice")
            staged.add(path)
        needed = {path: name for name, paths in self.feeds for path in paths}
        for path in needed.keys() - staged:
            text = f"files of connection {needed[path]!r} ({show(path)}) are not staged into the working folder"
            self._fault("unstaged-input", text)
        for path in sorted(staged - needed.keys(), key=str):
            self._fault("extra-staged", f"{show(path)} is staged and belongs to no connection")

    def _fault(self, code: str, message: str) -> None:
        self._ledger.error(code, message, self.place)


def input_kinds(node: Node, kinds: Kinds, where: str) -> dict[str, Kind]:
    """The types of a process's input ports; raises `MalformedError` and `UnsupportedError`."""
    found = {}
    for name, each in ports(node, "inputs").items():
        only(each, {"id", "type", "label", "doc", "default"}, f"input {name!r} of {where}")
        found[name] = kinds.of(each.get("type"))
    return found


def _command(node: Node) -> _Command:
    base = node.get("baseCommand") or []
    words = [parse(each) for each in ([base] if isinstance(base, str) else base)]
    words += [parse(each) for each in node.get("arguments") or []]
    if len(words) < 3 or not re.fullmatch(r"python(3(\.\d+)?)?", words[0].literal or ""):
        raise WrongToolError("wrong-command", "it does not start with python3 and the quantum runner")
    runner, mode = _path_of(words[1], "the quantum runner"), words[2].literal
    if mode not in ("quanta", "init"):
        raise WrongToolError("wrong-command", f"the quantum runner is asked for {mode!r}")
    options: dict[str, list[Template]] = {}
    name = ""
    for word in words[3:]:
        if word.literal is not None and word.literal.startswith("--"):
            name = word.literal
            if name in options:
                raise WrongToolError("wrong-command", f"{name} twice")
            options[name] = []
        elif not name:
            raise WrongToolError("wrong-command", "a word before the first option")
        else:
            options[name].append(word)
    known = {"--graph", "--butler"} | ({"--task"} if mode == "quanta" else set())
    if options.keys() != known or any(len(options[each]) != 1 for each in ("--graph", "--butler")):
        wanted = ", ".join(sorted(known))
        raise WrongToolError(
            "wrong-command", f"{mode} takes {wanted}; this one has {', '.join(sorted(options)) or 'nothing'}"
        )
    graph, butler = _path_of(options["--graph"][0], "--graph"), _path_of(options["--butler"][0], "--butler")
    command = _Command(mode == "init", (runner, graph, butler))
    if mode == "quanta":
        label, *words = options["--task"] or [Template(())]
        if not label.literal:
            raise WrongToolError("wrong-command", "--task is not followed by a label")
        command.label = label.literal
        command.data_id = _data_id(words)
    return command


def _data_id(words: list[Template]) -> dict[str, Template]:
    found: dict[str, Template] = {}
    for word in words:
        first = word.parts[0] if word.parts else ""
        name, equals, rest = first.partition("=") if isinstance(first, str) else ("", "", "")
        if not name or not equals or name in found:
            raise WrongToolError(
                "wrong-command", f"{word.literal or 'an expression'!r} where dimension=value is expected"
            )
        found[name] = Template(((rest,) if rest else ()) + word.parts[1:])
    return found


def _path_of(word: Template, what: str) -> Path:
    match word.reference:
        case (*path, "path") if path:
            return tuple(path)
    raise WrongToolError("wrong-command", f"{what} is not the path of an input file")


def _agree(hints: Mapping[str, Node], command: _Command) -> None:
    """Whether the hint names the task that the command line runs."""
    said = {
        name.rsplit(":", 1)[-1]: each for name, each in hints.items() if name.startswith(("rubin:", "urn:rubincwl:"))
    }
    if command.init:
        if "Init" not in said:
            raise WrongToolError("disagreeing-label", "the init job has no hint rubin:Init")
    elif "Task" not in said or said["Task"].get("label") != command.label:
        label = said.get("Task", {}).get("label")
        raise WrongToolError(
            "disagreeing-label", f"the hint rubin:Task says {label!r}, the command line {command.label!r}"
        )


def _text(template: Template) -> Getter:
    parts = [getter(part) if isinstance(part, tuple) else part for part in template.parts]
    if len(parts) == 1 and not isinstance(parts[0], str):
        whole = parts[0]

        def one(inputs: Mapping[str, Any]) -> Any:
            value = whole(inputs)
            return value if type(value) is str or value is UNKNOWN else text_of(value)

        return one

    def join(inputs: Mapping[str, Any]) -> Any:
        values = [each if isinstance(each, str) else each(inputs) for each in parts]
        return UNKNOWN if UNKNOWN in values else "".join(map(text_of, values))

    return join


def _output(name: str, node: Node, kinds: Kinds) -> Output:
    only(node, {"id", "type", "label", "doc", "outputBinding"}, f"output {name!r}")
    binding = node.get("outputBinding")
    if not isinstance(binding, dict) or not binding.get("glob"):
        raise MalformedError(f"output {name!r} has no glob")
    only(binding, {"glob"}, f"output {name!r}")
    kind = kinds.of(node.get("type"))
    array = is_array(kind)
    if not is_file(kind) and not (array and kind is kinds.of({"type": "array", "items": "File"})):
        raise UnsupportedError(f"{kind.text} as the type of output {name!r}")
    glob = binding["glob"]
    if isinstance(glob, list):
        several = [_text(parse(each)) for each in glob]
        return Output(name, lambda inputs: [each(inputs) for each in several], array, None)
    template = parse(glob)
    return Output(name, getter(template.reference) if template.reference else _text(template), array, template)


def _asked(node: Node) -> tuple[Path, ...]:
    """The parameter references in requirements and hints that say how much of something; others are left alone."""
    found: dict[Path, None] = {}
    for field_name in ("requirements", "hints"):
        for name, each in classes(node.get(field_name)).items():
            if name.rsplit(":", 1)[-1] in ("ResourceRequirement", "ToolTimeLimit", "Cluster", "Retry", "Job"):
                for value in each.values():
                    try:
                        path = parse(value).reference
                    except UnsupportedError:
                        continue
                    if path is not None:
                        found[path] = None
    return tuple(found)
