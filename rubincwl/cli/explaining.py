"""The verb that tells why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rubincwl.cli.verb import Report, Verb

FILE = click.Path(path_type=Path)
_LISTED = 8


@click.command("explain", cls=Verb)
@click.argument("out", type=FILE)
@click.option("--quantum", required=True, metavar="QUANTUM", help="For instance 'isr{exposure: 1000, detector: 3}'.")
@click.pass_obj
def explain(report: Report, /, out: Path, quantum: str) -> None:
    """Tell what one quantum of the folder OUT asks for, which rule gave each number, and where it runs.

    Dimensions that all quanta share may be left out of QUANTUM.
    """
    from compiler.analysis.resources.explain import explain as find

    found = find(out, quantum)
    report.result = {
        "quantum": {"label": found.label, "data_id": dict(found.data_id)},
        "numbers": {
            each.key: {"value": each.value, "source": each.reason.source, "by": each.reason.text, "place": _at(each)}
            for each in found.numbers
        },
        **({"runs": dict(found.about)} if found.about else {}),
    }
    report.say(str(found))
    said = [each for each in found.numbers if each.reason.source != "default" or report.verbosity >= 1]
    wide = max((len(each.shown) for each in said), default=0)
    for each in said:
        report.say(f"  {each.key:<17}{each.shown:<{wide}}  {each.reason}")
    if len(said) < len(found.numbers):
        others = ", ".join(f"{each.key} {each.shown}" for each in found.numbers if each not in said)
        report.say(f"  by default: {others}")
    for key, value in found.about.items():
        report.say(f"  {key:<17}{_shown(value)}")


def _at(each: Any) -> dict[str, Any] | None:
    place = each.reason.place
    return {"file": place.file, "line": place.line, "column": place.column} if place else None


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    more = f" and {len(value) - _LISTED:,} more" if len(value) > _LISTED else ""
    return f"{len(value):,}: {', '.join(map(str, value[:_LISTED]))}{more}" if value else "none"
