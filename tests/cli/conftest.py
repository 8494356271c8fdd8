"""The command line in this process, and small synthetic data for it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compiler.demo_data import make_demo_data
from rubincwl.cli import cli


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Rubincwl:
    """Calls the command line: ``rubincwl("check", pipeline, graph)``."""

    def __call__(self, *words: str | os.PathLike[str]) -> Outcome:
        done = CliRunner().invoke(cli, [os.fspath(each) for each in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Outcome(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def rubincwl() -> Rubincwl:
    return Rubincwl()


@pytest.fixture(scope="session")
def synthetic_dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with pipeline.yaml and graph.ndjson.zst of 28 quanta."""
    out = tmp_path_factory.mktemp("data") / "dark"
    make_demo_data("dark-synthetic", out)
    return out


@pytest.fixture(scope="session")
def synthetic_tract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with pipeline.yaml and graph.ndjson.zst of a small tract: regroups and all."""
    out = tmp_path_factory.mktemp("data") / "tract"
    make_demo_data("tract", out)
    return out
