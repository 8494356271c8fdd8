"""The table of prices: dated, sourced, without a zero, and in line with the sizes of machines."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from providers import load_provider
from providers.base import MachineType, Price
from providers.prices import disk_usd_gib_hour, prices_of

REGIONS = {
    "aws": ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1"),
    "gcp": ("us-central1", "us-east4", "us-west2", "europe-west1", "europe-west4"),
}
PLACES = [(provider, region) for provider, regions in REGIONS.items() for region in regions]


def known(provider: str) -> dict[str, MachineType]:
    return {each.name: each for each in load_provider(provider, {}).machines()}


@pytest.mark.parametrize(("provider", "region"), PLACES)
def test_every_price_is_dated_sourced_and_none_is_zero(provider: str, region: str) -> None:
    prices = prices_of(provider, region)
    assert len(prices) > 20
    for each in prices:
        assert each.usd_hour > 0
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", each.as_of)
        assert len(each.source) > 20
        assert each.machine in known(provider)


@pytest.mark.parametrize(("provider", "region"), PLACES)
def test_a_family_costs_the_same_for_each_core_and_spot_no_more_than_on_demand(provider: str, region: str) -> None:
    machines = known(provider)
    a_core: dict[tuple[str, float], set[float]] = defaultdict(set)
    prices: dict[tuple[str, str], Price] = {(each.machine, each.market): each for each in prices_of(provider, region)}
    assert len(prices) == len(prices_of(provider, region))
    for (name, market), each in prices.items():
        machine = machines[name]
        if market == "on-demand":
            family = re.split(r"[.-]", name)[0]
            a_core[family, machine.memory_gib / machine.cores].add(round(each.usd_hour / machine.cores, 4))
        else:
            assert each.usd_hour < prices[name, "on-demand"].usd_hour
    assert max(max(costs) - min(costs) for costs in a_core.values()) <= 0.0002


def test_what_is_not_in_the_table_is_not_known() -> None:
    assert prices_of("aws", "moon-1") == ()
    assert disk_usd_gib_hour("aws", "moon-1") is None
    assert disk_usd_gib_hour("aws", "us-east-1") == pytest.approx(0.08 / 730)


@pytest.mark.parametrize("provider", REGIONS)
def test_providers_give_the_prices_of_their_region(provider: str) -> None:
    first, other = REGIONS[provider][0], REGIONS[provider][-1]
    assert load_provider(provider, {}).prices() == prices_of(provider, first)
    assert load_provider(provider, {"region": other}).prices() == prices_of(provider, other)
