"""Whether a quantum graph is sound, and whether it was planned from the pipeline that stands beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from compiler.diagnostics import Diagnostic, Findings, Origin, closest
from compiler.rubin import Pipeline, PipelineTask, QuantumGraph, Task, format_quantum
from compiler.rubin.graph import Edges, Ints

_FEW = 3
"""As many of one kind of fault are told; the last finding says how many more there are."""


def check_consistency(pipeline: Pipeline, graph: QuantumGraph) -> list[Diagnostic]:
    """What contradicts between a pipeline and its graph: labels, classes, tasks that have no quanta."""
    findings = Findings()
    tasks = {each.label: each for each in pipeline.tasks}
    for number, task in enumerate(graph.tasks):
        declared = tasks.get(task.label)
        if declared is not None:
            _compare_classes(declared, task, graph, findings)
        elif len(graph.quanta_of(number)):
            near = closest(task.label, tasks)
            findings.error(
                "unknown-task",
                f"the graph has quanta of '{task.label}', which is no task of the pipeline {pipeline.file}".rstrip(),
                Origin(graph.source, task.label),
                f"did you mean '{near}'?" if near else "give the pipeline that the graph was made from",
            )
    _idle_tasks(pipeline, graph, findings)
    return list(findings)


def check_graph(graph: QuantumGraph, *, planned: bool = False) -> list[Diagnostic]:
    """What makes a graph impossible to run, whatever pipeline it came from; linear in the graph.

    A graph that the middleware `planned` must know the files of its overall inputs; a synthetic one need not.
    """
    findings = Findings()
    if graph.n_quanta == 0:
        help = "the query that made the graph found nothing: look at its data query and input collections"
        findings.error("empty-graph", "the graph has no quanta", Origin(graph.source), help)
    _two_producers(graph, findings)
    _doubled_data_ids(graph, findings)
    _doubled_datasets(graph, findings)
    for edges, kinds in ((graph.reads, ("input", "prerequisite")), (graph.writes, ("output",))):
        _declared(graph, edges, kinds, findings)
    _flow(graph, findings)
    _init(graph, findings)
    _records(graph, findings, planned)
    return list(findings)


def _compare_classes(declared: PipelineTask, task: Task, graph: QuantumGraph, findings: Findings) -> None:
    """Classes are equal if they are the same one imported from elsewhere: a package re-exports those of its modules."""
    ours, theirs = declared.task_class, task.task_class
    if ours == theirs:
        return
    message = f"task '{task.label}' is '{ours}' in the pipeline and '{theirs}' in the graph"
    help = f"make the graph {graph.source} again from this pipeline"
    if ours.rpartition(".")[2] != theirs.rpartition(".")[2]:
        findings.error("task-class-differs", message, declared.span, help)
    elif not theirs.startswith(ours.rpartition(".")[0]) and not ours.startswith(theirs.rpartition(".")[0]):
        findings.warning("task-class-differs", message, declared.span, help)


def _idle_tasks(pipeline: Pipeline, graph: QuantumGraph, findings: Findings) -> None:
    busy = {task.label for number, task in enumerate(graph.tasks) if len(graph.quanta_of(number))}
    idle = [each for each in pipeline.tasks if each.label not in busy]
    help = "they are not part of the workflow; a graph of one step of a pipeline is often meant so"
    if len(idle) > _FEW:
        message = f"{len(idle)} tasks of the pipeline have no quanta in the graph: {_listed(t.label for t in idle)}"
        findings.warning("task-without-quanta", message, idle[0].span, help)
        return
    for each in idle:
        message = f"task '{each.label}' has no quanta in the graph {graph.source}".rstrip()
        findings.warning("task-without-quanta", message, each.span, "it is not part of the workflow")


def _two_producers(graph: QuantumGraph, findings: Findings) -> None:
    made = np.sort(graph.writes.dataset)
    twice = set(made[1:][made[1:] == made[:-1]].tolist())
    by_init = Counter(d for each in graph.init for row in each.outputs.values() for d in row)
    twice |= {d for d, times in by_init.items() if times > 1 or graph.producer[d] >= 0}
    for dataset in _some(sorted(twice), "two-producers", "datasets are written more than once", graph, findings):
        makers = np.searchsorted(graph.writes.start, np.flatnonzero(graph.writes.dataset == dataset), side="right") - 1
        who = [str(graph.quantum(q)) for q in makers.tolist()]
        who += [f"init of '{e.label}'" for e in graph.init if any(dataset in row for row in e.outputs.values())]
        message = f"{_dataset(graph, dataset)} is written by {_listed(who)}"
        findings.error("two-producers", message, Origin(graph.source, who[0]))


def _doubled_data_ids(graph: QuantumGraph, findings: Findings) -> None:
    for number, task in enumerate(graph.tasks):
        first = int(graph.task_start[number])
        same = _equal_to_next(graph.quantum_codes[number][:, : len(task.dimensions)]).tolist()
        for place in _some(same, "doubled-data-id", f"quanta of '{task.label}' are doubled", graph, findings):
            who = str(graph.quantum(first + place))
            findings.error("doubled-data-id", f"there are two quanta {who}", Origin(graph.source, who))


def _doubled_datasets(graph: QuantumGraph, findings: Findings) -> None:
    """Two ids for one type, data id and run; or for what quanta write, whatever the run."""
    for number, kind in enumerate(graph.dataset_types):
        rows = slice(int(graph.type_start[number]), int(graph.type_start[number + 1]))
        equal = _equal_to_next(graph.dataset_codes[number])
        if not len(equal):
            continue
        runs, makers = graph.dataset_run[rows], graph.producer[rows]
        clash = (runs[equal] == runs[equal + 1]) | ((makers[equal] >= 0) & (makers[equal + 1] >= 0))
        same = equal[clash].tolist()
        for place in _some(same, "doubled-dataset", f"datasets '{kind.name}' are doubled", graph, findings):
            what = _dataset(graph, rows.start + place)
            message = (
                f"{what} has two ids: {_uuid(graph, rows.start + place)} and {_uuid(graph, rows.start + place + 1)}"
            )
            findings.error("doubled-dataset", message, Origin(graph.source, what))


def _declared(graph: QuantumGraph, edges: Edges, kinds: tuple[str, ...], findings: Findings) -> None:
    """Each edge stands on a connection of its direction, and its dataset is of the connection's type."""
    quantum = np.repeat(np.arange(graph.n_quanta, dtype=np.int32), np.diff(edges.start))
    types = {kind.name: place for place, kind in enumerate(graph.dataset_types)}
    widest = max((len(t.connections) for t in graph.tasks), default=0)
    expected = np.full((len(graph.tasks), widest), -1, dtype=np.int32)
    for number, task in enumerate(graph.tasks):
        for place, each in enumerate(task.connections):
            if each.kind in kinds:
                expected[number, place] = types.get(each.dataset_type, -1)
    if not expected.size:
        return
    wrong = np.flatnonzero(
        expected[graph.quantum_task[quantum], edges.connection] != graph.dataset_type_of[edges.dataset]
    ).tolist()
    for edge in _some(wrong, "wrong-connection", "datasets stand on a wrong connection", graph, findings):
        who = graph.quantum(int(quantum[edge]))
        connection = graph.tasks[int(graph.quantum_task[who.number])].connections[int(edges.connection[edge])]
        message = (
            f"{_dataset(graph, int(edges.dataset[edge]))} stands on the connection '{connection.name}' "
            f"({connection.kind}, of '{connection.dataset_type}')"
        )
        findings.error("wrong-connection", message, Origin(graph.source, str(who)))


def _flow(graph: QuantumGraph, findings: Findings) -> None:
    """A dataset is read only by tasks behind the one that makes it: then there is no circle among quanta."""
    reader = np.repeat(np.arange(graph.n_quanta, dtype=np.int32), np.diff(graph.reads.start))
    maker = graph.producer[graph.reads.dataset]
    made = np.flatnonzero(maker >= 0)
    late = graph.quantum_task[maker[made]] >= graph.quantum_task[reader[made]]
    for edge in _some(made[late].tolist(), "circular-quanta", "datasets are read too early", graph, findings):
        who = str(graph.quantum(int(reader[edge])))
        message = (
            f"{who} reads {_dataset(graph, int(graph.reads.dataset[edge]))}, which its own task or a later one makes"
        )
        findings.error("circular-quanta", message, Origin(graph.source, who))


def _init(graph: QuantumGraph, findings: Findings) -> None:
    tasks = {task.label: {c.name for c in task.connections if c.kind.startswith("init")} for task in graph.tasks}
    seen: set[str] = set()
    for each in graph.init:
        who = format_quantum(each.label or "packages", {})
        if each.label in seen:
            findings.error("doubled-data-id", f"there are two init quanta of '{each.label}'", Origin(graph.source, who))
        seen.add(each.label)
        if each.label and each.label not in tasks:
            findings.error(
                "unknown-task", f"an init quantum of '{each.label}', which is no task", Origin(graph.source, who)
            )
            continue
        for name in sorted({*each.inputs, *each.outputs} - tasks.get(each.label, {*each.inputs, *each.outputs})):
            message = f"the init quantum of '{each.label}' has an undeclared connection '{name}'"
            findings.error("wrong-connection", message, Origin(graph.source, who))


def _records(graph: QuantumGraph, findings: Findings, planned: bool) -> None:
    """Without the datastore's record nobody knows which file an overall input is."""
    needed = np.zeros(graph.n_datasets, dtype=bool)
    needed[graph.reads.dataset] = True
    needed[[d for each in graph.init for row in each.inputs.values() for d in row]] = True
    needed[graph.producer >= 0] = False
    needed[list(graph.init_made)] = False
    needed[graph.files.numbers] = False
    without = np.flatnonzero(needed)
    if len(without):
        say = findings.error if planned else findings.warning
        say(
            "no-datastore-records",
            f"{len(without)} datasets that exist before the workflow have no datastore record, "
            f"one of them {_dataset(graph, int(without[0]))}",
            Origin(graph.source),
            "make the graph with 'pipetask qgraph --qgraph-datastore-records'",
        )


def _some(places: list[int], code: str, what: str, graph: QuantumGraph, findings: Findings) -> list[int]:
    """The first few; a finding says how many more there are."""
    if len(places) > _FEW:
        findings.error(code, f"{len(places)} {what}; {_FEW} of them follow", Origin(graph.source))
    return places[:_FEW]


def _equal_to_next(codes: Ints) -> Ints:
    """Places in sorted rows whose row stands again behind them."""
    return np.flatnonzero((codes[1:] == codes[:-1]).all(axis=1)).astype(np.int32)


def _dataset(graph: QuantumGraph, number: int) -> str:
    found = graph.dataset(number)
    return format_quantum(found.type, found.data_id)


def _uuid(graph: QuantumGraph, number: int) -> str:
    return str(graph.dataset(number).id)


def _listed(words: Iterable[str], most: int = 6) -> str:
    every = list(words)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
