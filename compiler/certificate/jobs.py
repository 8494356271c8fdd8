"""The second proof: the jobs of a workflow, as they were written, are the quantum graph with some quanta run together.

From the table of quanta and from the written jobs it shows that

- every quantum of the graph stands in the table once, and nothing else does;
- each job's arguments name the quanta that the table gives it, in the table's order, which is one in which data flows;
- jobs wait for each other as their quanta do, no more and no less: the job edges are the quotient of the quantum
  edges, both those declared and those that follow from the files that jobs hand each other.

It shares no code with what groups and writes jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from compiler.certificate.ledger import Ledger
from compiler.diagnostics import Diagnostic, Origin
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


class Written(Protocol):
    """The jobs of a workflow as they were read back."""

    ids: list[str]
    document: list[int]
    quanta: list[list[str]]
    verbs: list[str]
    declared: list[tuple[int, int]]
    handed: set[tuple[int, int]]
    before: dict[int, set[int]]


@dataclass(frozen=True, slots=True)
class JobsProof:
    """What the jobs were shown to be."""

    findings: tuple[Diagnostic, ...]
    counts: Counter[str]
    jobs: int
    """Jobs that run quanta."""
    quanta: int
    edges: int
    """Pairs of jobs of which one waits for quanta of the other."""
    documents: int

    def to_json(self) -> dict[str, Any]:
        """As schemas/certificate.schema.json defines it under ``jobs``."""
        return {
            "proved": not self.findings,
            "findings": {code: self.counts[code] for code in sorted(self.counts)},
            "jobs": self.jobs,
            "quanta": self.quanta,
            "edges": self.edges,
            "documents": self.documents,
        }


def certify_jobs(graph: QuantumGraph, table: Path, written: Written) -> JobsProof:
    """Compare a graph, the table of its quanta and the jobs that were written; differences are findings."""
    ledger = Ledger()
    number_of = {id: number for number, id in enumerate(written.ids)}
    if len(number_of) < len(written.ids):
        twice = [id for id, times in Counter(written.ids).items() if times > 1]
        ledger.error("duplicate-job", f"{len(twice)} ids stand for several jobs, such as {twice[0]!r}", _place())
    jobs, places = _table(graph, table, number_of, ledger)
    edges: set[tuple[int, int]] = set()
    if not ledger.counts:
        _arguments(graph, written, jobs, places, ledger)
    if not ledger.counts:
        edges = _quotient(graph, jobs)
        _edges(graph, written, jobs, edges, ledger)
        _order(graph, jobs, places, ledger)
    running = sum(map(bool, written.quanta))
    documents = len(set(written.document))
    return JobsProof(ledger.findings(), ledger.counts, running, graph.n_quanta, len(edges), documents)


def _place(job: str = "") -> Origin:
    return Origin("workflow.yml", job)


def _table(graph: QuantumGraph, path: Path, number_of: dict[str, int], ledger: Ledger) -> tuple[Ints, Ints]:
    """Shape (quanta,) both: the job of each quantum and its place in it, as the table says."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["label", "data_id", "job", "place"])
    keys = {key: number for number, key in enumerate(_keys(graph))}
    jobs = np.full(graph.n_quanta, -1, dtype=np.int32)
    places = np.full(graph.n_quanta, -1, dtype=np.int32)
    coded = table.column("job").combine_chunks().dictionary_encode()
    known = np.array([number_of.get(id, -1) for id in coded.dictionary.to_pylist()], dtype=np.int32)
    for missing in np.flatnonzero(known < 0).tolist():
        ledger.error("unknown-job", f"the table names {coded.dictionary[missing].as_py()!r}, which is no job", _place())
    labels, data_ids = table.column("label").to_pylist(), table.column("data_id").to_pylist()
    found = np.array(
        [keys.get(f"{label} {data_id}", -1) for label, data_id in zip(labels, data_ids, strict=True)], dtype=np.int64
    )
    for row in np.flatnonzero(found < 0).tolist():
        ledger.error(
            "extra-quantum", f"{labels[row]}{data_ids[row]} stands in the table, not in the graph", Origin(path.name)
        )
    rows = found >= 0
    times = np.bincount(found[rows], minlength=graph.n_quanta)
    for code, what, quanta in (
        ("missing-quantum", "stands in no row of the table", np.flatnonzero(times == 0)),
        ("doubled-quantum", "stands in the table several times", np.flatnonzero(times > 1)),
    ):
        for quantum in quanta.tolist():
            ledger.error(code, f"{graph.quantum(quantum)} {what}", Origin(path.name))
    if len(found):
        jobs[found[rows]] = known[coded.indices.to_numpy()][rows]
        places[found[rows]] = table.column("place").to_numpy()[rows]
    return jobs, places


def _columns(graph: QuantumGraph, task: int) -> list[list[int | str]]:
    """For each required dimension of a task the values of its quanta."""
    codes = graph.quantum_codes[task]
    return [
        [graph.vocabulary[d][code] for code in codes[:, n].tolist()] for n, d in enumerate(graph.tasks[task].dimensions)
    ]


def _keys(graph: QuantumGraph) -> list[str]:
    """By quantum, the label and the data id as the table says them."""
    encode = msgspec.json.encode
    keys: list[str] = []
    for t, task in enumerate(graph.tasks):
        columns = [[encode(value).decode() for value in column] for column in _columns(graph, t)]
        names = [encode(d).decode().replace("%", "%%") for d in task.dimensions]
        pattern = f"{task.label.replace('%', '%%')} {{{','.join(f'{name}:%s' for name in names)}}}"
        keys += (
            [pattern % row for row in zip(*columns, strict=True)]
            if columns
            else [pattern % ()] * len(graph.quanta_of(t))
        )
    return keys


def _spoken(graph: QuantumGraph) -> list[str]:
    """By quantum, the words that name it on a command line."""
    spoken: list[str] = []
    for t, task in enumerate(graph.tasks):
        pattern = " ".join([task.label.replace("%", "%%"), *(f"{d}=%s" for d in task.dimensions)])
        columns = _columns(graph, t)
        spoken += (
            [pattern % row for row in zip(*columns, strict=True)]
            if columns
            else [pattern % ()] * len(graph.quanta_of(t))
        )
    return spoken


def _arguments(graph: QuantumGraph, written: Written, jobs: Ints, places: Ints, ledger: Ledger) -> None:
    """Whether each job runs the quanta that the table gives it."""
    spoken = _spoken(graph)
    order = np.lexsort((places, jobs))
    wanted: list[list[str]] = [[] for _ in written.ids]
    for job, quantum in zip(jobs[order].tolist(), order.tolist(), strict=True):
        wanted[job].append(spoken[quantum])
    for id, expected, told in zip(written.ids, wanted, written.quanta, strict=True):
        if expected != told:
            what = _difference(expected, told)
            ledger.error("other-arguments", f"the arguments {what} by the table", _place(id))


def _difference(expected: Sequence[str], told: Sequence[str]) -> str:
    lacking, more = Counter(expected) - Counter(told), Counter(told) - Counter(expected)
    if lacking:
        return f"lack {next(iter(lacking))!r}, which is the job's"
    if more:
        return f"name {next(iter(more))!r}, which is not the job's"
    return "name the quanta in another order than theirs"


def _hand_overs(graph: QuantumGraph) -> tuple[Ints, Ints]:
    """Pairs (earlier, later) of quanta, one a dataset handed over."""
    reader = np.repeat(np.arange(graph.n_quanta, dtype=np.int32), np.diff(graph.reads.start))
    maker = graph.producer[graph.reads.dataset]
    made = maker >= 0
    return maker[made], reader[made]


def _quotient(graph: QuantumGraph, jobs: Ints) -> set[tuple[int, int]]:
    """Pairs of jobs that quantum edges connect."""
    earlier, later = (jobs[each].astype(np.int64) for each in _hand_overs(graph))
    width = int(jobs.max(initial=0)) + 1
    pairs = np.unique(earlier[earlier != later] * width + later[earlier != later])
    return set(zip((pairs // width).tolist(), (pairs % width).tolist(), strict=True))


def _edges(graph: QuantumGraph, written: Written, jobs: Ints, edges: set[tuple[int, int]], ledger: Ledger) -> None:
    """Whether jobs wait for each other as their quanta do."""
    handed = {pair for pair in written.handed if written.quanta[pair[0]] and written.quanta[pair[1]]}
    declared = {pair for pair in written.declared if written.quanta[pair[0]] and written.quanta[pair[1]]}
    across = {(a, b) for a, b in edges if written.document[a] != written.document[b]}
    for a, b in sorted(across):
        if written.document[a] not in written.before.get(written.document[b], ()):
            ids = f"{written.ids[a]!r} and {written.ids[b]!r}"
            ledger.error("missing-edge", f"the sub-workflows of {ids} are not run one after the other", _place())
    for what, pairs, wanted in (("hands files to", handed, edges), ("runs before", declared, edges - across)):
        for a, b in sorted(wanted - pairs):
            ledger.error(
                "missing-edge", f"not said: {written.ids[a]!r} {what} {written.ids[b]!r}", _place(written.ids[b])
            )
        for a, b in sorted(pairs - wanted):
            ledger.error(
                "extra-edge", f"{written.ids[a]!r} {what} {written.ids[b]!r} for no quantum", _place(written.ids[b])
            )
    _init(graph, written, jobs, ledger)


def _init(graph: QuantumGraph, written: Written, jobs: Ints, ledger: Ledger) -> None:
    """Whether quanta that read what the init job makes run behind it."""
    needy = [any(d in graph.init_made for row in each.inputs.values() for d in row) for each in graph.init]
    labels = {each.label for each, needs in zip(graph.init, needy, strict=True) if needs}
    wanted = {job for t, task in enumerate(graph.tasks) if task.label in labels
              for job in np.unique(jobs[graph.quanta_of(t).start : graph.quanta_of(t).stop]).tolist()}  # fmt: skip
    inits = [number for number, verb in enumerate(written.verbs) if verb == "init"]
    if wanted and len(inits) != 1:
        ledger.error("missing-init", f"{len(inits)} jobs initialise the run where one should", _place())
        return
    handed = {b for a, b in written.handed if a in inits and written.quanta[b]}
    for job in sorted(wanted ^ handed):
        what = "does not get" if job in wanted else "needs nothing of"
        ledger.error("init-edge", f"{written.ids[job]!r} {what} what the init job makes", _place(written.ids[job]))


def _order(graph: QuantumGraph, jobs: Ints, places: Ints, ledger: Ledger) -> None:
    """Whether quanta of one job run in an order in which data flows."""
    earlier, later = _hand_overs(graph)
    wrong = (jobs[earlier] == jobs[later]) & (places[earlier] >= places[later])
    for edge in np.flatnonzero(wrong).tolist():
        names = f"{graph.quantum(int(earlier[edge]))} makes what {graph.quantum(int(later[edge]))} reads"
        ledger.error("wrong-order", f"{names}, and runs behind it in one job", Origin("quanta.parquet"))
