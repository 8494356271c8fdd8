"""Runs the middleware in a forked process of its own, and lives on whatever the task does to that."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from uuid import UUID


@dataclass(slots=True)
class Ended:
    """How the forked process went."""

    code: int
    """Exit status of the middleware; 0 when a signal ended it."""
    signal: int | None
    started: float
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    memory: float
    """Peak resident size in MiB."""
    said: list[str]
    """The lines that it printed."""
    importable: bool
    """False if the task's own code could not be imported."""
    given: set[UUID] = field(default_factory=set)
    """The quanta that it was to run."""
    began: set[UUID] = field(default_factory=set)
    """Those of them that it says to have started."""


@dataclass(slots=True)
class Watch:
    """Signals that ask the runner to end, and the process that they are passed on to."""

    caught: list[int] = field(default_factory=list)
    child: int | None = None

    def forward(self, number: int, _frame: object) -> None:
        """Remember the signal and pass it on."""
        self.caught.append(number)
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, number)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """While this lasts, SIGTERM and SIGINT end what runs, but not the runner, which must tell and keep."""
    watch = Watch()
    before = {each: signal.signal(each, watch.forward) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_middleware(work: Path, verb: str, classes: Iterable[str], log: Path, watch: Watch) -> Ended:
    """Run ``pipetask VERB . shard.qg`` in a forked process; signals to us are passed on to it."""
    sys.stdout.flush()
    sys.stderr.flush()
    started, clock = time.time(), time.monotonic()
    if watch.caught:  # asked to end before anything ran
        return Ended(0, watch.caught[0], started, 0.0, 0.0, 0.0, [], True)
    child = os.fork()
    if child == 0:
        _in_child(work, verb, classes, log)
    watch.child = child
    if watch.caught:  # in between
        watch.forward(watch.caught.pop(), None)
    _, status, usage = os.wait4(child, 0)
    watch.child = None
    code = os.waitstatus_to_exitcode(status)
    said = log.read_text(errors="replace").splitlines() if log.exists() else []
    by_signal = -code if code < 0 else watch.caught[0] if watch.caught and code else None
    wall, cpu = time.monotonic() - clock, usage.ru_utime + usage.ru_stime
    unit = 2**20 if sys.platform == "darwin" else 1024
    importable = not (work / "not-importable").exists()
    return Ended(max(code, 0), by_signal, started, wall, cpu, usage.ru_maxrss / unit, said, importable)


def _in_child(work: Path, verb: str, classes: Iterable[str], log: Path) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _die_with_parent()
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.chdir(work)  # what a task drops into its folder goes away with it
        os.environ.setdefault("DAF_BUTLER_CACHE_DIRECTORY_IF_UNSET", str(work / "cache"))
        code = _pipetask(work, verb, classes)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pipetask(work: Path, verb: str, classes: Iterable[str]) -> int:
    import atexit

    from lsst.ctrl.mpexec.cli.pipetask import cli
    from lsst.utils.doImport import doImportType

    try:
        for each in classes:
            doImportType(each)
    except ImportError:
        (work / "not-importable").touch()
        raise
    sys.argv = ["pipetask", verb, ".", "shard.qg"]
    try:
        cli.main(args=sys.argv[1:], prog_name="pipetask")
    except SystemExit as end:
        atexit._run_exitfuncs()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _die_with_parent() -> None:
    """On Linux a killed runner (SIGKILL cannot be passed on) takes the task with it."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
