"""Profiles that Pegasus knows, and the values they must have; its planner drops what it does not know in silence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from compiler.backends.pegasus.retries import attributes_of
from compiler.jobs import Request

Problem = tuple[str, str]
"""A finding's code and message."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAMESPACES = ("condor", "dagman", "env", "globus", "hints", "pegasus", "selector")
KEYS: Mapping[str, frozenset[str]] = {
    # As Pegasus.api 5.1.3 declares them; a test compares. Namespaces that take any key are not listed.
    "pegasus": _words("""
        BOTO_CONFIG SSH_PRIVATE_KEY auxillary.local change.dir checkpoint.time clusters.maxruntime clusters.num
        clusters.size condor.arguments.quote container.arguments container.launcher container.launcher.arguments cores
        cores.expr create.dir data.configuration diskspace diskspace.expr exitcode.failuremsg exitcode.successmsg
        glite.arguments glite.arguments.expr gpus gpus.expr gridstart gridstart.arguments gridstart.launcher
        gridstart.launcher.arguments gridstart.path group job.aggregator job.aggregator.arguments label maxwalltime
        memory memory.expr nodes pegasus_lite_env_source pmc_priority pmc_request_cpus pmc_request_memory
        pmc_task_arguments ppn project project.expr queue queue.expr relative.submit.dir runtime runtime.expr
        stagein.clusters stagein.local.clusters stagein.remote.clusters stageout.clusters stageout.local.clusters
        stageout.remote.clusters style tag transfer.proxy
        """),
    "dagman": _words("""
        ABORT-DAG-ON CATEGORY MAXIDLE MAXJOBS MAXPOST MAXPRE POST POST.ARGUMENTS POST.SCOPE PRE PRE.ARGUMENTS PRIORITY
        RETRY
        """),
    "globus": _words("count jobtype maxcputime maxmemory maxtime maxwalltime minmemory project queue"),
    "selector": _words("execution.site grid.jobtype pfn"),
}
NUMBERS: Mapping[str, frozenset[str]] = {
    "pegasus": _words("""
        memory diskspace runtime cores gpus nodes ppn clusters.num clusters.size clusters.maxruntime maxwalltime
        checkpoint.time
        """),
    "dagman": _words("RETRY PRIORITY MAXPRE MAXPOST MAXJOBS MAXIDLE"),
    "condor": _words("request_memory request_cpus request_disk request_gpus priority"),
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[\"'$`\\\x00-\x1f\x7f]")
"""Letters that the planner, HTCondor's submit language or the job's script would see something in."""


def profiles_of(request: Request) -> dict[str, dict[str, Any]]:
    """What a job asks for, by namespace; MiB, seconds and minutes as Pegasus 5.1 passes them on to HTCondor."""
    asked = {
        "memory": request.memory_mib,
        "cores": request.cores,
        "gpus": request.gpus or None,
        "diskspace": request.disk_mib,
        "runtime": None if request.run_time_s is None else max(1, math.ceil(request.run_time_s)),
        # Minutes, for schedulers behind HTCondor; HTCondor itself is told in seconds.
        "maxwalltime": None if request.walltime_s is None else math.ceil(request.walltime_s / 60),
        "queue": request.queue or None,
        "project": request.accounting_group or None,
    }
    condor: dict[str, Any] = {
        "priority": request.priority or None,
        "accounting_group": request.accounting_group or None,
        "accounting_group_user": request.accounting_user or None,
        **attributes_of(request),
    }
    found = {"pegasus": asked, "condor": condor, "env": dict(request.environment)}
    return {
        namespace: given
        for namespace, profiles in found.items()
        if (given := {key: value for key, value in profiles.items() if value is not None})
    }


def problems(profiles: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the profiles of a job, a site, a transformation or a workflow."""
    for namespace, entries in profiles.items():
        if namespace not in NAMESPACES:
            yield "unknown-profile", f"no profile namespace {namespace!r}"
            continue
        for key, value in entries.items():
            name = key.upper() if namespace == "dagman" else key
            if namespace in KEYS and name not in KEYS[namespace]:
                yield "unknown-profile", f"no profile {namespace}.{key}: Pegasus would drop it"
            elif name in NUMBERS.get(namespace, ()) and not is_number(value, signed=name.lower() == "priority"):
                yield "bad-profile", f"profile {namespace}.{key} is {value!r}, which is no number"
            elif namespace == "env" and not _VARIABLE.fullmatch(key):
                yield "bad-profile", f"{key!r} is no name of an environment variable"
            elif namespace == "env" and (found := _UNSAFE.search(str(value))):
                yield "bad-profile", f"{found[0]!r} in the variable {key}={value!r} would not reach the job as it is"
            elif namespace == "condor" and key.startswith("request_"):
                yield "bad-profile", f"profile condor.{key} bypasses Pegasus: say it in the namespace pegasus"


def is_number(value: Any, signed: bool = False) -> bool:
    """Whether the planner reads it as a whole number that is not negative.

    >>> [is_number(each) for each in (2048, "2048", "many", -1, "2 GB", True)]
    [True, True, False, False, False, False]
    """
    if isinstance(value, bool):
        return False
    text = str(value)
    return (text.removeprefix("-") if signed else text).isdecimal()
