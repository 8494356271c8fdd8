"""Pipeline YAML of the demonstration pipelines, for people and for pipetask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.demo_data.tasks import PipelineShape, Port, TaskShape

STAND_IN = "lsst.pipe.base.tests.mocks.DynamicTestPipelineTask"
_GROUPS = {
    "init-input": "init_inputs",
    "init-output": "init_outputs",
    "prerequisite": "prerequisite_inputs",
    "input": "inputs",
    "output": "outputs",
}
_STAND_IN_HEAD = """\
# pipetask runs this as it is, and needs the middleware only. Every task is a stand-in that comes with
# the middleware: it really reads its inputs and writes small JSON files. The science task in whose
# place it stands is named in a comment.
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """Quanta of one task that are to fail, or to find no work."""

    task: str
    condition: str
    """On the data id, in the butler's expression language: ``exposure = 1001 AND detector = 2``."""
    exception: str = "builtins.ValueError"
    """Full name of the class; ``lsst.pipe.base.NoWorkFound`` means outputs that are legitimately absent."""


def published_text(shape: PipelineShape) -> str:
    """The pipeline with the classes and the configuration of the survey."""
    return (
        "\n".join(
            [
                f"description: {_scalar(shape.description)}",
                "tasks:",
                *_published(shape),
                *_subsets(shape),
                *_contracts(shape.contracts),
            ]
        )
        + "\n"
    )


def stand_in_text(shape: PipelineShape, failure: Failure | None = None) -> str:
    """The pipeline with stand-ins whose dimensions and connections come from configuration.

    The survey's contracts speak of fields that stand-ins lack; theirs say that a task reads what another writes.
    """
    lines = [f"description: {_scalar(shape.description + ', with stand-ins for the science tasks')}", "tasks:"]
    for task in shape.tasks:
        lines += _stand_in(task, failure if failure is not None and failure.task == task.label else None)
    return _STAND_IN_HEAD + "\n".join([*lines, *_subsets(shape), *_contracts(_chain(shape))]) + "\n"


def _published(shape: PipelineShape) -> Iterator[str]:
    for task in shape.tasks:
        yield f"  {task.label}:"
        yield f"    class: {task.task_class}"
        if task.config:
            yield "    config:"
            yield from (f"      {key}: {_scalar(value)}" for key, value in task.config)


def _stand_in(task: TaskShape, failure: Failure | None) -> Iterator[str]:
    yield f"  {task.label}: # in the place of {task.task_class}"
    yield f"    class: {STAND_IN}"
    yield "    config:"
    if failure is not None:
        yield f"      fail_condition: {json.dumps(failure.condition)}"
        yield f"      fail_exception: {failure.exception}"
    yield "      python: |"
    yield "        from lsst.pipe.base.tests.mocks import DynamicConnectionConfig as Connection"
    yield f"        config.dimensions = {_names(task.dimensions)}"
    yield from (f"        {_connection(port)}" for port in task.ports)


def _connection(port: Port) -> str:
    arguments = [f'dataset_type_name="{port.dataset_type}"']
    if port.dimensions:
        arguments.append(f"dimensions={_names(port.dimensions)}")
    if port.multiple:
        arguments.append("multiple=True")
    if port.calibration:
        arguments.append("is_calibration=True")
    return f'config.{_GROUPS[port.kind]}["{port.name}"] = Connection({", ".join(arguments)})'


def _chain(shape: PipelineShape) -> Iterator[str]:
    made = {port.dataset_type: (task, port) for task in shape.tasks for port in task.ports if port.kind == "output"}
    for task in shape.tasks:
        for port in task.ports:
            if port.kind == "input" and port.dataset_type in made:
                source, output = made[port.dataset_type]
                name = "dataset_type_name"
                yield (f'{task.label}.inputs["{port.name}"].{name} == {source.label}.outputs["{output.name}"].{name}')


def _subsets(shape: PipelineShape) -> Iterator[str]:
    if shape.subsets:
        yield "subsets:"
    for name, labels in shape.subsets:
        yield f"  {name}:"
        yield f"    subset: [{', '.join(labels)}]"


def _contracts(contracts: Iterable[str]) -> Iterator[str]:
    lines = [f"  - {_scalar(each)}" for each in contracts]
    if lines:
        yield "contracts:"
        yield from lines


def _names(names: tuple[str, ...]) -> str:
    return json.dumps(list(names))


def _scalar(value: object) -> str:
    """A YAML scalar, plain where plain text reads back as the same string."""
    if isinstance(value, bool):
        return "True" if value else "False"
    text = str(value)
    plain = text[:1].isalpha() and not any(mark in text for mark in (": ", " #"))
    return text if plain or not isinstance(value, str) else json.dumps(text)
