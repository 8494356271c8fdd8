"""Runs a compiled folder with cwltool, and reads what the quantum runner says on the way."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from compiler.delivery import OUTPUTS
from compiler.diagnostics import Diagnostic, Origin, ToolError
from compiler.engines import Event, Fetched
from compiler.engines.checks import Needs
from compiler.engines.cwltool_stores import FETCHED, REFUSED
from compiler.runtime.quantum_runner import RECORD_PREFIX, SIGNAL

_LINE = re.compile(r"rubincwl: (start|done|failed) (.*?\})(?: |$)")
_REUSED = "] Using cached output in "
_EXCEEDED = re.compile(r"\[job (.+?)(?:_\d+)?\] exceeded time limit of (\d+) seconds")
_ENDED = f"exit {SIGNAL + signal.SIGTERM}:"
_SHOWN_LOGS = 3
_GRACE = 10.0  # seconds between asking the engine to end and ending it


@dataclass(slots=True)
class _Heard:
    """What came out of the engine so far."""

    done: int = 0
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """The line of each failed quantum."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Its record, with the end of its log."""
    limits: dict[str, set[int]] = field(default_factory=dict)
    """By step: wall times in seconds that were over."""
    refused: list[str] = field(default_factory=list)
    """Inputs that a store did not give, in words."""
    fetched: Fetched | None = None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=20))


def execute(
    out: Path, needs: Needs, jobs: int | None, observe: Callable[[Event, int], None]
) -> tuple[int, int, Fetched | None]:
    """Run OUT/workflow.cwl; returns how many jobs ran, how many an earlier run had done, and what came from stores.

    Raises `ToolError` naming every failed quantum.
    """
    run = out / "run"
    run.mkdir(exist_ok=True)
    with (run / "log").open("w", encoding="utf-8") as log, (run / "outputs.json").open("wb") as result:
        engine = subprocess.Popen(
            _command(out, jobs, needs),
            env=dict(needs.environment),
            stdin=subprocess.PIPE,
            stdout=result,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert engine.stdin is not None
        assert engine.stderr is not None
        with contextlib.suppress(BrokenPipeError), engine.stdin:  # an engine that does not start is told below
            json.dump(needs.remote.setup if needs.remote is not None else {}, engine.stdin)
        heard = _Heard()
        try:
            for event in _events(engine.stderr, log, heard):
                observe(event, needs.jobs)
            code = engine.wait()
        except BaseException:
            _end(engine)
            raise
    _keep_records(run, heard)
    if heard.failed or code:
        raise ToolError(_findings(out, heard, code, needs.jobs))
    return heard.done, heard.reused, heard.fetched


def _command(out: Path, jobs: int | None, needs: Needs) -> list[str]:
    # Not the package, which as a module ends with 0 whatever happened.
    remote = needs.remote
    command = [sys.executable, "-m", "cwltool.main" if remote is None else "compiler.engines.cwltool_stores"]
    command += ["--no-container", "--disable-color", "--preserve-entire-environment"]
    command += ["--on-error", "continue", "--cachedir", str(out / "run" / "cache"), "--outdir", str(out / OUTPUTS)]
    if jobs != 1:
        command += ["--parallel", *(["--parallel-max", str(jobs)] if jobs else [])]
    if needs.overrides:
        overrides = out / "run" / "overrides.json"
        overrides.write_text(json.dumps(needs.overrides), encoding="utf-8")
        command += ["--overrides", str(overrides)]
    if remote is not None:  # names of files are then what they are without stores, and what was done is found again
        command += ["--basedir", str(out.absolute())]
    return [*command, str(out / "workflow.cwl"), str(remote.order if remote is not None else out / "job.json")]


def _events(stream: IO[str], log: IO[str], heard: _Heard) -> Iterator[Event]:
    for line in stream:
        log.write(line)
        log.flush()
        line = line.rstrip("\n")
        if line.startswith(RECORD_PREFIX):
            with contextlib.suppress(ValueError):  # torn by another writer's line: the failed line still tells
                record = json.loads(line.removeprefix(RECORD_PREFIX))
                # Told twice: on standard error with the end of the log, on standard output without.
                if "log_tail" in record or _what(record) not in heard.records:
                    heard.records[_what(record)] = record
        elif _REUSED in line:
            heard.reused += 1
            yield Event("reused", "", line)
        elif line.startswith(FETCHED):
            heard.fetched = Fetched(*json.loads(line.removeprefix(FETCHED)))
        elif line.startswith(REFUSED):
            heard.refused.append(line.removeprefix(REFUSED))
        elif found := _LINE.search(line):
            kind: Literal["start", "done", "failed"] = found[1]  # type: ignore[assignment]
            heard.done += kind == "done"
            if kind == "failed":
                heard.failed[found[2]] = line[found.end() :]
            yield Event(kind, found[2], line)
        else:
            if found := _EXCEEDED.search(line):
                heard.limits.setdefault(found[1], set()).add(int(found[2]))
            heard.last.append(line)


def _what(record: dict[str, Any]) -> str:
    from compiler.runtime.quantum_runner import quantum_text

    return quantum_text(record["label"], record["data_id"])


def _end(engine: subprocess.Popen[str]) -> None:
    """Ask the engine to end its jobs; what they leave unfinished is done again by the next run."""
    engine.send_signal(signal.SIGTERM)
    try:
        engine.wait(_GRACE)
    except subprocess.TimeoutExpired:
        engine.kill()
        engine.wait()


def _keep_records(run: Path, heard: _Heard) -> None:
    """Records of failed quanta, which the engine throws away with the job: OUT/run/failed.jsonl."""
    file = run / "failed.jsonl"
    file.unlink(missing_ok=True)
    if heard.records:
        lines = [json.dumps(heard.records[each]) + "\n" for each in sorted(heard.records)]
        file.write_text("".join(lines), encoding="utf-8")


def _findings(out: Path, heard: _Heard, code: int, jobs: int) -> list[Diagnostic]:
    place = Origin(str(out))
    log = out / "run" / "log"
    refused = [Diagnostic("fetch-failed", each, place) for each in dict.fromkeys(heard.refused)]
    if refused and not heard.failed:
        return refused
    if not heard.failed:
        ended = "".join(f"; jobs of {step} were ended{_over(limits)}" for step, limits in sorted(heard.limits.items()))
        message = f"cwltool exited with {code}{ended}\n{_quoted(list(heard.last))}"
        return [Diagnostic("engine-failed", message, place, f"the whole log is '{log}'")]
    findings = refused
    for n, (what, said) in enumerate(sorted(heard.failed.items())):
        tail = heard.records.get(what, {}).get("log_tail", []) if n < _SHOWN_LOGS else []
        help = f"the whole log is '{log}'; what succeeded is kept, and 'rubincwl run {out}' continues"
        last = n == len(heard.failed) - 1
        message = f"{what} failed: {said}{_why(what, said, heard)}" + (f"\n{_quoted(tail)}" if tail else "")
        findings.append(Diagnostic("quantum-failed", message, place, help if last else None))
    left = jobs - heard.done - heard.reused - len(heard.failed)
    if left > 0:
        findings.append(
            Diagnostic("not-run", f"{left} jobs did not run for want of their inputs", place, severity="note")
        )
    return findings


def _why(what: str, said: str, heard: _Heard) -> str:
    """Whether the engine ended the quantum because of its time; the engine tells the step alone."""
    from compiler.cwl.build import identifier

    limits = heard.limits.get(identifier(what.partition("{")[0]), set())
    return _over(limits) if limits and said.startswith(_ENDED) else ""


def _over(limits: set[int]) -> str:
    """`limits`: wall times of quanta of one step, in seconds."""
    from compiler.analysis.resources.units import show_time

    return f": the wall time{f' of {show_time(min(limits))}' if len(limits) == 1 else ''} was over"


def _quoted(lines: Sequence[str]) -> str:
    return "\n".join(f"    | {line}" for line in lines)
