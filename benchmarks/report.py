"""Tables: printed, and kept as a section of RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """\
# Benchmarks

`make benchmark` writes this page. CPU seconds are user and system time of the whole process and of everything that it
starts, from the start of the interpreter to its end; peak memory is that of the largest process among them. Runs of one
graph follow each other on one machine, so that figures of one table can be compared; those of two tables, or of two
machines, only in their proportions. No test depends on any of them.
"""


@dataclass(frozen=True)
class Table:
    """Rows of text below headings."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """How many columns, from the left, hold words; the others hold figures."""

    def markdown(self) -> str:
        rule = ["---" if number < self.words else "---:" for number in range(len(self.headings))]
        lines = [self.headings, rule, *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def show(self) -> None:
        """Print it."""
        from rich.console import Console
        from rich.table import Table as Drawn

        drawn = Drawn()
        for number, heading in enumerate(self.headings):
            drawn.add_column(heading, justify="left" if number < self.words else "right")
        for row in self.rows:
            drawn.add_row(*row)
        console = Console()
        Console(width=max(console.width, 120)).print(drawn)


def circumstances(packages: Iterable[str]) -> str:
    """A sentence on when and with what: date, cores, Python, versions of those packages that are installed."""
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"no {name}")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, {', '.join(versions)}.\n"
    )


def keep(results: Path, title: str, parts: Sequence[str | Table]) -> None:
    """Put a section into `results`, in place of the one with the same title if there is one."""
    text = results.read_text(encoding="utf-8") if results.exists() else HEAD
    old, *sections = re.split(r"(?m)^(?=## )", text)
    body = "\n".join(part.markdown() if isinstance(part, Table) else part for part in parts)
    section = f"## {title}\n\n{body}\n"
    titles = [each.splitlines()[0] for each in sections]
    if f"## {title}" in titles:
        sections[titles.index(f"## {title}")] = section
    else:
        sections.append(section)
    results.write_text("\n".join(each.rstrip("\n") + "\n" for each in (old, *sections)), encoding="utf-8")
