"""When HTCondor tries a failed job again, and with how much memory: ClassAd expressions that it evaluates itself.

DAGMan could try nodes again, too, but all it sees is that Pegasus' post script failed: neither the exit code nor why
the job ended. So DAGMan leaves jobs alone and the schedd decides, as it does for bps (ctrl_bps_htcondor,
``prepare_utils.py``). A job says its numbers as attributes, in the workflow; what HTCondor does with them is the same
for all, and stands in the site catalog.

Where bps counts starts (``NumJobStarts``), failures are counted here: a job that a spot machine lost has not failed,
and needs no more memory than before. Without evictions both agree; a test evaluates the two side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.jobs import Request
from compiler.jobs.exit_codes import job_exit_codes

MEMORY, MULTIPLIER, MOST = "rubincwl_memory", "rubincwl_memory_multiplier", "rubincwl_memory_max"
RETRIES, UNLESS, PREEMPTIBLE = "rubincwl_retries", "rubincwl_unless_exit", "rubincwl_preemptible"
WALLTIME = "AllowedExecuteDuration"
"""HTCondor's own: seconds of execution after which it holds a job (code 47)."""
_HELD_FOR_LONG = 1800
"""Seconds; Pegasus' own default, after which a job that is held for any other reason counts as failed."""
_SUBCODE = 34
"""Of a hold by policy that means memory; the number is bps's."""


def attributes_of(request: Request) -> dict[str, str | int | float]:
    """What a job says about itself, as profiles of the namespace ``condor``: a ``+`` makes them attributes."""
    grows = request.memory_multiplier > 1
    said: dict[str, str | int | float] = {
        f"+{MEMORY}": request.memory_mib,
        f"+{MULTIPLIER}": float(request.memory_multiplier) if grows else 1,
        f"+{MOST}": max(request.memory_mib, request.memory_max_mib) if grows else request.memory_mib,
        f"+{RETRIES}": request.retries,
    }
    if codes := job_exit_codes(request.unless_exit):
        said[f"+{UNLESS}"] = f"{{{','.join(map(str, codes))}}}"
    if request.walltime_s is not None:
        said[f"+{WALLTIME}"] = request.walltime_s
    if request.preemptible is not None:
        said[f"+{PREEMPTIBLE}"] = str(request.preemptible).lower()
    return said


def _holds(reason: str) -> str:
    """How often the job was held for a reason, as HTCondor names it."""
    return f"(NumHoldsByReason.{reason} ?: 0)"


# A job is held for memory by its starter (34), by the machine's policy (21 or 26, subcode 102 in HTCondor's template
# HOLD_IF_MEMORY_EXCEEDED) or, after a signal, by our own policy below (3, subcode 34).
_MEMORY_HOLDS = f"({_holds('JobOutOfResources')} + {_holds('StartdHeldJob')} + {_holds('JobPolicy')})"
_HELD_FOR_MEMORY = (
    f"(HoldReasonCode =?= 34 || HoldReasonCode =?= 3 && HoldReasonSubCode =?= {_SUBCODE}"
    " || (HoldReasonCode =?= 21 || HoldReasonCode =?= 26) && HoldReasonSubCode =?= 102)"
)
# What ended by itself counts as a completion, be it held afterwards or not; what was held while it ran does not.
_FAILURES = f"((NumJobCompletions ?: 0) + {_holds('JobOutOfResources')} + {_holds('StartdHeldJob')})"
_BY_SIGNAL = "(ExitBySignal =?= true || ExitCode > 128) =?= true"
_EXHAUSTED = f"{_FAILURES} > ({RETRIES} ?: 0)"


def _memory(holds: str) -> str:
    """MiB for a job after so many holds for memory."""
    return f"min({{int({MEMORY} * pow({MULTIPLIER}, {holds})), {MOST}}})"


# That of the try before the hold: at the most already, more of the same will not help.
_RELEASED = f"({_HELD_FOR_MEMORY} && !({_EXHAUSTED}) && {_memory(f'{_MEMORY_HOLDS} - 1')} < {MOST})"

EXPRESSIONS: Mapping[str, str] = {
    # A job of Pegasus' own that should land there has no numbers.
    "request_memory": f"isUndefined({MEMORY}) ? 1024 : {_memory(_MEMORY_HOLDS)}",
    # Exceeding memory often shows as SIGBUS, SIGSEGV or SIGKILL; PegasusLite and the runner turn these into 128 + n.
    "on_exit_hold": f"{_BY_SIGNAL} && {_memory(_MEMORY_HOLDS)} < {MOST} && !({_EXHAUSTED})",
    "on_exit_hold_reason": '"ended by a signal: tried again with more memory"',
    "on_exit_hold_subcode": str(_SUBCODE),
    "on_exit_remove": (
        f"ExitBySignal =!= true && ExitCode =?= 0 || {_EXHAUSTED} || {_BY_SIGNAL} && {MULTIPLIER} > 1"
        f" || member(ExitCode, {UNLESS} ?: {{}}) =?= true"
    ),
    "periodic_release": f"JobStatus == 5 && {_RELEASED}",
    "periodic_remove": (
        f"JobStatus == 5 && !{_RELEASED}"
        f" && ({_HELD_FOR_MEMORY} || HoldReasonCode =?= 47 || time() - EnteredCurrentStatus > {_HELD_FOR_LONG})"
    ),
    # Machines that can be taken away say so; where none does, every job may run anywhere.
    "requirements": f"MY.{PREEMPTIBLE} =!= false || TARGET.{PREEMPTIBLE} =!= true",
}
"""Submit commands of every job that runs on the workers."""
