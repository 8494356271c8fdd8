"""What users may choose about the clusters that `auto` makes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compiler.diagnostics import Findings, Origin, Span


@dataclass(frozen=True, slots=True)
class Options:
    """Bounds of a job. None of them depends on where the workflow runs."""

    minimum_s: float = 120.0
    """A job shorter than this is merged with its neighbours even if slots then stay idle: its start would cost more
    than a quarter of it."""
    target_s: float = 3600.0
    """About how long a job should last: its start is then one per cent of it, and a preempted job loses half an hour
    on average."""
    maximum_s: float = 7200.0
    """No job of several quanta is expected to last longer."""
    maximum_quanta: int = 100
    """No job has more: each quantum has its words on the job's command line."""
    parallel: int = 100
    """Each task keeps as many jobs as that, as far as it has them and they are not below the minimum, so that slots
    stay busy."""
    unknown_s: float = 300.0
    """Taken as run time of a quantum where nothing tells it."""
    startup_s: float = 35.0
    """What starting a job costs: 2.4 s of the middleware's start, measured, and some 30 s of scheduling and transfers.
    Only for telling what is saved."""

    def check(self, findings: Findings, place: Span | Origin | None = None) -> None:
        """Report numbers that are absurd or contradict each other."""

        def wrong(message: str, help: str) -> None:
            findings.error("cluster-option", message, place, help)

        seconds = {
            "minimum": self.minimum_s,
            "target": self.target_s,
            "maximum": self.maximum_s,
            "time of quanta with unknown run time": self.unknown_s,
            "start-up time": self.startup_s,
        }
        for what, value in seconds.items():
            if not math.isfinite(value) or value < 0 or (value == 0 and what in ("target", "maximum")):
                wrong(f"the {what} of clusters is {value:g} s", "give a positive number of seconds")
        for name, count in (("quanta in a job", self.maximum_quanta), ("jobs to keep", self.parallel)):
            if count < 1:
                wrong(f"the number of {name} is {count}", "give 1 or more")
        if not self.minimum_s <= self.target_s <= self.maximum_s:
            wrong(
                f"clusters of at least {self.minimum_s:g} s, about {self.target_s:g} s and at most "
                f"{self.maximum_s:g} s contradict each other",
                "let the minimum be the smallest and the maximum the largest",
            )
