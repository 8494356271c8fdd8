"""What calls ask of machines: read from requirements and hints, evaluated for a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from compiler.expand.columns import Same
from compiler.expand.document import classes
from compiler.expand.files import Ints
from compiler.expand.references import Scope, UnsupportedError, compile_text
from compiler.jobs import Request

Asks = Mapping[str, Any]
"""For a field of `Request` what a workflow, a step or a tool says: a number, a text, or an expression."""


def _up(value: Any) -> int:
    return math.ceil(float(value))


def _amount(value: Any) -> int | None:
    return _up(value) or None  # CWL: a time of 0 is no limit, and 0 of disk is what quanta ask that say nothing


def _variables(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(name), str(each)) for name, each in value.items()))


_FIELDS: dict[str, dict[str, str]] = {
    "ResourceRequirement": {
        "coresMax": "cores",
        "coresMin": "cores",
        "ramMax": "memory_mib",
        "ramMin": "memory_mib",
        "tmpdirMax": "disk_mib",
        "tmpdirMin": "disk_mib",
    },
    "ToolTimeLimit": {"timelimit": "walltime_s"},
    "rubin:Task": {"runTime": "run_time_s"},
    "rubin:Retry": {
        "count": "retries",
        "unlessExit": "unless_exit",
        "memoryMultiplier": "memory_multiplier",
        "memoryMaxMiB": "memory_max_mib",
    },
    "rubin:Job": {
        "priority": "priority",
        "queue": "queue",
        "accountingGroup": "accounting_group",
        "accountingUser": "accounting_user",
        "preemptible": "preemptible",
        "environment": "environment",
        "gpus": "gpus",
    },
}
"""For each class of requirement its fields, with the field of `Request` that each sets; the later one holds."""

_MEANINGS: dict[str, Callable[[Any], Any]] = {
    "cores": _up,
    "memory_mib": _up,
    "disk_mib": _amount,
    "walltime_s": _amount,
    "run_time_s": float,
    "retries": int,
    "unless_exit": lambda value: tuple(map(int, value)),
    "memory_multiplier": float,
    "memory_max_mib": _up,
    "priority": int,
    "queue": str,
    "accounting_group": str,
    "accounting_user": str,
    "preemptible": bool,
    "environment": _variables,
    "gpus": int,
}


def asks_of(process: Mapping[str, Any]) -> Asks:
    """What a process or a step asks for; its requirements come before its hints."""
    bodies: dict[str, Mapping[str, Any]] = {}
    for kind in ("hints", "requirements"):
        bodies.update(classes(process.get(kind)))
    return {
        field: bodies[name][key]
        for name, fields in _FIELDS.items()
        if name in bodies
        for key, field in fields.items()
        if bodies[name].get(key) is not None
    }


def requests_of(asks: Asks, scope: Scope) -> tuple[list[Request], Ints]:
    """The kinds of requests that the calls of a batch make, and each call's place among them."""
    fixed: dict[str, Any] = {}
    varied: dict[str, list[Any]] = {}
    for field, said in asks.items():
        column = scope.evaluate(compile_text(said))
        values = [column.value] if isinstance(column, Same) else column.values(scope.rows)
        try:
            meant = [None if each is None else _MEANINGS[field](each) for each in values]
        except (TypeError, ValueError, AttributeError):
            raise UnsupportedError(f"a resource is asked for as {said!r}, which is no amount") from None
        if not isinstance(column, Same):
            varied[field] = meant
        elif meant[0] is not None:
            fixed[field] = meant[0]
    if not varied:
        return [Request(**fixed)], np.zeros(scope.rows, dtype=np.int32)
    known: dict[tuple[Any, ...], int] = {}
    of = [known.setdefault(row, len(known)) for row in zip(*varied.values(), strict=True)]
    kinds = [
        Request(**fixed, **{field: each for field, each in zip(varied, row, strict=True) if each is not None})
        for row in known
    ]
    return kinds, np.array(of, dtype=np.int32)


def clusters_of(number: Any, scope: Scope) -> Ints:
    """Shape (rows,): the cluster that each call belongs to; -1 where `number`, an expression, gives none."""
    column = scope.evaluate(compile_text(number))
    try:
        if isinstance(column, Same):
            return np.full(scope.rows, -1 if column.value is None else column.value, dtype=np.int32)
        values = column.values(scope.rows)
        if None in values:
            values = [-1 if each is None else each for each in values]
        return np.array(values, dtype=np.int32)
    except (TypeError, ValueError, OverflowError):
        raise UnsupportedError(f"the cluster {number!r} is no number") from None
