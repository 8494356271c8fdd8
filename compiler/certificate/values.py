"""Values that flow through a CWL workflow as the certificate evaluates it.

Strings, numbers, booleans, None and lists are Python's own. A file is a `File`, known by its base
name and by where it comes from; a record is a `Record`. `UNKNOWN` stands for whatever could not be
evaluated: it flows on without a second finding, so that one fault is told once.
"""

from __future__ import annotations

from typing import Any, Final, Protocol
from urllib.parse import unquote


class Maker(Protocol):
    """What makes files: a call of a tool."""

    record: str | None
    """The name of the record that it leaves, if it runs a quantum."""


class File:
    """A CWL File: one object for each file, so that identity is equality."""

    __slots__ = ("location", "name", "producer", "size")

    def __init__(
        self, name: str, producer: Maker | None = None, location: str | None = None, size: int | None = None
    ) -> None:
        self.name = name
        """Base name: what the file is called wherever it is staged."""
        self.producer = producer
        """The call that made it; None for a file of the job order."""
        self.location = location
        """Where the job order says that it is; None for a file that the workflow makes."""
        self.size = size
        """Bytes, where the job order tells."""

    def __repr__(self) -> str:
        return f"File({self.name!r})"


class Record(dict[str, Any]):
    """A CWL record; remembers the last declared type that it was found to have."""

    __slots__ = ("seen",)

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.seen: object = None


class _Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


class BadFileError(ValueError):
    """A File object of a job order that names no file; the text says why."""


class JobOrder:
    """Turns the plain objects of a job order into values; a file named twice becomes one `File`."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], File] = {}
        """By location and base name."""

    def value(self, raw: Any) -> Any:
        """Raises `BadFileError`."""
        if type(raw) is str or type(raw) is int:
            return raw
        if isinstance(raw, list):
            return [self.value(each) for each in raw]
        if isinstance(raw, dict):
            kind = raw.get("class")
            if kind == "File":
                return self._file(raw)
            if kind == "Directory":
                raise BadFileError("a Directory, which no port of a quantum takes")
            value = self.value
            return Record({key: each if type(each) is str else value(each) for key, each in raw.items()})
        return raw

    def _file(self, raw: dict[str, Any]) -> File:
        location = raw.get("location", raw.get("path"))
        if not isinstance(location, str):
            raise BadFileError("a File without a location")
        name = raw.get("basename")
        if name is None:
            name = unquote(location.rstrip("/").rsplit("/", 1)[-1])
        if not isinstance(name, str) or not name or "/" in name:
            raise BadFileError(f"a File at {location!r} without a usable base name")
        if raw.keys() - _PLAIN:
            raise BadFileError(f"a File at {location!r} with {', '.join(sorted(map(str, raw.keys() - _PLAIN)))!r}")
        size = raw.get("size")
        if size is not None and type(size) is not int:
            raise BadFileError(f"a File at {location!r} whose size is no number")
        found = self.files.get((location, name))
        if found is None:
            found = self.files[location, name] = File(name, None, location, size)
        elif found.size != size:
            raise BadFileError(f"a File at {location!r} with two sizes")
        return found


_PLAIN = {"class", "location", "path", "basename", "size", "checksum", "format", "nameroot", "nameext"}


def files_in(value: Any) -> list[File]:
    """Every file of a value, depth first."""
    found: list[File] = []
    _gather(value, found)
    return found


def _gather(value: Any, found: list[File]) -> None:
    kind = type(value)
    if kind is File:
        found.append(value)
    elif kind is list:
        for each in value:
            _gather(each, found)
    elif kind is Record:
        for each in value.values():
            _gather(each, found)


def holds_unknown(value: Any) -> bool:
    """Whether any part of a value could not be evaluated."""
    kind = type(value)
    if kind is list:
        return any(map(holds_unknown, value))
    if kind is Record:
        return any(map(holds_unknown, value.values()))
    return value is UNKNOWN


def describe(value: Any) -> str:
    """What kind of value it is, for a finding.

    >>> describe([1, 2])
    'an array of 2'
    """
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, File):
        return f"the file {value.name!r}"
    if isinstance(value, dict):
        return f"a record of {', '.join(map(str, value)) or 'nothing'}"
    return "nothing" if value is None else f"the {type(value).__name__} {value!r}"
