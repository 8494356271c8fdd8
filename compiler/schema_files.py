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
    above = Path(__file__).resolve().parent.parent
    # In a checkout schemas/ stands beside compiler/; a wheel carries it inside the package that users import.
    for folder in (above / "schemas", above / "rubincwl" / "_schemas"):
        path = folder / f"{name}.schema.json"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"no schema '{name}' beside {above}")
