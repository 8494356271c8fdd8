"""Requests and clusters as CWL says them: standard requirements where there are, hints of our own for the rest.

All of them are hints: an engine that does not know one, or has less to offer, still gives the same answers.
"""

from __future__ import annotations

from typing import Any

import cwl_utils.parser.cwl_v1_2 as cwl
import numpy as np

from compiler.analysis.requests import TASK_WIDE, Request
from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.translate.plan import Plan

NUMBERS = (
    "cores",
    "memory_mib",
    "disk_mib",
    "walltime_s",
    "gpus",
    "retries",
    "memory_multiplier",
    "memory_max_mib",
    "priority",
)
"""What may differ between the quanta of one task; it then stands in each quantum's record."""
FRACTIONS = ("memory_multiplier",)
_DEFAULT = Request()
_NO_WORD_OF_RETRY = {
    "count": _DEFAULT.retries,
    "unlessExit": list(_DEFAULT.unless_exit),
    "memoryMultiplier": _DEFAULT.memory_multiplier,
    "memoryMaxMiB": _DEFAULT.memory_max_mib,
}


def kinds(plan: Plan, task: int) -> list[Request]:
    """The requests that quanta of a task make."""
    asked = plan.runtime.requests
    if asked is None:
        return [_DEFAULT]
    quanta = plan.graph.quanta_of(task)
    return [asked.kinds[n] for n in np.unique(asked.of[quanta.start : quanta.stop]).tolist()] or [_DEFAULT]


def varying(plan: Plan, task: int) -> tuple[str, ...]:
    """Names of the numbers that differ between the quanta of a task; raises `CompileError` if other things do."""
    found = kinds(plan, task)
    for name in TASK_WIDE:
        if len({getattr(each, name) for each in found}) > 1:
            raise CompileError(
                [
                    Diagnostic(
                        "varying-setting",
                        f"quanta of task {plan.graph.tasks[task].label!r} differ in {name}, which is no number",
                        Origin(plan.graph.source),
                        "set it for the whole task",
                    )
                ]
            )
    return tuple(name for name in NUMBERS if len({getattr(each, name) for each in found}) > 1)


def cluster_hint(plan: Plan, task: int) -> list[dict[str, Any]]:
    """Which cluster a quantum belongs to, for whoever runs several quanta in one job."""
    clustering = plan.runtime.clustering
    if clustering is None:
        return []
    name = clustering.names[task]
    whole = {key: amount for key, amount in clustering.whole.get(name, {}).items() if amount is not None}
    return [{"class": "rubin:Cluster", "name": name, "number": "$(inputs._quantum.cluster)", **whole}]


def request_hints(plan: Plan, task: int | None) -> list[Any]:
    """What a quantum of a task, or the init job, asks for."""
    found = [plan.runtime.init or _DEFAULT] if task is None else kinds(plan, task)
    vary = () if task is None else varying(plan, task)

    def say(name: str) -> Any:
        return f"$(inputs._quantum.request.{name})" if name in vary else getattr(found[0], name)

    hints: list[Any] = [
        cwl.ResourceRequirement(coresMin=say("cores"), ramMin=say("memory_mib"), tmpdirMin=say("disk_mib"))
    ]
    if say("walltime_s"):
        hints.append(cwl.ToolTimeLimit(timelimit=say("walltime_s")))
    retry = {
        "count": say("retries"),
        "unlessExit": list(found[0].unless_exit),
        "memoryMultiplier": say("memory_multiplier"),
        "memoryMaxMiB": say("memory_max_mib"),
    }
    if retry != _NO_WORD_OF_RETRY:
        hints.append({"class": "rubin:Retry", **{key: value for key, value in retry.items() if value != []}})
    job = {
        "priority": say("priority"),
        "gpus": say("gpus"),
        "queue": found[0].queue,
        "accountingGroup": found[0].accounting_group,
        "accountingUser": found[0].accounting_user,
        "environment": dict(found[0].environment),
    }
    told = {key: value for key, value in job.items() if value}
    if found[0].preemptible is not None:
        told["preemptible"] = found[0].preemptible
    return [*hints, {"class": "rubin:Job", **told}] if told else hints
