"""Ids for graphs that have none: derived from what things are, so that the same graph has the same ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

NAMESPACE = UUID("6c0ee2a4-35a9-5f0e-9f3f-6a2f2b0c7d11")
"""Of every derived id; part of the interchange format, never to be changed."""

_NAMESPACE = NAMESPACE.bytes
_text = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, eq=False)
class GivenIds:
    """The ids that a file gave; those of all other quanta, or datasets, are derived when somebody asks."""

    numbers: NDArray[np.int32]
    """Shape (given,), sorted: numbers of quanta, or of datasets."""
    ids: NDArray[np.void]
    """Shape (given,), 16 bytes each."""

    @classmethod
    def none(cls) -> GivenIds:
        return cls(np.empty(0, dtype=np.int32), np.empty(0, dtype="V16"))

    def of(self, numbers: NDArray[np.integer]) -> tuple[list[bytes | None], NDArray[np.intp]]:
        """The given ids of `numbers`, and the places of those that have none."""
        found: list[bytes | None] = [None] * len(numbers)
        if not len(self.numbers):
            return found, np.arange(len(numbers))
        place = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        known = self.numbers[place] == numbers
        for at, id in zip(np.flatnonzero(known).tolist(), self.ids[place[known]].tolist(), strict=True):
            found[at] = id
        return found, np.flatnonzero(~known)


def dataset_id(dataset_type: str, values: Sequence[int | str], run: str) -> bytes:
    """16 bytes; `values` are those of the required dimensions.

    >>> UUID(bytes=dataset_id("raw", ["MockCam", 3], "raw/all"))
    UUID('a1f90554-00a6-5c12-96ff-602feb892f4a')
    """
    return _uuid5(_text(["dataset", dataset_type, list(values), run]))


def quantum_id(label: str, values: Sequence[int | str]) -> bytes:
    """16 bytes; `values` are those of the required dimensions."""
    return _uuid5(_text(["quantum", label, list(values)]))


def init_id(label: str) -> bytes:
    """16 bytes."""
    return _uuid5(_text(["init", label]))


def dataset_ids(dataset_type: str, columns: Sequence[Iterable[str]], runs: Iterable[str]) -> list[bytes]:
    """What `dataset_id` gives for each row; values and runs are JSON texts, one iterable a dimension.

    >>> dataset_ids("raw", [['"MockCam"'], ["3"]], ['"raw/all"']) == [dataset_id("raw", ["MockCam", 3], "raw/all")]
    True
    """
    head = f'["dataset",{json_text(dataset_type)},['
    rows: Iterable[tuple[str, ...]] = zip(*columns, runs, strict=True)
    return [_uuid5(f"{head}{','.join(row[:-1])}],{row[-1]}]".encode()) for row in rows]


def quantum_ids(label: str, columns: Sequence[Iterable[str]], count: int) -> list[bytes]:
    """What `quantum_id` gives for each of `count` rows; values are JSON texts, one iterable a dimension."""
    head = f'["quantum",{json_text(label)},['
    rows: Iterable[tuple[str, ...]] = zip(*columns, strict=True) if columns else [()] * count
    return [_uuid5(f"{head}{','.join(row)}]]".encode()) for row in rows]


def json_text(value: int | str) -> str:
    """As it stands in the name of an id."""
    return _text(value).decode()


def _uuid5(name: bytes) -> bytes:
    """What `uuid.uuid5` makes of the name's compact JSON text, at a third of its time."""
    digest = bytearray(sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


def parse_ids(texts: Sequence[str] | NDArray[np.bytes_]) -> NDArray[np.void]:
    """UUIDs written in hexadecimal, with hyphens or without, 16 bytes each; raises `ValueError` naming a wrong one."""
    if isinstance(texts, np.ndarray):
        joined, even = texts.tobytes(), texts.itemsize == _LENGTH
    else:
        joined, even = "".join(texts).encode(), set(map(len, texts)) <= {_LENGTH}
    if even and len(joined) == _LENGTH * len(texts):
        rows = np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), _LENGTH)
        nibbles = _NIBBLE[rows[:, _DIGITS]]
        if bool((rows[:, _HYPHENS] == ord("-")).all()) and bool((nibbles <= 15).all()):
            return np.ascontiguousarray(nibbles[:, ::2] << 4 | nibbles[:, 1::2]).view("V16").reshape(-1)
    every = [text.decode() for text in texts.tolist()] if isinstance(texts, np.ndarray) else texts
    return np.frombuffer(b"".join(map(_parse, every)), dtype="V16")


_LENGTH = 36
_HYPHENS = [8, 13, 18, 23]
_DIGITS = [place for place in range(_LENGTH) if place not in _HYPHENS]
_NIBBLE = np.full(256, 255, dtype=np.uint8)
_NIBBLE[[ord(digit) for digit in "0123456789abcdef"]] = range(16)
_NIBBLE[[ord(digit) for digit in "ABCDEF"]] = range(10, 16)


def _parse(text: str) -> bytes:
    try:
        id = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        id = b""
    # Spaces between digits are skipped, and then some are missing.
    if len(id) != 16:
        raise ValueError(f"'{text}' is not an id of 32 hexadecimal digits")
    return id
