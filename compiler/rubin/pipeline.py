"""A pipeline as its YAML says it: tasks by label, subsets, steps, contracts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from compiler.diagnostics import Span


@dataclass(frozen=True, slots=True)
class ConfigItem:
    """One override of a task's configuration, in the order in which it applies."""

    kind: Literal["field", "python", "file"]
    key: str
    """The dotted field for ``field``, else empty."""
    value: Any
    """The field's value, the Python text (carried, never executed), or the path of a file."""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PipelineTask:
    """A task of the pipeline: the label is its name, the class what it runs."""

    label: str
    task_class: str
    config: tuple[ConfigItem, ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Subset:
    """A named set of task labels."""

    label: str
    tasks: frozenset[str]
    description: str | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Steps:
    """A step: a subset that is processed as one campaign, sharded by dimensions."""

    label: str
    dimensions: tuple[str, ...]
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Contract:
    """An expression over task configurations that must be true, as text."""

    expression: str
    message: str | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A whole pipeline, its imports and parameters resolved."""

    description: str
    tasks: tuple[PipelineTask, ...]
    instrument: str | None = None
    subsets: tuple[Subset, ...] = ()
    steps: tuple[Steps, ...] = ()
    contracts: tuple[Contract, ...] = ()
    parameters: tuple[tuple[str, Any], ...] = ()
    file: str = ""
    """The file that was read, as it was named."""
    sources: tuple[str, ...] = ()
    """Every file that was read, imports included, in the order of reading."""

    def task(self, label: str) -> PipelineTask | None:
        return next((each for each in self.tasks if each.label == label), None)
