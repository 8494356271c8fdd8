"""What machines and disks cost where it is known: a dated and sourced table, no more than plans of clusters need.

``prices.json`` holds it. What is not in it is not known; no price is zero.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from providers.base import Price

HOURS_A_MONTH = 730


def prices_of(provider: str, region: str) -> tuple[Price, ...]:
    """USD an hour of each machine of `provider` in `region`, on demand and spot, as far as they are known."""
    table = _table()
    return tuple(
        Price(machine, region, entry["market"], float(usd), entry["as_of"], table["sources"][entry["source"]])
        for entry in table["machines"]
        if (entry["provider"], entry["region"]) == (provider, region)
        for machine, usd in entry["usd_hour"].items()
    )


def disk_usd_gib_hour(provider: str, region: str) -> float | None:
    """USD an hour of a GiB of the disks that machines are given; None where it is not known."""
    for entry in _table()["disks"]:
        if (entry["provider"], entry["region"]) == (provider, region):
            return float(entry["usd_gib_month"]) / HOURS_A_MONTH
    return None


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "prices.json").read_text(encoding="utf-8"))
    return found
