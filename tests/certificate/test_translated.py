"""What the translator writes is proved, for random graphs and for real ones; what is changed in it is not."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.certificate import certify
from compiler.rubin import QuantumGraph
from compiler.translate import translate
from tests.certificate.mutants import at, mutate, nodes
from tests.shapes import dark, single_frame, tract
from tests.strategies import build_graph, graph_shapes, graphs

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def prove(graph: QuantumGraph) -> None:
    made = translate(graph)
    found = certify(made.document, made.job_order, graph)
    assert found.findings == ()
    assert found.proved


@given(graphs())
@settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
def test_random_graphs_are_proved(graph: QuantumGraph) -> None:
    prove(graph)


@pytest.mark.exhaustive
@given(graphs(max_tasks=8))
@settings(max_examples=10_000, deadline=None, suppress_health_check=SLOW)
def test_ten_thousand_random_graphs_are_proved(graph: QuantumGraph) -> None:
    prove(graph)


@pytest.mark.parametrize("graph", [dark(), single_frame(), tract()], ids=["dark", "single-frame", "tract"])
def test_the_usual_shapes_are_proved(graph: QuantumGraph) -> None:
    prove(graph)


@given(graph_shapes(), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None, suppress_health_check=SLOW)
def test_the_certificate_does_not_depend_on_the_order_of_the_graph(shape: object, order: Random) -> None:
    one, other = build_graph(shape), build_graph(shape, order)  # type: ignore[arg-type]
    texts = []
    for graph in (one, other):
        made = translate(graph)
        texts.append(json.dumps(certify(made.document, made.job_order, graph).to_json()))
    assert texts[0] == texts[1]


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
def test_a_changed_job_order_of_a_random_graph_is_caught(graph: QuantumGraph, random: Random) -> None:
    made = translate(graph)
    order = made.job_order
    every = [p for p in nodes(order) if isinstance(at(order, p), str | int) and p[0] not in ("_graph", "_butler")]
    for path in random.sample(every, min(4, len(every))):
        found = certify(made.document, mutate(order, "altered", path), graph)
        assert found.findings, path


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
def test_an_array_of_the_job_order_with_an_item_less_or_twice_is_caught(graph: QuantumGraph, random: Random) -> None:
    made = translate(graph)
    every = [path for path in nodes(made.job_order) if isinstance(path[-1], int)]
    for path in random.sample(every, min(3, len(every))):
        for kind in ("dropped", "doubled"):
            found = certify(made.document, mutate(made.job_order, kind, path), graph)
            assert found.findings, (kind, path)
