"""What pyproject.toml, the Makefile and the interpreter check promise."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import rubincwl
from compiler.runtime import quantum_runner
from rubincwl import interpreter

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_name_of_the_library_is_there() -> None:
    assert sorted(rubincwl.__all__) == sorted(rubincwl._HOME)
    for name in rubincwl.__all__:
        assert getattr(rubincwl, name).__doc__, name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = rubincwl.nothing


@pytest.mark.parametrize("extra", ["lsst", "bps"])
def test_each_python_has_one_pinned_set_of_the_middleware(extra: str) -> None:
    pins: dict[str, list[str]] = {}
    for line in PROJECT["optional-dependencies"][extra]:
        if line.startswith(("rubincwl", "htcondor")):
            continue
        found = re.fullmatch(r"(lsst-[\w-]+)==([\d.]+); python_version == '(3\.\d+)'", line)
        assert found, line
        pins.setdefault(found[3], []).append(found[1])
    assert sorted(pins) == ["3.11", "3.12"]
    assert sorted(pins["3.11"]) == sorted(pins["3.12"])


def test_entry_points_lead_somewhere() -> None:
    for group in (PROJECT["scripts"], *PROJECT["entry-points"].values()):
        for target in group.values():
            module, _, name = target.partition(":")
            assert callable(getattr(import_module(module), name))


def test_compiling_needs_no_extra(tmp_path: Path) -> None:
    program = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("lsst", "cwltool", "s3fs", "gcsfs", "libcloud", "networkx", "astropy", "boto3"):
            raise ModuleNotFoundError(f"refused: {name}", name=name)
sys.meta_path.insert(0, Refuse())
from rubincwl.cli import cli
for words in (
    ["demo-data", "tract", "-o", "data"],
    ["compile", "data/pipeline.yaml", "data/graph.ndjson.zst", "--target", "aws", "-o", "out"],
    ["check", "data/pipeline.yaml", "data/graph.ndjson.zst", "--against", "out"],
):
    cli(words, standalone_mode=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "pegasus" / "workflow.yml").is_file()


def test_this_interpreter_will_do() -> None:
    assert interpreter.complaint() is None


def test_an_interpreter_that_cannot_read_graphs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantum_runner, "zipfile_is_sound", lambda: False)
    said = interpreter.complaint()
    assert said is not None
    assert "zipfile" in said
    assert "3.12.1" in said


def test_another_python_is_refused_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 1))
    assert interpreter.complaint() == "Python 3.13.1 is not 3.11 or 3.12"


def _others() -> Iterator[Path]:
    for pattern in ("3.12.1", "3.13.0"):
        yield from (Path.home() / ".pyenv" / "versions").glob(f"{pattern}/bin/python3")


def test_faulty_interpreters_of_this_machine_are_refused() -> None:
    found = list(_others())
    if not found:
        pytest.skip("no Python 3.12.1 or 3.13.0 under ~/.pyenv here")
    for python in found:
        done = subprocess.run([python, "-m", "rubincwl.interpreter"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1
        assert str(python.parent.parent.name) in done.stderr


def test_schemas_are_schemas() -> None:
    import json

    from jsonschema import Draft202012Validator

    for path in sorted((ROOT / "schemas").glob("*.json")):
        Draft202012Validator.check_schema(json.loads(path.read_text()))
        assert path.name.endswith(".schema.json")
