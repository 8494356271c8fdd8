"""What a command costs: CPU seconds and peak memory of the process and everything that it started."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a process and its children used."""

    cpu: float
    """Seconds, user and system, children included."""
    peak: float
    """MiB resident at most, of the largest of the processes."""
    said: str = ""
    """What it wrote to standard output."""
    wall: float = 0.0
    """Seconds from its start to its end."""


class CommandFailed(Exception):  # noqa: N818 (reads as the sentence that it is)
    """A measured command failed; its figures would mean nothing."""


def measure(command: Sequence[str | Path], cwd: Path) -> Cost:
    """Run `command` in `cwd` and tell what it cost; raises `CommandFailed` with the end of what it said.

    Linux counts the memory of the process that starts another towards the other's peak (both share it until the new
    program begins), so the figure is right only while the process that calls this stays smaller than what it measures.
    """
    cwd.mkdir(parents=True, exist_ok=True)
    words = [str(each) for each in command]
    # Programs by name are those of this environment. Where modules are compiled anew at each start, that is what would
    # be measured: it doubles most figures.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PATH": path}
    out, err = cwd / ".stdout", cwd / ".stderr"
    started = time.monotonic()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(words, cwd=cwd, stdout=stdout, stderr=stderr, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)  # it is gone, and Popen has not seen it go
    said, complained = (each.read_text(errors="replace") for each in (out, err))
    out.unlink()
    err.unlink()
    if process.returncode:
        end = "\n".join((said + complained).splitlines()[-20:])
        raise CommandFailed(f"{' '.join(words)}: exit {process.returncode}\n{end}")
    kib_per_mib, unit = 1024, 1 if sys.platform == "linux" else 1024  # macOS counts bytes
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / unit / kib_per_mib, said, wall)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure, and what the last run said."""
    cpu, peak, wall = (statistics.median(getattr(each, name) for each in costs) for name in ("cpu", "peak", "wall"))
    return Cost(cpu, peak, costs[-1].said, wall)
