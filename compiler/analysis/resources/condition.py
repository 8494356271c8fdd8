"""A small language for data ids, ``detector in (1..4, 9) and visit >= 1000``, evaluated over columns of codes.

Words are those of the butler's queries: ``and``, ``or``, ``not``, ``in``, ranges ``1..9`` and ``1..9:2``, ``=`` or
``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, texts in quotes. A name is a dimension; one side of a comparison is one,
the other a number or a text. Nothing is executed: an expression becomes a tree, and the tree a table of truth over each
dimension's few values, looked up for all quanta at once.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from compiler.rubin.graph import Ints, Value

Bools = NDArray[np.bool_]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.(?!\.)\d*)?) | (?P<text>'[^']*'|"[^"]*") | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>\.\.|==|!=|<=|>=|[=<>(),:]))""",
    re.VERBOSE,
)
_COMPARE: Mapping[str, Callable[[Value | float, Value | float], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DEEPEST = 50
"""Parentheses and negations in each other."""
_MOST_COMPARISONS = 200

Test = Callable[[Value], bool]


class ConditionError(ValueError):
    """What is wrong with an expression, and where: `start` and `end` count characters from 0."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Comparison:
    """A test of one dimension's value."""

    dimension: str
    test: Test
    kind: type
    """`int` or `str`: of what the dimension is compared with."""
    start: int
    """Where its dimension stands in the expression."""


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    of: Node


@dataclass(frozen=True, slots=True)
class Both:
    """Both sides hold, or at least one."""

    left: Node
    right: Node
    every: bool


Node = Comparison | Not | Both


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that was understood."""

    text: str
    root: Node

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        return tuple(_comparisons(self.root))

    @property
    def dimensions(self) -> frozenset[str]:
        """Every dimension that it names; it says nothing about data ids that lack one."""
        return frozenset(each.dimension for each in self.comparisons)

    def holds(self, data_id: Mapping[str, Value]) -> bool:
        """Whether one data id satisfies it; raises `KeyError` if that lacks a dimension.

        >>> parse("detector in (1..3) and not band = 'r'").holds({"detector": 3, "band": "i"})
        True
        """
        return _holds(self.root, data_id)

    def mask(self, codes: Ints, dimensions: Sequence[str], vocabulary: Mapping[str, Sequence[Value]]) -> Bools:
        """Shape (rows,): whether each row of `codes`, shape (rows, dimensions), satisfies it.

        Raises `KeyError` if `dimensions` lack one that is named.
        """
        place = {name: number for number, name in enumerate(dimensions)}
        return _mask(self.root, codes, place, vocabulary)


def parse(text: str) -> Condition:
    """Understand an expression. Raises `ConditionError`.

    >>> parse("visit >= 1000 and").dimensions
    Traceback (most recent call last):
    compiler.analysis.resources.condition.ConditionError: a dimension is missing at the end
    """
    return Condition(text, _Parser(text).whole())


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0
        self.compared = 0

    def whole(self) -> Node:
        node = self.either()
        if self.kind() != "end":
            self.refuse("'and' or 'or' is missing {before}")
        return node

    def either(self) -> Node:
        node = self.both()
        while self.take("or"):
            node = Both(node, self.both(), every=False)
        return node

    def both(self) -> Node:
        node = self.negated()
        while self.take("and"):
            node = Both(node, self.negated(), every=True)
        return node

    def negated(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.refuse("parentheses nest too deep")
        if self.take("not"):
            node: Node = Not(self.negated())
        elif self.take("("):
            node = self.either()
            if not self.take(")"):
                self.refuse("')' is missing {before}")
        else:
            node = self.comparison()
        self.depth -= 1
        return node

    def comparison(self) -> Node:
        self.compared += 1
        if self.compared > _MOST_COMPARISONS:
            self.refuse(f"more than {_MOST_COMPARISONS} comparisons; say 'in (...)'")
        if self.kind() in ("number", "text"):
            value, _ = self.value()
            sign = self.sign()
            name, start = self.name()
            return _compared(name, _MIRRORED.get(sign, sign), value, start)
        name, start = self.name()
        opposite = self.take("not")
        if self.take("in"):
            node: Node = Comparison(name, *self.members(), start)
            return Not(node) if opposite else node
        if opposite:
            self.refuse("'in' is missing {before}")
        sign = self.sign()
        return _compared(name, sign, self.value()[0], start)

    def members(self) -> tuple[Test, type]:
        """A list in parentheses: values, and ranges of numbers."""
        if not self.take("("):
            self.refuse("'(' is missing {before}")
        values: set[Value | float] = set()
        ranges: list[range] = []
        while True:
            value, number = self.value()
            if self.take(".."):
                ranges.append(self.range_from(value, number))
            else:
                values.add(value)
            if self.take(")"):
                break
            if not self.take(","):
                self.refuse("',' or ')' is missing {before}")
        kinds = {_kind(each) for each in values} | ({int} if ranges else set())
        if len(kinds) > 1:
            self.at -= 1
            self.refuse("numbers and texts stand in one list before {found}")
        return (lambda value: value in values or any(value in each for each in ranges)), kinds.pop()

    def range_from(self, first: Value | float, at: int) -> range:
        last, _ = self.value()
        step: Value | float = 1
        if self.take(":"):
            step, _ = self.value()
        if not (isinstance(first, int) and isinstance(last, int) and isinstance(step, int) and step > 0):
            self.at = at
            self.refuse("a range is of whole numbers, as in 1..9 or 1..9:2; this begins with {found}")
        return range(first, last + 1, step)

    # What stands next.

    def kind(self) -> str:
        return self.tokens[self.at][0]

    def take(self, text: str) -> bool:
        kind, found, _ = self.tokens[self.at]
        if kind in ("word", "mark") and found.lower() == text:
            self.at += 1
            return True
        return False

    def name(self) -> tuple[str, int]:
        kind, found, start = self.tokens[self.at]
        if kind != "word" or found.lower() in ("and", "or", "not", "in"):
            self.refuse("a dimension is missing {before}")
        self.at += 1
        return found, start

    def sign(self) -> str:
        kind, found, _ = self.tokens[self.at]
        if kind != "mark" or found not in _COMPARE:
            self.refuse("a comparison (= != < <= > >= in) is missing {before}")
        self.at += 1
        return found

    def value(self) -> tuple[Value | float, int]:
        """A number or a text, and the place of its token."""
        kind, found, _ = self.tokens[self.at]
        if kind not in ("number", "text"):
            self.refuse("a number, or a text in quotes, is missing {before}")
        self.at += 1
        if kind == "text":
            return found[1:-1], self.at - 1
        return (float(found) if "." in found else int(found)), self.at - 1

    def refuse(self, message: str) -> NoReturn:
        kind, found, start = self.tokens[self.at]
        before = "at the end" if kind == "end" else f"before '{found}'"
        shown = "the end" if kind == "end" else f"'{found}'"
        raise ConditionError(message.format(before=before, found=shown), start, start + max(1, len(found)))


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and start of each token; the last is of the kind ``end``."""
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ConditionError(f"'{text[at]}' is not understood", at, at + 1)
        if found.lastgroup == "number" and len(found["number"]) > 30:
            raise ConditionError("a number of more than 30 digits", found.start("number"), found.end())
        yield found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)
        at = found.end()
    yield "end", "", len(text.rstrip())


def _compared(name: str, sign: str, value: Value | float, start: int) -> Comparison:
    compare = _COMPARE[sign]
    return Comparison(name, lambda found: compare(found, value), _kind(value), start)


def _kind(value: Value | float) -> type:
    return str if isinstance(value, str) else int


def _comparisons(node: Node) -> Iterator[Comparison]:
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, Not):
        yield from _comparisons(node.of)
    else:
        yield from _comparisons(node.left)
        yield from _comparisons(node.right)


def _holds(node: Node, data_id: Mapping[str, Value]) -> bool:
    if isinstance(node, Comparison):
        value = data_id[node.dimension]
        return isinstance(value, node.kind) and node.test(value)
    if isinstance(node, Not):
        return not _holds(node.of, data_id)
    left, right = _holds(node.left, data_id), _holds(node.right, data_id)
    return left and right if node.every else left or right


def _mask(node: Node, codes: Ints, place: Mapping[str, int], vocabulary: Mapping[str, Sequence[Value]]) -> Bools:
    if isinstance(node, Comparison):
        values = vocabulary[node.dimension]
        truth = np.fromiter((isinstance(v, node.kind) and node.test(v) for v in values), dtype=bool, count=len(values))
        found: Bools = truth[codes[:, place[node.dimension]]]
        return found
    if isinstance(node, Not):
        return ~_mask(node.of, codes, place, vocabulary)
    left, right = _mask(node.left, codes, place, vocabulary), _mask(node.right, codes, place, vocabulary)
    return left & right if node.every else left | right
