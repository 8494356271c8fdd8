"""Whether every quantum fits a machine that the target has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compiler.analysis.resources.consistency import example
from compiler.analysis.resources.reasons import Reasons
from compiler.analysis.resources.units import show_size
from compiler.diagnostics import Findings
from compiler.jobs.request import Request
from compiler.rubin import QuantumGraph
from providers import MachineType

_ASKED = ("memory_mib", "cores", "gpus", "disk_mib")


def check_fits(
    graph: QuantumGraph, reasons: Reasons, machines: Sequence[MachineType], target: str, findings: Findings
) -> None:
    """One finding for each kind of quantum that no machine of `target` can hold, at the place that asks for it.

    Without machines nothing is known, and nothing is told. A quantum that fits now but not after its memory grew to
    where retries take it is a warning.
    """
    if not machines:
        return
    counts = np.bincount(reasons.of, minlength=len(reasons.cases))
    told: dict[tuple[object, ...], tuple[int, int]] = {}
    for case, request in enumerate(reasons.requests):
        grown = replace(request, memory_mib=grown_mib(request))
        for asked, now in ((request, True), (grown, False)):
            if fitting(asked, machines) is None:
                # Cases that ask for the same for the same reason are one finding.
                key = (now, *_needs(asked), *(reasons.reason(case, name) for name in _ASKED))
                first, count = told.get(key, (case, 0))
                told[key] = first, count + int(counts[case])
                break
    for key, (case, count) in told.items():
        _tell(bool(key[0]), case, count, graph, reasons, machines, target, findings)


def fitting(request: Request, machines: Sequence[MachineType]) -> MachineType | None:
    """The smallest machine that can hold the request, or None.

    >>> small, large = MachineType("small", 4, 16), MachineType("large", 8, 64)
    >>> fitting(Request(memory_mib=16_384), [small, large]).name
    'large'
    """
    held = [machine for machine in machines if not _lacks(request, machine)]
    return min(held, key=lambda each: (each.memory_gib, each.cores, each.gpus), default=None)


def grown_mib(request: Request) -> int:
    """Where retries take the memory: the first request times the multiplier for each retry, up to the maximum."""
    memory, most = float(request.memory_mib), max(request.memory_mib, request.memory_max_mib)
    for _ in range(request.retries if request.memory_multiplier > 1 else 0):
        memory = min(memory * request.memory_multiplier, most)
    return int(memory)


def nearest(request: Request, machines: Sequence[MachineType]) -> MachineType:
    """The machine of which the least is lacking, as a share of what is asked for; of equals the smaller."""
    return min(machines, key=lambda each: (sum(_lacks(request, each).values()), each.memory_gib, each.cores))


def _needs(request: Request) -> tuple[int, int, int, int]:
    return request.memory_mib, request.cores, request.gpus, request.disk_mib or 0


def _offers(machine: MachineType) -> tuple[float, float, float, float]:
    disk = float("inf") if machine.disk_gib is None else machine.disk_gib * 1024
    return machine.usable_mib, machine.cores, machine.gpus, disk


def _lacks(request: Request, machine: MachineType) -> dict[str, float]:
    """What of the request the machine cannot give, as a share."""
    pairs = zip(_ASKED, _needs(request), _offers(machine), strict=True)
    return {name: (need - offer) / need for name, need, offer in pairs if need > offer}


def _tell(
    now: bool,
    case: int,
    count: int,
    graph: QuantumGraph,
    reasons: Reasons,
    machines: Sequence[MachineType],
    target: str,
    findings: Findings,
) -> None:
    request = reasons.requests[case]
    if not now:
        request = replace(request, memory_mib=grown_mib(request))
    best = nearest(request, machines)
    lacking = _lacks(request, best)
    name = max(lacking, key=lambda each: lacking[each])
    others = f" and {count - 1:,} other quanta" if count > 1 else ""
    verb = "ask" if count > 1 else "asks"
    wanted = _show(request)
    ways = "; ".join(_way_out(each, best) for each in lacking)
    if now:
        message = f"no machine of {target} holds {example(graph, reasons, case)}{others}, which {verb} for {wanted}"
        help = f"the nearest is {best.name}: {ways}"
        findings.error("no-machine-fits", message, reasons.place(case, name), help)
    else:
        message = (
            f"{example(graph, reasons, case)}{others} may grow to {wanted} in retries, which no machine of {target} has"
        )
        help = f"set memoryMax to what the largest has: {ways}"
        findings.warning("retry-fits-no-machine", message, reasons.place(case, "memory_max_mib"), help)


def _show(request: Request) -> str:
    parts = [show_size(request.memory_mib), f"{request.cores} core{'s' * (request.cores > 1)}"]
    if request.gpus:
        parts.append(f"{request.gpus} GPU{'s' * (request.gpus > 1)}")
    if request.disk_mib:
        parts.append(f"{show_size(request.disk_mib)} of disk")
    return ", ".join(parts)


def _way_out(name: str, machine: MachineType) -> str:
    if name == "memory_mib":
        return f"of its {machine.memory_gib:,g} GiB a job can ask for {machine.usable_mib // 1024:,} GiB"
    if name == "disk_mib":
        return f"it has {machine.disk_gib:,g} GiB of disk"
    unit = "cores" if name == "cores" else "GPUs"
    return f"it has {getattr(machine, name)} {unit}"
