"""Engines: programs that run a compiled workflow on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from compiler.delivery import Delivery
from compiler.diagnostics import Diagnostic

if TYPE_CHECKING:
    from compiler.engines.outputs_upload import Sent
    from compiler.engines.remote_inputs import InputsAt
    from compiler.engines.stores import AccessOf

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
class Fetched:
    """Inputs that a run fetched from stores."""

    objects: int
    bytes: int


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
    fetched: Fetched | None = None
    """What came from stores; None if all inputs are on this machine."""
    sent: Sent | None = None
    """What went to a store."""


def run(
    out: Path | str,
    *,
    engine: Engine = "cwltool",
    repo: Path | str | None = None,
    jobs: int | None = None,
    deliver: bool = True,
    inputs_at: Sequence[str] = (),
    outputs_to: str | None = None,
    access: AccessOf | None = None,
    cache: Path | None = None,
    observe: Callable[[Event, int], None] | None = None,
    tell: Callable[[Iterable[Diagnostic]], None] | None = None,
) -> Run:
    """Execute a compiled folder, then deliver into `repo` or the repository that its inputs are linked to.

    Jobs run in parallel, `jobs` at most (by default as many as there are cores). What succeeded is kept: a second run
    continues where this one ended. `tell` hears warnings before it starts, `observe` of every quantum, with the number
    of jobs in all. Results are in OUT/run/outputs, the engine's log in OUT/run/log.

    `inputs_at`: URLs of stores that hold the repository's files (of several, the first that has a file is taken), by
    default where `repo` says that they are. They are fetched into the folder `cache`, by default OUT/run/inputs.
    `outputs_to`: URL to which results are copied when all quanta have succeeded. `access` says how stores are reached,
    by default as their clients find out by themselves.

    Raises `CompileError` for a folder or inputs that cannot be run, `ToolError` where quanta, the engine or a store
    failed, naming each quantum with the end of its log.
    """
    import time

    from compiler.delivery import deliver as put_back
    from compiler.delivery import linked_repository
    from compiler.engines.checks import check_before
    from compiler.engines.cwltool import execute
    from compiler.engines.outputs_upload import open_outputs, upload_outputs
    from providers.storage import default_access

    began = time.monotonic()
    out, reach = Path(out), access or default_access
    where = _inputs(out, repo, inputs_at, reach, cache)
    if outputs_to is not None:
        open_outputs(outputs_to, reach)  # told now, and not after a night
    needs = check_before(out, engine, jobs, where)
    if tell is not None:
        tell(needs.findings)
    ran, reused, fetched = execute(out, needs, jobs, observe or (lambda event, jobs: None))
    repo = repo if repo is not None else linked_repository(out)
    sent = upload_outputs(out, outputs_to, reach) if outputs_to is not None else None
    delivery = put_back(out, repo) if deliver and repo is not None else None
    return Run(needs.jobs, ran, reused, out / "run" / "outputs", time.monotonic() - began, delivery, fetched, sent)


def _inputs(
    out: Path, repo: Path | str | None, urls: Sequence[str], access: AccessOf, cache: Path | None
) -> InputsAt | None:
    """Where the repository's files are if in stores; else OUT/inputs is made to lead to them."""
    from compiler.delivery import link_inputs, remote_root
    from compiler.engines.remote_inputs import InputsAt

    if repo is not None and not urls:
        root = remote_root(repo)
        if root is None:
            link_inputs(out, repo)
            return None
        urls = (root,)
    return InputsAt(tuple(urls), access, cache) if urls else None
