"""What spot machines cost right now; EC2 itself tells."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from providers.base import Price
from providers.provisioning.ec2.form import numbered
from providers.provisioning.ec2.wire import Wire


def spot(wire: Wire, machines: Iterable[str]) -> tuple[Price, ...]:
    """The price of each of `machines` that can be had, in the dearest zone of the region. Raises `CloudError`."""
    now = datetime.now(UTC)
    asked = {
        **numbered("InstanceType", sorted(set(machines))),
        "ProductDescription.1": "Linux/UNIX",
        # From now on: the price that holds, one for each type and zone.
        "StartTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    dearest: dict[str, float] = {}
    for item in wire.items("DescribeSpotPriceHistory", "spotPriceHistorySet/item", asked):
        machine, usd = item.findtext("instanceType", ""), float(item.findtext("spotPrice", "0"))
        dearest[machine] = max(usd, dearest.get(machine, 0.0))
    source = "EC2's DescribeSpotPriceHistory"
    today = now.date().isoformat()
    return tuple(Price(name, wire.account.region, "spot", usd, today, source) for name, usd in sorted(dearest.items()))
