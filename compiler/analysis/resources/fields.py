"""What can be asked for: one row a field, with its key in our rules, its key in bps, and how its value is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compiler.analysis.resources.units import parse_count, parse_factor, parse_size, parse_time, show_size, show_time
from compiler.jobs.exit_codes import job_exit_codes

_NAME = re.compile(r"[A-Za-z_]\w*")
_REFUSED = object()
_LINES = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Field:
    """Something that a quantum asks for."""

    key: str
    """In a rule."""
    attribute: str
    """In `compiler.jobs.request.Request`."""
    parse: Callable[[object], Any]
    """Raises `ValueError` with a sentence."""
    bps: str = ""
    """The key of bps's submit YAML; empty where bps has none."""
    null: Any = _REFUSED
    """What ``null`` stands for, if it may be given."""
    measured: Literal["", "memory", "time"] = ""
    """What of earlier runs' records it can be taken from."""
    show: Callable[[Any], str] = str

    def read(self, value: object) -> Any:
        """The value as the request holds it. Raises `ValueError` with a sentence."""
        if value is None:
            if self.null is _REFUSED:
                raise ValueError(f"'{self.key}' is empty")
            return self.null
        return self.parse(value)


def _walltime(value: object) -> int:
    return math.ceil(parse_time(value))


def _codes(value: object) -> tuple[int, ...]:
    members = value if isinstance(value, list | tuple) else [value]
    return tuple(sorted({parse_count(each, 0, 255) for each in members}))


def _show_codes(codes: Sequence[int]) -> str:
    """With what a job ends in such a case, where that is something else.

    >>> _show_codes([1, 2])
    '1 and 2 (of jobs: 2, 10, 13 and 14)'
    """
    of_jobs = job_exit_codes(codes)
    if of_jobs == tuple(codes):
        return _listed(codes)
    return f"{_listed(codes)} (of jobs: {_listed(of_jobs)})"


def _listed(codes: Sequence[int]) -> str:
    *most, last = map(str, codes)
    return f"{', '.join(most)} and {last}" if most else last


def _words(value: object) -> str:
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no text")
    if _LINES.search(str(value)):
        raise ValueError(f"{value!r} holds a line break or another control character")
    return str(value)


def _flag(value: object) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _variables(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no mapping of names to values")
    for name, each in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a variable")
        if isinstance(each, list | dict) or each is None:
            raise ValueError(f"the variable '{name}' has no text as its value")
    return tuple(sorted((name, str(each)) for name, each in value.items()))


def _priority(value: object) -> int:
    return parse_count(value, -(2**31), 2**31 - 1)


def _said_or(nothing: str, show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: nothing if value in (None, "", (), []) else show(value)


FIELDS = (
    Field("cores", "cores", lambda value: parse_count(value, 1), "requestCpus"),
    Field("memory", "memory_mib", parse_size, "requestMemory", measured="memory", show=show_size),
    Field("disk", "disk_mib", parse_size, "requestDisk", None, show=_said_or("not said", show_size)),
    Field("walltime", "walltime_s", _walltime, "requestWalltime", None, "time", _said_or("no limit", show_time)),
    # bps has no key for accelerators; this one is ours, among its own.
    Field("gpus", "gpus", lambda value: parse_count(value, 0, 64), "requestGpus"),
    Field("retries", "retries", lambda value: parse_count(value, 0, 1000), "numberOfRetries"),
    Field(
        "unlessExit",
        "unless_exit",
        _codes,
        "retryUnlessExit",
        (),
        show=_said_or("none", _show_codes),
    ),
    Field("memoryMultiplier", "memory_multiplier", lambda value: parse_factor(value, 1.0, 16.0), "memoryMultiplier"),
    Field("memoryMax", "memory_max_mib", parse_size, "requestMemoryMax", show=show_size),
    Field("priority", "priority", _priority, "priority"),
    Field("queue", "queue", _words, "queue", "", show=_said_or("not said", str)),
    Field("accountingGroup", "accounting_group", _words, "accountingGroup", "", show=_said_or("not said", str)),
    Field("accountingUser", "accounting_user", _words, "accountingUser", "", show=_said_or("not said", str)),
    Field("preemptible", "preemptible", _flag, "preemptible", None, show=_said_or("not said", str)),
    Field(
        "environment",
        "environment",
        _variables,
        "environment",
        (),
        show=_said_or("none", lambda pairs: ", ".join(f"{name}={value}" for name, value in pairs)),
    ),
    Field("runTime", "run_time_s", parse_time, measured="time", show=_said_or("unknown", show_time)),
)
"""In the order in which they are explained."""

BY_KEY: Mapping[str, Field] = {field.key: field for field in FIELDS}
