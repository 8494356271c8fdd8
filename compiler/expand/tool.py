"""A CommandLineTool, read once and called for batches of data ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from compiler.diagnostics import Findings
from compiler.expand.asked import Asks, asks_of, clusters_of, requests_of
from compiler.expand.columns import (
    Column,
    Longs,
    Numbers,
    Plain,
    Ragged,
    Same,
    as_ragged,
    column_of,
    filled,
    merged,
)
from compiler.expand.command import Piece, numbered_ids, piece_words, quantum_ids, read_command
from compiler.expand.document import Process, file_type, is_array, items, local_id, our_hint
from compiler.expand.ledger import Asked, Ledger
from compiler.expand.references import Reference, Scope, Text, UnsupportedError, compile_text
from compiler.jobs import Batch
from compiler.jobs import Tool as Declared
from compiler.jobs.graph import Value, Word

_WILD = "*?[]"
_DATA_ID = ("inputs", "_quantum", "data_id")


@dataclass(frozen=True, slots=True)
class Where:
    """The step that calls, and for each scatter around it every call's place."""

    step: str = ""
    places: tuple[Longs, ...] = ()


@dataclass(frozen=True, slots=True)
class _Output:
    port: str
    several: bool
    globs: list[Text]


class Tool:
    """Makes batches of calls.

    Everything that cannot be said in a job graph is told once, when the tool is read.
    """

    def __init__(self, process: Process, ledger: Ledger, findings: Findings) -> None:
        self.id = local_id(process.get("id", "tool"))
        self._ledger = ledger
        self._findings = findings
        task, cluster = our_hint(process, "Task"), our_hint(process, "Cluster") or {}
        self._declared = Declared(
            self.id,
            task["label"] if task else None,
            is_init=our_hint(process, "Init") is not None,
            cluster=cluster.get("name") or "",
            cluster_disk_mib=cluster.get("diskMiB"),
            cluster_walltime_s=cluster.get("walltimeS"),
        )
        self._number: int | None = None
        """Its place among the tools that are called."""
        self._cluster = cluster.get("number") if task else None  # only quanta can share a process
        self._asks = asks_of(process)
        self._base: list[str] = []
        self._pieces: list[Piece] = []
        self._outputs: list[_Output] = []
        self._defaults = {
            port: Same(column_of([body["default"]], ledger.table))
            for port, body in items(process.get("inputs"))
            if "default" in body
        }
        try:
            self._base, self._pieces = read_command(process)
            self._read_outputs(process)
        except UnsupportedError as reason:
            self._complain("unsupported-expression", str(reason))
        for key in ("stdin", "stdout", "stderr"):
            if key in process:
                self._complain("unsupported-stream", f"it redirects {key}")

    def _complain(self, code: str, what: str) -> None:
        self._findings.error(code, f"tool {self.id!r} cannot become a job: {what}")

    def _read_outputs(self, process: Process) -> None:
        for port, body in items(process.get("outputs")):
            binding = body.get("outputBinding") or {}
            if not file_type(body["type"]) or "glob" not in binding or "outputEval" in binding:
                self._complain("unsupported-output", f"output {port!r} is not a File found by glob")
                continue
            glob = binding["glob"]
            globs = [glob] if isinstance(glob, str) else glob
            self._outputs.append(_Output(port, is_array(body["type"]), [compile_text(each) for each in globs]))

    def call(self, inputs: dict[str, Column], rows: int, asks: Asks, where: Where) -> dict[str, Column]:
        """Add the calls that these inputs make and return their outputs: a column of files or of lists a port.

        `asks` is what the workflow and the step ask for. Raises `UnsupportedError`.
        """
        if not rows:
            return {output.port: Plain([]) for output in self._outputs}
        for port, value in self._defaults.items():
            inputs[port] = filled(inputs.get(port), value)
        scope = Scope(rows, inputs)
        data_id = self._data_id(scope)
        number, values = self._declare(data_id)
        ids = self._ids(scope, data_id, where)
        outputs = self._make(scope, number, ids)
        batch = Batch(number, 0, rows, *self._command(scope), values)
        asked = Asked(*requests_of({**asks, **self._asks}, scope), clusters_of(self._cluster, scope))
        self._ledger.add_calls(batch, ids, inputs.values(), outputs.values(), asked)
        return outputs

    def _data_id(self, scope: Scope) -> dict[Reference, list[Value]]:
        """What a task's calls say of each dimension, in the order of the first call's data id."""
        if self._declared.label is None:
            return {}
        try:
            column = scope.find(_DATA_ID)
        except UnsupportedError:
            return {}
        first = column.take(np.zeros(1, dtype=np.int64)).values(1)[0] or {}
        if isinstance(column, Plain) and any((each or {}).keys() != first.keys() for each in column.items):
            raise self._mixed()
        references: list[Reference] = [(*_DATA_ID, dimension) for dimension in first]
        found = {each: scope.find(each).values(scope.rows) for each in references}
        if not {kind for values in found.values() for kind in set(map(type, values))} <= {int, str}:
            raise UnsupportedError(f"the data ids of tool {self.id!r} hold more than numbers and texts")
        return found

    def _declare(self, data_id: Mapping[Reference, list[Value]]) -> tuple[int, tuple[list[Value], ...]]:
        """The tool's number, and the columns of `data_id` in the order of its dimensions."""
        if self._number is None:
            dimensions = tuple(reference[-1] for reference in data_id)
            self._number = self._ledger.add_tool(replace(self._declared, dimensions=dimensions))
        references = [(*_DATA_ID, dimension) for dimension in self._ledger.tools[self._number].dimensions]
        if set(references) != set(data_id):
            raise self._mixed()
        return self._number, tuple(data_id[each] for each in references)

    def _mixed(self) -> UnsupportedError:
        return UnsupportedError(f"the data ids of tool {self.id!r} have different dimensions")

    def _ids(self, scope: Scope, data_id: Mapping[Reference, list[Value]], where: Where) -> list[str]:
        if self._declared.label is not None:
            return quantum_ids(self.id, data_id, scope)
        if self._declared.is_init:
            return numbered_ids(self.id, (), scope.rows)
        return numbered_ids(where.step or self.id, [each.tolist() for each in where.places], scope.rows)

    def _command(self, scope: Scope) -> tuple[tuple[Word, ...], int]:
        """The words, and how many of them a job of several calls says once."""
        words: list[Word] = [*self._base]
        shared = None
        for piece in self._pieces:
            if shared is None and piece.text.value == "--task" and self._declared.label is not None:
                shared = len(words)
            words += piece_words(piece, scope)
        # Of a single call every word is the same for all calls, whatever it was made from.
        said = [
            word[0] if scope.rows == 1 and not isinstance(word, str) and isinstance(word[0], str) else word
            for word in words
        ]
        return tuple(said), len(words) if shared is None else shared

    def _make(self, scope: Scope, tool: int, ids: list[str]) -> dict[str, Column]:
        """The files that calls write, numbered; ports that name the same files hold the same."""
        outputs: dict[str, Column] = {}
        made: list[tuple[list[str], Numbers]] = []
        for output in self._outputs:
            start, names = self._names(scope, output, ids)
            files = next((known for before, known in made if before == names), None)
            if files is None:
                self._check_names(names, ids, start)
                first = self._ledger.table.make(tool, output.port, names)
                files = Numbers(self._ledger.table, np.arange(first, first + len(names), dtype=np.int32))
                made.append((names, files))
            outputs[output.port] = files if start is None else Ragged(start, files)
        return outputs

    def _names(self, scope: Scope, output: _Output, ids: list[str]) -> tuple[Longs | None, list[str]]:
        """What the globs of a port name; with where each call's names begin if the port holds lists."""
        rows = scope.rows
        columns = [scope.evaluate(glob) for glob in output.globs]
        column = columns[0] if len(columns) == 1 else merged(columns, rows, True, self._ledger.table)
        if isinstance(column, Plain) and list in column.types:
            column = Plain([each if isinstance(each, list) else [each] for each in column.items])
        lists = as_ragged(column, rows)
        if lists is None:
            return (np.arange(rows + 1) if output.several else None), column.values(rows)
        if not output.several and (lists.lengths != 1).any():
            row = int(np.flatnonzero(lists.lengths != 1)[0])
            raise UnsupportedError(
                f"output {output.port!r} of {ids[row]!r} is one file but its glob gives {lists.lengths[row]}"
            )
        return (lists.start if output.several else None), lists.inner.values(int(lists.start[-1]))

    def _check_names(self, names: list[Any], ids: list[str], start: Longs | None) -> None:
        if not set(map(type, names)) <= {str}:
            bad = next(each for each in names if not isinstance(each, str))
            raise UnsupportedError(f"the glob {bad!r} is no text")
        together = "".join(names)
        if any(each in together for each in _WILD):
            bad = next(name for name in names if set(_WILD).intersection(name))
            raise UnsupportedError(f"the glob {bad!r} is a pattern, so what it finds is not known before it runs")
        if "/" in together or not all(names):
            for place, name in enumerate(names):
                if "/" in name or not name:
                    row = place if start is None else int(np.searchsorted(start, place, "right")) - 1
                    self._findings.error(
                        "unsupported-glob", f"job {ids[row]!r} writes {name!r}, which is no plain file name"
                    )
