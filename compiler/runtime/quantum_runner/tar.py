"""Tar archives that depend on nothing but their contents."""

from __future__ import annotations

import tarfile
from typing import Any


def add_member(tar: tarfile.TarFile, name: str, content: Any, size: int) -> None:
    """A member without times and owners, so that the same files give the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)
