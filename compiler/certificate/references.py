"""CWL parameter references, ``$(inputs.a.b[0])``, compiled into functions of a call's inputs.

The grammar is that of the specification (v1.2, section "Parameter references"); what is not in it is
JavaScript, and only an ExpressionTool may hold that here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.certificate.document import UnsupportedError
from compiler.certificate.values import UNKNOWN, File, describe

Path = tuple[str | int, ...]
"""What stands behind ``inputs``: names and array positions."""
Getter = Callable[[Mapping[str, Any]], Any]

_SEGMENT = re.compile(r"""\.(\w+)|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]""")
_REFERENCE = re.compile(r"\$\(inputs((?:" + _SEGMENT.pattern + r")*)\)", re.VERBOSE)


class UnresolvedError(ValueError):
    """A reference leads nowhere for this call; the text says at which segment."""


@dataclass(frozen=True, slots=True)
class Template:
    """A string with references in it."""

    parts: tuple[str | Path, ...]
    """Literal text and references in turn."""

    @property
    def literal(self) -> str | None:
        """The text if it holds no reference."""
        if not self.parts:
            return ""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], str) else None

    @property
    def reference(self) -> Path | None:
        """The reference if it is all that there is: then the value keeps its type."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], tuple) else None


def parse(text: Any) -> Template:
    """Split a string into literal text and references; raises `UnsupportedError`."""
    if not isinstance(text, str):
        raise UnsupportedError(f"{describe(text)} where a string is expected")
    if "$(" not in text and "${" not in text:
        return Template((text,) if text else ())
    if "\\" in text:
        raise UnsupportedError(f"the escapes in {text!r}")
    parts: list[str | Path] = []
    at = 0
    for found in _REFERENCE.finditer(text):
        parts += [text[at : found.start()], _path(found[1])]
        at = found.end()
    parts.append(text[at:])
    if any("$(" in part or "${" in part for part in parts if isinstance(part, str)):
        raise UnsupportedError(f"the expression {text!r}")
    return Template(tuple(part for part in parts if part != ""))


def _path(text: str) -> Path:
    path: list[str | int] = []
    for name, single, double, index in _SEGMENT.findall(text):
        quoted = re.sub(r"\\(.)", r"\1", single or double)
        path.append(int(index) if index else name or quoted)
    return tuple(path)


def show(path: Path) -> str:
    """A reference as it is written.

    >>> show(("_quantum", "data_id", 0))
    '$(inputs._quantum.data_id[0])'
    """
    return "$(inputs" + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path) + ")"


def getter(path: Path) -> Getter:
    """The function that follows a reference.

    It raises `UnresolvedError`, and answers `UNKNOWN` where an unknown value stands in the way.
    """
    match path:
        case (str(a),):
            fast: Getter = lambda inputs: inputs[a]  # noqa: E731
        case (str(a), str(b), str(c)):
            fast = lambda inputs: inputs[a][b][c]  # noqa: E731
        case _:
            fast = lambda inputs: _follow(path, inputs)  # noqa: E731

    def get(inputs: Mapping[str, Any]) -> Any:
        try:
            return fast(inputs)
        except (KeyError, TypeError):
            # Whatever the short way stumbles over, the long way names, or answers for a file or an unknown value.
            return _follow(path, inputs)

    return get


def _follow(path: Path, inputs: Mapping[str, Any]) -> Any:
    value: Any = inputs
    for at, segment in enumerate(path):
        if value is UNKNOWN:
            return UNKNOWN
        if (segment in value) if isinstance(value, Mapping) else (type(value) is list and segment in range(len(value))):
            value = value[segment]
        elif segment == "length" and type(value) is list:
            value = len(value)
        elif isinstance(segment, str) and type(value) is File:
            value = _property(value, segment, path)
        else:
            raise UnresolvedError(f"{show(path)}: {describe(value) if at else 'the call'} has no {segment!r}")
    return value


def _property(file: File, name: str, path: Path) -> str:
    match name:
        case "basename":
            return file.name
        case "class":
            return "File"
        case "nameroot" | "nameext":
            # The specification: leading dots belong to the root.
            stem = file.name.lstrip(".")
            dot = stem.rfind(".")
            cut = len(file.name) - len(stem) + dot if dot > 0 else len(file.name)
            return file.name[:cut] if name == "nameroot" else file.name[cut:]
    raise UnresolvedError(f"{show(path)}: {name!r} of a file is known only to an engine")


def text_of(value: Any) -> str:
    """A value inside a longer string: strings as they are, numbers and booleans as JSON; raises `UnresolvedError`."""
    if type(value) is str:
        return value
    if type(value) in (int, bool, float):
        return json.dumps(value)
    raise UnresolvedError(f"{describe(value)} where text is needed")
