"""Settings of bps as values of requests, with what bps does to them on the way (ctrl_bps, ``transform.py``)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from compiler.analysis.resources.fields import FIELDS
from compiler.analysis.resources.reasons import Reason
from compiler.analysis.resources.units import parse_count, parse_factor, parse_size
from compiler.diagnostics import Findings, Span

RETRIES_WITH_GROWTH = 5
"""``DEFAULT_MEM_RETRIES`` of ctrl_bps: where memory grows and nobody says how often to try again."""


BPS_DEFAULT = Reason("default", "default of bps")


class Setting(Protocol):
    """A value of a submit YAML, and where it stands."""

    @property
    def value(self) -> Any: ...

    @property
    def place(self) -> Span | None:
        """None for a default of bps."""
        ...

    @property
    def section(self) -> str:
        """For instance ``pipetask.isr``; empty for the top level."""
        ...


Valued = Mapping[str, tuple[Any, Reason]]
"""By key of `FIELDS`: the value as a request holds it, and what gave it."""


def bps_values(settings: Mapping[str, Setting], findings: Findings) -> Valued:
    """What the settings of a task or a cluster ask for; faults are told once each."""
    return dict(_values(settings, findings))


def _values(settings: Mapping[str, Setting], findings: Findings) -> Iterator[tuple[str, tuple[Any, Reason]]]:
    grows = _multiplier(settings) > 1.0
    for field in FIELDS:
        if field.key == "memoryMax":
            yield from _largest(settings, findings)
            continue
        setting = settings.get(field.bps) if field.bps else None
        if setting is None:
            continue
        reason = _reason(field.bps, setting)
        try:
            if field.key == "memoryMultiplier":
                if setting.value is not None:
                    parse_factor(setting.value)
                yield field.key, (_multiplier(settings), reason)
            elif field.key == "retries" and setting.value is None:
                yield field.key, (RETRIES_WITH_GROWTH if grows else 0, reason)
            elif field.key == "retries":
                yield field.key, (parse_count(setting.value, 0, 1000), reason)
            elif setting.value is not None or field.key == "unlessExit":
                yield field.key, (field.read(setting.value), reason)
        except ValueError as error:
            _refuse(field.bps, setting, error, findings)


def _multiplier(settings: Mapping[str, Setting]) -> float:
    """The growth of memory; 1 where there is none: bps grows only what rounds up to more than 1."""
    setting = settings.get("memoryMultiplier")
    try:
        factor = parse_factor(setting.value) if setting is not None and setting.value is not None else 1.0
    except ValueError:
        return 1.0
    return factor if math.ceil(factor) > 1 else 1.0


def _largest(settings: Mapping[str, Setting], findings: Findings) -> Iterator[tuple[str, tuple[Any, Reason]]]:
    """Where growth ends: at ``requestMemoryMax``, if that is below ``memoryLimit``."""
    found: list[tuple[int, Reason]] = []
    for key in ("requestMemoryMax", "memoryLimit"):
        setting = settings.get(key)
        if setting is None or setting.value is None:
            continue
        try:
            found.append((parse_size(setting.value), _reason(key, setting)))
        except ValueError as error:
            _refuse(key, setting, error, findings)
    if found:
        yield "memoryMax", min(found, key=lambda each: each[0])


def _reason(key: str, setting: Setting) -> Reason:
    if setting.place is None and not setting.section:
        return BPS_DEFAULT
    return Reason("bps", f"{key} of {setting.section}" if setting.section else key, setting.place)


def _refuse(key: str, setting: Setting, error: ValueError, findings: Findings) -> None:
    message = f"'{key}': {error}"
    if not any(each.message == message and each.place == setting.place for each in findings):
        findings.error("bad-amount", message, setting.place)
