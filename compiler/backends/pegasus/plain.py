"""Catalogs of Pegasus.api without its clock and user."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any


def plain(catalog: Any) -> dict[str, Any]:
    """A catalog as plain data without ``x-pegasus``, which tells who wrote it and when."""
    stream = StringIO()
    catalog.write(stream, _format="json")
    content: dict[str, Any] = json.loads(stream.getvalue())
    del content["x-pegasus"]
    return content


def write_yaml(path: Path, catalog: Any) -> None:
    """As people read it: in the order in which it was made."""
    import yaml

    path.write_text(yaml.safe_dump(plain(catalog), sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
