"""The Python of the documentation runs, page by page, in one namespace a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if _BLOCK.search(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    text = page.read_text()
    names: dict[str, object] = {}
    for block in _BLOCK.finditer(text):
        # Blank lines in front give each statement the line that it has in the page.
        padding = "\n" * text[: block.start(1)].count("\n")
        exec(compile(padding + block[1], str(page), "exec"), names)
