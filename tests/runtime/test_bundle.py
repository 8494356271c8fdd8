"""The quantum runner as the one file that travels."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from compiler.runtime import quantum_runner
from compiler.runtime.bundle import PACKAGE, runner_bytes, write_runner

SOURCES = sorted(Path(quantum_runner.__file__).parent.glob("*.py"))


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    return write_runner(tmp_path / "quantum_runner.pyz")


def test_it_holds_the_sources_as_they_stand_and_nothing_else(runner: Path) -> None:
    with zipfile.ZipFile(runner) as archive:
        held = {each: archive.read(each) for each in archive.namelist()}
    assert held.pop("__main__.py").decode().endswith("sys.exit(main())\n")
    assert held == {f"{PACKAGE}/{each.name}": each.read_bytes() for each in SOURCES}


def test_it_is_the_same_whenever_and_wherever_it_is_made(tmp_path: Path) -> None:
    shutil.copytree(SOURCES[0].parents[1], tmp_path / "runtime", copy_function=shutil.copyfile)  # not their times
    program = "import sys; from runtime.bundle import runner_bytes; sys.stdout.buffer.write(runner_bytes())"
    made = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True).stdout
    assert made == runner_bytes()


@pytest.mark.parametrize("name", ["quantum_runner.pyz", "rubincwl-isr"])
def test_it_starts_under_any_name_in_any_folder_without_the_project(runner: Path, tmp_path: Path, name: str) -> None:
    """Pegasus calls an executable by its transformation; -I and -S leave the standard library alone."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "jobs_records.jsonl").write_text('{"name": "isr_record-1", "content": {}}\n')
    runner = runner.rename(folder / name)
    assert os.access(runner, os.X_OK)
    for python in ((sys.executable, "-I", "-S"), ()):
        ran = subprocess.run([*python, f"./{name}", "--help"], cwd=folder, capture_output=True, text=True)
        assert (ran.returncode, "usage: " in ran.stdout) == (0, True), ran.stderr
    ran = subprocess.run(
        [sys.executable, "-I", "-S", name, "collect", "--output", "all.jsonl"], cwd=folder, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    assert (folder / "all.jsonl").read_text() == (folder / "jobs_records.jsonl").read_text()


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: each.stem)
def test_what_travels_needs_only_the_standard_library_and_inside_functions_the_middleware(source: Path) -> None:
    tree = ast.parse(source.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            for name in names:
                inside = node not in tree.body
                assert name.partition(".")[0] in sys.stdlib_module_names or (inside and name.startswith("lsst.")), name


def test_every_module_is_small_enough_to_be_read_at_once() -> None:
    assert max(len(each.read_text().splitlines()) for each in SOURCES) < 300
