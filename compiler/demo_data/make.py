"""One function for every kind of demonstration data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compiler.demo_data.pipeline_text import Failure
from compiler.demo_data.real import make_real
from compiler.demo_data.repository import Observations
from compiler.demo_data.tasks import DARK, SINGLE_FRAME, PipelineShape

_REAL: dict[str, tuple[PipelineShape, Observations]] = {
    "dark": (DARK, Observations(3, 4, None, "dark")),
    "single-frame": (SINGLE_FRAME, Observations(2, 3, None, "science")),
}
KINDS: tuple[str, ...] = tuple(_REAL)


def make_demo_data(
    kind: str,
    out: Path,
    *,
    exposures: int | None = None,
    detectors: int | None = None,
    images: int | None = None,
    fail: str | None = None,
    fail_exception: str = "builtins.ValueError",
    fail_task: str | None = None,
) -> dict[str, Any]:
    shape, usual = _REAL[kind]
    seen = Observations(exposures or usual.exposures, detectors or usual.detectors, images, usual.kind)
    failure = Failure(fail_task or shape.tasks[0].label, fail, fail_exception) if fail else None
    quanta = make_real(kind, shape, seen, out, failure)
    return {"kind": kind, "quanta": quanta}
