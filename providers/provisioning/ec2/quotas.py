"""Whether the account may have so many machines: EC2 counts threads (vCPU) by family and market.

Source of the codes: https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from providers.base import Market, Problem
from providers.provisioning.base import Choice, CloudError, ClusterPlan, Group
from providers.provisioning.ec2.form import filters
from providers.provisioning.ec2.wire import Wire

_STANDARD = frozenset(("a", "c", "d", "h", "i", "m", "r", "t", "z", "im", "is"))


class Quota(NamedTuple):
    """A limit that EC2 keeps an account to."""

    code: str
    name: str


_QUOTAS: dict[tuple[str, Market], Quota] = {
    ("standard", "on-demand"): Quota("L-1216C47A", "Running On-Demand Standard instances"),
    ("standard", "spot"): Quota("L-34B43A08", "All Standard Spot Instance Requests"),
    ("g", "on-demand"): Quota("L-DB2E81BA", "Running On-Demand G and VT instances"),
    ("g", "spot"): Quota("L-3819A6DF", "All G and VT Spot Instance Requests"),
    ("p", "on-demand"): Quota("L-417A185B", "Running On-Demand P instances"),
    ("x", "on-demand"): Quota("L-7295265B", "Running On-Demand X instances"),
    ("x", "spot"): Quota("L-E3A00192", "All X Spot Instance Requests"),
}


def of(machine: str, market: Market) -> Quota | None:
    """The quota that a machine counts against; None for one that is not known here.

    >>> of("x2iedn.4xlarge", "on-demand").code
    'L-7295265B'
    """
    letters = re.match("[a-z]*", machine)
    family = letters[0] if letters else ""
    if family in _STANDARD:
        return _QUOTAS["standard", market]
    return _QUOTAS.get(("g" if family in ("g", "gr", "vt") else family[:1], market)) if family[:1] in "gpvx" else None


def problems(wire: Wire, plan: ClusterPlan) -> Iterator[Problem]:
    """Groups of which no choice fits into its quota beside what runs already; where only some do not fit, a note."""
    wanted = [
        (group, [(choice, of(choice.machine.name, choice.market)) for choice in group.choices]) for group in plan.groups
    ]
    quotas = {quota for _, choices in wanted for _, quota in choices if quota is not None}
    limits: dict[Quota, float] = {}
    for quota in sorted(quotas):
        try:
            answer = wire.aws("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=quota.code)
            limits[quota] = float(answer["Quota"]["Value"])
        except CloudError as reason:
            message = f"the quota '{quota.name}' ({quota.code}) could not be read: {reason}"
            yield Problem("quota-unknown", message, "apply may stop half-way if it is too small", severity="note")
    used = _in_use(wire) if limits else Counter()
    for group, choices in wanted:
        yield from _short(group, choices, limits, used)


def _short(
    group: Group, choices: list[tuple[Choice, Quota | None]], limits: dict[Quota, float], used: Counter[Quota]
) -> Iterator[Problem]:
    """What does not fit of one group; what does is counted as used."""
    short: list[str] = []
    fitting: tuple[Quota | None, int] | None = None
    for choice, quota in choices:
        threads = choice.machine.cores * group.count
        if quota is not None and quota in limits and used[quota] + threads > limits[quota]:
            short.append(
                f"'{quota.name}' ({quota.code}) is {limits[quota]:g} vCPU, of which {used[quota]} are in use; "
                f"{group.count} × {choice.machine.name} need {threads}"
            )
        elif fitting is None:
            fitting = quota, threads
    if fitting is not None and fitting[0] is not None:
        used[fitting[0]] += fitting[1]
    for message in dict.fromkeys(short):
        help = "ask for more at https://console.aws.amazon.com/servicequotas, or take fewer or other machines"
        yield Problem(
            "quota-too-small",
            f"'{group.name}': the quota {message}",
            help,
            severity="error" if fitting is None else "note",
        )


def _in_use(wire: Wire) -> Counter[Quota]:
    """Threads of all machines of the account in this region, whoever's they are."""
    used: Counter[Quota] = Counter()
    running = filters({"instance-state-name": ("pending", "running")})
    for item in wire.items("DescribeInstances", "reservationSet/item/instancesSet/item", running):
        market: Market = "spot" if item.findtext("instanceLifecycle") == "spot" else "on-demand"
        quota = of(item.findtext("instanceType", ""), market)
        if quota is not None:
            cores, threads = (item.findtext(f"cpuOptions/{name}", "0") for name in ("coreCount", "threadsPerCore"))
            used[quota] += int(cores) * int(threads)
    return used
