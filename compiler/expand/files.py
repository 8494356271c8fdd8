"""The files of an expansion, numbered: first those that exist before the workflow, then those that calls make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import Findings
from compiler.jobs import Files, Port

Ints = NDArray[np.int32]


class FileTable:
    """Files are one if their base names are one: that is how a job sees them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._known: dict[str, int] = {}
        """Number of each file that exists before."""
        self.names: list[str] = []
        self.locations: list[str] = []
        self.sizes: list[int] = []
        self.ports: list[Port] = []

    def existing(self, values: Sequence[Mapping[str, Any]]) -> Ints:
        """Numbers of the files that CWL File objects describe. All must be met before the first is made."""
        try:
            names = [each["basename"] for each in values]
            locations = [each["location"] for each in values]
            sizes = [each["size"] for each in values]
        except KeyError:
            names = []
        if not all(names) or not names or set(map(len, values)) != {4}:
            return np.array(list(map(self._existing, values)), dtype=np.int32)
        known = self._known
        new = [row for row, name in enumerate(names) if name not in known]
        first = dict(zip([names[row] for row in reversed(new)], reversed(new), strict=True))
        for row in sorted(first.values()):
            self._add(names[row], locations[row], sizes[row])
        found = list(map(known.__getitem__, names))
        if list(map(self.locations.__getitem__, found)) != locations:
            for name, location, number in zip(names, locations, found, strict=True):
                self._compare(name, location, number)
        return np.array(found, dtype=np.int32)

    def _existing(self, value: Mapping[str, Any]) -> int:
        if value.get("secondaryFiles") or "contents" in value:
            self._findings.error("unsupported-file", f"the file {value.get('basename')!r} brings contents or others")
        location = value.get("location") or value.get("path") or ""
        name = value.get("basename") or unquote(location.rstrip("/").rsplit("/", 1)[-1])
        number = self._known.get(name)
        if number is None:
            return self._add(name, location, value.get("size"))
        self._compare(name, location, number)
        return number

    def _add(self, name: str, location: str, size: int | None) -> int:
        number = self._known[name] = len(self.names)
        self.names.append(name)
        self.locations.append(location)
        self.sizes.append(-1 if size is None else size)
        return number

    def _compare(self, name: str, location: str, number: int) -> None:
        known = self.locations[number]
        if known != location:
            self._findings.error(
                "name-clash",
                f"two files are called {name!r}: {known!r} and {location!r}",
                help="give one of them another basename in the job order",
            )

    def staged(self, value: Any) -> Any:
        """A value of the job order with every File object replaced by the file that it names."""
        if isinstance(value, Mapping):
            if value.get("class") == "File":
                return StagedFile(self, self._existing(value))
            if value.get("class") == "Directory":
                self._findings.error(
                    "unsupported-directory", f"the job order holds a folder: {value.get('location')!r}"
                )
            return {key: self.staged(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.staged(each) for each in value]
        return value

    def make(self, tool: int, port: str, names: list[str]) -> int:
        """The number of the first of the files `names` that calls of a tool make; the others follow it."""
        first = len(self.names)
        self.names += names
        self.ports.append(Port(tool, port, first, len(self.names)))
        return first

    def twice(self) -> list[tuple[int, int]]:
        """Files whose name an earlier one has: their numbers and those of the earlier ones."""
        hashes = np.fromiter(map(hash, self.names), np.int64, len(self.names))
        hashes.sort()
        if not (hashes[1:] == hashes[:-1]).any():
            return []  # a set of millions of names would be by far the largest thing here
        seen: dict[str, int] = {}
        return [(n, seen[name]) for n, name in enumerate(self.names) if seen.setdefault(name, n) != n]

    def files(self) -> Files:
        return Files(self.names, self.locations, np.array(self.sizes, dtype=np.int64), tuple(self.ports))


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file, where a value stands by itself."""

    table: FileTable
    number: int

    @property
    def lfn(self) -> str:
        return self.table.names[self.number]

    def member(self, name: str) -> Any:
        """A field of the File object that a job sees; raises `KeyError`."""
        if name == "class":
            return "File"
        if name in ("path", "basename"):
            return self.lfn
        stem, dot, end = self.lfn.rpartition(".")
        if name == "nameroot":
            return stem or self.lfn
        if name == "nameext":
            return dot + end if stem else ""
        exists = self.number < len(self.table.locations)
        if name == "location":
            return self.table.locations[self.number] if exists else None
        if name == "size":
            size = self.table.sizes[self.number] if exists else -1
            return size if size >= 0 else None
        raise KeyError(name)
