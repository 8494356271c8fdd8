"""Requests of all quanta: from rules, a profile, bps settings, records and defaults, in this order.

Work is done once a task, and within a task once for each set of rules whose conditions hold together: only the
conditions look at single quanta, as columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from compiler.analysis.requests import Requests
from compiler.analysis.resources.consistency import check_cases, check_rules, check_task_wide, understood_of
from compiler.analysis.resources.fields import FIELDS, Field
from compiler.analysis.resources.profiles import profile_rules
from compiler.analysis.resources.published import published_means, published_source
from compiler.analysis.resources.reasons import Reason, Reasons
from compiler.analysis.resources.records import Records
from compiler.analysis.resources.rules import FromRecords, Rule, Written, class_matches, parse_rules
from compiler.analysis.resources.settings import Setting, Valued, bps_values
from compiler.analysis.resources.units import parse_time, show_size, show_time
from compiler.diagnostics import Findings, Span, closest
from compiler.jobs.request import Request
from compiler.rubin import QuantumGraph, Task
from compiler.rubin.graph import Ints

Settings = Callable[[str], Mapping[str, Setting]]
"""The settings of bps for a task label, by key."""

_DEFAULT = Reason("default", "default")
_MEMORY_MAX = [field.key for field in FIELDS].index("memoryMax")


def unplaced(key: str) -> Span | None:
    """A place for settings that stand in no file."""
    return None


def make_requests(
    graph: QuantumGraph,
    rules: Written,
    bps_settings: Settings | None,
    profile: str | None,
    records: Records | None,
    findings: Findings,
    *,
    run_times: Mapping[str, Any] | None = None,
    place: Callable[[str], Span | None] = unplaced,
) -> tuple[Requests, Reasons]:
    """What every quantum asks for, and why.

    `run_times` gives expected times by label or class. `place` tells where ``profile`` and ``runTimes.<name>`` stand.
    Faults go to `findings`; what is returned then is what could be understood.
    """
    understood = parse_rules(rules, findings)
    if profile is not None:
        understood += profile_rules(profile, findings, place("profile"))
    understood = understood_of(understood, graph, findings)
    times = _read_run_times(run_times or {}, graph, place, findings)
    resolver = _Resolver(graph, understood, bps_settings, records or Records(), times, findings)
    requests, reasons = resolver.resolve()
    check_rules(understood, graph, resolver.matched, resolver.heard, resolver.instead, findings)
    resolver.tell_of_records()
    check_cases(graph, reasons, findings)
    check_task_wide(graph, reasons, findings)
    return requests, reasons


def init_request(settings: Mapping[str, Setting], findings: Findings) -> Request:
    """What the job that initialises a run asks for, by its settings of bps: it runs no quantum, no rule is for it."""
    found = bps_values(settings, findings)
    values = {field.attribute: found[field.key][0] for field in FIELDS if field.key in found}
    return _request(values, found["memoryMax"][1] if "memoryMax" in found else _DEFAULT)


def _request(values: Mapping[str, Any], bound: Reason) -> Request:
    """The request that holds `values`, whose memory ends where `bound` says."""
    request = Request(**values)
    if request.memory_mib > request.memory_max_mib and bound.source == "default":
        # A limit that nobody set does not hold what somebody asked for.
        return replace(request, memory_max_mib=request.memory_mib)
    return request


def _read_run_times(
    found: Mapping[str, Any], graph: QuantumGraph, place: Callable[[str], Span | None], findings: Findings
) -> Valued:
    out: dict[str, tuple[Any, Reason]] = {}
    for name, value in found.items():
        where = place(f"runTimes.{name}")
        try:
            out[str(name)] = (parse_time(value), Reason("runTimes", f"runTimes: {name}", where))
        except ValueError as error:
            findings.error("bad-amount", f"the run time of '{name}': {error}", where)
        if not any(_is_for(task, str(name)) for task in graph.tasks):
            like = closest(str(name), [task.label for task in graph.tasks])
            help = f"did you mean '{like}'?" if like else None
            findings.warning("rule-matches-nothing", f"no task here is '{name}' of runTimes", where, help)
    return out


def _is_for(task: Task, pattern: str) -> bool:
    """Whether a pattern is for the task, by its label or its class."""
    return fnmatchcase(task.label, pattern) or class_matches(task.task_class, pattern)


class _Resolver:
    """Finds the cases, and each quantum's case."""

    def __init__(
        self,
        graph: QuantumGraph,
        rules: Sequence[Rule],
        bps_settings: Settings | None,
        records: Records,
        run_times: Valued,
        findings: Findings,
    ) -> None:
        self.graph, self.rules, self.bps_settings = graph, rules, bps_settings
        self.records, self.run_times, self.findings = records, run_times, findings
        self.reasons: dict[Reason, int] = {}
        self.cases: dict[tuple[Request, tuple[int, ...]], int] = {}
        self.matched: set[Rule] = set()
        """Rules that matched a quantum."""
        self.heard: set[Rule] = set()
        """Rules that gave a number to one."""
        self.instead: dict[Rule, Reason] = {}
        """What gave a number that a rule would have given."""
        self.unrecorded: dict[tuple[Rule, str], list[str]] = {}
        """Labels without records, by the rule and the key that want them."""

    def resolve(self) -> tuple[Requests, Reasons]:
        of = np.zeros(self.graph.n_quanta, dtype=np.int32)
        for number, task in enumerate(self.graph.tasks):
            start, end = self.graph.task_start[number : number + 2]
            if start == end:
                continue
            below = self._below(task)
            groups, group = self._groups(number, task)
            cases = np.array([self._case(task, rules, below) for rules in groups], dtype=np.int32)
            of[start:end] = cases[group]
        kinds: dict[Request, int] = {}
        kind = np.array([kinds.setdefault(request, len(kinds)) for request, _ in self.cases], dtype=np.int32)
        asked, numbers = zip(*self.cases, strict=True) if self.cases else ((), ())
        if not kinds:
            return Requests((Request(),), of), Reasons((), (), (), of)
        return Requests(tuple(kinds), kind[of]), Reasons(tuple(self.reasons), numbers, asked, of)

    def _groups(self, number: int, task: Task) -> tuple[list[list[Rule]], Ints]:
        """The sets of rules that match together, and each quantum's among them: shape (quanta of the task,)."""
        codes = self.graph.quantum_codes[number]
        group = np.zeros(len(codes), dtype=np.int32)
        groups: list[list[Rule]] = [[]]
        for rule in self.rules:
            if not rule.matches(task):
                continue
            if rule.condition is None:
                groups = [[*matching, rule] for matching in groups]
                continue
            holds = rule.condition.mask(codes, task.all_dimensions, self.graph.vocabulary)
            split = group * 2 + holds
            seen = np.flatnonzero(np.bincount(split, minlength=2 * len(groups)))
            rank = np.zeros(2 * len(groups), dtype=np.int32)
            rank[seen] = np.arange(len(seen), dtype=np.int32)
            group = rank[split]
            groups = [[*groups[each // 2], rule] if each % 2 else groups[each // 2] for each in seen.tolist()]
        return groups, group

    def _case(self, task: Task, rules: Sequence[Rule], below: Valued) -> int:
        """The number of the case in which these rules match a quantum of the task."""
        self.matched.update(rules)
        values: dict[str, Any] = {}
        reasons: list[Reason] = []
        for field in FIELDS:
            value, reason = self._first(field, task, rules) or below.get(field.key) or (None, _DEFAULT)
            if reason is not _DEFAULT:
                values[field.attribute] = value
            reasons.append(reason)
        request = _request(values, reasons[_MEMORY_MAX])
        numbers = tuple(self.reasons.setdefault(reason, len(self.reasons)) for reason in reasons)
        return self.cases.setdefault((request, numbers), len(self.cases))

    def _first(self, field: Field, task: Task, rules: Sequence[Rule]) -> tuple[Any, Reason] | None:
        """What the first rule says that says anything."""
        found: tuple[Any, Reason] | None = None
        for rule in rules:
            if field.key not in rule.sets:
                continue
            if found is not None:
                self.instead.setdefault(rule, found[1])
                continue
            value, text = rule.sets[field.key], str(rule)
            if isinstance(value, FromRecords):
                measured = self._measured(field, task.label, value)
                if measured is None:
                    labels = self.unrecorded.setdefault((rule, field.key), [])
                    if task.label not in labels:
                        labels.append(task.label)
                    continue
                value, text = measured[0], f"{text}: {measured[1]}"
            self.heard.add(rule)
            source = "rule" if rule.source == "rule" else "profile"
            found = value, Reason(source, text, rule.place(field.key))  # type: ignore[arg-type]
        return found

    def _measured(self, field: Field, label: str, wanted: FromRecords) -> tuple[Any, str] | None:
        """A number from records, and how it came about; None if no quantum of the label left any."""
        taken = self.records.by_label.get(label)
        if taken is None:
            return None
        memory = field.measured == "memory"
        seen = taken.percentile("memory" if memory else "time", wanted.percentile)
        value = seen * wanted.headroom
        bounded = min(max(value, wanted.least or 0.0), wanted.most if wanted.most is not None else math.inf)
        show = show_size if memory else show_time
        text = (
            f"percentile {wanted.percentile:g} of {len(taken.seconds):,} records is {show(round(seen, 1))}, "
            f"times {wanted.headroom:g}"
        )
        if bounded != value:
            text += f", held to {show(bounded)}"
        return (max(1, math.ceil(bounded)) if field.key != "runTime" else round(bounded, 3)), text

    def _below(self, task: Task) -> Valued:
        """What holds where no rule says anything: settings of bps, and the time that a run is expected to take."""
        values = dict(bps_values(self.bps_settings(task.label), self.findings)) if self.bps_settings else {}
        expected = self._expected(task)
        if expected is not None:
            values["runTime"] = expected
        return values

    def _expected(self, task: Task) -> tuple[float, Reason] | None:
        for pattern, found in self.run_times.items():
            if _is_for(task, pattern):
                return found
        taken = self.records.by_label.get(task.label)
        if taken is not None:
            mean = round(float(taken.seconds.mean()), 3)
            return mean, Reason("records", f"mean of {len(taken.seconds):,} records in {self.records.source}")
        name = task.task_class.rpartition(".")[2]
        if name in published_means():
            return published_means()[name], Reason("published", f"mean of {name} in {published_source()}")
        return None

    def tell_of_records(self) -> None:
        """Rules that wanted records of which there are none."""
        for (rule, key), labels in self.unrecorded.items():
            if rule.source != "rule":
                continue
            shown = ", ".join(labels[:5]) + (" ..." if len(labels) > 5 else "")
            help = "the next rule or setting decides" if self.records.by_label else "name them: records: FOLDER"
            message = f"'{key}' of {rule} is to come from records, and there are none of: {shown}"
            self.findings.warning("no-records", message, rule.place(key), help)
