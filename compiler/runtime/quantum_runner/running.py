"""Runs what a call asks for, from reading the graph to telling what became of each quantum."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from .call import Call
from .checkpoint import restore_checkpoint, write_checkpoint
from .environment import check_environment
from .exit_codes import ENVIRONMENT, USAGE, StopError
from .judging import judge
from .middleware import Watch, watching
from .middleware_log import end_of
from .passes import run_quanta
from .preparing import prepare
from .records import blank_record, describe_process, write_records
from .staging import link_inputs
from .telling import print_records, say, tell


def run(args: argparse.Namespace) -> int:
    """Init or quanta: prepare, run, judge; returns the exit code."""
    folder, wanted = Path.cwd(), None if args.verb == "init" else [parse_task(each) for each in args.task]
    names = json.loads(Path(args.names).read_text()) if args.names else {}
    checkpoint = Path(args.checkpoint) if wanted is not None and args.checkpoint else None
    work = Path(tempfile.mkdtemp(prefix=".rubincwl-", dir=folder))
    try:
        check_environment()
        shutil.copyfile(args.butler, work / "butler.yaml")
        call = prepare(args.graph, work, wanted, names)
        with watching() as watch:
            kept = restore_checkpoint(checkpoint, call, folder) if checkpoint else {}
            records, tails = _perform(call, kept, work, folder, watch)
            ordered = [records[each.id] for each in call.quanta]
            write_records(call, ordered, args.records if wanted is not None else None, folder)
            code = max(each["exit_code"] for each in ordered)
            if checkpoint:
                done = {id: each for id, each in records.items() if code and not each["exit_code"]}
                _keep(checkpoint, done, folder)
        for quantum in call.quanta:
            if quantum.id not in kept:
                tell(records[quantum.id], quantum, tails.get(quantum.id, ()))
        if code:
            print_records(ordered)
        return int(code)
    except ImportError as error:
        raise StopError(ENVIRONMENT, f"a package that the datasets need cannot be imported: {error}") from error
    finally:
        if checkpoint and not checkpoint.exists():
            _keep(checkpoint, {}, folder)
        shutil.rmtree(work, ignore_errors=True)


def _perform(
    call: Call, kept: Mapping[UUID, dict[str, Any]], work: Path, folder: Path, watch: Watch
) -> tuple[dict[UUID, dict[str, Any]], dict[UUID, list[str]]]:
    """Run what is not kept of an earlier try; returns records of all quanta, and the end of each one's log."""
    quanta = [each for each in call.quanta if each.id not in kept]
    for quantum in quanta:
        say(f"rubincwl: start {quantum}\n")
    try:
        link_inputs(call, quanta, work, folder)
    except StopError as stop:
        verdict = {"status": "input-missing", "exit_code": stop.code, "message": str(stop)}
        process = describe_process((), len(quanta))
        return {**kept, **{each.id: blank_record(each, None, process) | verdict for each in quanta}}, {}
    passes = run_quanta(call, quanta, work, watch)
    records = judge(call, quanta, passes, work, folder)
    tails = {id: end_of(ended.said) for ended in passes for id in ended.given}
    return {**kept, **{each.id: record for each, record in zip(quanta, records, strict=True)}}, tails


def _keep(checkpoint: Path, records: Mapping[UUID, Mapping[str, Any]], folder: Path) -> None:
    """Write the checkpoint; that it cannot be written is told, and no reason to fail."""
    try:
        write_checkpoint(checkpoint, records, folder)
    except OSError as error:
        say(f"rubincwl: the checkpoint {checkpoint.name} cannot be written: {error}\n")


def parse_task(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A label and its data id from ``LABEL dim=value ...``; raises `StopError`."""
    label, *pairs = words
    if wrong := [each for each in pairs if "=" not in each]:
        raise StopError(USAGE, f"'{wrong[0]}' is not dimension=value")
    return label, dict(each.split("=", 1) for each in pairs)
