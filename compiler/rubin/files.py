"""Datastore records of the datasets that exist before the workflow runs, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
UNKNOWN = -1
"""In `Files.sizes`: the record does not tell."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The datastore's record of a dataset that exists before the workflow runs."""

    path: str
    """Relative to the datastore's root, or an absolute URI for a file ingested in place."""
    size: int | None = None
    """Bytes; None where the record does not tell."""
    formatter: str = ""
    checksum: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Files(Mapping[int, StoredFile]):
    """Records by the number of their dataset, in its order; reads like a dictionary, holds columns."""

    numbers: Ints
    """Shape (files,), sorted."""
    paths: Sequence[str]
    sizes: NDArray[np.int64]
    """Shape (files,): bytes, or `UNKNOWN`."""
    formatters: tuple[str, ...]
    """Each once, sorted."""
    formatter: Ints
    """Shape (files,): the place of each file's formatter."""
    checksums: Sequence[str | None] | None = None
    """None if no record has one."""

    @classmethod
    def of(cls, records: Mapping[int, StoredFile]) -> Files:
        """Columns of records in any order; raises `ValueError` for a negative size."""
        numbers = sorted(records)
        rows = [records[number] for number in numbers]
        return cls.columns(
            np.array(numbers, dtype=np.int32),
            [row.path for row in rows],
            [UNKNOWN if row.size is None else _natural(row.size) for row in rows],
            [row.formatter for row in rows],
            [row.checksum for row in rows],
        )

    @classmethod
    def columns(
        cls,
        numbers: Ints,
        paths: Sequence[str],
        sizes: Sequence[int] | NDArray[np.int64],
        formatters: Sequence[str],
        checksums: Sequence[str | None] | None = None,
    ) -> Files:
        """Columns in any order, each of shape (files,); a number comes once."""
        known = sorted(set(formatters))
        place = {name: code for code, name in enumerate(known)}
        order = np.argsort(numbers, kind="stable")
        moved = bool((order != np.arange(len(order))).any())

        def ordered(column: Sequence[str | None]) -> Sequence[str | None]:
            return [column[i] for i in order.tolist()] if moved else column

        codes = np.fromiter(map(place.__getitem__, formatters), dtype=np.int32, count=len(formatters))
        if checksums is not None and all(each is None for each in checksums):
            checksums = None
        return cls(
            numbers[order].astype(np.int32),
            ordered(paths),  # type: ignore[arg-type]
            np.asarray(sizes, dtype=np.int64)[order],
            tuple(known),
            codes[order],
            None if checksums is None else ordered(checksums),
        )

    def __getitem__(self, number: int) -> StoredFile:
        place = int(np.searchsorted(self.numbers, number))
        if place == len(self.numbers) or self.numbers[place] != number:
            raise KeyError(number)
        return self._at(place)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers.tolist())

    def __len__(self) -> int:
        return len(self.numbers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Files):
            return isinstance(other, Mapping) and dict(self.items()) == dict(other.items())
        arrays = ((self.numbers, other.numbers), (self.sizes, other.sizes), (self.formatter, other.formatter))
        return (
            all(np.array_equal(a, b) for a, b in arrays)
            and self.formatters == other.formatters
            and list(self.paths) == list(other.paths)
            and self._checksums() == other._checksums()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Files({dict(self.items())})" if len(self) < 10 else f"<{len(self)} files>"

    def _checksums(self) -> list[str | None] | None:
        return None if self.checksums is None else list(self.checksums)

    def _at(self, place: int) -> StoredFile:
        size = int(self.sizes[place])
        return StoredFile(
            self.paths[place],
            None if size == UNKNOWN else size,
            self.formatters[int(self.formatter[place])],
            None if self.checksums is None else self.checksums[place],
        )


def _natural(size: int) -> int:
    if size < 0:
        raise ValueError(f"a file of {size} bytes")
    return size
