"""The files that jobs use, held against those that their quanta read and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.certificate.canonical import GraphColumns
from compiler.certificate.hashes import Hashes, Ragged, sums
from compiler.certificate.ledger import Ledger
from compiler.certificate.quanta_rows import Table, differences, init_inputs
from compiler.certificate.written import Written
from compiler.diagnostics import Origin
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

Pairs = tuple[Hashes, Hashes]
Pairs3 = tuple[Hashes, Hashes, Hashes]


@dataclass(frozen=True, eq=False)
class Uses:
    """Datasets that jobs need from elsewhere, each once a job, and the rest of what the graph says of files."""

    reader: Hashes
    """Shape (uses,): a job."""
    dataset: Hashes
    """Shape (uses,)."""
    maker: Ints
    """Shape (datasets,): the job that makes each; -1 for what exists before."""
    must_leave: NDArray[np.bool_]
    """Shape (datasets,): made, and read by another job or by nobody."""


def check_files(graph: QuantumGraph, written: Written, table: Table, names: Hashes, ledger: Ledger) -> Pairs | None:
    """Whether jobs use the files of their quanta, and sub-workflows those that cross between documents.

    `names` are those of the graph's datasets. Gives the pairs (earlier, later) of jobs that hand each other files;
    None if it is not known which job makes what the run begins with.
    """
    uses = _uses(graph, written, table, ledger)
    if uses is None:
        return None
    _check_inputs(graph, written, uses, names, ledger)
    _check_outputs(graph, written, table, uses, names, ledger)
    _check_staging(written, ledger)
    handed = _check_records(written, ledger)
    made = uses.maker[uses.dataset] >= 0
    earlier = uses.maker[uses.dataset[made]].astype(np.int64)
    _check_crossing(written, uses, names, handed, ledger)
    later = np.concatenate([uses.reader[made], handed[1]])
    return distinct(np.concatenate([earlier, handed[0]]), later, len(written.ids))


def inits(written: Written) -> list[int]:
    """The jobs that initialise the run."""
    return [job for job, verb in enumerate(written.verbs) if verb == "init"]


def distinct(one: NDArray[np.integer], other: NDArray[np.integer], width: int) -> Pairs:
    """The distinct pairs, sorted; those of `other` are below `width`."""
    key = np.sort(one.astype(np.int64) * width + other)
    key = key[np.diff(key, prepend=-1) > 0]
    return key // width, key % width


def at(written: Written, job: int) -> Origin:
    """The place of a job."""
    return Origin("workflow.yml", written.ids[job])


def _uses(graph: QuantumGraph, written: Written, table: Table, ledger: Ledger) -> Uses | None:
    made = sorted(graph.init_made)
    found = inits(written)
    if len(found) != bool(made):
        ledger.error("missing-init", f"{len(found)} jobs initialise the run, {int(bool(made))} should")
        return None
    maker = np.append(table.jobs, np.int32(-1))[graph.producer]  # -1 stays -1
    maker[made] = found[0] if found else -1
    reader = [np.repeat(table.jobs, np.diff(graph.reads.start)).astype(np.int64)]
    dataset = [graph.reads.dataset.astype(np.int64)]
    for t, task in enumerate(graph.tasks):
        if needed := init_inputs(graph, task.label):
            jobs = np.flatnonzero(np.bincount(table.jobs[graph.task_start[t] : graph.task_start[t + 1]]))
            reader.append(np.repeat(jobs, len(needed)))
            dataset.append(np.tile(np.array(needed), len(jobs)))
    if found:
        needed = sorted({d for each in graph.init for row in each.inputs.values() for d in row})
        reader.append(np.full(len(needed), found[0]))
        dataset.append(np.array(needed, dtype=np.int64))
    readers, datasets = np.concatenate(reader), np.concatenate(dataset)
    abroad = maker[datasets] != readers
    inside = np.zeros(graph.n_datasets, dtype=bool)
    inside[datasets[~abroad]] = True
    readers, datasets = readers[abroad], datasets[abroad]
    inside[datasets] = False
    return Uses(*distinct(readers, datasets, graph.n_datasets), maker, ~inside & (maker >= 0))


def _checked(written: Written) -> NDArray[np.bool_]:
    """Shape (jobs,): those that run quanta or initialise the run."""
    found = np.diff(written.quanta.start) > 0
    found[inits(written)] = True
    return found


def _check_inputs(graph: QuantumGraph, written: Written, uses: Uses, names: Hashes, ledger: Ledger) -> None:
    start = np.searchsorted(uses.reader, np.arange(len(written.ids) + 1))
    wanted = sums(start, names[uses.dataset]) + written.carried
    told = sums(written.inputs.start, written.inputs.item)
    for job in np.flatnonzero((told != wanted) & _checked(written)).tolist():
        said = written.said(job)
        datasets = uses.dataset[start[job] : start[job + 1]].tolist()
        tell_uses(written, job, "input", [*_names(graph, datasets), *said.carried], said.inputs, ledger)


def _check_outputs(
    graph: QuantumGraph, written: Written, table: Table, uses: Uses, names: Hashes, ledger: Ledger
) -> None:
    made, init_made = graph.writes.dataset, sorted(graph.init_made)
    leaving = sums(graph.writes.start, np.where(uses.must_leave, names, 0)[made])[table.order]
    start = np.searchsorted(table.jobs[table.order], np.arange(len(written.ids) + 1))
    wanted = sums(start, leaving) + written.records
    wanted[inits(written)] += names[init_made].sum()
    told = sums(written.outputs.start, written.outputs.item)
    for job in np.flatnonzero((told != wanted) & _checked(written)).tolist():
        quanta = table.order[start[job] : start[job + 1]].tolist()
        datasets = [d for quantum in quanta for d in made[graph.writes.of(quantum)].tolist()]
        _check_leaving(graph, written, job, datasets or init_made, uses, names, ledger)


def _check_staging(written: Written, ledger: Ledger) -> None:
    """Whether what leaves jobs is staged out, by them or by their sub-workflow; files of records are gathered."""
    passed = written.passed_on
    entries = {int(document): job for job, document in enumerate(written.runs.tolist()) if document >= 0}
    kept: dict[int, set[int]] = {}
    for job in np.flatnonzero((sums(passed.start, passed.item) != written.records) & _checked(written)).tolist():
        document = int(written.document[job])
        if document not in kept:
            entry = entries.get(document)
            kept[document] = set() if entry is None else _of(written.outputs, entry) - _of(passed, entry)
        if not _of(passed, job) - {int(written.records[job])} <= kept[document]:
            message = f"{written.ids[job]!r} makes datasets that nobody stages out"
            ledger.error("not-staged-out", message, at(written, job))


def _of(rows: Ragged, job: int) -> set[int]:
    return set(rows.item[int(rows.start[job]) : int(rows.start[job + 1])].tolist())


def _check_leaving(
    graph: QuantumGraph,
    written: Written,
    job: int,
    datasets: Sequence[int],
    uses: Uses,
    names: Hashes,
    ledger: Ledger,
) -> None:
    """Whether what leaves a job is what must, and beyond it only what its quanta make, which the user may keep."""
    must = [d for d in datasets if uses.must_leave[d]]
    outputs = written.outputs.item[int(written.outputs.start[job]) : int(written.outputs.start[job + 1])].tolist()
    told, more = set(outputs), {int(written.records[job])} - {0}
    required, allowed = (set(names[rows].tolist()) | more for rows in (must, list(datasets)))
    if len(told) == len(outputs) and required <= told <= allowed:
        return
    said = written.said(job)
    lacking, _ = differences([*_names(graph, must), *said.records], said.outputs)
    _, beyond = differences([*_names(graph, datasets), *said.records], said.outputs)
    _tell(written, job, "output", lacking, beyond, ledger)


def tell_uses(
    written: Written, job: int, kind: str, wanted: Sequence[str], told: Sequence[str], ledger: Ledger
) -> None:
    """Findings for files that a job should use and does not, or uses and should not."""
    _tell(written, job, kind, *differences(wanted, told), ledger)


def _tell(written: Written, job: int, kind: str, lacking: Sequence[str], more: Sequence[str], ledger: Ledger) -> None:
    for code, what, names in (("missing", "does not name", lacking), ("extra", "should not name", more)):
        for name in names:
            message = f"{written.ids[job]!r} {what} {name!r} among its {kind}s"
            ledger.error(f"{code}-{kind}", message, at(written, job))


def _names(graph: QuantumGraph, datasets: Sequence[int]) -> list[str]:
    return GraphColumns(graph).names(np.array(datasets, dtype=np.int64))


def _check_records(written: Written, ledger: Ledger) -> Pairs3:
    """Whether each file of records is gathered once; pairs (earlier, later) of jobs with the file handed over."""
    gathers = (written.runs < 0) & ~_checked(written)
    readers, makers = (_rows(each.start) for each in (written.inputs, written.passed_on))
    runs = np.flatnonzero(np.diff(written.quanta.start))
    files = np.concatenate([written.records[runs], written.passed_on.item[gathers[makers]]])
    makers = np.concatenate([runs, makers[gathers[makers]]])
    wanted, readers = written.inputs.item[gathers[readers]], readers[gathers[readers]]
    order = np.argsort(files)
    place = np.searchsorted(files, wanted, sorter=order)
    known = np.append(files[order], 0)[place] == wanted
    strange, wanted, readers = readers[~known], wanted[known], readers[known]
    taken = order[place[known]]
    for job in np.unique(strange).tolist():
        ledger.error("extra-input", f"{written.ids[job]!r} gathers what is no file of records", at(written, job))
    times = np.bincount(taken, minlength=len(files))
    for file in np.flatnonzero(times != 1).tolist():
        job = int(makers[file])
        message = f"the file of records of {written.ids[job]!r} is gathered by {times[file]} jobs"
        ledger.error("lost-records", message, at(written, job))
    idle = np.array([verb != "collect" for verb in written.verbs], dtype=bool)
    for job in np.flatnonzero(gathers & (idle | (np.diff(written.inputs.start) == 0))).tolist():
        ledger.error("extra-job", f"{written.ids[job]!r} runs nothing of the graph", at(written, job))
    return makers[taken], readers, wanted


def _rows(start: Hashes) -> Hashes:
    """Shape (items,): the row of each item."""
    return np.repeat(np.arange(len(start) - 1), np.diff(start))


def _check_crossing(written: Written, uses: Uses, names: Hashes, handed: Pairs3, ledger: Ledger) -> None:
    """Whether each sub-workflow says which files it takes from other documents, and which it gives to others."""
    below = np.flatnonzero(written.runs >= 0)
    if not len(below):
        return
    documents = int(written.runs.max()) + 1
    maker = uses.maker[uses.dataset]
    made = maker >= 0
    earlier = np.concatenate([written.document[maker[made]], written.document[handed[0]]])
    later = np.concatenate([written.document[uses.reader[made]], written.document[handed[1]]])
    files = np.concatenate([names[uses.dataset[made]], handed[2]])
    across = earlier != later
    for kind, told, whose in (("input", written.inputs, later), ("output", written.outputs, earlier)):
        order = np.lexsort((files[across], whose[across]))
        document, file = whose[across][order], files[across][order]
        fresh = (np.diff(document, prepend=-1) != 0) | (np.diff(file, prepend=0) != 0)
        document, file = document[fresh], file[fresh]
        start = np.searchsorted(document, np.arange(documents + 1))
        wanted = sums(start, file)
        given = sums(told.start, told.item)
        for job in below[given[below] != wanted[written.runs[below]]].tolist():
            _tell_crossing(written, job, kind, file[start[written.runs[job]] : start[written.runs[job] + 1]], ledger)


def _tell_crossing(written: Written, job: int, kind: str, wanted: Hashes, ledger: Ledger) -> None:
    """Names of files stand where they are used: in the sub-workflow, or where others use what it does not name."""
    said = written.said(job)
    told = said.inputs if kind == "input" else said.outputs
    expected = set(wanted.tolist())
    more = [name for name in told if hash(name) not in expected]
    lacking = expected - set(map(hash, told))
    found = written.names_of(lacking, int(written.runs[job])) if lacking else []
    repeated = [] if more or lacking else told[:1]
    _tell(written, job, kind, found, [*more, *repeated], ledger)
