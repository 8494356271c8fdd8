"""Expressions on data ids: the same for columns as for each data id alone, and as Python would have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.analysis.resources.condition import ConditionError, parse

VOCABULARY = {"detector": tuple(range(-3, 9)), "visit": (5, 1000, 1001, 2**40), "band": ("+20", "My r", "g", "r", "é")}
DIMENSIONS = tuple(VOCABULARY)

NUMBERS = st.sampled_from([-3, -1, 0, 1, 4, 8, 1000, 1001, 2**40])
TEXTS = st.sampled_from(["g", "r", "My r", "z", ""])


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, str]:
    """An expression, and the same in Python."""
    name = draw(st.sampled_from(DIMENSIONS))
    values = TEXTS if name == "band" else NUMBERS
    if draw(st.booleans()):
        sign = draw(st.sampled_from(["=", "==", "!=", "<", "<=", ">", ">="]))
        value = draw(values)
        sides = [name, repr(value)] if draw(st.booleans()) else [repr(value), name]
        return f"{sides[0]} {sign} {sides[1]}", f"{sides[0]} {'==' if sign == '=' else sign} {sides[1]}"
    members = [repr(each) for each in draw(st.lists(values, min_size=1, max_size=3))]
    python = [f"{name} == {each}" for each in members]
    if name != "band" and draw(st.booleans()):
        first, last, step = draw(st.integers(-4, 9)), draw(st.integers(-4, 9)), draw(st.integers(1, 3))
        members.append(f"{first}..{last}:{step}")
        python.append(f"{name} in range({first}, {last + 1}, {step})")
    word = draw(st.sampled_from(["in", "not in", "IN"]))
    return f"{name} {word} ({', '.join(members)})", f"{'not ' * (word == 'not in')}({' or '.join(python)})"


def combined(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    both = st.tuples(inner, st.sampled_from(["and", "or", "AND"]), inner)
    return st.one_of(
        inner.map(lambda each: (f"not ({each[0]})", f"not ({each[1]})")),
        both.map(lambda each: (f"{each[0][0]} {each[1]} {each[2][0]}", f"{each[0][1]} {each[1].lower()} {each[2][1]}")),
        both.map(lambda e: (f"({e[0][0]}) {e[1]} ({e[2][0]})", f"({e[0][1]}) {e[1].lower()} ({e[2][1]})")),
    )


EXPRESSIONS = st.recursive(comparisons(), combined, max_leaves=5)


def eval_in_python(text: str, data_id: Mapping[str, Any]) -> bool:
    return bool(eval(text, {"__builtins__": {"range": range}}, dict(data_id)))


@given(expression=EXPRESSIONS, seed=st.integers(0, 2**16))
def test_the_mask_of_columns_is_what_each_data_id_alone_gives(expression: tuple[str, str], seed: int) -> None:
    text, python = expression
    condition = parse(text)
    random = np.random.default_rng(seed)
    codes = np.column_stack([random.integers(0, len(VOCABULARY[d]), 30) for d in DIMENSIONS]).astype(np.int32)
    rows = [{d: VOCABULARY[d][code] for d, code in zip(DIMENSIONS, row, strict=True)} for row in codes.tolist()]
    mask = condition.mask(codes, DIMENSIONS, VOCABULARY)
    assert mask.tolist() == [condition.holds(row) for row in rows]
    assert mask.tolist() == [eval_in_python(python, row) for row in rows]


@given(st.text(alphabet="detcor viband=<>!()..,:'\"0123456789-", max_size=40))
def test_any_text_is_an_expression_or_refused_at_a_place_in_it(text: str) -> None:
    refused = refusal(text)
    assert refused is None or 0 <= refused.start <= len(text) < refused.end + len(text)
    assert refused is not None or parse(text).dimensions


def refusal(text: str) -> ConditionError | None:
    try:
        parse(text)
    except ConditionError as error:
        return error
    return None


def test_a_number_is_never_a_text() -> None:
    assert not parse("band = 1").holds({"band": "1"})
    assert not parse("detector = '1'").holds({"detector": 1})
    assert not parse("detector < 'a'").holds({"detector": 1})


@pytest.mark.parametrize("text", ["(" * 5000 + "visit = 1" + ")" * 5000, "not " * 5000 + "visit = 1"])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ConditionError, match="too deep"):
        parse(text)


def test_long_chains_are_refused_and_long_lists_are_not() -> None:
    with pytest.raises(ConditionError, match=r"in \(\.\.\.\)"):
        parse(" or ".join(f"visit = {n}" for n in range(5000)))
    listed = parse(f"visit in ({', '.join(map(str, range(5000)))})")
    assert listed.holds({"visit": 4999})
    assert not listed.holds({"visit": 5000})


def test_python_is_not_executed() -> None:
    for text in ("__import__('os')", "detector.real = 1", "detector = 1; visit = 2", "visit = f(1)", "lambda: 1"):
        with pytest.raises(ConditionError):
            parse(text)
