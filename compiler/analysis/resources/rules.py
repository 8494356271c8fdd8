"""Rules: which quanta, and what they ask for. For every number the first rule that matches and gives it wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from compiler.analysis.resources.condition import Condition, ConditionError, parse
from compiler.analysis.resources.fields import BY_KEY, FIELDS, Field
from compiler.analysis.resources.units import parse_factor, parse_size, parse_time
from compiler.diagnostics import Findings, Span, closest
from compiler.rubin import Task

Place = Callable[[int, str], Span | None]
"""Where the key of a rule stands: the rule's place in the list, and the key, with dots for those inside (`when.label`);
the empty key is the rule itself."""

_WHEN = ("label", "class", "dimension", "data")
_RECORDS = ("percentile", "headroom", "atLeast", "atMost")


def nowhere(index: int, key: str) -> Span | None:
    """A place for rules that stand in no file."""
    return None


@dataclass(frozen=True, slots=True)
class Written:
    """Rules as they were written, not looked at yet."""

    rules: Sequence[Any] = ()
    place: Place = nowhere
    """What it gives for a key that it does not know is used for its rule."""


@dataclass(frozen=True, slots=True)
class FromRecords:
    """A number that earlier runs decide: a percentile of what the quanta of the same label took, times a head-room."""

    percentile: float
    headroom: float = 1.2
    least: float | None = None
    """In the field's unit, after the head-room."""
    most: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule that was understood; equal to itself only."""

    number: int
    """Its place in its list, from 1."""
    source: str
    """``rule``, or the name of the profile it belongs to."""
    name: str = ""
    labels: tuple[str, ...] = ()
    """Patterns, one of which a task's label must match; none: any."""
    classes: tuple[str, ...] = ()
    """The same for its class: the whole, or the last part where the pattern has no dot."""
    dimensions: tuple[str, ...] = ()
    """Each of which the task must have."""
    condition: Condition | None = None
    sets: Mapping[str, Any] = field(default_factory=dict)
    """Values by key of `FIELDS`, as a request holds them, or a `FromRecords`."""
    places: Mapping[str, Span | None] = field(default_factory=dict)
    """By key of `sets`, by ``when.data`` and the like; the empty key is the rule's own."""

    def __str__(self) -> str:
        text = f"{self.source} {self.number}"
        return f"{text} ({self.name})" if self.name else text

    def matches(self, task: Task) -> bool:
        """Whether quanta of the task can match; a condition has yet to be asked."""
        return (
            (not self.labels or any(fnmatchcase(task.label, each) for each in self.labels))
            and (not self.classes or any(class_matches(task.task_class, each) for each in self.classes))
            and set(self.dimensions) <= set(task.all_dimensions)
            and (self.condition is None or self.condition.dimensions <= set(task.all_dimensions))
        )

    @property
    def when(self) -> tuple[object, ...]:
        """What two rules share that match the same."""
        text = None if self.condition is None else " ".join(self.condition.text.split())
        return frozenset(self.labels), frozenset(self.classes), frozenset(self.dimensions), text

    def place(self, key: str = "") -> Span | None:
        return self.places.get(key) or self.places.get("")


def class_matches(task_class: str, pattern: str) -> bool:
    """Whether a class has the pattern; without a dot the pattern is for the last part.

    >>> class_matches("lsst.ip.isr.IsrTask", "IsrTask"), class_matches("lsst.ip.isr.IsrTask", "lsst.ip.*")
    (True, True)
    """
    return fnmatchcase(task_class if "." in pattern else task_class.rpartition(".")[2], pattern)


def parse_rules(written: Written, findings: Findings, source: str = "rule") -> tuple[Rule, ...]:
    """The rules that can be understood; what is wrong with the others, and between them, goes to `findings`."""
    rules = [_Reader(number, rule, written.place, findings, source).rule() for number, rule in enumerate(written.rules)]
    kept = tuple(rule for rule in rules if rule is not None)
    _tell_contradictions(kept, findings)
    return kept


class _Reader:
    """Reads one rule; findings stand where the faults are."""

    def __init__(self, index: int, raw: Any, place: Place, findings: Findings, source: str) -> None:
        self.index, self.raw, self.findings, self.source = index, raw, findings, source
        self._place = place
        self.what = f"{source} {index + 1}"

    def place(self, key: str = "") -> Span | None:
        return self._place(self.index, key) or self._place(self.index, "")

    def rule(self) -> Rule | None:
        if not isinstance(self.raw, Mapping):
            self.findings.error("wrong-type", f"{self.what} is no mapping", self.place(), "as in {memory: 4 GiB}")
            return None
        before = len(self.findings.errors)
        self.known_keys("", self.raw, ("name", "when", *BY_KEY))
        when = self.raw.get("when")
        when = {} if when is None else when
        if not isinstance(when, Mapping):
            help = "as in when: {label: isr}"
            self.findings.error("wrong-type", f"'when' of {self.what} is no mapping", self.place("when"), help)
            return None
        self.known_keys("when", when, _WHEN)
        sets = {each.key: self.value(each) for each in FIELDS if each.key in self.raw}
        if not sets:
            self.findings.error("empty-rule", f"{self.what} asks for nothing", self.place(), "as in memory: 4 GiB")
        labels, classes, dimensions = (self.texts(when, key) for key in ("label", "class", "dimension"))
        condition = self.condition(when.get("data"))
        if len(self.findings.errors) > before:
            return None
        keys = ["", *sets, *(f"when.{key}" for key in when)]
        places = {key: self.place(key) for key in keys}
        name = str(self.raw.get("name") or "")
        return Rule(self.index + 1, self.source, name, labels, classes, dimensions, condition, sets, places)

    def known_keys(self, at: str, found: Mapping[Any, Any], known: Iterable[str]) -> None:
        known = tuple(known)
        whose = f"'{at}' of {self.what}" if at else self.what
        for key in found:
            if key not in known:
                like = closest(str(key), known)
                help = f"did you mean '{like}'?" if like else f"known here: {', '.join(known)}"
                place = self.place(f"{at}.{key}" if at else str(key))
                self.findings.error("unknown-key", f"{whose} has no key '{key}'", place, help)

    def texts(self, when: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = when.get(key)
        members = [] if value is None else value if isinstance(value, list | tuple) else [value]
        if any(not isinstance(each, str) or not each for each in members) or (key in when and not members):
            message = f"'{key}' of {self.what} is neither a text nor a list of texts"
            self.findings.error("wrong-type", message, self.place(f"when.{key}"), "put it into quotes")
            return ()
        return tuple(members)

    def condition(self, text: Any) -> Condition | None:
        if text is None:
            return None
        place = self.place("when.data")
        try:
            if not isinstance(text, str):
                raise ConditionError("it is no text; put it into quotes", 0, 0)
            return parse(text)
        except ConditionError as error:
            help = "as in \"detector in (1..4, 9) and visit >= 1000 and band = 'r'\""
            where, shown = _within(place, str(text), error)
            self.findings.error("bad-expression", f"'data' of {self.what}: {error}{shown}", where, help)
            return None

    def value(self, about: Field) -> Any:
        raw = self.raw[about.key]
        if isinstance(raw, Mapping) and about.key != "environment":
            return self.from_records(about, raw)
        try:
            value = about.read(raw)
        except ValueError as error:
            self.refuse(about.key, error)
            return None
        if about.key == "memory" and isinstance(raw, int | float) and value < 128:
            message = f"{self.what} asks for {value} MiB, less than the middleware alone takes (about 170 MiB)"
            self.findings.warning("little-memory", message, self.place("memory"), f"did you mean '{raw} GiB'?")
        return value

    def from_records(self, about: Field, raw: Mapping[str, Any]) -> FromRecords | None:
        if not about.measured:
            can = ", ".join(f"'{each.key}'" for each in FIELDS if each.measured)
            self.refuse(about.key, ValueError("records do not tell this number"), f"they do: {can}")
            return None
        self.known_keys(about.key, raw, _RECORDS)
        read = parse_size if about.measured == "memory" else parse_time
        numbers: dict[str, float | None] = {"percentile": None, "headroom": 1.2, "atLeast": None, "atMost": None}
        for key in _RECORDS:
            if key not in raw:
                continue
            try:
                limits = {"percentile": (0.0, 100.0), "headroom": (0.1, 10.0)}.get(key)
                numbers[key] = parse_factor(raw[key], *limits) if limits else read(raw[key])
            except ValueError as error:
                self.refuse(f"{about.key}.{key}", error)
        percentile, headroom, least, most = numbers.values()
        if "percentile" not in raw:
            self.refuse(about.key, ValueError("'percentile' is missing"), "as in {percentile: 95, headroom: 1.2}")
        if least is not None and most is not None and least > most:
            message = f"'atLeast' is more than 'atMost' in '{about.key}' of {self.what}"
            self.findings.error("contradictory-rules", message, self.place(f"{about.key}.atLeast"))
        return FromRecords(percentile or 0.0, headroom or 1.2, least, most)

    def refuse(self, key: str, error: ValueError, help: str | None = None) -> None:
        self.findings.error("bad-amount", f"'{key}' of {self.what}: {error}", self.place(key), help)


def _tell_contradictions(rules: Sequence[Rule], findings: Findings) -> None:
    """Two rules that match the same and give a number two values; the second would never be heard."""
    first: dict[tuple[object, ...], Rule] = {}
    for rule in rules:
        for key, value in rule.sets.items():
            if isinstance(value, FromRecords) and (rule.when, key) not in first:
                continue  # labels without records go on to the next rule
            other = first.setdefault((rule.when, key), rule)
            if other is not rule and other.sets[key] != value:
                place = other.place(key)
                message = f"'{key}' of {rule} contradicts {other}, which matches the same quanta"
                help = f"the first is {f'{place}; ' if place else ''}the first that matches wins: leave one of them out"
                findings.error("contradictory-rules", message, rule.place(key), help)


def _within(place: Span | None, text: str, error: ConditionError) -> tuple[Span | None, str]:
    """The place of a fault in an expression; where the text is not written out in one line, words that show it."""
    width = (place.end_column or 0) - place.column if place else 0
    quote = width - len(text)
    if place is None or quote not in (0, 2):
        return place, f": {text[: error.start]}>>>{text[error.start : error.end]}" if error.end else ""
    start = place.column + quote // 2
    return Span(place.file, place.line, start + error.start, start + error.end), ""
