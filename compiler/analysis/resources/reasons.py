"""Why each quantum asks for what it asks for: kept with a compile, and read again to explain it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from compiler.analysis.resources.fields import FIELDS
from compiler.diagnostics import Span
from compiler.jobs.request import Request
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

FORMAT = "rubincwl requests 1"
FILE = "requests.json"

Source = Literal["rule", "profile", "bps", "runTimes", "records", "published", "default"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What gave a number."""

    source: Source
    text: str
    """For people: ``rule 2 (large)``, ``requestMemory``."""
    place: Span | None = None

    def __str__(self) -> str:
        return f"{self.text}, {self.place}" if self.place else self.text


@dataclass(frozen=True, eq=False)
class Reasons:
    """The reason of every number of every quantum: few cases, many quanta."""

    reasons: tuple[Reason, ...]
    cases: tuple[tuple[int, ...], ...]
    """For each case the places in `reasons`, in the order of `FIELDS`."""
    requests: tuple[Request, ...]
    """What each case asks for."""
    of: Ints
    """Shape (quanta,): each quantum's place in `cases`."""

    def why(self, quantum: int) -> Mapping[str, Reason]:
        """The reason of each field, by its key in a rule."""
        case = self.cases[int(self.of[quantum])]
        return {field.key: self.reasons[number] for field, number in zip(FIELDS, case, strict=True)}

    def place(self, case: int, attribute: str) -> Span | None:
        """Where a number of the case comes from."""
        return self.reason(case, attribute).place

    def reason(self, case: int, attribute: str) -> Reason:
        """What gave a number of the case."""
        number = next(number for number, field in enumerate(FIELDS) if field.attribute == attribute)
        return self.reasons[self.cases[case][number]]


@dataclass(frozen=True, slots=True)
class Explained:
    """A number of one quantum, and what gave it."""

    key: str
    value: Any
    shown: str
    reason: Reason


def write_requests(reasons: Reasons, graph: QuantumGraph, path: Path) -> None:
    """Write ``requests.json`` (schemas/requests.schema.json)."""
    content = {
        "format": FORMAT,
        "fields": [field.key for field in FIELDS],
        "reasons": [_reason_to_json(each) for each in reasons.reasons],
        "cases": [
            {"request": _request_to_json(request), "reasons": list(case)}
            for request, case in zip(reasons.requests, reasons.cases, strict=True)
        ],
        "tasks": [
            {
                "label": task.label,
                "dimensions": list(task.dimensions),
                "quanta": len(graph.quanta_of(number)),
                "cases": _runs(_rows(reasons, graph, number)),
            }
            for number, task in enumerate(graph.tasks)
        ],
    }
    path.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Kept:
    """What ``requests.json`` holds. Raises `ValueError` or `KeyError` where a file is none."""

    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Kept:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"'{path}' is no file of the format '{FORMAT}'")
        return cls(content)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(task["label"] for task in self.content["tasks"])

    def task(self, label: str) -> Mapping[str, Any]:
        """Raises `KeyError`."""
        for task in self.content["tasks"]:
            if task["label"] == label:
                found: Mapping[str, Any] = task
                return found
        raise KeyError(label)

    def dimensions(self, label: str) -> tuple[str, ...]:
        """The dimensions by whose values the task's quanta are ordered, the first first."""
        return tuple(self.task(label)["dimensions"])

    def quanta(self, label: str) -> int:
        """How many quanta the task has."""
        return int(self.task(label)["quanta"])

    def case_of(self, label: str, number: int) -> int:
        """The case of a quantum, `number` counting those of its task; raises `IndexError`."""
        left, runs = number, self.task(label)["cases"]
        for case, count in zip(runs[::2], runs[1::2], strict=True):
            if left < count:
                return int(case)
            left -= count
        raise IndexError(number)

    def explain(self, case: int) -> Sequence[Explained]:
        """Every number of the case."""
        kept = self.content["cases"][case]
        values = kept["request"]
        out = []
        for key, number in zip(self.content["fields"], kept["reasons"], strict=True):
            field = next(each for each in FIELDS if each.key == key)
            value = values[field.attribute]
            shown = field.show(tuple(map(tuple, value)) if key == "environment" else value)
            out.append(Explained(key, value, shown, _reason_from_json(self.content["reasons"][number])))
        return out


def _rows(reasons: Reasons, graph: QuantumGraph, task: int) -> Ints:
    return reasons.of[graph.task_start[task] : graph.task_start[task + 1]]


def _runs(cases: Ints) -> list[int]:
    """Equal neighbours together: case, count, case, count ...

    >>> _runs(np.array([3, 3, 3, 0, 3], dtype=np.int32))
    [3, 3, 0, 1, 3, 1]
    """
    edges = np.flatnonzero(np.diff(cases)) + 1
    starts = np.concatenate(([0], edges)) if len(cases) else edges
    lengths = np.diff(np.append(starts, len(cases)))
    out: list[int] = np.column_stack((cases[starts], lengths)).ravel().tolist()
    return out


def _request_to_json(request: Request) -> dict[str, Any]:
    return asdict(request)


def _reason_to_json(reason: Reason) -> dict[str, Any]:
    place = reason.place
    where = {"file": place.file, "line": place.line, "column": place.column} if place else {}
    return {"source": reason.source, "text": reason.text, **where}


def _reason_from_json(found: Mapping[str, Any]) -> Reason:
    place = Span(found["file"], found["line"], found["column"]) if "file" in found else None
    return Reason(found["source"], found["text"], place)
