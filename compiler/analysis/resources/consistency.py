"""Whether rules make sense for this graph, and whether the numbers they give agree with each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np

from compiler.analysis.requests import TASK_WIDE
from compiler.analysis.resources.fields import FIELDS
from compiler.analysis.resources.reasons import Reason, Reasons
from compiler.analysis.resources.rules import Rule
from compiler.analysis.resources.units import show_size, show_time
from compiler.diagnostics import Findings, closest
from compiler.rubin import QuantumGraph, format_quantum

SURVEY_DIMENSIONS = frozenset(
    [
        "band",
        "day_obs",
        "detector",
        "exposure",
        "group",
        "instrument",
        "patch",
        "physical_filter",
        "skymap",
        "subfilter",
        "tract",
        "visit",
        "visit_system",
    ]
)
"""Dimensions that a graph may lack without a slip of the pen (daf_butler, ``dimensions.yaml``; sky pixels apart)."""


def understood_of(rules: Sequence[Rule], graph: QuantumGraph, findings: Findings) -> tuple[Rule, ...]:
    """The rules but for those on dimensions that nobody has, or that compare numbers with texts.

    One that the survey has and this graph has not is no fault: rules are written for more than one pipeline.
    """
    kept = []
    for rule in rules:
        before = len(findings)
        known = {dimension for task in graph.tasks for dimension in task.all_dimensions}
        for dimension in rule.dimensions:
            if dimension not in known | SURVEY_DIMENSIONS:
                _unknown_dimension(rule, "when.dimension", dimension, known, findings)
        for each in rule.condition.comparisons if rule.condition else ():
            if each.dimension not in known | SURVEY_DIMENSIONS:
                _unknown_dimension(rule, "when.data", each.dimension, known, findings)
            values = graph.vocabulary.get(each.dimension, ())
            if values and not any(isinstance(value, each.kind) for value in values):
                is_text = each.kind is str
                message = f"{rule} compares '{each.dimension}' with a {'text' if is_text else 'number'}"
                example = f"{each.dimension} = {values[0]!r}"
                help = f"it is a {'number' if is_text else 'text'}, as in {example}"
                findings.error("wrong-type", message, rule.place("when.data"), help)
        if len(findings) == before:
            kept.append(rule)
    return tuple(kept)


def _unknown_dimension(rule: Rule, key: str, dimension: str, known: Collection[str], findings: Findings) -> None:
    like = closest(dimension, sorted(known))
    help = f"did you mean '{like}'?" if like else f"dimensions here: {', '.join(sorted(known))}"
    findings.error("unknown-dimension", f"no task has the dimension '{dimension}' of {rule}", rule.place(key), help)


def check_rules(
    rules: Sequence[Rule],
    graph: QuantumGraph,
    matched: Collection[Rule],
    heard: Collection[Rule],
    instead: Mapping[Rule, Reason],
    findings: Findings,
) -> None:
    """Rules of the user's own that match nothing, or that others make unheard."""
    labels = [task.label for task in graph.tasks]
    refused = [each.place for each in findings if each.code == "contradictory-rules" and each.place is not None]
    for rule in rules:
        if rule.source != "rule" or rule in heard or any(place in refused for place in rule.places.values()):
            continue
        if rule not in matched:
            like = next(filter(None, (closest(each, labels) for each in rule.labels)), None)
            help = f"did you mean '{like}'?" if like else f"tasks here: {', '.join(labels[:8])}"
            wanted = {*rule.dimensions, *(rule.condition.dimensions if rule.condition else ())}
            here = {dimension for task in graph.tasks for dimension in task.all_dimensions}
            if lacking := sorted(wanted - here):
                help = f"no task here has the dimension '{lacking[0]}'"
            findings.warning("rule-matches-nothing", f"{rule} matches no quantum", rule.place("when.label"), help)
        elif rule in instead:
            message = f"{rule} is never heard: what it asks for is given before it by {instead[rule]}"
            findings.warning("rule-unheard", message, rule.place(), "the first that matches wins: put it further up")


def check_cases(graph: QuantumGraph, reasons: Reasons, findings: Findings) -> None:
    """Numbers that contradict each other: memory above its own maximum, a time limit below the expected time."""
    told: set[tuple[Reason, Reason]] = set()
    for case, request in enumerate(reasons.requests):
        pairs = []
        if request.memory_multiplier > 1 and request.memory_mib > request.memory_max_mib:
            what = f"{show_size(request.memory_mib)} of memory, more than its maximum of "
            pairs.append(("memory_mib", "memory_max_mib", f"asks for {what}{show_size(request.memory_max_mib)}"))
        if request.walltime_s is not None and (request.run_time_s or 0) > request.walltime_s:
            what = f"ended after {show_time(request.walltime_s)}, though it is expected to take "
            pairs.append(("walltime_s", "run_time_s", f"is {what}{show_time(request.run_time_s or 0)}"))
        for one, other, sentence in pairs:
            first, second = reasons.reason(case, one), reasons.reason(case, other)
            if (first, second) in told:
                continue
            told.add((first, second))
            # What we only know from elsewhere, or from a limit of the whole pool, may be wrong for this one.
            own = {"rule", "runTimes"}
            tell = findings.error if {first.source, second.source} <= own else findings.warning
            tell(
                "contradictory-request",
                f"{example(graph, reasons, case)} {sentence}",
                first.place or second.place,
                f"by {first}; by {second}",
            )


def check_task_wide(graph: QuantumGraph, reasons: Reasons, findings: Findings) -> None:
    """Settings that quanta of one task have to share, and do not."""
    for task, (first, last) in zip(graph.tasks, pairwise(graph.task_start.tolist()), strict=True):
        cases = np.flatnonzero(np.bincount(reasons.of[first:last], minlength=len(reasons.requests))).tolist()
        for name in TASK_WIDE:
            if len({getattr(reasons.requests[case], name) for case in cases}) <= 1:
                continue
            given = [reasons.reason(case, name) for case in cases]
            by = next((each for each in given if each.source == "rule"), given[0])
            key = next(field.key for field in FIELDS if field.attribute == name)
            message = f"quanta of task '{task.label}' differ in '{key}' by {by}, which can only be said of a whole task"
            findings.error("varying-setting", message, by.place, "leave out 'data' of that rule, or the setting")


def example(graph: QuantumGraph, reasons: Reasons, case: int) -> str:
    """The first quantum of a case, for people."""
    number = int(np.argmax(reasons.of == case))
    task = graph.tasks[int(graph.quantum_task[number])]
    return format_quantum(task.label, dict(zip(task.dimensions, graph.quantum_values(number), strict=True)))
