"""Columns and calls agree: what is proved all at once is what evaluating call by call finds no fault with."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.analysis.requests import Clustering, Request, Requests
from compiler.certificate import certify
from compiler.certificate.canonical import GraphColumns
from compiler.certificate.certificate import proved
from compiler.certificate.columns import (
    Files,
    Given,
    OddError,
    Ragged,
    Same,
    Values,
    flat_files,
    follow,
    full,
    plain,
    repeat,
    take,
)
from compiler.certificate.compare import Comparison, compare
from compiler.certificate.conformance import Kinds
from compiler.certificate.evaluate import Program, compiled
from compiler.certificate.javascript import ExpressionError, JavaScript
from compiler.certificate.ledger import Ledger
from compiler.rubin import QuantumGraph
from compiler.translate import Workflow, translate
from compiler.translate.plan import Runtime
from tests.certificate import by_hand
from tests.certificate.mutants import mutants, mutate
from tests.shapes import dark, single_frame, tract
from tests.strategies import graphs

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(scope="module")
def javascript() -> Iterator[JavaScript]:
    engine = JavaScript()
    yield engine
    engine.close()


def by_columns(document: Any, order: Any, graph: QuantumGraph, javascript: JavaScript) -> Comparison:
    """Raises `OddError` if it is not proved."""
    ledger = Ledger()
    program = compiled(document, ledger, javascript)
    if program is None or ledger.counts:
        raise OddError("the document")
    return proved(program, order, GraphColumns(graph), javascript)


def by_calls(document: Any, order: Any, graph: QuantumGraph, javascript: JavaScript) -> tuple[Comparison, Ledger]:
    ledger = Ledger()
    program = compiled(document, ledger, javascript)
    assert program is not None
    return compare(program.interpret(order), GraphColumns(graph), ledger), ledger


def together(graph: QuantumGraph, random: Random) -> Workflow:
    """A workflow whose quanta are grouped, whose graph is in pieces, and whose requests differ within a task."""
    some = np.sort(np.array([random.randrange(3) for _ in range(graph.n_quanta)], dtype=np.int32))
    cluster = np.unique(some, return_inverse=True)[1].astype(np.int32)
    kinds = (Request(), Request(memory_mib=4096, walltime_s=60), Request(memory_multiplier=1.5))
    kind = np.array([random.randrange(3) for _ in range(graph.n_quanta)], dtype=np.int32)
    clustering = Clustering(cluster, tuple(task.label for task in graph.tasks))
    return translate(graph, runtime=Runtime(Requests(kinds, kind), clustering, cluster // 2))


@given(graphs(), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
def test_what_the_translator_writes_is_proved_both_ways(
    javascript: JavaScript, graph: QuantumGraph, alone: bool, random: Random
) -> None:
    made = translate(graph) if alone else together(graph, random)
    slowly, ledger = by_calls(made.document, made.job_order, graph, javascript)
    assert ledger.findings() == ()
    assert by_columns(made.document, made.job_order, graph, javascript) == slowly
    assert slowly.hash


@pytest.mark.parametrize("graph", [dark(), single_frame(), tract()], ids=["dark", "single-frame", "tract"])
def test_a_proof_needs_no_evaluation_call_by_call(graph: QuantumGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Program, "interpret")
    for made in (translate(graph), together(graph, Random(1))):
        assert certify(made.document, made.job_order, graph).proved


def agree(document: Any, order: Any, graph: QuantumGraph, javascript: JavaScript, what: object) -> None:
    """Assert that columns prove nothing with which evaluating call by call finds a fault."""
    try:
        quickly = by_columns(document, order, graph, javascript)
    except OddError:
        return
    slowly, ledger = by_calls(document, order, graph, javascript)
    assert ledger.findings() == (), what
    assert quickly == slowly


@given(graphs(), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
def test_no_change_is_proved_by_columns_alone(
    javascript: JavaScript, graph: QuantumGraph, alone: bool, random: Random
) -> None:
    made = translate(graph) if alone else together(graph, random)
    whole = {"document": made.document, "order": made.job_order}
    every = [(where, *each) for where in whole for each in mutants(whole[where])]
    for where, kind, path in random.sample(every, min(12, len(every))):
        changed = {**whole, where: mutate(whole[where], kind, path)}
        agree(changed["document"], changed["order"], graph, javascript, (where, kind, path))


@pytest.mark.exhaustive
@pytest.mark.parametrize("graph", [dark(2, 2), single_frame(2, 2), tract(2, 2, 2, 2)], ids=["dark", "frame", "tract"])
def test_no_change_at_all_is_proved_by_columns_alone(graph: QuantumGraph, javascript: JavaScript) -> None:
    made = together(graph, Random(2))
    whole = {"document": made.document, "order": made.job_order}
    for where in whole:
        for kind, path in mutants(whole[where]):
            changed = {**whole, where: mutate(whole[where], kind, path)}
            agree(changed["document"], changed["order"], graph, javascript, (where, kind, path))


@given(graphs(), graphs())
@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
def test_the_workflow_of_another_graph_is_not_proved(
    javascript: JavaScript, graph: QuantumGraph, other: QuantumGraph
) -> None:
    made = translate(other)
    agree(made.document, made.job_order, graph, javascript, "another graph")


def tool(document: dict[str, Any], label: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["$graph"] if each["id"] == label)
    return found


def records(order: dict[str, Any], label: str) -> list[dict[str, Any]]:
    """Records of a task's quanta in the job order, however nested."""
    value = order[f"{label}__quanta"]
    while isinstance(value[0], list):
        value = [each for row in value for each in row]
    return list(value)


def glob(document: dict[str, Any], label: str, port: str, text: str) -> None:
    tool(document, label)["outputs"][port]["outputBinding"]["glob"] = text


def hint(document: dict[str, Any], label: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in tool(document, label)["hints"] if each["class"] == name)
    return found


ID = "$(inputs._quantum.data_id.{})".format
CHANGES: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str, str]] = {
    "a name is put together in another order": (
        lambda d, o: glob(d, "isr", "_log", f"isr_log-{ID('detector')}-{ID('exposure')}"),
        "wrong-output",
        "'_log' has 'isr_log-0-1000' instead of 'isr_log-1000-0'",
    ),
    "a name lacks a part": (
        lambda d, o: glob(d, "isr", "_log", f"isr_log-{ID('exposure')}"),
        "wrong-output",
        "'isr_log-1000' instead of",
    ),
    "a name has another stem": (
        lambda d, o: glob(d, "isr", "_log", f"isr_lag-{ID('exposure')}-{ID('detector')}"),
        "wrong-output",
        "'isr_lag-1000-0'",
    ),
    "a name is joined by another sign": (
        lambda d, o: glob(d, "isr", "_log", f"isr_log-{ID('exposure')}_{ID('detector')}"),
        "wrong-output",
        "'isr_log-1000_0'",
    ),
    "a name has a part too many": (
        lambda d, o: glob(d, "isr", "_log", f"isr_log-{ID('exposure')}-{ID('detector')}.gz"),
        "wrong-output",
        "'isr_log-1000-0.gz'",
    ),
    "a name holds what is no data id": (
        lambda d, o: glob(d, "isr", "_log", "isr_log-$(inputs._quantum.night)"),
        "unresolved-reference",
        "has no 'night'",
    ),
    "a record is called like a log": (
        lambda d, o: glob(d, "isr", "_record", f"isr_log-{ID('exposure')}-{ID('detector')}"),
        "wrong-record",
        "its record is the file 'isr_log-",
    ),
    "a piece of the graph lies elsewhere": (
        lambda d, o: records(o, "isr")[1]["graph"].update(location="inputs/0.qg"),
        "wrong-runtime",
        "'0.qg' at 'inputs/0.qg'",
    ),
    "a quantum has no piece of the graph": (
        lambda d, o: records(o, "isr")[1].pop("graph"),
        "wrong-type",
        "in field 'graph': nothing where File",
    ),
    "a request is missing": (
        lambda d, o: records(o, "isr")[1]["request"].pop("memory_mib"),
        "wrong-type",
        "in field 'memory_mib'",
    ),
    "a request is no number": (
        lambda d, o: records(o, "isr")[0]["request"].update(memory_mib="2 GB"),
        "wrong-type",
        "'2 GB' where long is declared",
    ),
    "a hint asks for what the record does not tell": (
        lambda d, o: hint(d, "isr", "ResourceRequirement").update(ramMin="$(inputs._quantum.request.memory)"),
        "unresolved-reference",
        "has no 'memory'",
    ),
    "a hint asks for what is no number": (
        lambda d, o: hint(d, "isr", "ToolTimeLimit").update(timelimit="$(inputs._quantum.graph)"),
        "unresolved-reference",
        "the file 'shard-000000.qg' where a number is asked for",
    ),
    "a cluster has a name": (
        lambda d, o: records(o, "isr")[0].update(cluster="first"),
        "wrong-type",
        "in field 'cluster'",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_what_differs_between_quanta_is_caught_and_named(name: str, javascript: JavaScript) -> None:
    change, code, text = CHANGES[name]
    graph = dark(2, 2)
    made = together(graph, Random(3))
    document, order = copy.deepcopy((made.document, made.job_order))
    change(document, order)
    with pytest.raises(OddError):
        by_columns(document, order, graph, javascript)
    found = certify(document, order, graph)
    told = [str(each) for each in found.findings if each.code == code]
    assert any(re.search(text, each) for each in told), [str(each) for each in found.findings]


def test_a_graph_too_large_to_be_explained_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.certificate.certificate.EXPLAINED", 3)
    found = certify(by_hand.document(), {**by_hand.job_order(), "more": 1}, by_hand.graph())
    assert list(found.counts) == ["unexplained-difference"]
    assert "the job order is not of the workflow's inputs" in found.findings[0].message
    assert found.to_json()["hash"] is None


FILE = {"class": "File", "location": "inputs/a%20b.fits"}


def test_plain_values_become_columns() -> None:
    given = Given()
    other = {**FILE, "location": "c"}
    column = given.column([[{"n": 1, "f": FILE}], [], [{"n": 2, "f": {**FILE}}, {"n": 3, "f": other}]])
    assert isinstance(column, Ragged)
    assert plain(follow(column.items, ("n",))) == [1, 2, 3]
    assert plain(follow(column.items, ("f",))) == [0, 0, 1]
    assert given.names == ["a b.fits", "c"]
    assert given.locations == ["inputs/a%20b.fits", "c"]


@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1}, {"b": 1}],
        [{"a": 1}, {"a": 1, "b": 1}],
        [{"a": 1}, 3],
        [[1], 3],
        [FILE, {"a": 1, "b": 2}],
        [FILE, {**FILE, "class": "Directory"}],
        [{"class": "Directory", "location": "x"}],
        [{"class": "File"}],
        [{**FILE, "path": "x"}],
        [{**FILE, "secondaryFiles": []}],
        [{**FILE, "size": "3"}],
        [{**FILE, "size": 1}, {**FILE, "size": True}],
        [{**FILE, "size": 1}, {**FILE, "size": 1.0}],
        [{**FILE, "size": 1}, FILE],
        [FILE, {**FILE, "secondaryFiles": []}],
        [{**FILE, "size": 1}, {**FILE, "size": 2}],
        [{**FILE, "basename": "a"}, {**FILE, "basename": "b"}],
        [{**FILE, "basename": "a/b"}],
        [{**FILE, "basename": ["a"]}],
        [{**FILE, "location": ["a"]}],
        [{"class": {}, "location": "a"}],
    ],
)
def test_values_that_are_not_alike_or_no_files_are_odd(values: list[Any]) -> None:
    with pytest.raises(OddError):
        Given().column(values)


def test_files_are_known_again_by_location() -> None:
    given = Given()
    given.column([FILE, FILE])
    given.column([{**FILE, "location": "b"}, FILE])
    assert given.names == ["a b.fits", "b"]
    with pytest.raises(OddError, match="two names or sizes"):
        given.column([{**FILE, "basename": "other"}])


def test_rows_are_taken_and_repeated() -> None:
    ragged = Ragged(np.array([0, 2, 2, 3]), Files(np.array([7, 8, 9])))
    assert plain(take(ragged, np.array([2, 0, 1, 0]))) == [[9], [7, 8], [], [7, 8]]
    assert plain(full(repeat(ragged, np.array([1, 0, 2])))) == [[7, 8], [9], [9]]
    assert plain(full(Same(2, Values(["x"], frozenset({str}))))) == ["x", "x"]
    rows, numbers = flat_files(Ragged(np.array([0, 1, 3]), ragged))
    assert (rows.tolist(), numbers.tolist()) == ([0, 0, 1], [7, 8, 9])


RECORD = {"type": "record", "fields": {"a": "int", "b": {"type": "string?"}}}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int", [0, 2**31]),
        ("int", [0, True]),
        ("long", [2**63]),
        ("string", ["a", 1]),
        ("string", ["a", None]),
        ("File", ["a"]),
        ("string", [FILE]),
        ("File[]", [[FILE], ["a"]]),
        ("File[]", [FILE]),
        (RECORD, [{"a": 1, "c": 2}]),
        (RECORD, [{"b": "x"}]),
        (RECORD, [{"a": "1"}]),
        ("Any", [1, None]),
    ],
)
def test_columns_of_another_type_do_not_fit(kind: Any, values: list[Any]) -> None:
    try:
        column = Given().column(values)
    except OddError:
        return
    assert not Kinds().of(kind).fits(column)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int", [0, 2**31 - 1, -(2**31)]),
        ("long", [2**40]),
        ("double", [1, 1.5]),
        ("File", [FILE]),
        ("File[]", [[FILE], []]),
        ("File[]", [[], []]),
        ("File?", [None, None]),
        (RECORD, [{"a": 1}, {"a": 2}]),
        (RECORD, []),
        ("Any", [[FILE]]),
    ],
)
def test_columns_of_the_type_fit(kind: Any, values: list[Any]) -> None:
    assert Kinds().of(kind).fits(Given().column(values))


POOL = b'{"pool":[[0,1],[2]],"n":2}'


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$({m: inputs.pool})", {"m": [[0, 1], [2]]}),
        ("${ return {m: [].concat.apply([], inputs.pool).reverse()}; }", {"m": [2, 1, 0]}),
        ("$({m: inputs.pool[0][inputs.n - 1], k: []})", {"m": 1, "k": []}),
        ("$({m: inputs.pool.map(function (row) { return row[0]; })})", {"m": [0, 2]}),
        ("$({m: inputs.pool[0][0].class === 'File' ? inputs.pool[1] : []})", {"m": [2]}),
        ("$({})", {}),
    ],
)
def test_files_are_arranged_by_expressions(expression: str, value: Any, javascript: JavaScript) -> None:
    assert javascript.choose(expression, (), ["pool"], POOL) == value


@pytest.mark.parametrize(
    "looks",
    [
        "inputs.pool[0][0].basename",
        "Object.keys(inputs.pool[0][0])",
        "'path' in inputs.pool[0][0]",
        "JSON.stringify(inputs.pool[0][0])",
        "'' + inputs.pool[0][0]",
        "inputs.pool[0][0] instanceof Array",
        "inputs.pool[0][0].constructor",
        "(inputs.pool[0][0].x = 1)",
    ],
)
def test_an_expression_that_looks_at_files_is_told(looks: str, javascript: JavaScript) -> None:
    with pytest.raises(ExpressionError, match="not told"):
        javascript.choose(f"${{ {looks}; return {{m: inputs.pool}}; }}", (), ["pool"], POOL)


@pytest.mark.parametrize(
    "expression",
    [
        "$({m: 1})",
        "$({m: [0]})",
        "$({m: null})",
        "$({m: {class: 'File', location: 'x'}})",
        "$({m: {f: inputs.pool[0][0]}})",
        "$({m: [,inputs.pool[0][0]]})",
        "$([inputs.pool])",
        "$(inputs.pool[0][0])",
        "$(undefined)",
        "${ var a = [inputs.pool[0][0]]; a.toJSON = function () { return []; }; return {m: a}; }",
        "${ return {m: inputs.pool, toJSON: function () { return {}; }}; }",
        "${ return {m: new Proxy({}, {get: function () { return 0; }})}; }",
        "${ Map.prototype.get = function () { return 2; }; return {m: {}}; }",
        "${ throw new Error('no'); }",
    ],
)
def test_an_expression_that_gives_other_things_than_its_files_is_told(expression: str, javascript: JavaScript) -> None:
    with pytest.raises(ExpressionError):
        javascript.choose(expression, (), ["pool"], POOL)
