"""The verbs that run quanta and deliver what they made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rubincwl.cli.stores import of_target, reached
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
@click.option(
    "--inputs-at",
    metavar="URL",
    multiple=True,
    help="Store with the repository's files (s3, gs, https); may be given again, for those that the first lacks.",
)
@click.option("--input-cache", "cache", type=FILE, help="Folder for files from stores, shared by runs; OUT/run/inputs.")
@click.option("--outputs-to", metavar="URL", help="Copy the results to a store, too, when all quanta have succeeded.")
@of_target
@click.pass_obj
def run(
    report: Report,
    /,
    out: Path,
    engine: Literal["cwltool"],
    repo: Path | None,
    jobs: int | None,
    no_deliver: bool,
    inputs_at: tuple[str, ...],
    cache: Path | None,
    outputs_to: str | None,
    target: str | None,
    config: Path | None,
) -> None:
    """Run the workflow that compile wrote to OUT, then deliver the results.

    What succeeded is kept: after a failure, a second run goes on where this one ended.
    """
    from compiler.engines import run as execute
    from compiler.engines.progress import progress_bar

    stores = reached(target, config)
    with progress_bar(report.on_terminal) as observe:
        done = execute(
            out,
            engine=engine,
            repo=repo,
            jobs=jobs,
            deliver=not no_deliver,
            inputs_at=inputs_at or stores.inputs_at,
            outputs_to=outputs_to,
            access=stores.access,
            cache=cache,
            observe=observe,
            tell=report.findings,
        )
    report.result = {"jobs": done.jobs, "ran": done.ran, "reused": done.reused, "outputs": str(done.outputs)}
    earlier = f", {done.reused} done by an earlier run" if done.reused else ""
    report.say(f"{done.ran} jobs ran in {done.seconds:.0f} s{earlier}; results in {done.outputs}")
    if done.fetched is not None:
        report.result["fetched"] = asdict(done.fetched)
        report.say(f"{done.fetched.objects:,} inputs fetched from stores, {done.fetched.bytes:,} bytes")
    if done.sent is not None:
        report.result["sent"] = asdict(done.sent)
        there = f", {done.sent.there_already:,} there already" if done.sent.there_already else ""
        report.say(f"{done.sent.copied:,} files copied to {done.sent.url}, {done.sent.bytes:,} bytes{there}")
    if done.delivery is not None:
        tell_delivery(report, done.delivery)


@click.command("deliver", cls=Verb)
@click.argument("out", type=FILE)
@click.option("--repo", type=FILE, help="The butler repository; the one of the compile or run, if not given.")
@click.option("--incomplete", is_flag=True, help="Deliver the quanta that succeeded, though others failed.")
@click.option(
    "--outputs-at",
    metavar="URL",
    help="Where a run on a cloud left its results; the store copies them. That of --target, if not given.",
)
@click.option("--no-register", is_flag=True, help="Put files in place and write what is to be registered elsewhere.")
@of_target
@click.pass_obj
def deliver(
    report: Report,
    /,
    out: Path,
    repo: Path | None,
    incomplete: bool,
    outputs_at: str | None,
    no_register: bool,
    target: str | None,
    config: Path | None,
) -> None:
    """Put what a run of OUT made into the butler repository and register it there."""
    from compiler.delivery import deliver as put
    from compiler.delivery import deliver_within_store

    stores = reached(target, config)
    outputs_at = outputs_at or stores.outputs_at
    if outputs_at is None:
        with report.stage("deliver"):
            done = put(out, repo, incomplete=incomplete, register=not no_register)
    elif repo is None:
        raise click.UsageError("--outputs-at needs --repo, the repository that keeps its files in that store")
    else:
        with report.progress("copy") as advance:
            done = deliver_within_store(
                out,
                repo,
                outputs_at,
                access=stores.access,
                incomplete=incomplete,
                register=not no_register,
                observe=advance,
            )
    tell_delivery(report, done)


def tell_delivery(report: Report, done: Delivery) -> None:
    """Say what was delivered."""
    report.result["delivery"] = asdict(done)
    registered = f" and registered in {done.run}" if done.register is None else f", not yet registered in {done.run}"
    report.say(f"{done.delivered:,} datasets delivered to {done.repo}{registered}")
    if done.bytes:
        report.say(f"  {done.bytes:,} bytes copied inside the store; none of them passed through this machine")
    more = {
        "there already": done.there_already,
        "legitimately absent": done.absent,
        "made and not kept": done.not_kept,
        "missing": done.missing,
    }
    for what, count in more.items():
        if count:
            report.say(f"  {count:,} {what}")
    if done.register is not None:
        report.say(f"to register them, where {done.registry} can be reached:\n  {done.register}")
