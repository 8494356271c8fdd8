"""CWL parameter references, compiled once and evaluated for all calls of a batch together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.expand.columns import Column, Plain, Record, Same, mapped

_SEGMENT = re.compile(r"""\.(\w+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_ROOT = re.compile(r"\w+")

Reference = tuple[str, ...]
Part = str | Reference


class UnsupportedError(Exception):
    """An expression that is no parameter reference, or that finds nothing; its argument says which and why."""


@dataclass(frozen=True, slots=True)
class Text:
    """What stood where an expression may stand: literal pieces and references, or a value that is no text."""

    parts: tuple[Part, ...] = ()
    """With a reference among them."""
    value: Any = None
    """What it is if it has no parts."""

    @property
    def is_constant(self) -> bool:
        """Whether it is the same in every call: no reference in it."""
        return not self.parts


def compile_text(text: Any) -> Text:
    """The pieces of `text`; raises `UnsupportedError` for JavaScript."""
    if not isinstance(text, str) or "$" not in text:
        return Text(value=text)
    parts = tuple(_split(text))
    if len(parts) == 1 and isinstance(parts[0], str):
        return Text(value=parts[0])
    return Text(parts)


class Scope:
    """What the expressions of a batch may refer to: ``inputs``, ``self`` and ``runtime``."""

    def __init__(self, rows: int, inputs: Mapping[str, Column], itself: Column | None = None) -> None:
        self.rows = rows
        self.inputs = inputs
        self._roots: dict[str, Column] = {
            "inputs": Record(inputs),
            "self": itself if itself is not None else constant(None),
            "runtime": Record({"outdir": constant("."), "tmpdir": constant("tmp")}),
        }
        self._found: dict[Reference, Column] = {}
        self._joined: dict[tuple[Part, ...], list[str] | str] = {}

    def with_self(self, itself: Column) -> Scope:
        return Scope(self.rows, self.inputs, itself)

    def evaluate(self, text: Text) -> Column:
        """What `text` stands for in each call: texts, or values if it is one reference alone."""
        if not text.parts:
            return constant(text.value)
        if len(text.parts) == 1 and isinstance(text.parts[0], tuple):
            return self.find(text.parts[0])
        joined = self._join(text.parts)
        return constant(joined) if isinstance(joined, str) else Plain(joined)

    def find(self, reference: Reference) -> Column:
        known = self._found.get(reference)
        if known is None:
            known = self._roots[reference[0]]
            for name in reference[1:]:
                try:
                    known = known.member(name)
                except KeyError:
                    raise UnsupportedError(f"'$({'.'.join(reference)})' finds no {name!r}") from None
            self._found[reference] = known
        return known

    def _join(self, parts: tuple[Part, ...]) -> list[str] | str:
        """The pieces written one behind the other.

        The names of a quantum's outputs differ in how they begin and end alike: what follows a literal beginning is
        made once.
        """
        head = parts[0]
        if isinstance(head, str) and len(parts) == 2:
            tail = self._texts(parts[1:])
            return head + tail if isinstance(tail, str) else mapped(tail, head.__add__)
        if isinstance(head, str):
            tail = self._texts(parts[1:])
            return head + tail if isinstance(tail, str) else [head + each for each in tail]
        return self._texts(parts)

    def _texts(self, parts: tuple[Part, ...]) -> list[str] | str:
        known = self._joined.get(parts)
        if known is None:
            known = self._joined[parts] = self._texts_anew(parts)
        return known

    def _texts_anew(self, parts: tuple[Part, ...]) -> list[str] | str:
        if len(parts) == 1:
            part = parts[0]
            return part if isinstance(part, str) else self._texts_of(self.find(part))
        texts = [self._texts((part,)) for part in parts]
        columns = [each for each in texts if isinstance(each, list)]
        if not columns:
            return "".join(each for each in texts if isinstance(each, str))
        template = "".join(each.replace("%", "%%") if isinstance(each, str) else "%s" for each in texts)
        return [template % row for row in zip(*columns, strict=True)]

    def _texts_of(self, column: Column) -> list[str] | str:
        try:
            if isinstance(column, Same):
                return column.inner.texts(1)[0]
            return column.texts(self.rows)
        except TypeError:
            raise UnsupportedError("a record that holds files cannot stand inside a text") from None


def constant(value: Any) -> Same:
    """The same value, which holds no file, in every call."""
    return Same(Plain([value]))


def _split(text: str) -> Iterator[Part]:
    """Literal pieces as strings, references as tuples of names."""
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
                yield literal
            yield reference
            literal = ""
        else:
            literal, at = literal + text[at], at + 1
    if literal:
        yield literal


def _parse(text: str, at: int) -> tuple[Reference, int]:
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
