"""A CommandLineTool, read once and called for every data id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.diagnostics import Findings
from compiler.expand.document import Process, classes, file_type, is_array, items, local_id, our_hint
from compiler.expand.ledger import Ledger, StagedFile
from compiler.expand.references import Evaluate, Scope, UnsupportedError, compile_text, is_constant
from compiler.jobs import QuantumKey
from compiler.runtime.quantum_runner import dataset_name

Resources = tuple[float | None, float | None]
"""Cores and MiB as a workflow, a step or a tool asks for them."""

_DEFAULT_CORES, _DEFAULT_MEMORY = 1.0, 2048
_WILD = frozenset("*?[]")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the command line, placed by its sort key."""

    key: tuple[int, int, str]
    evaluate: Evaluate
    binding: Mapping[str, Any]
    port: str | None = None
    """The input that it shows, or None for an argument."""
    fixed: str | None = None
    """The only word it ever adds, for an argument that refers to nothing."""


class Tool:
    """Makes one job a call.

    Everything that cannot be said in a job graph is told once, when the tool is read.
    """

    def __init__(self, process: Process, ledger: Ledger, findings: Findings) -> None:
        self.id = local_id(process.get("id", "tool"))
        self._ledger = ledger
        self._findings = findings
        hint = our_hint(process, "Task")
        self._label: str | None = hint["label"] if hint else None
        self._is_init = our_hint(process, "Init") is not None
        self._outputs: list[tuple[str, bool, list[Evaluate]]] = []
        self._pieces: list[_Piece] = []
        self._base: list[str] = []
        self._defaults: dict[str, Any] = {}
        self._resources = resources_of(process)
        try:
            self._read_command(process)
            self._read_outputs(process)
        except UnsupportedError as reason:
            self._complain("unsupported-expression", str(reason))
        for key in ("stdin", "stdout", "stderr"):
            if key in process:
                self._complain("unsupported-stream", f"it redirects {key}")

    def _complain(self, code: str, what: str) -> None:
        self._findings.error(code, f"tool {self.id!r} cannot become a job: {what}")

    def _read_command(self, process: Process) -> None:
        base = process.get("baseCommand") or []
        self._base = [base] if isinstance(base, str) else list(base)
        for place, argument in enumerate(process.get("arguments") or ()):
            body = argument if isinstance(argument, Mapping) else {"valueFrom": argument}
            key = (int(body.get("position") or 0), place, "")
            text = body["valueFrom"]
            fixed = text if isinstance(argument, str) and is_constant(text) else None
            self._pieces.append(_Piece(key, compile_text(text), body, None, fixed))
        for port, body in items(process.get("inputs")):
            if "default" in body:
                self._defaults[port] = body["default"]
            binding = body.get("inputBinding")
            if binding is not None:
                shown = compile_text(binding.get("valueFrom", f'$(inputs["{port}"])'))
                key = (int(binding.get("position") or 0), 1 << 30, port)
                self._pieces.append(_Piece(key, shown, binding, port))
        self._pieces.sort(key=lambda piece: piece.key)

    def _read_outputs(self, process: Process) -> None:
        for port, body in items(process.get("outputs")):
            binding = body.get("outputBinding") or {}
            if not file_type(body["type"]) or "glob" not in binding or "outputEval" in binding:
                self._complain("unsupported-output", f"output {port!r} is not a File found by glob")
                continue
            glob = binding["glob"]
            globs = [glob] if isinstance(glob, str) else glob
            self._outputs.append((port, is_array(body["type"]), [compile_text(each) for each in globs]))

    def call(self, inputs: dict[str, Any], given: Resources, where: tuple[str, tuple[int, ...]]) -> dict[str, Any]:
        """Add the job that these inputs make and return its outputs: a file a port, or a list.

        `given` is what the workflow and the step ask for; `where` names the step and the places in its scatters.
        Raises `UnsupportedError`.
        """
        for port, value in self._defaults.items():
            if inputs.get(port) is None:
                inputs[port] = value
        scope: Scope = {"inputs": inputs, "self": None, "runtime": {"outdir": ".", "tmpdir": "tmp"}}
        id, quanta = self._identity(inputs, where)
        command = list(self._base)
        for piece in self._pieces:
            if piece.fixed is not None:
                command.append(piece.fixed)
            else:
                command.extend(_words(piece, scope))
        outputs: dict[str, Any] = {}
        made: list[StagedFile] = []
        for port, several, globs in self._outputs:
            files = [self._ledger.make(name, port, id) for name in _names(globs, scope)]
            made.extend(files)
            if not several and len(files) != 1:
                raise UnsupportedError(f"output {port!r} of {id!r} is one file but its glob gives {len(files)}")
            outputs[port] = files if several else files[0]
        resources = self._amount(given, scope)
        self._ledger.add_job(id, self.id, command, list(_files(inputs)), made, resources, quanta)
        return outputs

    def _identity(
        self, inputs: Mapping[str, Any], where: tuple[str, tuple[int, ...]]
    ) -> tuple[str, tuple[QuantumKey, ...]]:
        if self._label is not None:
            data_id = (inputs.get("_quantum") or {}).get("data_id") or {}
            return dataset_name(self.id, data_id.values()), ((self._label, tuple(data_id.items())),)
        if self._is_init:
            return dataset_name(self.id, ()), ()
        step, places = where
        return dataset_name(step or self.id, places), ()

    def _amount(self, given: Resources, scope: Scope) -> tuple[float, int]:
        cores, memory = (
            mine if mine is not None else theirs for mine, theirs in zip(self._resources, given, strict=True)
        )
        cores, memory = compile_text(cores)(scope), compile_text(memory)(scope)
        return (
            _DEFAULT_CORES if cores is None else float(cores),
            _DEFAULT_MEMORY if memory is None else -int(-float(memory) // 1),
        )


def resources_of(process: Mapping[str, Any]) -> Resources:
    """Cores and MiB that a process or a step asks for, None where it does not; requirements come before hints."""
    for field in ("requirements", "hints"):
        for name, body in classes(process.get(field)):
            if name == "ResourceRequirement":
                return (
                    body.get("coresMin", body.get("coresMax")),
                    body.get("ramMin", body.get("ramMax")),
                )
    return (None, None)


def _names(globs: list[Evaluate], scope: Scope) -> Iterator[str]:
    for glob in globs:
        found = glob(scope)
        for name in found if isinstance(found, list) else [found]:
            if _WILD.intersection(name):
                raise UnsupportedError(f"the glob {name!r} is a pattern, so what it finds is not known before it runs")
            yield name


def _files(value: Any) -> Iterator[StagedFile]:
    """Every file in a value, depth first."""
    if isinstance(value, StagedFile):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _files(each)
    elif isinstance(value, list):
        for each in value:
            yield from _files(each)


def _words(piece: _Piece, scope: Scope) -> Iterator[str]:
    """The words that a binding adds to a command line (CWL v1.2, section 4.1 "Input binding")."""
    if piece.port is not None:
        shown = scope["inputs"].get(piece.port)
        if shown is None:
            return
        if "valueFrom" in piece.binding:
            scope = {**scope, "self": shown}
    value = piece.evaluate(scope)
    prefix, separate = piece.binding.get("prefix"), piece.binding.get("separate", True)
    if value is None or value is False:
        return
    if value is True:
        yield from [prefix] if prefix else []
        return
    values = value if isinstance(value, list) else [value]
    words = [each.lfn if isinstance(each, StagedFile) else _plain(each) for each in values]
    if isinstance(value, list) and "itemSeparator" in piece.binding:
        words = [piece.binding["itemSeparator"].join(words)]
    if prefix and not separate and words:
        yield prefix + words[0]
        yield from words[1:]
    else:
        yield from [prefix] if prefix else []
        yield from words


def _plain(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise UnsupportedError(f"a {type(value).__name__} cannot be a word of a command line")
