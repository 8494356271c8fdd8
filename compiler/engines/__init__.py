"""Engines: programs that run a compiled workflow on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compiler.delivery import Delivery
from compiler.diagnostics import Diagnostic
from compiler.engines.remote_inputs import InputsAt

Engine = Literal["cwltool"]
ENGINES: tuple[Engine, ...] = ("cwltool",)


@dataclass(frozen=True, slots=True)
class Event:
    """News of one quantum, or of the init job, while a workflow runs."""

    kind: Literal["start", "done", "failed", "reused"]
    """``reused``: an earlier run had done it."""
    what: str
    """For instance ``isr{instrument: MockCam, detector: 3, exposure: 1000}``; empty for ``reused``."""
    text: str = ""
    """The whole line."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did."""

    jobs: int
    """Quanta, and the init job where there is one."""
    ran: int
    reused: int
    """Jobs whose results an earlier run had left."""
    outputs: Path
    """The folder with every dataset, marker and record."""
    seconds: float
    delivery: Delivery | None


def run(
    out: Path | str,
    *,
    engine: Engine = "cwltool",
    repo: Path | str | None = None,
    jobs: int | None = None,
    deliver: bool = True,
    inputs_at: InputsAt | None = None,
    observe: Callable[[Event, int], None] | None = None,
    tell: Callable[[Iterable[Diagnostic]], None] | None = None,
) -> Run:
    """Execute a compiled folder, then deliver into `repo` or the repository that its inputs are linked to.

    Jobs run in parallel, `jobs` at most (by default as many as there are cores). What succeeded is kept: a second run
    continues where this one ended. `tell` hears warnings before it starts, `observe` of every quantum, with the number
    of jobs in all. Results are in OUT/run/outputs, the engine's log in OUT/run/log. Raises `CompileError` for a folder
    or inputs that cannot be run, `ToolError` where quanta or the engine failed, naming each quantum with the end of its
    log.
    """
    import time

    from compiler.delivery import deliver as put_back
    from compiler.delivery import link_inputs, linked_repository
    from compiler.engines.checks import check_before
    from compiler.engines.cwltool import execute

    began = time.monotonic()
    out = Path(out)
    if repo is not None and inputs_at is None:
        link_inputs(out, repo)
    needs = check_before(out, engine, jobs, inputs_at)
    if tell is not None:
        tell(needs.findings)
    ran, reused = execute(out, needs, jobs, observe or (lambda event, jobs: None))
    repo = repo if repo is not None else linked_repository(out)
    delivery = put_back(out, repo) if deliver and repo is not None else None
    return Run(needs.jobs, ran, reused, out / "run" / "outputs", time.monotonic() - began, delivery)
