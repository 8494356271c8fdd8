"""Small graphs to compile, and a provider that is installed as a package of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compiler.demo_data import make_demo_data
from providers import registry

ENTRY_POINTS = """\
[rubincwl.providers]
harbour = harbour:Harbour
rusty = harbour_that_is_not_there:Rusty
"""


@pytest.fixture(scope="session")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with pipeline.yaml and graph.ndjson.zst of 28 quanta."""
    out = tmp_path_factory.mktemp("dark") / "data"
    make_demo_data("dark-synthetic", out)
    return out


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with the fourth provider in it, and another that cannot be imported."""
    site = tmp_path / "site-packages"
    information = site / "harbour-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: harbour\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    shutil.copy(Path(__file__).parent / "fourth" / "harbour.py", site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(registry, "_plugins", registry._plugins.__wrapped__)  # not from its cache
    return site
