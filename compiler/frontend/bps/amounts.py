"""What each key of a submit file that jobs ask for may hold, and what it is here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_]\w*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

NOTHING = object()
"""For a value that counts as not given."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A key, and how its value is read."""

    key: str
    read: Callable[[object], Any]
    """Raises `ValueError` with a sentence."""
    null: Any = NOTHING
    """What ``null`` means."""
    help: str = ""


def _size(value: object) -> int:
    from compiler.analysis.resources.units import parse_size

    return parse_size(value)


def _disk(value: object) -> Any:
    return NOTHING if value in (0, "0") and not isinstance(value, bool) else _size(value)


def _seconds(value: object) -> int:
    from compiler.analysis.resources.units import parse_time

    return math.ceil(parse_time(value))


def _count(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        from compiler.analysis.resources.units import parse_count

        return parse_count(value, least, most)

    return read


def _factor(value: object) -> float:
    from compiler.analysis.resources.units import parse_factor

    # bps: at 1 or below it is off.
    return max(1.0, parse_factor(value, 0.0, 16.0))


def _codes(value: object) -> tuple[int, ...]:
    members = value if isinstance(value, list) else [value]
    return tuple(_count(0, 255)(each) for each in members)


def _text(value: object) -> str:
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no text")
    if _CONTROL.search(str(value)):
        raise ValueError(f"{value!r} holds a line break or another control character")
    return str(value)


def _flag(value: object) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _environment(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no mapping of names to values")
    for name, each in value.items():
        if not _NAME.fullmatch(str(name)):
            raise ValueError(f"'{name}' cannot be the name of a variable")
        if isinstance(each, list | dict):
            raise ValueError(f"the variable '{name}' has no text as its value")
    return {str(name): str(each) for name, each in value.items()}


_SIZE = "bps counts in MB, which HTCondor takes as MiB: 28672 is 28 GiB; '28 GiB' may be written here too"

AMOUNTS: Mapping[str, Amount] = {
    each.key: each
    for each in (
        Amount("requestCpus", _count(1, 4096), help="a number of cores, 1 or more"),
        Amount("requestMemory", _size, help=_SIZE),
        Amount("requestMemoryMax", _size, help=_SIZE),
        Amount("memoryLimit", _size, help=_SIZE),
        Amount("memoryMultiplier", _factor, help="a number above 1; with 1 memory does not grow"),
        Amount("requestDisk", _disk, help=_SIZE),
        Amount("requestWalltime", _seconds, help="seconds; '90m' and '01:30:00' may be written here too"),
        Amount("requestGpus", _count(0, 64), help="a number of accelerators"),
        Amount("numberOfRetries", _count(0, 1000), None, help="0 turns retries off"),
        Amount("retryUnlessExit", _codes, (), "an exit code from 0 to 255 or a list of them, as in [1, 2]"),
        Amount("priority", _count(-(2**31), 2**31 - 1), help="a whole number, the higher the earlier"),
        Amount("queue", _text, help="a name"),
        Amount("accountingGroup", _text, help="a name"),
        Amount("accountingUser", _text, help="a name"),
        Amount("preemptible", _flag, help="true or false"),
        Amount("environment", _environment, {}, "as in {OMP_NUM_THREADS: 1}"),
    )
}
"""In the order in which they are explained. ``requestGpus`` is ours: bps has no key for accelerators."""
