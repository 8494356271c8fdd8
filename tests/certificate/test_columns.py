"""Columns and calls agree: what is proved all at once is what evaluating call by call finds no fault with."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.analysis.requests import Clustering, Request, Requests
from compiler.certificate.canonical import GraphColumns
from compiler.certificate.certificate import proved
from compiler.certificate.columns import OddError
from compiler.certificate.compare import Comparison, compare
from compiler.certificate.evaluate import compiled
from compiler.certificate.javascript import JavaScript
from compiler.certificate.ledger import Ledger
from compiler.rubin import QuantumGraph
from compiler.translate import Workflow, translate
from compiler.translate.plan import Runtime
from tests.certificate.mutants import mutants, mutate
from tests.strategies import graphs

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def by_columns(document: Any, order: Any, graph: QuantumGraph) -> Comparison:
    """Raises `OddError` if it is not proved."""
    ledger, javascript = Ledger(), JavaScript()
    try:
        program = compiled(document, ledger, javascript)
        if program is None or ledger.counts:
            raise OddError("the document")
        return proved(program, order, GraphColumns(graph), javascript)
    finally:
        javascript.close()


def by_calls(document: Any, order: Any, graph: QuantumGraph) -> tuple[Comparison, Ledger]:
    ledger, javascript = Ledger(), JavaScript()
    try:
        program = compiled(document, ledger, javascript)
        if program is None:
            return Comparison(), ledger
        return compare(program.interpret(order), GraphColumns(graph), ledger), ledger
    finally:
        javascript.close()


def together(graph: QuantumGraph, random: Random) -> Workflow:
    """A workflow whose quanta are grouped, whose graph is in pieces, and whose requests differ within a task."""
    n = graph.n_quanta
    cluster = np.sort(np.array([random.randrange(3) for _ in range(n)], dtype=np.int32))
    dense = np.unique(cluster, return_inverse=True)[1].astype(np.int32)
    kinds = (Request(), Request(memory_mib=4096, walltime_s=60), Request(memory_multiplier=1.5))
    requests = Requests(kinds, np.array([random.randrange(3) for _ in range(n)], dtype=np.int32))
    names = tuple(task.label for task in graph.tasks)
    return translate(graph, runtime=Runtime(requests, Clustering(dense, names), dense // 2))


@given(graphs(), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
def test_what_the_translator_writes_is_proved_both_ways(graph: QuantumGraph, plain: bool, random: Random) -> None:
    made = translate(graph) if plain else together(graph, random)
    slowly, ledger = by_calls(made.document, made.job_order, graph)
    assert ledger.findings() == ()
    assert by_columns(made.document, made.job_order, graph) == slowly
    assert slowly.hash


def agree(document: Any, order: Any, graph: QuantumGraph, what: object) -> None:
    """Assert that columns prove nothing with which evaluating call by call finds a fault."""
    try:
        quickly = by_columns(document, order, graph)
    except OddError:
        return
    slowly, ledger = by_calls(document, order, graph)
    assert ledger.findings() == (), what
    assert quickly == slowly


@given(graphs(), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
def test_no_change_is_proved_by_columns_alone(graph: QuantumGraph, plain: bool, random: Random) -> None:
    made = translate(graph) if plain else together(graph, random)
    whole = {"document": made.document, "order": made.job_order}
    every = [(where, *each) for where in whole for each in mutants(whole[where])]
    for where, kind, path in random.sample(every, min(8, len(every))):
        changed = {**whole, where: mutate(whole[where], kind, path)}
        agree(changed["document"], changed["order"], graph, (where, kind, path))
