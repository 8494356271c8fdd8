"""Runs quanta of a Rubin quantum graph in an empty folder, with nothing shared.

    quantum_runner.pyz init    --graph G --butler B
    quantum_runner.pyz quanta  --graph G --butler B --task LABEL dim=value ... [--task ...]
    quantum_runner.pyz collect --output FILE [FILE ...]

It needs Python's standard library and, beside it, the science environment. Staged datasets are
expected in the current folder under the names of `dataset_name`; outputs and one record a quantum
(``--records FILE``: all of them in one file) are left there. With ``--checkpoint FILE`` a call that
fails leaves what its finished quanta made, and the next call runs only the rest. A private
datastore is made in a temporary subfolder and the real middleware (``pipetask run-qbb``) runs in a
forked process of its own: one start of the interpreter and one import of the middleware serve
both, and whatever the task does to its process, the runner lives on to tell. Exit codes: see
exit_codes.py and docs/quantum-runner.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .exit_codes import StopError
from .telling import say


def parser() -> argparse.ArgumentParser:
    """The command line; ``@FILE`` stands for arguments in a file, one a line."""
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    for name, about in (("init", "write every init output"), ("quanta", "run quanta")):
        verb = verbs.add_parser(name, help=about, fromfile_prefix_chars="@")
        verb.add_argument("--graph", required=True, help="the quantum graph, whole or a shard")
        verb.add_argument("--butler", required=True, help="the job's butler configuration")
        verb.add_argument("--names", help="JSON: file name by dataset id (or quantum id, for records)")
        verb.set_defaults(action=_run)
        if name == "quanta":
            verb.add_argument(
                "--task",
                nargs="+",
                action="append",
                required=True,
                metavar=("LABEL", "dim=value"),
                help="a quantum; may be repeated",
            )
            verb.add_argument("--records", metavar="FILE", help="a .jsonl for all records, instead of one file each")
            verb.add_argument(
                "--checkpoint", metavar="FILE", help="keep what is done if the call fails; run only what is left"
            )
    verb = verbs.add_parser(
        "collect", help="gather records, metadata and earlier collections", fromfile_prefix_chars="@"
    )
    verb.add_argument("--output", required=True, help="a .tar or .jsonl file")
    verb.add_argument("files", nargs="*", metavar="FILE", help="by default those of the current folder")
    verb.set_defaults(action=_collect)
    return top


def _run(args: argparse.Namespace) -> int:
    from .running import run

    return run(args)


def _collect(args: argparse.Namespace) -> int:
    """Alone it needs little of what a zip application compiles anew at each start."""
    from .collecting import collect

    return collect(args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        return int(args.action(args))
    except StopError as stop:
        say(f"rubincwl: failed exit {stop.code}: {stop}\n")
        return stop.code
