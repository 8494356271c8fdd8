"""Does a value have the type that a port declares?

A declaration is compiled once into a `Kind`. Two declarations that say the same are one object, and a
record remembers the last kind that accepted it, so that a record which passes through many ports of one
type is looked into once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from compiler.certificate.columns import Column, Files, Ragged, Records, Same, Values, size
from compiler.certificate.document import UnsupportedError, local_name, named_items, only
from compiler.certificate.values import UNKNOWN, File, Record, describe


class Kind:
    """A CWL type. `accepts` decides about a value, `fits` about a column of them, `why_not` explains."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def accepts(self, value: Any) -> bool:
        raise NotImplementedError

    def fits(self, column: Column) -> bool:
        """Whether the type accepts every row; a union only where one of its alternatives accepts them all."""
        if isinstance(column, Same):
            return not column.rows or self.fits(column.one)
        return not size(column) or self._fits(column)

    def _fits(self, column: Column) -> bool:
        raise NotImplementedError

    def why_not(self, value: Any) -> str:
        """A sentence about a value that `accepts` refused."""
        return f"{describe(value)} where {self.text} is declared"

    @property
    def optional(self) -> bool:
        return self.accepts(None)

    @property
    def holds_files(self) -> bool:
        return False


class _Simple(Kind):
    __slots__ = ("bounds", "types")

    def __init__(self, text: str, types: tuple[type, ...], bits: int = 0) -> None:
        super().__init__(text)
        self.types = types
        self.bounds = (-(1 << bits - 1), (1 << bits - 1) - 1) if bits else None

    def accepts(self, value: Any) -> bool:
        if type(value) in self.types:
            return self.bounds is None or self.bounds[0] <= value <= self.bounds[1]
        return value is UNKNOWN

    def _fits(self, column: Column) -> bool:
        if not isinstance(column, Values):
            return isinstance(column, Files) and self.holds_files
        return column.types <= set(self.types) and (
            self.bounds is None or (self.bounds[0] <= min(column.items) and max(column.items) <= self.bounds[1])
        )

    @property
    def holds_files(self) -> bool:
        return File in self.types


class _Any(Kind):
    __slots__ = ()

    def accepts(self, value: Any) -> bool:
        return value is not None

    def _fits(self, column: Column) -> bool:
        return not isinstance(column, Values) or type(None) not in column.types

    @property
    def holds_files(self) -> bool:
        return True


class _Array(Kind):
    __slots__ = ("items",)

    def __init__(self, items: Kind) -> None:
        super().__init__(f"{items.text}[]")
        self.items = items

    def accepts(self, value: Any) -> bool:
        if type(value) is list:
            return all(map(self.items.accepts, value))
        return value is UNKNOWN

    def _fits(self, column: Column) -> bool:
        return isinstance(column, Ragged) and self.items.fits(column.items)

    def why_not(self, value: Any) -> str:
        if type(value) is not list:
            return super().why_not(value)
        at, each = next((i, each) for i, each in enumerate(value) if not self.items.accepts(each))
        return f"in item {at}: {self.items.why_not(each)}"

    @property
    def holds_files(self) -> bool:
        return self.items.holds_files


class _Record(Kind):
    __slots__ = ("fields", "names", "pairs")

    def __init__(self, fields: Mapping[str, Kind]) -> None:
        super().__init__(f"a record of {', '.join(fields) or 'nothing'}")
        self.fields = dict(fields)
        self.names = frozenset(fields)
        self.pairs = tuple((name, kind.accepts) for name, kind in fields.items())

    def accepts(self, value: Any) -> bool:
        if type(value) is not Record:
            return value is UNKNOWN
        if value.seen is self:
            return True
        get = value.get
        for name, accepts in self.pairs:
            if not accepts(get(name)):
                return False
        if value.keys() <= self.names:
            value.seen = self
            return True
        return False

    def _fits(self, column: Column) -> bool:
        return (
            isinstance(column, Records)
            and column.fields.keys() <= self.names
            and all(
                kind.fits(column.fields[name]) if name in column.fields else kind.optional
                for name, kind in self.fields.items()
            )
        )

    def why_not(self, value: Any) -> str:
        if type(value) is not Record:
            return super().why_not(value)
        for name, kind in self.fields.items():
            if not kind.accepts(value.get(name)):
                return f"in field {name!r}: {kind.why_not(value.get(name))}"
        return f"field {', '.join(sorted(map(repr, value.keys() - self.names)))} is not declared"

    @property
    def holds_files(self) -> bool:
        return any(kind.holds_files for kind in self.fields.values())


class _Union(Kind):
    __slots__ = ("alternatives",)

    def __init__(self, alternatives: tuple[Kind, ...]) -> None:
        super().__init__(" or ".join(each.text for each in alternatives))
        self.alternatives = alternatives

    def accepts(self, value: Any) -> bool:
        return any(each.accepts(value) for each in self.alternatives)

    def _fits(self, column: Column) -> bool:
        return any(each.fits(column) for each in self.alternatives)

    @property
    def holds_files(self) -> bool:
        return any(each.holds_files for each in self.alternatives)


_SIMPLE: dict[str, Kind] = {
    "null": _Simple("nothing", (type(None),)),
    "boolean": _Simple("boolean", (bool,)),
    "int": _Simple("int", (int,), 32),
    "long": _Simple("long", (int,), 64),
    "float": _Simple("float", (int, float)),
    "double": _Simple("double", (int, float)),
    "string": _Simple("string", (str,)),
    "File": _Simple("File", (File,)),
    "Any": _Any("Any"),
}


class Kinds:
    """Compiles declarations of types; equal ones become one `Kind`."""

    def __init__(self) -> None:
        self._known: dict[str, Kind] = {}

    def of(self, raw: Any) -> Kind:
        """The kind that a CWL type stands for; raises `UnsupportedError`."""
        if isinstance(raw, str):
            return self._short(raw)
        if isinstance(raw, list):
            return self._keep("union", [self._key(each) for each in raw], lambda: _Union(tuple(map(self.of, raw))))
        if isinstance(raw, dict):
            match raw.get("type"):
                case "array":
                    return self._keep("array", self._key(raw.get("items")), lambda: _Array(self.of(raw.get("items"))))
                case "record":
                    fields = {name: self.of(each.get("type")) for name, each in _fields(raw)}
                    return self._keep("record", {n: id(k) for n, k in fields.items()}, lambda: _Record(fields))
                case dict() | list() as inner if raw.keys() <= {"type", "doc", "label"}:
                    return self.of(inner)
        raise UnsupportedError(f"the type {json.dumps(raw, default=str)[:80]}")

    def _short(self, name: str) -> Kind:
        if name.endswith("?"):
            return self.of(["null", name[:-1]])
        if name.endswith("[]"):
            return self.of({"type": "array", "items": name[:-2]})
        if name not in _SIMPLE:
            raise UnsupportedError(f"the type {name!r}")
        return _SIMPLE[name]

    def _key(self, raw: Any) -> int:
        return id(self.of(raw))

    def _keep(self, what: str, key: Any, make: Any) -> Kind:
        text = what + json.dumps(key)
        if text not in self._known:
            self._known[text] = make()
        return self._known[text]


def _fields(raw: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, each in named_items(raw.get("fields") or {}, "name", "type"):
        only(each, {"name", "type", "doc", "label"}, f"record field {name!r}")
        found.append((local_name(name), each))
    return found


def record_fields(kind: Kind) -> Mapping[str, Kind]:
    """The fields of a record type; nothing for any other type."""
    return kind.fields if isinstance(kind, _Record) else {}


def is_array(kind: Kind) -> bool:
    """Whether a port of this type takes an array."""
    return isinstance(kind, _Array)


def is_file(kind: Kind) -> bool:
    """Whether a port of this type takes exactly one file."""
    return kind is _SIMPLE["File"]
