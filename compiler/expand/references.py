"""CWL parameter references, compiled once and evaluated for every job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from compiler.expand.ledger import StagedFile

Scope = Mapping[str, Any]
"""``inputs``, ``self`` and ``runtime``."""
Evaluate = Callable[[Scope], Any]

_SEGMENT = re.compile(r"""\.(\w+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_ROOT = re.compile(r"\w+")
_FILE = {"path": "lfn", "basename": "lfn", "location": "location", "size": "size", "nameroot": "", "nameext": ""}


class UnsupportedError(Exception):
    """An expression that is no parameter reference, or that finds nothing; its argument says which and why."""


def compile_text(text: Any) -> Evaluate:
    """A function of the scope that gives what `text` stands for: a string, or a value if it is one reference alone.

    Raises `UnsupportedError` for JavaScript.
    """
    if not isinstance(text, str) or "$" not in text:
        return lambda scope: text
    parts = list(_split(text))
    if len(parts) == 1 and not isinstance(parts[0], str):
        return _reference(parts[0])
    functions = [_constant(p) if isinstance(p, str) else _reference(p) for p in parts]
    return lambda scope: "".join(_text(f(scope)) for f in functions)


def is_constant(text: Any) -> bool:
    """Whether `text` means itself: no reference in it and nothing escaped."""
    return not isinstance(text, str) or "$" not in text


def _split(text: str) -> list[str | tuple[str, ...]]:
    """Literal pieces as strings, references as a tuple of the whole and its names."""
    out: list[str | tuple[str, ...]] = []
    literal = ""
    at = 0
    while at < len(text):
        if text.startswith(("\\$(", "\\${"), at):
            literal, at = literal + text[at + 1 : at + 3], at + 3
        elif text.startswith("${", at):
            raise UnsupportedError(f"{text!r} is JavaScript")
        elif text.startswith("$(", at):
            reference, at = _parse(text, at + 2)
            if literal:
                out.append(literal)
            out.append(reference)
            literal = ""
        else:
            literal, at = literal + text[at], at + 1
    return [*out, literal] if literal else out


def _parse(text: str, at: int) -> tuple[tuple[str, ...], int]:
    root = _ROOT.match(text, at)
    if root is None or root[0] not in ("inputs", "self", "runtime"):
        raise UnsupportedError(f"{text!r} is JavaScript")
    names, at = [root[0]], root.end()
    while segment := _SEGMENT.match(text, at):
        name, index, single, double = segment.groups()
        quoted = single if single is not None else double
        names.append(name or index or re.sub(r"\\(.)", r"\1", quoted))
        at = segment.end()
    if not text.startswith(")", at):
        raise UnsupportedError(f"{text!r} is JavaScript")
    return tuple(names), at + 1


def _constant(text: str) -> Evaluate:
    return lambda scope: text


def _reference(names: tuple[str, ...]) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value: Any = scope
        for name in names:
            try:
                value = _member(value, name)
            except (KeyError, IndexError, ValueError):
                raise UnsupportedError(f"'$({'.'.join(names)})' finds no {name!r}") from None
        return value

    return evaluate


def _member(value: Any, name: str) -> Any:
    if isinstance(value, dict):  # not Mapping: this is asked a million times
        return value[name]
    if isinstance(value, StagedFile):
        if name == "class":
            return "File"
        stem, dot, end = value.lfn.rpartition(".")
        if name == "nameroot":
            return stem if stem else value.lfn
        if name == "nameext":
            return dot + end if stem else ""
        return getattr(value, _FILE[name])
    if isinstance(value, list):
        return len(value) if name == "length" else value[int(name)]
    raise KeyError(name)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, StagedFile):
        return value.lfn
    return json.dumps(value)
