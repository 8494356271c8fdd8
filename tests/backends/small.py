"""A small job graph and a folder to lower it to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from compiler.backends.pegasus import Settings, lower
from compiler.diagnostics import Diagnostic
from compiler.expand import expand
from compiler.jobs import JobGraph
from providers import load_provider
from tests.expand.small_dark import document, job_order

WHOLE: dict[str, Any] = {"bucket": "dark-night", "prefix": "runs/1", "credentials": "me@amazon"}


def dark(exposures: int = 1, detectors: int = 2, instrument: str = "MockCam") -> JobGraph:
    return expand(document(), job_order(exposures, detectors, instrument), "dark")


def lowered(
    folder: Path, jobs: JobGraph | None = None, aws: dict[str, Any] | None = None, **settings: Any
) -> list[Diagnostic]:
    """Lower into folder/pegasus; without `aws` and settings everything open is left open."""
    (folder / "runtime").mkdir(parents=True, exist_ok=True)
    for name in ("quantum_runner.py", "graph.qg", "butler.yaml"):
        (folder / "runtime" / name).write_text("")
    provider = load_provider("aws", aws or {})
    return lower(jobs or dark(), provider=provider, settings=Settings(**settings), out=folder / "pegasus")


def loaded(folder: Path, name: str) -> Any:
    text = (folder / "pegasus" / name).read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("{") else yaml.safe_load(text)
