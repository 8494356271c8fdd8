"""The verbs that run quanta and deliver what they made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rubincwl.cli.verb import Report, Verb

if TYPE_CHECKING:
    from compiler.delivery import Delivery

FILE = click.Path(path_type=Path)


@click.command("run", cls=Verb)
@click.argument("out", type=FILE)
@click.option("--engine", type=click.Choice(["cwltool"]), default="cwltool", show_default=True, help="What runs it.")
@click.option("--repo", type=FILE, help="The butler repository of inputs and results, if not given to compile.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1), help="Quanta at a time; as many as there are cores, if not given."
)
@click.option("--no-deliver", is_flag=True, help="Leave the results in OUT/run/outputs.")
@click.pass_obj
def run(
    report: Report, /, out: Path, engine: Literal["cwltool"], repo: Path | None, jobs: int | None, no_deliver: bool
) -> None:
    """Run the workflow that compile wrote to OUT, then deliver the results.

    What succeeded is kept: after a failure, a second run goes on where this one ended.
    """
    from compiler.engines import run as execute
    from compiler.engines.progress import progress_bar

    with progress_bar(report.on_terminal) as observe:
        done = execute(
            out, engine=engine, repo=repo, jobs=jobs, deliver=not no_deliver, observe=observe, tell=report.findings
        )
    report.result = {"jobs": done.jobs, "ran": done.ran, "reused": done.reused, "outputs": str(done.outputs)}
    earlier = f", {done.reused} done by an earlier run" if done.reused else ""
    report.say(f"{done.ran} jobs ran in {done.seconds:.0f} s{earlier}; results in {done.outputs}")
    if done.delivery is not None:
        tell_delivery(report, done.delivery)


@click.command("deliver", cls=Verb)
@click.argument("out", type=FILE)
@click.option("--repo", type=FILE, help="The butler repository; the one of the compile or run, if not given.")
@click.option("--incomplete", is_flag=True, help="Deliver the quanta that succeeded, though others failed.")
@click.pass_obj
def deliver(report: Report, /, out: Path, repo: Path | None, incomplete: bool) -> None:
    """Put what a run of OUT made into the butler repository and register it there."""
    from compiler.delivery import deliver as put

    with report.stage("deliver"):
        done = put(out, repo, incomplete=incomplete)
    tell_delivery(report, done)


def tell_delivery(report: Report, done: Delivery) -> None:
    """Say what was delivered."""
    report.result["delivery"] = asdict(done)
    report.say(f"{done.delivered:,} datasets delivered to {done.repo} and registered in {done.run}")
    more = {"there already": done.there_already, "legitimately absent": done.absent, "missing": done.missing}
    for what, count in more.items():
        if count:
            report.say(f"  {count:,} {what}")
