"""What an expansion has found so far: files by name, jobs by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from compiler.diagnostics import Findings
from compiler.jobs import File, Job, JobGraph, QuantumKey


@dataclass(slots=True, eq=False)
class StagedFile:
    """A file as jobs see it, numbered as it was met."""

    lfn: str
    number: int
    size: int | None = None
    location: str | None = None
    port: str = ""
    maker: str = ""
    """Id of the job that writes it; empty for a file that exists before."""


@dataclass(slots=True)
class _Draft:
    id: str
    tool: str
    command: tuple[str, ...]
    inputs: list[int]
    outputs: list[int]
    cores: float
    memory_mib: int
    quanta: tuple[QuantumKey, ...]


class Ledger:
    """Files are one if their base names are one: that is how a job sees them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._files: dict[str, StagedFile] = {}
        self._jobs: dict[str, _Draft] = {}

    def existing(self, value: Mapping[str, Any]) -> StagedFile:
        """The file that a CWL File object of the job order describes."""
        location = value.get("location") or value.get("path") or ""
        lfn = value.get("basename") or unquote(location.rstrip("/").rsplit("/", 1)[-1])
        known = self._files.get(lfn)
        if known is None:
            known = self._files[lfn] = StagedFile(lfn, len(self._files), value.get("size"), location)
        elif known.location != location:
            self._findings.error(
                "name-clash",
                f"two files are called {lfn!r}: {known.location!r} and {location!r}",
                help="give one of them another basename in the job order",
            )
        return known

    def make(self, lfn: str, port: str, job: str) -> StagedFile:
        """A file that `job` writes."""
        if "/" in lfn or not lfn:
            self._findings.error("unsupported-glob", f"job {job!r} writes {lfn!r}, which is no plain file name")
        known = self._files.get(lfn)
        if known is None:
            known = self._files[lfn] = StagedFile(lfn, len(self._files), port=port, maker=job)
        elif known.maker != job:
            other = f"job {known.maker!r} makes" if known.maker else "the job order brings"
            self._findings.error("two-producers", f"job {job!r} makes {lfn!r}, which {other} as well")
        return known

    def add_job(
        self,
        id: str,
        tool: str,
        command: Sequence[str],
        inputs: Sequence[StagedFile],
        outputs: Sequence[StagedFile],
        resources: tuple[float, int],
        quanta: tuple[QuantumKey, ...],
    ) -> None:
        if id in self._jobs:
            self._findings.error("duplicate-job", f"two jobs are called {id!r}", help="one data id stands twice")
            return
        ins = [f.number for f in inputs]
        outs = [f.number for f in outputs]
        self._jobs[id] = _Draft(id, tool, tuple(command), ins, outs, *resources, quanta)

    def graph(self, name: str) -> JobGraph:
        order = sorted(self._files.values(), key=lambda f: f.lfn)
        place = [0] * len(order)
        for new, each in enumerate(order):
            place[each.number] = new
        return JobGraph(
            name,
            tuple(
                Job(
                    d.id,
                    d.tool,
                    d.command,
                    tuple(sorted({place[n] for n in d.inputs})),
                    tuple(sorted({place[n] for n in d.outputs})),
                    d.cores,
                    d.memory_mib,
                    d.quanta,
                )
                for d in self._jobs.values()
            ),
            tuple(File(f.lfn, f.size, f.location, f.port) for f in order),
        )
