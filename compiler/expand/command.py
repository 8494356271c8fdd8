"""The command line of a tool and the ids of its calls, for a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.expand.columns import Same, are_words, has_none, words_of
from compiler.expand.document import Process, items
from compiler.expand.files import StagedFile
from compiler.expand.references import Part, Reference, Scope, Text, UnsupportedError, compile_text
from compiler.jobs.graph import Value, Word
from compiler.runtime.quantum_runner import LONGEST_NAME, dataset_name


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the command line, placed by its sort key."""

    key: tuple[int, int, str]
    text: Text
    binding: Mapping[str, Any]
    port: str | None = None
    """The input that it shows, or None for an argument."""


def read_command(process: Process) -> tuple[list[str], list[Piece]]:
    """The base command and the pieces behind it, in their order; raises `UnsupportedError`."""
    base = process.get("baseCommand") or []
    pieces: list[Piece] = []
    for place, argument in enumerate(process.get("arguments") or ()):
        body = argument if isinstance(argument, Mapping) else {"valueFrom": argument}
        key = (int(body.get("position") or 0), place, "")
        pieces.append(Piece(key, compile_text(body["valueFrom"]), body))
    for port, body in items(process.get("inputs")):
        binding = body.get("inputBinding")
        if binding is not None:
            shown = compile_text(binding.get("valueFrom", f'$(inputs["{port}"])'))
            key = (int(binding.get("position") or 0), 1 << 30, port)
            pieces.append(Piece(key, shown, binding, port))
    pieces.sort(key=lambda piece: piece.key)
    return [base] if isinstance(base, str) else list(base), pieces


def piece_words(piece: Piece, scope: Scope) -> list[Word]:
    """The words that a binding adds to the commands of a batch (CWL v1.2, section 4.1 "Input binding")."""
    shown = None if piece.port is None else scope.inputs.get(piece.port)
    if piece.port is not None:
        if shown is None or (isinstance(shown, Same) and shown.value is None):
            return []
        if "valueFrom" in piece.binding:
            scope = scope.with_self(shown)
    column = scope.evaluate(piece.text)
    if shown is None or not has_none(shown):
        if isinstance(column, Same):
            return list(_words(piece.binding, column.value))
        if are_words(column):
            return _prefixed(piece.binding, words_of(column, scope.rows))
    there = [True] * scope.rows if shown is None else [each is not None for each in shown.values(scope.rows)]
    values = zip(column.values(scope.rows), there, strict=True)
    return [[tuple(_words(piece.binding, value)) if is_there else () for value, is_there in values]]


def _prefixed(binding: Mapping[str, Any], words: list[str]) -> list[Word]:
    prefix = binding.get("prefix")
    if not prefix:
        return [words]
    return [prefix, words] if binding.get("separate", True) else [[prefix + word for word in words]]


def _words(binding: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What one call adds."""
    prefix, separate = binding.get("prefix"), binding.get("separate", True)
    if value is None or value is False:
        return
    if value is True:
        yield from [prefix] if prefix else []
        return
    values = value if isinstance(value, list) else [value]
    words = [each.lfn if isinstance(each, StagedFile) else _plain(each) for each in values]
    if isinstance(value, list) and "itemSeparator" in binding:
        words = [binding["itemSeparator"].join(words)]
    if prefix and not separate and words:
        yield prefix + words[0]
        yield from words[1:]
    else:
        yield from [prefix] if prefix else []
        yield from words


def _plain(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise UnsupportedError(f"a {type(value).__name__} cannot be a word of a command line")


def quantum_ids(tool: str, data_id: Mapping[Reference, Sequence[Value]], scope: Scope) -> list[str]:
    """`dataset_name` of the tool and the data id of each call; `data_id` has the values by their references."""
    if data_id and _needs_no_escape([tool]) and all(map(_needs_no_escape, data_id.values())):
        first, *rest = data_id
        parts: list[Part] = [f"{tool}-", first]
        for reference in rest:
            parts += ["-", reference]
        ids: list[str] = scope.evaluate(Text(tuple(parts))).values(scope.rows)
        if max(map(len, ids)) <= LONGEST_NAME:
            return ids
    return numbered_ids(tool, list(data_id.values()), scope.rows)


def numbered_ids(name: str, columns: Sequence[Sequence[Value]], rows: int) -> list[str]:
    """`dataset_name` of a name and the values in each column."""
    if not columns:
        return [dataset_name(name, ())] * rows
    return [dataset_name(name, row) for row in zip(*columns, strict=True)]


def _needs_no_escape(values: Sequence[Value]) -> bool:
    return all(dataset_name(str(each), ()) == str(each) for each in set(values))
