"""``rubincwl.lock``: versions and hashes of everything that went into a compile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

FORMAT = "rubincwl-lock 1"
PACKAGES = ("cwl-utils", "msgspec", "numpy", "pegasus-wms.api", "pyarrow", "pyyaml", "rubincwl", "zstandard")
"""Distributions that can change what is written."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file that went in."""

    role: str
    """``pipeline``, ``import`` (by the pipeline), ``graph``, ``config``, ``setup-script`` or ``runner``."""
    file: Path
    """A file, or a folder of which every file counts."""


def lock(ingredients: Iterable[Ingredient], settings: dict[str, Any]) -> dict[str, Any]:
    """The content of the lock file; `settings` are the choices made on the command line and in the configuration."""
    return {
        "format": FORMAT,
        "python": python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "inputs": [_fingerprint(each) for each in ingredients],
        "settings": settings,
    }


def _fingerprint(ingredient: Ingredient) -> dict[str, Any]:
    path = ingredient.file
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    digests = [(each, _digest(each)) for each in files]
    listed = "".join(f"{digest}  {each.relative_to(path).as_posix()}\n" for each, digest in digests)
    return {
        "role": ingredient.role,
        "name": path.name,
        "size": sum(each.stat().st_size for each in files),
        "sha256": hashlib.sha256(listed.encode()).hexdigest() if path.is_dir() else digests[0][1],
    }


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
