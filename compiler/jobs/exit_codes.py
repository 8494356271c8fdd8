"""Exit codes of ``pipetask``, of which users speak as in bps, and those of the jobs, which are the quantum runner's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.runtime.quantum_runner import ENVIRONMENT, GRAPH, TASK_FAILED

_OF_JOBS: Mapping[int, tuple[int, ...]] = {1: (TASK_FAILED, ENVIRONMENT, GRAPH)}
"""``pipetask`` ends with 1 for every exception: of a task, of an import, of a graph that cannot be read."""


def job_exit_codes(of_pipetask: Iterable[int]) -> tuple[int, ...]:
    """The codes of a job that stand for codes of ``pipetask``, ascending.

    What ``pipetask`` never ends with stands for itself. 1 is not among them: a job ends so where a transfer failed,
    which may well be tried again.

    >>> job_exit_codes([1, 2])
    (2, 10, 13, 14)
    >>> job_exit_codes([11])
    (11,)
    """
    return tuple(sorted({each for code in of_pipetask for each in _OF_JOBS.get(code, (code,))}))
