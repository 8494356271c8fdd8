"""Rules: the first that matches and gives a number gives it, and what is wrong with them is told at its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.analysis.requests import Requests
from compiler.analysis.resources import (
    Reasons,
    Records,
    Written,
    check_fits,
    known_profiles,
    make_requests,
    written_rules,
)
from compiler.analysis.resources.consistency import SURVEY_DIMENSIONS
from compiler.analysis.resources.fields import BY_KEY
from compiler.analysis.resources.rules import parse_rules
from compiler.diagnostics import Findings, render
from compiler.frontend.yaml_nodes import Document
from compiler.rubin import QuantumGraph
from providers import load_provider
from schemas import schema
from tests.conftest import Golden
from tests.shapes import dark
from tests.strategies import graphs

CASES = sorted((Path(__file__).parents[1] / "golden" / "resources").iterdir())


def requests_of(
    graph: QuantumGraph, *rules: Mapping[str, Any], profile: str | None = None, records: Records | None = None
) -> tuple[Requests, Reasons]:
    findings = Findings()
    found = make_requests(graph, Written(rules), None, profile, records, findings)
    assert not findings.errors
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_wrong_with_rules_is_told_as_expected(
    case: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(case)
    findings = Findings()
    document = Document("rules.yaml", findings)
    assert document.root is not None
    written = written_rules(document, document.entries(document.root, "the file")["rules"].value)
    graph = dark(2, 3)
    _, reasons = make_requests(graph, written, None, None, None, findings)
    check_fits(graph, reasons, load_provider("aws").machines(), "aws", findings)
    assert len(findings)
    golden.check(case / "expected.txt", "".join(render(each) + "\n" for each in findings))


# What a rule may say, and the value that its request then has.
SETTINGS = {
    "memory": [("1 GiB", 1024), (2000, 2000), ("3GB", 3072)],
    "cores": [(1, 1), (2, 2)],
    "walltime": [("1h", 3600), (None, None)],
    "retries": [(0, 0), (7, 7)],
    "environment": [({"A": 1}, (("A", "1"),)), ({}, ())],
}


@st.composite
def rules(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A rule, and the values that it gives."""
    when: dict[str, Any] = {}
    if draw(st.booleans()):
        when["label"] = draw(st.sampled_from(["task0", "task*", ["task1", "*2"], "task[01]"]))
    if draw(st.booleans()):
        when["dimension"] = draw(st.sampled_from(["detector", ["visit"], ["detector", "exposure"]]))
    if draw(st.booleans()):
        when["data"] = draw(st.sampled_from(["detector >= 9", "detector in (8..9, 12)", "not (tract = 10)"]))
    said = {
        key: draw(st.sampled_from(SETTINGS[key]))
        for key in draw(st.sets(st.sampled_from(sorted(SETTINGS)), min_size=1))
    }
    rule = {key: raw for key, (raw, _) in said.items()} | ({"when": when} if when else {})
    return rule, {key: value for key, (_, value) in said.items()}


def matches(when: Mapping[str, Any], label: str, data_id: Mapping[str, Any], dimensions: tuple[str, ...]) -> bool:
    """Whether a rule is for one quantum, worked out for it alone."""

    def listed(key: str) -> list[str]:
        value = when.get(key, [])
        return [value] if isinstance(value, str) else value

    tests = {
        "detector >= 9": ("detector", lambda v: v >= 9),
        "detector in (8..9, 12)": ("detector", lambda v: v in (8, 9, 12)),
        "not (tract = 10)": ("tract", lambda v: v != 10),
    }
    if listed("label") and not any(fnmatchcase(label, each) for each in listed("label")):
        return False
    if not set(listed("dimension")) <= set(dimensions):
        return False
    if "data" in when:
        dimension, test = tests[when["data"]]
        return dimension in dimensions and test(data_id[dimension])
    return True


@given(graph=graphs(), drawn=st.lists(rules(), max_size=5))
def test_for_every_quantum_and_number_the_first_rule_that_matches_gives_it(
    graph: QuantumGraph, drawn: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    requests, reasons = make_requests(graph, Written([rule for rule, _ in drawn]), None, None, None, Findings())
    plain = [(number, rule.get("when") or {}, values) for number, (rule, values) in enumerate(drawn, 1)]
    # A rule on a dimension that no task has is an error of its own, and no rule then.
    known = {dimension for task in graph.tasks for dimension in task.all_dimensions}
    contradictory = Findings()
    understood = {rule.number for rule in parse_rules(Written([rule for rule, _ in drawn]), contradictory)}
    for quantum in graph.quanta():
        dimensions = graph.tasks[graph.task_number(quantum.label)].all_dimensions
        request = requests.kinds[int(requests.of[quantum.number])]
        why = reasons.why(quantum.number)
        for key in SETTINGS:
            giving = [
                (number, values[key])
                for number, when, values in plain
                if key in values
                and number in understood
                and _dimensions(when) <= known
                and matches(when, quantum.label, quantum.data_id, dimensions)
            ]
            attribute = BY_KEY[key].attribute
            if giving:
                assert getattr(request, attribute) == giving[0][1]
                assert why[key].text == f"rule {giving[0][0]}"
            else:
                assert why[key].source == "default"


def _dimensions(when: Mapping[str, Any]) -> set[str]:
    wanted = when.get("dimension", [])
    named = {word for word in ("detector", "tract") if word in when.get("data", "")}
    return named | ({wanted} if isinstance(wanted, str) else set(wanted))


@given(graph=graphs())
def test_without_rules_every_quantum_asks_for_the_defaults(graph: QuantumGraph) -> None:
    requests, _ = requests_of(graph)
    assert requests.kinds == Requests.default(graph).kinds
    assert (requests.of == 0).all()


def test_equal_requests_are_one_kind_though_their_reasons_differ() -> None:
    rules = [{"when": {"label": "isr"}, "memory": "2 GiB"}, {"when": {"label": "cpDark"}, "memory": 2048}]
    requests, reasons = requests_of(dark(2, 2), *rules)
    assert len(requests.kinds) == 1
    assert {str(reasons.why(quantum)["memory"]) for quantum in (0, 4, 8)} == {"rule 1", "rule 2", "default"}


def test_a_condition_says_nothing_of_tasks_without_its_dimension() -> None:
    graph = dark(2, 2)
    requests, _ = requests_of(graph, {"when": {"data": "not exposure = 1000"}, "cores": 3})
    combine = graph.task_number("cpCombine")
    assert set(requests.column("cores")[graph.quanta_of(combine)]) == {1}
    assert sorted(requests.column("cores")[graph.quanta_of(0)]) == [1, 1, 3, 3]


def test_a_rule_on_a_dimension_of_another_pipeline_is_no_error() -> None:
    findings = Findings()
    make_requests(dark(1, 1), Written([{"when": {"data": "patch = 3"}, "cores": 2}]), None, None, None, findings)
    assert [(each.code, each.help) for each in findings] == [
        ("rule-matches-nothing", "no task here has the dimension 'patch'")
    ]


@pytest.mark.real
def test_the_dimensions_of_the_survey_are_those_of_the_butler() -> None:
    butler = pytest.importorskip("lsst.daf.butler")
    universe = butler.DimensionUniverse()
    pixels = {name for name in universe.dimensions.names if name.startswith(("htm", "healpix"))}
    assert set(universe.dimensions.names) - pixels == SURVEY_DIMENSIONS


def test_memory_above_the_default_maximum_raises_it() -> None:
    requests, _ = requests_of(dark(1, 1), {"memory": "600 GiB", "memoryMultiplier": 2})
    assert requests.kinds[0].memory_max_mib == requests.kinds[0].memory_mib == 600 * 1024


@pytest.mark.parametrize("name", known_profiles())
def test_a_profile_is_read_and_stands_below_the_users_rules(name: str) -> None:
    own = {"when": {"label": "cpCombine"}, "memory": "5 GiB"}
    graph = dark(2, 2)
    requests, reasons = requests_of(graph, own, profile=name)
    assert set(requests.column("memory_mib")) == {2048, 5 * 1024}
    place = reasons.why(0)["memory"].place
    assert place is not None
    assert place.file == f"rubincwl/{name}.yaml"


def test_an_unknown_profile_is_told_with_the_nearest() -> None:
    findings = Findings()
    make_requests(dark(1, 1), Written(), None, "poc2020", None, findings)
    assert [(each.code, each.help) for each in findings] == [("unknown-profile", "did you mean 'poc-2020'?")]


@pytest.mark.parametrize(("profile", "large"), [("poc-2020", 30), ("talk", 28)])
def test_the_published_profiles_give_the_four_large_tasks_of_tract_9615_what_they_asked_for(
    profile: str, large: int
) -> None:
    from compiler.demo_data import workloads

    facts = workloads()["tract-9615"].tasks
    graph = dark(1, 1)
    task = graph.tasks[0]
    for name, fact in facts.items():
        one = replace(graph, tasks=(replace(task, task_class=f"lsst.x.{name}"), *graph.tasks[1:]))
        requests, reasons = requests_of(one, profile=profile)
        request = requests.kinds[int(requests.of[0])]
        assert request.memory_mib == (large if fact.memory == "large" else 2) * 1024, name
        assert reasons.why(0)["runTime"].source == "published"


GOOD = [
    {"memory": "4 GiB"},
    {"name": "all", "when": {"label": "a", "class": ["b", "c"], "dimension": "d", "data": "d = 1"}, "cores": 2},
    {"memory": {"percentile": 95, "headroom": 1.5, "atLeast": "1 GiB", "atMost": 4096}, "walltime": None},
    {"walltime": {"percentile": 99.5}, "runTime": 12.5, "disk": None, "gpus": 1, "unlessExit": None},
    {"unlessExit": [1, 2], "retries": 0, "memoryMultiplier": 1.5, "memoryMax": "64 GB", "preemptible": False},
    {"priority": -5, "queue": "long", "accountingGroup": "g", "accountingUser": "u", "environment": {"A": "b", "B": 1}},
]
BAD = [
    {},
    {"when": {"label": "a"}},
    {"memory": None},
    {"memory": -1},
    {"memory": True},
    {"cores": 0},
    {"cores": 1.5},
    {"colour": "blue", "memory": 1},
    {"memory": {"headroom": 2}},
    {"cores": {"percentile": 50}},
    {"when": {"lable": "a"}, "memory": 1},
    {"when": {"label": []}, "memory": 1},
    {"unlessExit": 999},
    {"environment": {"1A": "b"}},
    "text",
]


@pytest.mark.parametrize("rule", GOOD + BAD, ids=json.dumps)
def test_the_schema_and_the_reader_agree(rule: Any) -> None:
    findings = Findings()
    parse_rules(Written([rule]), findings)
    valid = jsonschema.Draft202012Validator(schema("rules")).is_valid([rule])
    assert valid == (not findings.errors) == (rule in GOOD)


def test_profiles_follow_the_schema() -> None:
    import yaml

    from compiler.analysis.resources import profiles

    for name in known_profiles():
        content = yaml.safe_load((Path(profiles.__file__).parent / "data" / f"{name}.yaml").read_text())
        jsonschema.validate(content["rules"], schema("rules"))
        assert set(content) == {"description", "rules"}
