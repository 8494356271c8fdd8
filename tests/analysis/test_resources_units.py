"""Units: one table, in code and in the documentation, and in agreement with the systems it speaks of."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.analysis.resources.units import (
    LARGEST_MIB,
    MIB,
    UNITS,
    in_unit,
    parse_count,
    parse_size,
    parse_time,
    show_size,
    show_time,
)

PAGE = Path(__file__).parents[2] / "docs" / "resources.md"
SIZES = st.integers(1, LARGEST_MIB)


def test_the_documentation_has_the_table_of_the_code() -> None:
    rows = [
        f"| {unit.system} | `{unit.setting}` | {unit.called} | {unit.meaning} | {unit.evidence} |" for unit in UNITS
    ]
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    start = written.index(rows[0])
    assert written[start : start + len(rows)] == rows


@given(mib=SIZES)
def test_a_size_survives_being_written_in_any_unit(mib: int) -> None:
    for text in (mib, str(mib), f"{mib} MiB", f"{mib}MB", f"{mib}m", f"{mib * 1024} KiB", f"{mib * MIB} B"):
        assert parse_size(text) == mib
    assert parse_size(show_size(mib).replace(",", "")) == mib


@given(amount=st.floats(1e-3, 1e4), unit=st.sampled_from(["KB", "MB", "GB", "GiB", "g"]))
def test_a_request_is_never_smaller_than_what_was_said_nor_a_mib_larger(amount: float, unit: str) -> None:
    exact = amount * {"k": 1 / 1024, "m": 1, "g": 1024}[unit[0].lower()]
    assert exact <= parse_size(f"{amount!r}{unit}") * (1 + 1e-12)
    assert parse_size(f"{amount!r}{unit}") < exact + 1 + 1e-6


@given(seconds=st.integers(1, 300_000))
def test_a_time_survives_being_written_in_any_way(seconds: int) -> None:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    for text in (
        seconds,
        f"{seconds}s",
        f"{hours}:{minutes:02}:{seconds % 60:02}",
        show_time(seconds).replace(",", ""),
    ):
        assert parse_time(text) == seconds


def refusal(parse: Callable[[object], float], value: object) -> str:
    """What is said where a value is no amount; empty where it is."""
    try:
        return "" if parse(value) >= 0 else "negative"
    except ValueError as error:
        return str(error)


@given(text=st.text(max_size=12))
def test_any_text_is_an_amount_or_refused_with_a_sentence(text: str) -> None:
    for parse in (parse_size, parse_time, parse_count):
        said = refusal(parse, text)
        assert said == "" or len(said.split()) > 2


@pytest.mark.parametrize(
    "value", [0, -1, "-2 GB", "0 MiB", math.inf, math.nan, "1e400", "1e305 TB", "33 TiB", True, None, [2], {}]
)
def test_no_size_is_nothing_negative_absurd_or_of_another_kind(value: object) -> None:
    with pytest.raises(ValueError, match="is"):
        parse_size(value)


def test_yaml_reads_a_clock_time_as_we_do() -> None:
    import yaml

    for text in ("1:30:00", "12:05", "01:30:00"):
        assert parse_time(yaml.safe_load(text)) == parse_time(text)


@given(n=st.integers(1, 10_000), unit=st.sampled_from(["MB", "GB"]))
def test_pegasus_means_the_same_by_a_unit(n: int, unit: str) -> None:
    from Pegasus.api.mixins import to_kb, to_mb

    mib = parse_size(f"{n} {unit}")
    assert in_unit(mib, "pegasus.memory") == to_mb(f"{n} {unit}")
    assert in_unit(mib, "request_disk") == to_kb(f"{n} {unit}")


@pytest.mark.parametrize("text", ["2048", "2GB", "2 GB", "2.5GB", "3G", "7MB", "1T"])
def test_htcondor_means_the_same_by_a_unit(text: str) -> None:
    htcondor = pytest.importorskip("htcondor", reason="needs htcondor (extra bps)")
    job = next(iter(htcondor.Submit({"executable": "/bin/true", "request_memory": text}).jobs(count=1, clusterid=1)))
    assert in_unit(parse_size(text), "request_memory") == job.eval("RequestMemory")
    if text[-1].isalpha():
        disk = next(iter(htcondor.Submit({"executable": "/bin/true", "request_disk": text}).jobs(count=1, clusterid=1)))
        assert in_unit(parse_size(text), "request_disk") == disk.eval("RequestDisk")
