"""Fixtures with data that the Rubin middleware made, once a session. Copy a repository before writing to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.demo_data import make_demo_data
from compiler.diagnostics import ToolError


def _made(kind: str, factory: pytest.TempPathFactory) -> Path:
    out = factory.mktemp("demo") / kind
    try:
        make_demo_data(kind, out)
    except ToolError as error:
        pytest.skip(str(error))
    return out


@pytest.fixture(scope="session")
def dark_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with pipeline.yaml, graph.qg (28 quanta) and repo: isr, cpDark, cpCombine."""
    return _made("dark", tmp_path_factory)


@pytest.fixture(scope="session")
def single_frame_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with pipeline.yaml, graph.qg (18 quanta) and repo: isr, characterizeImage, calibrate."""
    return _made("single-frame", tmp_path_factory)
