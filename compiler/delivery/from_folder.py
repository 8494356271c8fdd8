"""Delivery of a folder: files go from this machine to where the repository keeps its own."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compiler.delivery.predicted import GRAPH, OUTPUTS, Delivery, Output, predicted, require, some
from compiler.delivery.registering import Registration, refuse_registered
from compiler.delivery.repository import repository_of
from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.runtime import quantum_runner


def deliver(
    out: Path | str, repo: Path | str | None = None, *, incomplete: bool = False, register: bool = True
) -> Delivery:
    """Put what a run made where the repository expects it, and register it there.

    `repo` may be left out where the folder's inputs are linked to a repository. A run that lacks outputs is refused
    unless `incomplete`, which delivers the quanta that succeeded. A second delivery does nothing twice. Without
    `register`, what is to be registered is written and the command told. Raises `CompileError` for a folder that
    cannot be delivered, `ToolError` where the middleware is absent or fails.
    """
    out = Path(out)
    where = str(repo) if repo is not None else str(repository_of(out))
    require(out, GRAPH, OUTPUTS)
    whole = predicted(out / GRAPH, where)
    present = [each for each in whole.outputs if (out / OUTPUTS / each.name).is_file()]
    found = {each.name for each in present}
    absent = {each.name for each in present if quantum_runner.is_marker(out / OUTPUTS / each.name)}
    missing = [each.name for each in whole.outputs if each.name not in found]
    if missing and not incomplete:
        count = f"{len(missing)} of {len(whole.outputs)} outputs are missing"
        message = f"the run is not complete: {count}: {some(missing)}"
        raise CompileError([Diagnostic("incomplete-run", message, Origin(str(out)), f"rubincwl run {out}")])
    there = [each for each in present if each.name not in absent]
    delivered, there_already = _put(there, out / OUTPUTS, where, register)
    lost = [each for each in whole.outputs if each.name not in found]
    words = ["--incomplete"] if missing else []
    registration = Registration(out, where, whole, there, lost, bool(missing), words)
    command = registration.carry_out(register)
    return Delivery(
        where,
        whole.run,
        delivered,
        there_already,
        len(absent),
        len(missing),
        register=command,
        registry=registration.registry,
    )


def _put(outputs: Sequence[Output], source: Path, repo: str, ask: bool) -> tuple[int, int]:
    """Copy files to their places; returns how many, and how many were there with equal content.

    A file of other content is replaced unless its dataset is registered: the registry's record would no longer hold.
    """
    todo: list[Output] = []
    differing: list[Output] = []
    for each in outputs:
        if not each.target.exists():
            todo.append(each)
        elif not _equal(source / each.name, each.target):
            differing.append(each)
    refuse_registered(differing, repo, ask)
    for each in todo + differing:
        _copy(source / each.name, each.target)
    return len(todo) + len(differing), len(outputs) - len(todo) - len(differing)


def _equal(file: Path, target: Any) -> bool:
    if target.isLocal:
        return filecmp.cmp(file, target.ospath, shallow=False)
    return bool(target.size() == file.stat().st_size)


def _copy(file: Path, target: Any) -> None:
    from lsst.resources import ResourcePath

    if not target.isLocal:
        target.transfer_from(ResourcePath(str(file.absolute())), transfer="copy", overwrite=True)
        return
    # A file is there whole or not at all, whenever the delivery is interrupted.
    final = Path(target.ospath)
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f".{final.name}.part")
    with file.open("rb") as reader, part.open("wb") as writer:
        while block := reader.read(1 << 20):
            writer.write(block)
    part.replace(final)
