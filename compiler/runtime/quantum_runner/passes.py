"""Runs the quanta of a call in one process of the middleware, or in several where one crashes."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from .call import INIT, Call, Quantum, upstream
from .middleware import Ended, Watch, run_middleware
from .middleware_log import find_begun

_ENDS_THE_CALL = {signal.SIGTERM, signal.SIGINT, signal.SIGKILL}  # asked to end, or out of memory


def run_quanta(call: Call, quanta: Sequence[Quantum], work: Path, watch: Watch) -> list[Ended]:
    """Run them in one process of the middleware, or in several if a crash leaves some that could still run.

    The middleware goes on after an exception, with what does not depend on the quantum that raised it; it cannot
    after a crash. Each process but the first has at least one quantum less to run than that before it.
    """
    passes: list[Ended] = []
    left = list(quanta)
    while left:
        shard = call.cut({each.id for each in left})
        shard.write(str(work / "shard.qg"))
        classes = sorted({each.task_class_name for each in shard.pipeline_graph.tasks.values()})
        verb = "run-qbb" if left[0].label != INIT else "pre-exec-init-qbb"
        ended = run_middleware(work, verb, classes, work / f"log{len(passes) or ''}", watch)
        ended.given = {each.id for each in left}
        ended.began = find_begun(left, ended.said)
        passes.append(ended)
        left = _still_to_run(call, left, ended, work)
    return passes


def _still_to_run(call: Call, quanta: Sequence[Quantum], ended: Ended, work: Path) -> list[Quantum]:
    """What a process that crashed did not come to, and what does not depend on a quantum that it lost."""
    if (ended.code == 0 and ended.signal is None) or not ended.began or ended.signal in _ENDS_THE_CALL:
        return []
    done = {each.id for each in quanta if _metadata_of(call, each, work).exists()}
    lost = upstream(quanta, {each.id for each in quanta if each.id in ended.began - done})
    return [each for each in quanta if each.id not in done and each.id not in ended.began and each.id not in lost]


def _metadata_of(call: Call, quantum: Quantum, work: Path) -> Path:
    """Where the middleware leaves the quantum's metadata, which it writes last."""
    return work / "store" / call.datasets[quantum.outputs["_metadata"][0]].path
