"""A progress bar for a run; on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from compiler.engines import Event


@contextmanager
def progress_bar(enabled: bool | None = None) -> Iterator[Callable[[Event, int], None]]:
    """An observer for `run` that draws a bar on standard error, with the quanta that run at the moment.

    `enabled` None means: if standard error is a terminal. Failures print above the bar, everywhere.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = console.is_terminal if enabled is None else enabled
    bar = Progress(
        TextColumn("running"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not shown,
    )
    running: dict[str, None] = {}
    with bar:
        task = bar.add_task("", total=None)

        def observe(event: Event, jobs: int) -> None:
            if event.kind == "start":
                running[event.what] = None
            else:
                running.pop(event.what, None)
                bar.advance(task)
            if event.kind == "failed":
                console.print(event.text, markup=False, highlight=False, soft_wrap=True)
            bar.update(task, total=jobs, description=next(iter(running), ""))

        yield observe
