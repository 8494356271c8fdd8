"""Delivery inside an object store: the store itself copies files from the workflow's names to the repository's.

No payload passes through this machine. What is read here are listings, the run's records (metadata, no payload), and,
of small files of which no record tells, the first bytes: whether they mark an absent dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from compiler.delivery.copying import SCHEMES, Copies, Observe, environment
from compiler.delivery.predicted import GRAPH, Delivery, Output, kept, predicted, require, some
from compiler.delivery.registering import Registration, refuse_registered, unregistered
from compiler.delivery.staged import Staged, staged
from compiler.diagnostics import CompileError, Diagnostic, Origin, ToolError
from providers.base import Access, Problem
from providers.storage import StorageError, default_access, open_client

AccessOf = Callable[[str], Access | Problem]
"""How a URL is reached."""


def deliver_within_store(
    out: Path | str,
    repo: Path | str,
    outputs_at: str,
    *,
    access: AccessOf | None = None,
    incomplete: bool = False,
    register: bool = True,
    observe: Observe | None = None,
) -> Delivery:
    """Copy what a run left at `outputs_at` to where the repository keeps its files, in the same store, and register.

    `access` says how this machine reaches the store, by default as its client finds out by itself. Otherwise as
    `compiler.delivery.deliver`. Raises `CompileError` if the repository's files are in no such store, `ToolError` if
    the store refuses.
    """
    out, where = Path(out), str(repo)
    require(out, GRAPH)
    whole = predicted(out / GRAPH, where)
    _refuse_other_stores(outputs_at, whole.outputs, where)
    reach = (access or default_access)(outputs_at)
    try:
        source = open_client(outputs_at, reach)
        found = staged(source, whole.outputs)
        missing = _missing(out, outputs_at, found, incomplete)
        copies = Copies(source, found.files, reach)
        refuse_registered([each.output for each in copies.other], where, register)
        doubtful = copies.doubtful if not register else unregistered(copies.doubtful, where)
        copied = [*copies.none, *copies.other, *doubtful]
        copies.run(copied, observe)
    except StorageError as error:
        raise ToolError([Diagnostic(error.problem.code, error.problem.message, help=error.problem.help)]) from error
    there = [each.output for each in found.files]
    words = ("--outputs-at", outputs_at, *(["--incomplete"] if missing else []))
    registration = Registration(out, where, whole, there, found.unfound, bool(missing), words, environment(reach))
    command = registration.carry_out(register)
    return Delivery(
        where,
        whole.run,
        len(copied),
        len(there) - len(copied),
        found.absent,
        missing,
        len(found.unfound) - missing,
        sum(each.size for each in copied),
        command,
        registration.registry,
    )


def _refuse_other_stores(outputs_at: str, outputs: Sequence[Output], repo: str) -> None:
    """Between two kinds of stores every byte would pass through this machine."""
    store = SCHEMES.get(urlsplit(outputs_at).scheme)
    if store is None:
        message = f"'{outputs_at}' is in no object store"
        help = "for instance s3://bucket/prefix/outputs; results of a run on this machine need no --outputs-at"
        raise CompileError([Diagnostic("bad-url", message, help=help)])
    for each in outputs:
        if SCHEMES.get(each.target.scheme) != store:
            message = f"the outputs are at '{outputs_at}', the repository '{repo}' keeps its files at '{each.target}'"
            help = "a store copies only within itself; copy the outputs to OUT/run/outputs and leave --outputs-at out"
            raise CompileError([Diagnostic("other-store", message, help=help)])


def _missing(out: Path, outputs_at: str, found: Staged, incomplete: bool) -> int:
    """How many results are not there."""
    result = kept(out)
    missing = [each.name for each in found.unfound if result(each.name)]
    if missing and not incomplete:
        all = len(found.files) + found.absent + len(found.unfound)
        message = f"the run is not complete: {len(missing)} of {all} outputs are missing: {some(missing)}"
        help = f"looked for at '{outputs_at}'; --incomplete delivers the quanta that succeeded"
        raise CompileError([Diagnostic("incomplete-run", message, Origin(str(out)), help)])
    return len(missing)
