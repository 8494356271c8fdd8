"""Files that stand for datasets which were legitimately not produced."""

from __future__ import annotations

from pathlib import Path

MARKER = b"rubincwl-absent 1\n"
"""With what such a file begins."""


def is_marker(path: Path) -> bool:
    """Whether the file stands for a dataset that was legitimately not produced."""
    with path.open("rb") as stream:
        return stream.read(len(MARKER)) == MARKER
