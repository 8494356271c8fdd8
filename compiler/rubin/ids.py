"""Ids for graphs that have none: derived from what things are, so that the same graph has the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from uuid import UUID

import msgspec

NAMESPACE = UUID("6c0ee2a4-35a9-5f0e-9f3f-6a2f2b0c7d11")
"""Of every derived id; part of the interchange format, never to be changed."""

_NAMESPACE = NAMESPACE.bytes
_text = msgspec.json.Encoder().encode


def dataset_id(dataset_type: str, values: Sequence[int | str], run: str) -> bytes:
    """16 bytes; `values` are those of the required dimensions.

    >>> UUID(bytes=dataset_id("raw", ["MockCam", 3], "raw/all"))
    UUID('a1f90554-00a6-5c12-96ff-602feb892f4a')
    """
    return _uuid5(["dataset", dataset_type, list(values), run])


def quantum_id(label: str, values: Sequence[int | str]) -> bytes:
    """16 bytes; `values` are those of the required dimensions."""
    return _uuid5(["quantum", label, list(values)])


def init_id(label: str) -> bytes:
    """16 bytes."""
    return _uuid5(["init", label])


def _uuid5(name: list[object]) -> bytes:
    """What `uuid.uuid5` makes of the name's compact JSON text, at a third of its time."""
    digest = bytearray(sha1(_NAMESPACE + _text(name), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)
