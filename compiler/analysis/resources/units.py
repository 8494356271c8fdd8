"""Units of memory, disk and time: what each system means by its numbers, in one table.

Inside, memory and disk are whole MiB and times are seconds. In every system that our numbers end in, "MB" and "GB" are
powers of two, so they are here too, as "MiB" and "GiB".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

MIB = 2**20
LARGEST_MIB = 32 * 2**20
"""32 TiB, the memory of the largest machine that is let (u7in-32tb of AWS); more is a slip of the pen."""
LONGEST_S = 366 * 86_400
_MOST = 4096
"""Of anything that is counted."""

_SIZES = {"": MIB, "b": 1, "k": 2**10, "m": MIB, "g": 2**30, "t": 2**40, "p": 2**50}
_SPANS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_SIZE = re.compile(r"([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*([a-z]*)", re.IGNORECASE)
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]+)\s*", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d)")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a plain number means in one place."""

    system: str
    setting: str
    called: str
    """As the system's own documentation calls it."""
    factor: float
    """How many bytes, or seconds, one is."""
    kind: Literal["size", "time"]
    evidence: str

    @property
    def meaning(self) -> str:
        """The unit without ambiguity."""
        names = {1: "byte", 2**10: "KiB", MIB: "MiB", 2**30: "GiB"} if self.kind == "size" else {1: "s", 60: "min"}
        return names[int(self.factor)]


UNITS = (
    Unit("rubincwl", "rules: memory, disk, memoryMax", "MiB", MIB, "size", "a number without a unit"),
    Unit("rubincwl", "rules: walltime, runTime", "s", 1, "time", "a number without a unit"),
    Unit("rubincwl", "quantum record: peak_memory_mib", "MiB", MIB, "size", "schemas/quantum_record.schema.json"),
    Unit("rubincwl", "machine: memory, disk", "GiB", 2**30, "size", "as clouds publish them"),
    Unit(
        "bps",
        "requestMemory, requestMemoryMax, memoryLimit",
        "MB",
        MIB,
        "size",
        "written without a unit into request_memory (ctrl_bps_htcondor, prepare_utils.py); 'in MiB' (quickstart)",
    ),
    Unit("bps", "requestDisk", "MB", MIB, "size", "written as 'nMB' into request_disk, which is n x 1024 KiB there"),
    Unit("bps", "requestWalltime", "s", 1, "time", "ctrl_bps, generic_workflow.py; its HTCondor plug-in ignores it"),
    Unit("CWL", "ramMin", "mebibytes", MIB, "size", "CWL v1.2, ResourceRequirement"),
    Unit("CWL", "tmpdirMin, outdirMin", "mebibytes", MIB, "size", "CWL v1.2, ResourceRequirement"),
    Unit("CWL", "timelimit", "seconds", 1, "time", "CWL v1.2, ToolTimeLimit"),
    Unit("Pegasus", "pegasus.memory", "MB", MIB, "size", "handed to request_memory as it is (Condor.java)"),
    Unit("Pegasus", "pegasus.diskspace", "MB", MIB, "size", "times 1024 to request_disk (Condor.java, PM-1912)"),
    Unit("Pegasus", "pegasus.runtime", "seconds", 1, "time", "namespace/Pegasus.java"),
    Unit("Pegasus", "pegasus.maxwalltime", "minutes", 60, "time", "namespace/Pegasus.java"),
    Unit("HTCondor", "request_memory", "MB", MIB, "size", "'2GB' becomes RequestMemory 2048 (htcondor 24.12)"),
    Unit("HTCondor", "request_disk", "KB", 2**10, "size", "'2GB' becomes RequestDisk 2097152 (htcondor 24.12)"),
)
"""Every place in which one of our numbers stands, or from which one comes."""


def in_unit(amount: float, setting: str) -> int:
    """MiB (of a size) or seconds (of a time) as the whole number that `setting` takes, rounded up.

    Raises `KeyError` for a setting that `UNITS` does not hold.

    >>> in_unit(3072, "request_disk"), in_unit(3072, "pegasus.memory"), in_unit(90, "pegasus.maxwalltime")
    (3145728, 3072, 2)
    """
    for unit in UNITS:
        if setting in unit.setting.split(", "):
            return math.ceil(amount * (MIB if unit.kind == "size" else 1) / unit.factor)
    raise KeyError(setting)


def parse_size(value: object) -> int:
    """Whole MiB of a size, rounded up; a number without a unit is MiB. Raises `ValueError` with a sentence.

    >>> [parse_size(each) for each in (2048, "2048", "28GB", "2 GiB", "1.5g", "300 kB")]
    [2048, 2048, 28672, 2048, 1536, 1]
    >>> parse_size("28 gigs")
    Traceback (most recent call last):
    ValueError: '28 gigs' is no amount of memory or disk: give MiB, or a unit as in '28 GiB'
    """
    refusal = f"{value!r} is no amount of memory or disk: give MiB, or a unit as in '28 GiB'"
    text = _text(value, refusal)
    found = _SIZE.fullmatch(text)
    unit = found[2].lower() if found else "?"
    if len(unit) > 1:
        unit = unit.removesuffix("b").removesuffix("i")
    if found is None or unit not in _SIZES:
        raise ValueError(refusal)
    mib = _number(found[1], refusal) * _SIZES[unit] / MIB
    if mib <= 0:
        raise ValueError(f"{value!r} is not more than nothing")
    if mib > LARGEST_MIB:
        amount = f"{show_size(mib)}, " if math.isfinite(mib) else ""
        raise ValueError(f"{value!r} is {amount}more than any machine has; a number without a unit is MiB")
    return math.ceil(mib)


def parse_time(value: object) -> float:
    """Seconds of a time; a number without a unit is seconds. Raises `ValueError` with a sentence.

    ``h:mm:ss`` and ``m:ss`` are read as YAML reads them without quotes.

    >>> [parse_time(each) for each in (90, "90", "90m", "1.5h", "1h 30min", "01:30:00", "1:30", "2 d")]
    [90.0, 90.0, 5400.0, 5400.0, 5400.0, 5400.0, 90.0, 172800.0]
    >>> parse_time("soon")
    Traceback (most recent call last):
    ValueError: 'soon' is no time: give seconds, or as in '90m', '1h 30m' or '01:30:00'
    """
    refusal = f"{value!r} is no time: give seconds, or as in '90m', '1h 30m' or '01:30:00'"
    text = _text(value, refusal)
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        total = float(3600 * hours + 60 * minutes + seconds)
    elif parts := _parts(text):
        if any(unit not in _SPANS for _, unit in parts):
            raise ValueError(refusal)
        total = sum(float(amount) * _SPANS[unit] for amount, unit in parts)
    else:
        total = _number(text, refusal)
    if total <= 0:
        raise ValueError(f"{value!r} is not more than nothing")
    if total > LONGEST_S:
        raise ValueError(f"{value!r} is more than a year; a number without a unit is seconds")
    return total


def parse_count(value: object, least: int = 0, most: int = _MOST) -> int:
    """A whole number, as a number or a text. Raises `ValueError` with a sentence.

    >>> parse_count("4"), parse_count(4.0)
    (4, 4)
    >>> parse_count(-1)
    Traceback (most recent call last):
    ValueError: -1 is less than 0
    """
    refusal = f"{value!r} is no whole number"
    number = _number(_text(value, refusal), refusal)
    if number != int(number):
        raise ValueError(refusal)
    if number < least:
        raise ValueError(f"{value!r} is less than {least}")
    if number > most:
        raise ValueError(f"{value!r} is more than {most:,}")
    return int(number)


def parse_factor(value: object, least: float = 0.0, most: float = 100.0) -> float:
    """A number between `least` and `most`. Raises `ValueError` with a sentence.

    >>> parse_factor("1.5")
    1.5
    """
    refusal = f"{value!r} is no number"
    number = _number(_text(value, refusal), refusal)
    if not least <= number <= most:
        raise ValueError(f"{value!r} is not between {least:g} and {most:g}")
    return number


def show_size(mib: float) -> str:
    """A size for people.

    >>> show_size(2048), show_size(1536), show_size(1500), show_size(16 * 2**20)
    ('2 GiB', '1.5 GiB', '1,500 MiB', '16,384 GiB')
    """
    gib = mib / 1024
    return f"{gib:,.10g} GiB" if gib >= 1 and gib * 10 == int(gib * 10) else f"{math.ceil(mib):,} MiB"


def show_time(seconds: float) -> str:
    """A time for people.

    >>> show_time(55.2), show_time(5400), show_time(600), show_time(86400)
    ('55.2 s', '1 h 30 min', '10 min', '24 h')
    """
    if seconds < 120 or seconds % 60:
        return f"{seconds:,g} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n)


def _text(value: object, refusal: str) -> str:
    """A number or a text as text; anything else, a boolean too, is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(refusal)
    return str(value).strip()


def _number(text: str, refusal: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(refusal) from None
    if not math.isfinite(number):
        raise ValueError(refusal)
    return number


def _parts(text: str) -> list[tuple[str, str]]:
    """Amounts with units, as in ``1h 30m``; empty if the text is anything else."""
    parts = _PART.findall(text)
    return [(amount, unit.lower()) for amount, unit in parts] if parts and not _PART.sub("", text) else []
