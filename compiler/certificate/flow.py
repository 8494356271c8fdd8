"""Who waits for whom: job edges held against the quotient of the quantum edges."""

from __future__ import annotations

import numpy as np

from compiler.certificate.hashes import Hashes
from compiler.certificate.job_files import Pairs, at, distinct
from compiler.certificate.ledger import Ledger
from compiler.certificate.quanta_rows import Table, tell
from compiler.certificate.written import Written
from compiler.diagnostics import Origin
from compiler.rubin import QuantumGraph


def check_edges(written: Written, wanted: Pairs, ledger: Ledger) -> None:
    """Whether documents say of just the `wanted` pairs (earlier, later) of jobs that the later waits.

    Between jobs of different documents their sub-workflows wait for each other.
    """
    count = len(written.ids)
    earlier, later = wanted
    across = written.document[earlier] != written.document[later]
    runs = {int(document): job for job, document in enumerate(written.runs.tolist()) if document >= 0}
    entry = np.array([runs.get(document, -1) for document in range(int(written.document.max(initial=0)) + 1)])

    def seen(job: Hashes) -> Hashes:
        """The jobs as other documents see them: their sub-workflow, or themselves in the main one."""
        outer = entry[written.document[job]]
        return np.where(across & (outer >= 0), outer, job)

    wanted = distinct(seen(earlier), seen(later), count)
    told = distinct(written.declared[:, 0], written.declared[:, 1], count)
    if len(told[0]) < len(written.declared):
        ledger.error("doubled-edge", f"{len(written.declared) - len(told[0])} dependencies are declared twice")
    ours, theirs = (pairs[0] * count + pairs[1] for pairs in (wanted, told))
    for code, what, keys in (
        ("missing-edge", "does not wait for", np.setdiff1d(ours, theirs, assume_unique=True)),
        ("extra-edge", "needs nothing of", np.setdiff1d(theirs, ours, assume_unique=True)),
    ):
        for key in keys.tolist():
            one, other = key // count, key % count
            ledger.error(code, f"{written.ids[other]!r} {what} {written.ids[one]!r}", at(written, other))
    _check_circles(written, wanted, ledger)


def check_order(graph: QuantumGraph, table: Table, ledger: Ledger) -> None:
    """Whether quanta of one job run in an order in which data flows."""
    reader = np.repeat(np.arange(graph.n_quanta, dtype=np.int32), np.diff(graph.reads.start))
    maker = graph.producer[graph.reads.dataset]
    made = maker >= 0
    earlier, later = maker[made], reader[made]
    wrong = (table.jobs[earlier] == table.jobs[later]) & (table.places[earlier] >= table.places[later])

    def message(edge: int) -> str:
        one, other = graph.quantum(int(earlier[edge])), graph.quantum(int(later[edge]))
        return f"{one} makes what {other} reads, and runs behind it in one job"

    tell(ledger, "wrong-order", np.flatnonzero(wrong), message, Origin("quanta.parquet"))


def _check_circles(written: Written, edges: Pairs, ledger: Ledger) -> None:
    """Whether jobs wait for each other in a circle: those are left that nobody lets begin."""
    earlier, later = edges
    count = len(written.ids)
    start = np.searchsorted(earlier, np.arange(count + 1))
    waits = np.bincount(later, minlength=count)
    ready = np.flatnonzero(waits == 0)
    while len(ready):
        sizes = start[ready + 1] - start[ready]
        ends = np.cumsum(sizes)
        followers = later[np.repeat(start[ready] - (ends - sizes), sizes) + np.arange(int(sizes.sum()))]
        np.subtract.at(waits, followers, 1)
        followers = np.unique(followers)
        ready = followers[waits[followers] == 0]
    left = np.flatnonzero(waits > 0)
    if len(left):
        names = ", ".join(repr(written.ids[job]) for job in left[:5].tolist())
        ledger.error("circle", f"{len(left)} jobs wait for each other, or for those that do, among them {names}")
