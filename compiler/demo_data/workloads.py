"""Published runs as facts: counts, mean times and memory classes of their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What was published of one task of a run."""

    count: int
    mean_seconds: float
    memory: Literal["small", "large"]
    """``large`` asked for about 30 GB, ``small`` for less than 4 GB."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A published run."""

    name: str
    source: str
    """The technical note."""
    what: str
    init: TaskFacts
    """The job that initializes the run; it is no quantum."""
    tasks: Mapping[str, TaskFacts]
    """By the last part of the task's class, in the order in which data flows."""
    input_gb: float | None = None
    output_gb: float | None = None
    visits: int | None = None

    @property
    def n_quanta(self) -> int:
        return sum(task.count for task in self.tasks.values())


@cache
def workloads() -> Mapping[str, Workload]:
    """Every published run by name.

    >>> workloads()["tract-9615"].n_quanta
    27074
    """
    import yaml

    text = Path(__file__).with_name("workloads.yaml").read_text(encoding="utf-8")
    return {name: _workload(name, dict(facts)) for name, facts in yaml.safe_load(text).items()}


def _workload(name: str, facts: dict[str, object]) -> Workload:
    tasks = facts.pop("tasks")
    init = facts.pop("init")
    assert isinstance(tasks, dict)
    assert isinstance(init, dict)
    known = {task_class: TaskFacts(**row) for task_class, row in tasks.items()}
    return Workload(name, init=TaskFacts(**init), tasks=known, **facts)  # type: ignore[arg-type]
