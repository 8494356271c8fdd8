"""What quanta ask for, held against what this machine has: a laptop tries what is meant for large machines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.diagnostics import Diagnostic, Origin

_PLANNED = 0.75
"""Of the memory that is free now: the engine looks again, a moment later, and refuses what asks for more."""
_QUANTA = "__quanta"
_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Amounts:
    """Cores and memory, asked for or there."""

    cores: float
    memory_mib: float


def this_machine(jobs: int | None) -> Amounts:
    """What cwltool hands out when it runs `jobs` at a time: it counts a core for each, and memory that is free."""
    import psutil  # type: ignore[import-untyped]

    return Amounts(jobs or _cores(), psutil.virtual_memory().available / 2**20)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def largest_asked(document: str, order: Mapping[str, Any]) -> dict[str, Amounts]:
    """By the id of each tool of a workflow that is written in one file: the most that one of its calls asks for."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    tools = yaml.load(document, Loader=loader).get("$graph", [])
    return {
        tool["id"]: Amounts(*(_most(hint.get(key, 0), order, tool["id"]) for key in ("coresMin", "ramMin")))
        for tool in tools
        for hint in tool.get("hints", [])
        if hint.get("class") == "ResourceRequirement"
    }


def _most(said: object, order: Mapping[str, Any], tool: str) -> float:
    """`said` is a number, or names the field of each quantum's record that holds it."""
    if isinstance(said, int | float):
        return said
    name = str(said).rstrip(")").rpartition(".")[2]
    return max((each["request"][name] for each in _records(order.get(tool + _QUANTA, []))), default=0)


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _records(each)
    else:
        yield value


def overrides(out: Path, asked: Mapping[str, Amounts], there: Amounts) -> dict[str, Any]:
    """For cwltool's ``--overrides``: tools that ask for too much ask for what there is, so that each call runs alone.

    Empty if there are none.
    """
    usable = Amounts(there.cores, int(there.memory_mib * _PLANNED))
    changed = {
        f"{(out / 'workflow.cwl').absolute().as_uri()}#{tool}": {
            "requirements": {
                "ResourceRequirement": {
                    "coresMin": min(amounts.cores, usable.cores),
                    "ramMin": min(amounts.memory_mib, usable.memory_mib),
                }
            }
        }
        for tool, amounts in asked.items()
        if amounts.cores > usable.cores or amounts.memory_mib > usable.memory_mib
    }
    return {"cwltool:overrides": changed} if changed else {}


def warnings(out: Path, asked: Mapping[str, Amounts], there: Amounts) -> Iterator[Diagnostic]:
    """One finding, if anything asks for more than there is."""
    too_much: list[str] = []
    for tool, amounts in asked.items():
        said = [f"{amounts.cores:g} cores"] if amounts.cores > there.cores else []
        if amounts.memory_mib > there.memory_mib:
            said.append(_gib(amounts.memory_mib))
        if said:
            too_much.append(f"{tool} ({', '.join(said)})")
    if too_much:
        has = f"{_counted(there.cores)} and {_gib(there.memory_mib)} of memory that are free here"
        yield Diagnostic(
            "more-than-machine",
            f"quanta of {_some(too_much)} ask for more than the {has}: each runs alone, with what there is",
            Origin(str(out / "workflow.cwl")),
            "small ones may do with it; if not, run where there is more, or compile with other rules or profile",
            "warning",
        )


def _counted(cores: float) -> str:
    return f"{cores:g} core" + ("" if cores == 1 else "s")


def _gib(mib: float) -> str:
    return f"{mib / 1024:,.1f}".removesuffix(".0") + " GiB"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more tasks" if more > 0 else "")
