"""Mean run times that were published, for tasks of which nobody knows better."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

RUN = "rc2"
"""The largest run that was published with the time of every task: DMTN-157, 117,388 quanta."""


@cache
def published_means() -> Mapping[str, float]:
    """Seconds by the last part of a task's class.

    >>> published_means()["IsrTask"]
    55.0
    """
    from compiler.demo_data.workloads import workloads

    return {name: task.mean_seconds for name, task in workloads()[RUN].tasks.items()}


@cache
def published_source() -> str:
    """What is cited for them."""
    from compiler.demo_data.workloads import workloads

    return workloads()[RUN].source
