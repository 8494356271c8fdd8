"""What a workflow needs of each task: identifiers, ports, links, and the files that init quanta make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.analysis.dimensions import task_keys
from compiler.analysis.flow import counts
from compiler.analysis.links import Link, is_list, link
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
        child = group.children[0]
        return self.tasks[child] if len(group.children) == 1 and isinstance(child, int) else None


def make_plan(graph: QuantumGraph) -> Plan:
    """Recover the structure and name everything; raises `CompileError` for what no workflow can say."""
    structure = recover(graph)
    keys = task_keys(graph, structure.flows)
    named = [keys.names(t) for t in range(len(graph.tasks))]
    fed = {(flow.consumer, flow.connection) for flow in structure.flows}
    # What is partly made and partly there already comes over two ports, neither of which has one file for each quantum.
    lists = {
        (t, c): is_list(graph, named, t, c) or ((t, c) in fed and _any_exists(graph, t, c))
        for t, task in enumerate(graph.tasks)
        for c, port in enumerate(task.connections)
        if not port.kind.startswith("init")
    }
    links = {(each.consumer, each.connection): each for each in link(graph, structure, lists)}
    names = Names("main", "_init")
    init_inputs = {each.label: each.inputs for each in graph.init}
    made, existing = _init_datasets(graph)
    tasks = tuple(
        TaskPlan(
            t,
            names.unique(task.label),
            tuple(
                Port(c, port, lists[t, c], _any_exists(graph, t, c), links.get((t, c)))
                for c, port in enumerate(task.connections)
                if port.kind in ("input", "prerequisite")
            ),
            tuple(Port(c, port, lists[t, c]) for c, port in enumerate(task.connections) if port.kind == "output"),
            tuple(
                (name, graph.dataset_types[int(graph.dataset_type_of[d])].name)
                for name, row in init_inputs.get(task.label, {}).items()
                for d in row
            ),
        )
        for t, task in enumerate(graph.tasks)
    )
    plan = Plan(graph, structure, tasks, {}, made, existing)
    for group in structure.root.walk():
        if group is not structure.root:
            alone = plan.only_task(group)
            shown = [d for d in group.dimensions if d not in ("instrument", "skymap")] or list(group.dimensions)
            wanted = "_".join(["each", *shown]) if group.dimensions else "if_present"
            plan.step_of[group] = alone.id if alone else names.unique(wanted)
    return plan


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


def _any_exists(graph: QuantumGraph, task: int, connection: int) -> bool:
    """Whether the connection is fed, at least in part, by datasets that no quantum makes."""
    first, last = int(graph.task_start[task]), int(graph.task_start[task + 1])
    row = slice(int(graph.reads.start[first]), int(graph.reads.start[last]))
    chosen = graph.reads.dataset[row][graph.reads.connection[row] == connection]
    # A connection that no quantum uses keeps its place in the record, so that the tool stays the same.
    return bool((graph.producer[chosen] < 0).any()) or not counts(graph.reads, connection, first, last).any()
