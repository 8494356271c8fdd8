"""How plans and states of clusters are shown to people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rubincwl.cli.verb import Report

if TYPE_CHECKING:
    from rich.table import Table

    from providers.provisioning.base import Choice, ClusterPlan, Group
    from providers.provisioning.status import NodeStatus, Status


def show_plan(report: Report, plan: ClusterPlan) -> None:
    """A table of the machines, what they could cost, and the limits."""
    from providers.provisioning.plan import unknowns

    where = f"{plan.provider} {plan.region}".strip()
    title = f"cluster '{plan.name}' on {where}, image {plan.image}"
    table = _table(title, "group", "how many", "machine", "market", "zones", "disk", "USD/h each", "at most")
    for group in plan.groups:
        for number, choices in enumerate(_alike(group)):
            table.add_row(*_row(group, choices, first=number == 0))
    _print(report, table)
    hours = plan.limits.lease_s / 3600
    limits = plan.limits
    if plan.usd_hour is not None:
        report.say(
            f"at most {plan.usd_hour:.2f} USD an hour (limit {_money(limits.usd_hour)}), "
            f"{plan.usd_hour * hours:.2f} USD in a lease (limit {_money(limits.usd_total)})"
        )
    report.say(f"machines end themselves {hours:g} h after they start, or {limits.idle_s / 60:g} min without a job")
    report.say(f"SSH to the head from {', '.join(plan.ssh_from)}; role of the machines: {plan.identity or 'none'}")
    for each in unknowns(plan):
        report.say(f"not counted: {each}")


def _alike(group: Group) -> list[list[Choice]]:
    """Choices that differ by their zone only, in the order in which they are tried."""
    found: dict[tuple[str, str], list[Choice]] = {}
    for each in group.choices:
        found.setdefault((each.machine.name, each.market), []).append(each)
    return list(found.values())


def _row(group: Group, choices: list[Choice], first: bool) -> tuple[str, ...]:
    each = choices[0]
    size = f"{each.machine.name} ({each.machine.cores} cores, {each.machine.memory_gib:g} GiB)"
    return (
        group.name if first else "",
        str(group.count) if first else "or",
        size,
        each.market,
        ", ".join(choice.zone or "any" for choice in choices),
        f"{group.disk_gib} GiB" if first else "",
        _money(each.price.usd_hour if each.price else None),
        _money(each.ceiling),
    )


def show_status(report: Report, name: str, found: Status) -> None:
    """A table of the nodes, and what else there is."""
    if not found.nodes and not found.others:
        report.say(f"nothing of '{name}' is there")
        return
    title = f"cluster '{name}'"
    table = _table(
        title, "node", "state", "machine", "market", "zone", "address", "age", "left", "cloud ends it", "USD"
    )
    for each in found.nodes:
        table.add_row(*_node_row(each))
    _print(report, table)
    for other in found.others:
        report.say(f"  {other.kind:<10}{other.name}")
    if stopped := [each.node.name for each in found.nodes if each.node.state == "stopped"]:
        report.say(
            f"stopped, and still holding what they were given: {', '.join(stopped)}; apply or destroy removes them"
        )
    report.say(f"{_money(found.usd_hour)} USD an hour now; {_money(found.usd)} USD so far for the nodes that are there")


def _node_row(each: NodeStatus) -> tuple[str, ...]:
    node = each.node
    return (
        node.name,
        node.state,
        node.machine,
        node.market or "",
        node.zone,
        node.address,
        _time(each.age_s),
        _time(each.lease_left_s),
        _time(each.cloud_left_s),
        _money(each.usd),
    )


def status_document(found: Status) -> dict[str, Any]:
    """What a program gets to see; times in seconds."""
    return {
        "nodes": [
            {
                "name": each.node.name,
                "id": each.node.id,
                "role": each.node.role,
                "state": each.node.state,
                "machine": each.node.machine,
                "market": each.node.market,
                "zone": each.node.zone,
                "address": each.node.address,
                "age_s": _whole(each.age_s),
                "lease_left_s": _whole(each.lease_left_s),
                "cloud_left_s": _whole(each.cloud_left_s),
                "usd_hour": each.usd_hour,
                "usd": None if each.usd is None else round(each.usd, 4),
            }
            for each in found.nodes
        ],
        "others": [{"kind": each.kind, "id": each.id, "name": each.name} for each in found.others],
        "usd_hour": None if found.usd_hour is None else round(found.usd_hour, 4),
        "usd": None if found.usd is None else round(found.usd, 4),
    }


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE)
    for name in columns:
        table.add_column(name, justify="right" if name in ("how many", "USD/h each", "at most", "USD") else "left")
    return table


def _print(report: Report, table: Table) -> None:
    if report.as_json or report.verbosity < 0:
        return
    from rich.console import Console

    # Into a file or a pipe the table is as wide as it needs to be.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _money(usd: float | None) -> str:
    """Two digits, or as many as a small amount needs.

    >>> _money(1.5), _money(0.0134), _money(None)
    ('1.50', '0.0134', 'unknown')
    """
    if usd is None:
        return "unknown"
    return f"{usd:.4f}" if 0 < usd < 0.1 else f"{usd:.2f}"


def _time(seconds: float | None) -> str:
    """Hours and minutes.

    >>> _time(3720), _time(None)
    ('1 h 02 min', '-')
    """
    if seconds is None:
        return "-"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
