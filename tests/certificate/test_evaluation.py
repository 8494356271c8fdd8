"""Parts of the evaluator: references, types, links, JavaScript."""

from __future__ import annotations

import math
from typing import Any

import pytest

from compiler.certificate.conformance import Kinds
from compiler.certificate.document import MalformedError, UnsupportedError
from compiler.certificate.javascript import ExpressionError, JavaScript, NoEngineError
from compiler.certificate.links import feed
from compiler.certificate.references import UnresolvedError, getter, parse
from compiler.certificate.values import UNKNOWN, BadFileError, File, JobOrder, Record

FILE = File("raw-1.fits", None, "inputs/raw.fits")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("a b", ("a b",)),
        ("$(inputs)", ((),)),
        ("$(inputs.a)", (("a",),)),
        ("$(inputs.a.b[0])", (("a", "b", 0),)),
        ("$(inputs['a b'][\"c\"][2])", (("a b", "c", 2),)),
        ("x=$(inputs.a)-$(inputs.b)", ("x=", ("a",), "-", ("b",))),
        ("$HOME (inputs.a)", ("$HOME (inputs.a)",)),
    ],
)
def test_references_are_taken_apart(text: str, parts: tuple[Any, ...]) -> None:
    assert parse(text).parts == parts


@pytest.mark.parametrize(
    "text", ["$(inputs.a + 1)", "${return 1}", "$(self.a)", "$(runtime.cores)", r"\$(inputs.a)", "$(inputs.a", 3, None]
)
def test_what_is_no_reference_is_refused(text: Any) -> None:
    with pytest.raises(UnsupportedError):
        parse(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("a",), 3),
        (("r", "s", "t"), "x"),
        (("r", "u", 1), "q"),
        (("r", "u", "length"), 2),
        (("f", "basename"), "raw-1.fits"),
        (("f", "nameroot"), "raw-1"),
        (("f", "nameext"), ".fits"),
        (("n", "whatever", 3), UNKNOWN),
    ],
)
def test_references_are_followed(path: tuple[str | int, ...], value: Any) -> None:
    inputs = {"a": 3, "r": Record({"s": Record({"t": "x"}), "u": ["p", "q"]}), "f": FILE, "n": UNKNOWN}
    assert getter(path)(inputs) == value


@pytest.mark.parametrize(
    "path", [("b",), ("a", "b"), ("r", "b", "c"), ("l", 3), ("l", "x"), ("f", "path"), ("f", "size")]
)
def test_references_that_lead_nowhere_are_told(path: tuple[str | int, ...]) -> None:
    with pytest.raises(UnresolvedError, match=str(path[-1])):
        getter(path)({"a": 3, "r": Record({"s": 1}), "l": [1], "f": FILE})


RECORD = {"type": "record", "fields": {"a": "int", "b": {"type": "string?"}}}


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("int", [0, -(2**31)], [2**31, True, 1.5, "1", None]),
        ("long", [2**40], [2**63]),
        ("double", [1, 1.5], [True, "1"]),
        ("string", ["", "a"], [None, 1, FILE]),
        ("File", [FILE], ["raw", [FILE], None]),
        ("File[]", [[], [FILE]], [FILE, [FILE, None], None]),
        ("File?", [FILE, None], ["x"]),
        (["null", "string"], [None, "x"], [1]),
        ({"type": "array", "items": {"type": "array", "items": "int"}}, [[[1], []]], [[1], [[None]]]),
        (RECORD, [Record({"a": 1}), Record({"a": 1, "b": "x"})], [Record({}), Record({"a": 1, "c": 2}), {"a": 1}]),
        ("Any", [1, FILE, []], [None]),
    ],
)
def test_values_have_the_declared_type_or_not(kind: Any, right: list[Any], wrong: list[Any]) -> None:
    declared = Kinds().of(kind)
    assert all(map(declared.accepts, [*right, UNKNOWN]))
    assert not any(map(declared.accepts, wrong))
    assert all(isinstance(declared.why_not(each), str) for each in wrong)


def test_a_record_seen_by_one_type_is_seen_again_by_another() -> None:
    kinds = Kinds()
    value = Record({"a": 1})
    assert kinds.of(RECORD).accepts(value)
    assert not kinds.of({"type": "record", "fields": {"a": "string"}}).accepts(value)
    assert kinds.of(dict(RECORD)) is kinds.of(RECORD)


@pytest.mark.parametrize(
    "kind", ["Directory", "stdout", "Fil", {"type": "enum", "symbols": ["a"]}, {"type": "array"}, None]
)
def test_types_that_are_not_understood_are_refused(kind: Any) -> None:
    with pytest.raises(UnsupportedError):
        Kinds().of(kind)


def test_links_merge_as_the_specification_says() -> None:
    known = {("", "a"), ("s", "b")}
    values = {("", "a"): [1], ("s", "b"): [2, 3]}
    several = frozenset({"MultipleInputFeatureRequirement"})

    def value(**link: Any) -> Any:
        return feed(link, "source", "main", known, several)(values)

    assert value(source="a") == [1]
    assert value(source=["#main/s/b"]) == [2, 3]
    assert value(source=["s/b"], linkMerge="merge_nested") == [[2, 3]]
    assert value(source=["a", "s/b"]) == [[1], [2, 3]]
    assert value(source=["a", "s/b"], linkMerge="merge_flattened") == [1, 2, 3]
    assert value(default="x") == "x"
    for wrong in ({"source": "c"}, {"source": "#other/a"}, {"source": "a", "linkMerge": "x"}, {}):
        with pytest.raises(MalformedError):
            value(**wrong)
    for strange in ({"source": "a", "pickValue": "all_non_null"}, {"source": "a", "default": 1}, {"default": [1]}):
        with pytest.raises(UnsupportedError):
            value(**strange)
    with pytest.raises(MalformedError, match="MultipleInputFeatureRequirement"):
        feed({"source": ["a", "s/b"]}, "source", "main", known, frozenset())


def test_a_file_named_twice_in_a_job_order_is_one() -> None:
    order = JobOrder()
    raw = {"class": "File", "location": "inputs/a%20b.fits"}
    one, other = order.value([raw, dict(raw)])
    assert one is other
    assert one.name == "a b.fits"
    for wrong in (
        {"class": "File"},
        {"class": "Directory", "location": "x"},
        {**raw, "secondaryFiles": []},
        {**raw, "size": "3"},
        {**raw, "size": 3},
        {**raw, "basename": "a/b"},
    ):
        with pytest.raises(BadFileError):
            order.value(wrong)


@pytest.fixture(scope="module")
def javascript() -> Any:
    engine = JavaScript()
    yield engine
    engine.close()


INPUTS = {"pool": [[FILE], [File("b")]], "n": 3, "text": "é\u2028", "record": Record({"f": FILE})}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$(inputs.n + 1)", 4),
        ("${ return inputs.pool[1][0].basename; }", "b"),
        ("$(inputs.pool[0][0].nameroot + inputs.pool[0][0].nameext)", "raw-1.fits"),
        ("$(Array.isArray(inputs.pool) && inputs.pool instanceof Array)", True),
        ("$(inputs.text)", "é\u2028"),
        ("$(2.5)", 2.5),
        ("$(undefined)", None),
        ("$(self)", None),
        ("$(twice(4))", 8),
        ("$({f: inputs.record.f})", {"f": FILE}),
        ("${ return inputs.pool.map(function (row) { return row.length; }); }", [1, 1]),
    ],
)
def test_expressions_are_evaluated(expression: str, value: Any, javascript: JavaScript) -> None:
    assert javascript.evaluate(expression, ("function twice(x) { return 2 * x; }",), INPUTS) == value


def test_files_come_back_as_themselves(javascript: JavaScript) -> None:
    back = javascript.evaluate("$(inputs.pool.slice().reverse())", (), INPUTS)
    assert back[1][0] is FILE


@pytest.mark.parametrize(
    "expression",
    [
        "${ throw new Error('no'); }",
        "${ syntax error",
        "$(nothing.here)",
        "$(inputs.record.f.path)",
        "$(inputs.record.f.size)",
        "$(runtime.cores)",
        "$({class: 'File', location: 'x'})",
        "${ inputs.record.f.basename = 'x'; return inputs.record.f; }",
        "${ var a = {}; a.a = a; return a; }",
        "$(process.exit())",
        "$(require('fs'))",
        "$(this.constructor.constructor('return process')().version)",
        "$(1)$(2)",
    ],
)
def test_expressions_that_fail_or_reach_out_are_told(expression: str, javascript: JavaScript) -> None:
    with pytest.raises(ExpressionError):
        javascript.evaluate(expression, (), INPUTS)


def test_one_evaluation_leaves_nothing_to_the_next(javascript: JavaScript) -> None:
    javascript.evaluate("${ Array.prototype.map = null; Object.prototype.x = 1; return 1; }", (), {})
    assert javascript.evaluate("$([1].map(function (i) { return i + ({}.x || 0); }))", (), {}) == [1]


def test_an_endless_expression_is_ended(javascript: JavaScript, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.certificate.javascript.TIME_LIMIT", 50)
    with pytest.raises(ExpressionError, match="timed out"):
        javascript.evaluate("${ while (true) {} }", (), {})
    assert javascript.evaluate("$(1)", (), {}) == 1


def test_without_node_there_is_no_engine() -> None:
    with pytest.raises(NoEngineError):
        JavaScript(lambda: None).evaluate("$(1)", (), {})


def test_numbers_come_back_whole(javascript: JavaScript) -> None:
    assert javascript.evaluate("$([1e3, 2147483647, -1])", (), {}) == [1000, 2147483647, -1]
    assert math.isclose(javascript.evaluate("$(0.1)", (), {}), 0.1)
