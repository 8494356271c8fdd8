"""The JSON Schemas of what we read and write in formats of our own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


def schema(name: str) -> dict[str, Any]:
    """The schema `name`, for instance ``interchange``; raises `FileNotFoundError` if there is none."""
    found: dict[str, Any] = json.loads(_text(name))
    return found


@cache
def _text(name: str) -> str:
    try:
        return (Path(__file__).parent / f"{name}.schema.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"no schema {name!r}") from None
