"""The benchmarks run; what they measure is nobody's business here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import compile as compile_benchmark
from benchmarks.measure import CommandFailed, measure
from benchmarks.report import Table, keep


@pytest.mark.real
def test_the_smallest_graph_is_compared_and_its_row_kept(dark_demo: Path, tmp_path: Path) -> None:
    cache, results = tmp_path / "cache", tmp_path / "RESULTS.md"
    cache.mkdir()
    (cache / "dark-28").symlink_to(dark_demo)
    compile_benchmark.main(
        ["--cache", str(cache), "--only", "dark-28", "--runs", "1", "--results", str(results)],
    )
    rows = [line for line in results.read_text().splitlines() if line.startswith("| dark-28 | ")]
    assert "| 28 | rubincwl compile |" in rows[0]
    assert len(rows) == (3 if compile_benchmark.bps_installed() else 2)


def test_what_a_command_costs_includes_its_children(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nbytes(bytearray(b'1') * 100_000_000)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True); print('well')"
    cost = measure([sys.executable, "-c", start], tmp_path)
    assert cost.cpu >= 0.3
    assert cost.peak > 100
    assert cost.said == "well\n"


def test_a_command_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="exit 3\nso it is"):
        measure([sys.executable, "-c", "import sys; print('so it is'); sys.exit(3)"], tmp_path)


def test_a_section_replaces_the_one_of_the_same_title_only(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    keep(results, "One", ["first\n"])
    keep(results, "Two", ["second\n", Table(("graph", "CPU s"), [["dark", "1.5"]])])
    keep(results, "One", ["third\n"])
    head, one, two = results.read_text().split("\n## ")
    assert head.startswith("# Benchmarks\n")
    assert one == "One\n\nthird\n"
    assert two == "Two\n\nsecond\n\n| graph | CPU s |\n| --- | ---: |\n| dark | 1.5 |\n"
