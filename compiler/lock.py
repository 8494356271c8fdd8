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
PACKAGES = ("cwl-utils", "msgspec", "numpy", "pegasus-wms.api", "pyyaml", "rubincwl", "zstandard")
"""Distributions that can change what is written."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file that went in."""

    role: str
    """``pipeline``, ``import`` (by the pipeline), ``graph``, ``config``, ``setup-script`` or ``runner``."""
    file: Path


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
    with ingredient.file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "role": ingredient.role,
        "name": ingredient.file.name,
        "size": ingredient.file.stat().st_size,
        "sha256": digest,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
