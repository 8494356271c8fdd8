"""What all tests share: texts that are compared with a file, and rewritten on request."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples at every run, so that a change fails by what it did; `make fuzz` looks for new ones.
settings.register_profile("fixed", derandomize=True)
settings.register_profile("fuzz", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

pytest_plugins = ["tests.real_data", "tests.stores"]
collect_ignore = ["certificate/stand_in_runner.py"]  # a program that tests start, no module


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite expected texts; read the diff before commit")


@dataclass(frozen=True)
class Golden:
    """Compares a text with what stands in a file."""

    update: bool

    def check(self, expected: Path, text: str) -> None:
        if self.update:
            expected.write_text(text, encoding="utf-8")
        assert expected.is_file(), f"no {expected}; make it with --update-golden"
        assert text == expected.read_text(encoding="utf-8")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(bool(request.config.getoption("--update-golden")))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, and say so, what needs a program from the operating system's packages that is not there."""
    for mark in item.iter_markers("system"):
        missing = [program for program in mark.args if shutil.which(program) is None]
        if missing:
            pytest.skip(f"needs {', '.join(missing)} from the operating system's packages")
