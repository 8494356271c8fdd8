"""What a workflow needs of each task: identifiers, ports, links, and the files that init quanta make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.analysis.links import Link, is_list, link, reads_existing
from compiler.analysis.structure import Group, Structure, recover
from compiler.cwl.build import Names
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Connection

SHARED = ("_runner", "_graph", "_butler")
"""Files that every tool gets: the quantum runner, the quantum graph, the job's butler configuration."""


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

    def only_task(self, group: Group) -> TaskPlan | None:
        """The task of a group that holds nothing else."""
        alone = only_child(group)
        return None if alone is None else self.tasks[alone]


def make_plan(graph: QuantumGraph) -> Plan:
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
    return Plan(graph, structure, tasks, {each: _step_name(each, tasks, names) for each in groups}, made, existing)


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
            outputs.append(Port(c, connection, lists[task, c]))
        elif not connection.kind.startswith("init"):
            way = links.get((task, c))
            # A connection that no quantum uses keeps its place in the record, so that the tool stays the same.
            exists = way is None or reads_existing(graph, task, c)
            inputs.append(Port(c, connection, lists[task, c], exists, way))
    init = next((each.inputs for each in graph.init if each.label == graph.tasks[task].label), {})
    kinds = [(name, graph.dataset_types[int(graph.dataset_type_of[d])].name) for name, row in init.items() for d in row]
    return TaskPlan(task, id, tuple(inputs), tuple(outputs), tuple(kinds))


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
