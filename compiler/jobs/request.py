"""What a job asks of the machine that runs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """What a quantum or a job asks for. The defaults are those of bps (ctrl_bps, ``bps_defaults.yaml``)."""

    cores: int = 1
    memory_mib: int = 2048
    disk_mib: int | None = None
    """None where nobody said."""
    walltime_s: int | None = None
    """How long it may run before it is ended."""
    gpus: int = 0
    retries: int = 5
    """How often a failed job is tried again."""
    unless_exit: tuple[int, ...] = ()
    """Exit codes after which it is not."""
    memory_multiplier: float = 1.0
    """By how much memory grows with each retry after a job that ran out of it; 1: not at all."""
    memory_max_mib: int = 491_520
    """Where that growth ends."""
    priority: int = 0
    queue: str = ""
    accounting_group: str = ""
    accounting_user: str = ""
    preemptible: bool | None = None
    environment: tuple[tuple[str, str], ...] = ()
    """Variables of the job's environment, sorted by name."""
    run_time_s: float | None = None
    """Expected run time of one quantum, for grouping; None where nobody knows."""
