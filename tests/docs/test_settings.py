"""The pages of the targets tell every setting that the schemas have, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas import schema

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "name"), [("targets", "target"), ("aws", "target-aws"), ("gcp", "target-gcp"), ("onprem", "target-onprem")]
)
def test_the_table_of_settings_is_that_of_the_schema(page: str, name: str) -> None:
    text = (DOCS / f"{page}.md").read_text()
    table = re.search(r"^\| setting[^\n]*\n\|---\|---\|\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    assert table is not None
    told = {word for row in table[1].splitlines() for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(schema(name)["properties"])
