"""Reads a compiled folder again: its workflow and its job order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import yaml

from compiler.collection import no_collection
from compiler.diagnostics import CompileError, Diagnostic, Span

_SCALARS = {
    "null": (r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    "float": (r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
}
"""Plain scalars that are no strings: pattern, and first characters."""
_PIECE = 64
"""Rows of a job order in a piece; a row may be an array."""


def read_folder(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The workflow and the job order of a folder that `compile` wrote, as plain objects.

    Raises `CompileError` with a finding for each file that is missing or cannot be read.
    """
    findings: list[Diagnostic] = []
    with no_collection():
        document = _read(out / "workflow.cwl", findings)
        job_order = _read(out / "job.json", findings)
    if document is None or job_order is None:
        raise CompileError(findings)
    return document, job_order


def _read(path: Path, findings: list[Diagnostic]) -> dict[str, Any] | None:
    place = Span(str(path), 1, 1)
    try:
        content = _parse(path.read_bytes())
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        help = "a folder that `rubincwl compile` wrote holds workflow.cwl and job.json"
        findings.append(Diagnostic("missing-file", f"cannot be read: {reason.lower()}", place, help))
    except UnicodeDecodeError:
        findings.append(Diagnostic("corrupt-file", "it is no UTF-8 text", place))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        if mark is not None:
            place = Span(str(path), mark.line + 1, mark.column + 1)
        findings.append(Diagnostic("corrupt-file", f"it is neither JSON nor YAML: {problem.problem}", place))
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        findings.append(Diagnostic("corrupt-file", f"it is neither JSON nor YAML: {reason}", place))
    else:
        if isinstance(content, dict):
            return content
        findings.append(Diagnostic("corrupt-file", f"it holds {type(content).__name__}, not an object", place))
    return None


def _parse(data: bytes) -> Any:
    """JSON where it is JSON, which is a hundred times faster to read, else YAML."""
    if data[:1000].lstrip().startswith(b"{"):
        try:
            content = msgspec.json.decode(data)
            # The parser keeps the last of two equal keys. A text that is written back as it was has no such.
            if _is_written(content, data):
                return content
        except msgspec.DecodeError:
            pass
        try:
            return json.loads(data, object_pairs_hook=_no_duplicates)
        except json.JSONDecodeError:
            pass
    return yaml.load(data.decode("utf-8"), Loader=_loader())


def _is_written(content: Any, data: bytes) -> bool:
    """Whether a text is the content's JSON, but for space around the outermost keys and values."""
    at = 0
    for piece in json_pieces(content):
        while data[at : at + 1].isspace():
            at += 1
        if not data.startswith(piece, at):
            return False
        at += len(piece)
    return not data[at:].strip()


def json_pieces(content: Any) -> Iterator[bytes]:
    """The JSON of an object without spaces, in pieces small beside a whole job order."""
    if not isinstance(content, dict):
        yield _encoded(content)
        return
    yield b"{"
    for n, (key, value) in enumerate(content.items()):
        if n:
            yield b","
        yield _encoded(str(key))
        yield b":"
        if isinstance(value, list) and len(value) > _PIECE:
            for first in range(0, len(value), _PIECE):
                yield b"," if first else b"["
                yield _encoded(value[first : first + _PIECE])[1:-1]
            yield b"]"
        else:
            yield _encoded(value)
    yield b"}"


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (ValueError, OverflowError, TypeError, RecursionError):
        # Not from a job order of ours: numbers beyond 64 bits, halves of characters.
        return json.dumps(value, separators=(",", ":"), default=str).encode()


def _loader() -> type[Any]:
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """YAML 1.2, as CWL's engines read it, where PyYAML reads 1.1: ``on`` and ``2026-01-01`` are strings.

        Refuses a key that stands twice: parsers differ in which one counts.
        """

        yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            if any(key.tag != "tag:yaml.org,2002:str" for key, _ in node.value):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no string", node.start_mark)
            keys = [key.value for key, _ in node.value]
            if len(set(keys)) < len(keys):
                key = next(each for each in keys if keys.count(each) > 1)
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", node.start_mark)
            return super().construct_mapping(node, deep)

    for kind, (pattern, first) in _SCALARS.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(pattern), first)
    return Loader


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found
