"""What a workflow needs of each task: identifiers, ports, links, and the files that init quanta make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.analysis.links import Link, is_list, link, reads_existing
from compiler.analysis.requests import Clustering, Request, Requests
from compiler.analysis.structure import Group, Structure, recover
from compiler.cwl.build import Names
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Connection, Ints
from compiler.translate.names import output_name, record_pattern

RUNNER, GRAPH, BUTLER = SHARED = ("_runner", "_graph", "_butler")
"""Files that every tool gets: the quantum runner, the quantum graph, the job's butler configuration."""


@dataclass(frozen=True, eq=False)
class Runtime:
    """How quanta are to run: what they ask for, which run together, and the pieces of the graph that they carry."""

    requests: Requests | None = None
    """None leaves every quantum the default."""
    clustering: Clustering | None = None
    """None says nothing of it."""
    shards: Ints | None = None
    """Shape (quanta,): the shard of the graph that holds each quantum; None where every job gets the whole graph."""
    init: Request | None = None
    """What the init job asks for; None leaves it the default."""


@dataclass(frozen=True)
class Port:
    """A connection of a task, as the tool sees it."""

    number: int
    """The connection's place among its task's."""
    connection: Connection
    is_list: bool
    exists: bool = False
    """An input some of whose datasets exist before the workflow: they come in the quantum's record."""
    link: Link | None = None
    """An input some of whose datasets the workflow makes."""
    pattern: str | None = None
    """Of an output whose file names follow from the data id: a text with references to it. Others are in the record."""

    @property
    def name(self) -> str:
        return self.connection.name


@dataclass(frozen=True)
class TaskPlan:
    """A task with the identifiers of its tool and ports."""

    number: int
    id: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    init_inputs: tuple[tuple[str, str], ...]
    """Connection and dataset type of each init-input."""
    record: str | None
    """The pattern of the names of its records, as `Port.pattern`."""

    def quanta(self) -> str:
        return f"{self.id}__quanta"

    def port(self, name: str) -> str:
        return f"{self.id}__{name}"

    def index(self, name: str) -> str:
        return f"{self.id}__{name}_index"

    def links(self) -> Iterator[tuple[Port, Link]]:
        return ((port, port.link) for port in self.inputs if port.link is not None)


@dataclass(frozen=True)
class Plan:
    """Everything that the document and the job order are written from."""

    graph: QuantumGraph
    structure: Structure
    tasks: tuple[TaskPlan, ...]
    step_of: dict[Group, str]
    """The step that runs each group: the task's own identifier where the group is one task."""
    init_made: dict[str, int]
    """Dataset types that the init step makes, with the dataset."""
    init_existing: dict[str, int]
    """Dataset types of init-inputs that exist before the workflow."""
    runtime: Runtime

    @property
    def shared(self) -> tuple[str, ...]:
        """Ports over which every quantum gets the same file."""
        return SHARED if self.runtime.shards is None else (RUNNER, BUTLER)

    def only_task(self, group: Group) -> TaskPlan | None:
        """The task of a group that holds nothing else."""
        alone = only_child(group)
        return None if alone is None else self.tasks[alone]


def make_plan(graph: QuantumGraph, runtime: Runtime | None = None) -> Plan:
    """Recover the structure and name everything; raises `CompileError` for what no workflow can say."""
    structure = recover(graph)
    lists = {
        (t, c): is_list(graph, structure, t, c)
        for t, task in enumerate(graph.tasks)
        for c, port in enumerate(task.connections)
        if not port.kind.startswith("init")
    }
    links = {(each.consumer, each.connection): each for each in link(graph, structure, lists)}
    names = Names("main", "_init")
    tasks = tuple(_task_plan(graph, t, names.unique(task.label), lists, links) for t, task in enumerate(graph.tasks))
    made, existing = _init_datasets(graph)
    groups = [group for group in structure.root.walk() if group is not structure.root]
    steps = {each: _step_name(each, tasks, names) for each in groups}
    return Plan(graph, structure, tasks, steps, made, existing, runtime or Runtime())


def _task_plan(
    graph: QuantumGraph,
    task: int,
    id: str,
    lists: Mapping[tuple[int, int], bool],
    links: Mapping[tuple[int, int], Link],
) -> TaskPlan:
    inputs, outputs = [], []
    for c, connection in enumerate(graph.tasks[task].connections):
        if connection.kind == "output":
            pattern = None if lists[task, c] else output_name(graph, task, c)
            outputs.append(Port(c, connection, lists[task, c], pattern=pattern))
        elif not connection.kind.startswith("init"):
            way = links.get((task, c))
            # A connection that no quantum uses keeps its place in the record, so that the tool stays the same.
            exists = way is None or reads_existing(graph, task, c)
            inputs.append(Port(c, connection, lists[task, c], exists, way))
    init = next((each.inputs for each in graph.init if each.label == graph.tasks[task].label), {})
    kinds = [(name, graph.dataset_types[int(graph.dataset_type_of[d])].name) for name, row in init.items() for d in row]
    return TaskPlan(task, id, tuple(inputs), tuple(outputs), tuple(kinds), record_pattern(graph, task))


def only_child(group: Group) -> int | None:
    """The task of a group that holds nothing else: its tool is scattered directly."""
    child = group.children[0]
    return child if len(group.children) == 1 and isinstance(child, int) else None


def _step_name(group: Group, tasks: Sequence[TaskPlan], names: Names) -> str:
    alone = only_child(group)
    if alone is not None:
        return tasks[alone].id
    shown = [d for d in group.dimensions if d not in ("instrument", "skymap")] or list(group.dimensions)
    return names.unique("_".join(["each", *shown]) if group.dimensions else "if_present")


def _init_datasets(graph: QuantumGraph) -> tuple[dict[str, int], dict[str, int]]:
    made: dict[str, int] = {}
    existing: dict[str, int] = {}
    for each in graph.init:
        for rows, found in ((each.outputs, made), (each.inputs, existing)):
            for row in rows.values():
                for d in row:
                    if found is made or d not in graph.init_made:
                        found[graph.dataset_types[int(graph.dataset_type_of[d])].name] = d
    return dict(sorted(made.items())), dict(sorted(existing.items()))
