"""What a workflow does with a job order, evaluated once for all calls of a step together.

The rules are those of `evaluate`, on columns. Nothing is explained here: what is not plainly right is an `OddError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from compiler.certificate.columns import (
    Column,
    Files,
    Given,
    Ints,
    OddError,
    Ragged,
    Same,
    Values,
    flat,
    follow,
    full,
    plain,
    repeat,
    size,
    starts,
    with_leaf,
)
from compiler.certificate.evaluate import Program, Step, Workflow
from compiler.certificate.expression import Expression
from compiler.certificate.javascript import ExpressionError, JavaScript, NoEngineError
from compiler.certificate.links import Feed, Key
from compiler.certificate.references import Path, Template
from compiler.certificate.tools import RECORD, Output, Tool

Names = tuple[str | Column, ...]
"""The names of a port's files: literal text and values in turn, to be joined row by row."""


@dataclass(slots=True, eq=False)
class Made:
    """What a port of a batch hands on."""

    rows: Ints
    """Shape (files,): the call that makes each file."""
    numbers: Ints
    """Shape (files,)."""
    names: Names
    """Columns of as many rows."""


@dataclass(slots=True, eq=False)
class Batch:
    """Calls of one tool."""

    tool: Tool
    rows: int
    data_id: dict[str, Column]
    """By dimension, what the command line says."""
    feeds: dict[str, list[Column]]
    """The columns whose files are staged for each connection."""
    runtime: list[Column]
    """The quantum runner, the graph, the butler configuration."""
    made: dict[str, Made] = field(default_factory=dict)
    """By output port."""


class Batches:
    """Evaluates a compiled workflow; raises `OddError`."""

    def __init__(self, javascript: JavaScript) -> None:
        self.given = Given()
        """The files of the job order."""
        self.all: list[Batch] = []
        """In the order of the data's flow."""
        self.results: dict[str, Column] = {}
        """The workflow's outputs, of one row each."""
        self.n_files = 0
        """Files of the job order and of calls together."""
        self._javascript = javascript

    def run(self, program: Program, job_order: Any) -> None:
        """Evaluate the whole."""
        if not isinstance(job_order, dict) or not job_order.keys() <= program.main.inputs.keys():
            raise OddError("the job order is not of the workflow's inputs")
        inputs = {}
        for name in program.main.inputs:
            value = job_order.get(name)
            inputs[name] = self.given.column([program.defaults.get(name) if value is None else value])
        self.n_files = len(self.given.names)
        self.results = self._workflow(program.main, inputs, 1)

    def _workflow(self, workflow: Workflow, given: Mapping[str, Column], rows: int) -> dict[str, Column]:
        values: dict[Key, Column] = {}
        for name, kind in workflow.inputs.items():
            if not kind.fits(given[name]):
                raise OddError(f"input {name!r} of workflow {workflow.id!r} is not {kind.text}")
            values["", name] = given[name]
        for step in workflow.steps:
            self._step(step, values, rows)
        found = {}
        for name, feed, kind in workflow.results:
            found[name] = _fed(feed, values, rows)
            if not kind.fits(found[name]):
                raise OddError(f"output {name!r} of workflow {workflow.id!r} is not {kind.text}")
        return found

    def _step(self, step: Step, values: dict[Key, Column], rows: int) -> None:
        given = {port: _fed(feed, values, rows) for port, feed in step.feeds}
        start = None
        for port in step.scatter:
            array = full(given[port])
            if not isinstance(array, Ragged) and size(array):
                raise OddError(f"step {step.where!r} scatters over {port!r}, which is no array")
            cuts = array.start if isinstance(array, Ragged) else starts(np.empty(0, dtype=np.int64))
            if start is not None and not np.array_equal(start, cuts):
                raise OddError(f"step {step.where!r} scatters over arrays of different lengths")
            start = cuts
            given[port] = array.items if isinstance(array, Ragged) else array
        if start is not None:
            counts = np.diff(start)
            given = {port: each if port in step.scatter else repeat(each, counts) for port, each in given.items()}
            rows = int(start[-1])
        made = self._process(step, given, rows)
        for port, key in step.out:
            values[key] = made[port] if start is None else Ragged(start, made[port])

    def _process(self, step: Step, given: Mapping[str, Column], rows: int) -> Mapping[str, Column]:
        match step.process:
            case Workflow() as workflow:
                return self._workflow(workflow, given, rows)
            case Tool() as tool:
                return self._tool(tool, given, rows)
            case Expression() as expression:
                return self._expression(expression, given, rows)
        raise OddError(f"step {step.where!r} runs nothing that can be evaluated")

    def _tool(self, tool: Tool, given: Mapping[str, Column], rows: int) -> dict[str, Column]:
        for name, kind in tool.inputs.items():
            if not kind.fits(given[name]):
                raise OddError(f"input {name!r} of {tool.id!r} is not {kind.text}")
        if tool.twice:
            raise OddError(f"{tool.id!r} says its data id twice")
        for path in tool.asked:
            number = full(_followed(given, path))
            if size(number) and not (isinstance(number, Values) and number.types <= {int, float}):
                raise OddError(f"{tool.id!r} asks for what is no number")
        batch = Batch(
            tool,
            rows,
            {name: _one(given, template) for name, template in tool.data_id.items()},
            {name: [_followed(given, path) for path in paths] for name, paths in tool.feeds},
            [_followed(given, path) for path in tool.runtime],
        )
        self.all.append(batch)
        return {each.port: self._files(batch, each, given) for each in tool.globs}

    def _files(self, batch: Batch, output: Output, given: Mapping[str, Column]) -> Column:
        if output.template is None or (output.array and output.port == RECORD):
            raise OddError(f"output {output.port!r} of {batch.tool.id!r} has several globs, or records")
        start = np.arange(batch.rows + 1)
        names: Names = tuple(
            part if isinstance(part, str) else _followed(given, part) for part in output.template.parts
        )
        if output.template.reference and output.array:
            told = full(_followed(given, output.template.reference))
            if isinstance(told, Ragged):
                start, names = told.start, (told.items,)
        numbers = np.arange(self.n_files, self.n_files + start[-1])
        self.n_files += len(numbers)
        batch.made[output.port] = Made(np.repeat(np.arange(batch.rows), np.diff(start)), numbers, names)
        return Ragged(start, Files(numbers)) if output.array else Files(numbers)

    def _expression(self, expression: Expression, given: Mapping[str, Column], rows: int) -> dict[str, Column]:
        """Files are known to the JavaScript as numbers within their row, which it cannot tell apart otherwise.

        So rows that have arrays of one shape are one question.
        """
        for name, kind in expression.inputs.items():
            if not kind.fits(given[name]):
                raise OddError(f"input {name!r} of {expression.step!r} is not {kind.text}")
        whole = {name: full(each) for name, each in given.items()}
        leaves = {name: flat(each) for name, each in whole.items()}
        counts = np.zeros(rows, dtype=np.int64)
        pools: list[tuple[Ints, Ints, Ints]] = []
        for name, (row, leaf) in leaves.items():
            if isinstance(leaf, Files):
                mine = np.bincount(row, minlength=rows)
                place = np.arange(len(row)) - starts(mine)[row] + counts[row]
                pools.append((row, place, leaf.numbers))
                whole[name] = with_leaf(whole[name], Files(place))
                counts += mine
        start = starts(counts)
        numbers = np.empty(start[-1], dtype=np.int64)
        for row, place, files in pools:
            numbers[start[row] + place] = files
        made = self._answers(expression, whole, rows)
        found = {}
        for name, kind in expression.kinds.items():
            column = self.given.column(made[name])
            row, leaf = flat(column)
            if isinstance(leaf, Values) and leaf.types == {int}:
                place = np.array(leaf.items, dtype=np.int64)
                if not ((place >= 0) & (place < counts[row])).all():
                    raise OddError(f"the expression of {expression.step!r} gives files that it did not get")
                column = with_leaf(column, Files(numbers[start[row] + place]))
            elif size(leaf):
                raise OddError(f"the expression of {expression.step!r} gives other things than files")
            if not kind.fits(column):
                raise OddError(f"the expression of {expression.step!r} gives no {kind.text}")
            found[name] = column
        return found

    def _answers(self, expression: Expression, given: Mapping[str, Column], rows: int) -> dict[str, list[Any]]:
        """What the JavaScript gives for each row, by output port; every leaf is the number of a file."""
        files = [name for name, each in given.items() if isinstance(flat(each)[1], Files)]
        columns = {name: plain(each) for name, each in given.items()}
        known: dict[bytes, dict[str, Any]] = {}
        found: dict[str, list[Any]] = {name: [] for name in expression.outputs}
        for row in range(rows):
            question = {name: each[row] for name, each in columns.items()}
            key = msgspec.json.encode(question)
            if key not in known:
                try:
                    answer = self._javascript.choose(expression.text, expression.library, files, key)
                except (NoEngineError, ExpressionError) as problem:
                    raise OddError(f"the expression of {expression.step!r}: {problem}") from None
                if answer.keys() != found.keys():
                    raise OddError(f"the expression of {expression.step!r} gives other ports")
                # A pool's files are numbered as the hint counts them: depth first.
                if expression.regroup and (files != ["pool"] or answer != {"members": question.get("index")}):
                    raise OddError(f"the expression of {expression.step!r} is no rubin:Regroup")
                known[key] = answer
            for name, answers in found.items():
                answers.append(known[key][name])
        return found


def _fed(feed: Feed, values: Mapping[Key, Column], rows: int) -> Column:
    if feed.merged:
        raise OddError("a link with several sources")
    if feed.key is not None:
        return values[feed.key]
    return Same(rows, Values([feed.constant], frozenset({type(feed.constant)})))


def _followed(given: Mapping[str, Column], path: Path) -> Column:
    if not path or path[0] not in given:
        raise OddError("a reference to no port")
    return follow(given[str(path[0])], path[1:])


def _one(given: Mapping[str, Column], template: Template) -> Column:
    """What a word of the command line says, where it is one reference and nothing else."""
    if template.reference is None:
        raise OddError("a data id that is put together on the command line")
    return _followed(given, template.reference)
