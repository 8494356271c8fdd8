"""The nests as workflows: each group a subworkflow that its parent scatters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cwl_utils.parser.cwl_v1_2 as cwl

from compiler.analysis.links import Link
from compiler.analysis.structure import Group
from compiler.cwl.build import Type, array, identifier, regroup, step
from compiler.translate.plan import SHARED, Plan, Port, TaskPlan
from compiler.translate.tools import quantum_record


@dataclass(frozen=True)
class Entry:
    """Something that enters a process from outside."""

    port: str
    """The port's name on a workflow; on a tool run directly, see `tool_port`."""
    type: Type
    scattered: bool
    """Whether the step that runs the process scatters over it; `type` is what one member gets."""
    source: str
    """Where the surrounding workflow takes it from."""
    tool_port: str


def main_workflow(plan: Plan) -> list[cwl.Workflow]:
    """Every subworkflow, innermost first, and last the main workflow."""
    inner = [
        _workflow(plan, group)
        for group in reversed(list(plan.structure.root.walk()))
        if group is not plan.structure.root and plan.only_task(group) is None
    ]
    return [*inner, _workflow(plan, plan.structure.root)]


def _workflow(plan: Plan, group: Group) -> cwl.Workflow:
    is_main = group is plan.structure.root
    steps = list(_steps(plan, group))
    requirements: list[object] = []
    if any(isinstance(child, Group) and plan.only_task(child) is None for child in group.children):
        requirements.append(cwl.SubworkflowFeatureRequirement())
    if any(each.scatter for each in steps):
        requirements.append(cwl.ScatterFeatureRequirement())
    made = plan.init_made if is_main else {}
    return cwl.Workflow(
        id="main" if is_main else plan.step_of[group],
        label=None if is_main else f"for each {', '.join(group.dimensions)}" if group.dimensions else "where present",
        requirements=requirements or None,
        inputs=[cwl.WorkflowInputParameter(id=name, type_=kind) for name, kind in _inputs(plan, group).items()],
        outputs=[
            *(
                cwl.WorkflowOutputParameter(
                    id=plan.tasks[t].port(name),
                    type_=array("File", _depth(plan, group, t) + int(is_list)),
                    outputSource=_made_by(plan, group, t, name),
                )
                for t in group.tasks()
                for name, is_list in _outputs(plan.tasks[t])
            ),
            *(
                cwl.WorkflowOutputParameter(
                    id=f"_init__{identifier(name)}", type_="File", outputSource=f"_init/{identifier(name)}"
                )
                for name in made
            ),
        ],
        steps=steps,
    )


def _inputs(plan: Plan, group: Group) -> dict[str, Type]:
    if group is not plan.structure.root:
        return {each.port: each.type for each in _entries(plan, group)}
    inputs: dict[str, Type] = dict.fromkeys(shared_files(plan), "File")
    inputs |= {_init_port(plan, name): "File" for name in plan.init_existing}
    for task in plan.tasks:
        inputs[task.quanta()] = array(quantum_record(plan, task), _depth(plan, group, task.number))
        for port, way in task.links():
            if way.is_regroup:
                inputs[task.index(port.name)] = array(
                    "int", len(way.meeting.path) + _index_depth(plan, task, port, way)
                )
    return inputs


def shared_files(plan: Plan) -> tuple[str, ...]:
    """Files of the runtime that enter the main workflow; the init job needs a graph whatever quanta carry."""
    return SHARED if plan.init_made else plan.shared


def _steps(plan: Plan, group: Group) -> Iterator[cwl.WorkflowStep]:
    if group is plan.structure.root and plan.init_made:
        existing = {identifier(name): _init_port(plan, name) for name in plan.init_existing}
        made = [identifier(name) for name in plan.init_made]
        yield step("_init", "#_init", {**{name: name for name in SHARED}, **existing}, made)
    for child in group.children:
        below = child.tasks() if isinstance(child, Group) else [child]
        for t in below:
            for port, way in plan.tasks[t].links():
                if way.is_regroup and way.meeting is group:
                    yield _regroup_step(plan, group, plan.tasks[t], port, way)
        yield _child_step(plan, group, child)


def _child_step(plan: Plan, group: Group, child: Group | int) -> cwl.WorkflowStep:
    entries = list(_entries(plan, child))
    task = plan.only_task(child) if isinstance(child, Group) else plan.tasks[child]
    if task is not None:
        sources = {each.tool_port: each.source for each in entries}
        out = [name for name, _ in _outputs(task)]
        return step(task.id, f"#{task.id}", sources, out, [each.tool_port for each in entries if each.scattered])
    assert isinstance(child, Group)
    out = [plan.tasks[t].port(name) for t in child.tasks() for name, _ in _outputs(plan.tasks[t])]
    name = plan.step_of[child]
    scatter = [each.port for each in entries if each.scattered]
    return step(name, f"#{name}", {each.port: each.source for each in entries}, out, scatter)


def _regroup_step(plan: Plan, group: Group, task: TaskPlan, port: Port, way: Link) -> cwl.WorkflowStep:
    source = plan.tasks[way.producer]
    output = next(each for each in source.outputs if each.number == way.output)
    tool = regroup(
        array("File", _depth(plan, group, way.producer) + int(output.is_list)),
        array("int", _index_depth(plan, task, port, way)),
        array("File", way.depth),
    )
    pool = _made_by(plan, group, way.producer, output.name)
    return step(_regroup_name(task, port), tool, {"pool": pool, "index": task.index(port.name)}, ["members"])


def _entries(plan: Plan, child: Group | int) -> Iterator[Entry]:
    """What enters a child of a group, in the order of its ports."""
    nested = isinstance(child, Group)
    group = child.parent if isinstance(child, Group) else plan.structure.group_of[child]
    assert group is not None
    for name in plan.shared:
        yield Entry(name, "File", False, name, name)
    below = [plan.tasks[t] for t in (child.tasks() if isinstance(child, Group) else [child])]
    yield from _init_entries(plan, group, below)
    for task in below:
        inner = _depth(plan, child, task.number) if isinstance(child, Group) else 0
        kind = array(quantum_record(plan, task), inner)
        yield Entry(task.quanta(), kind, nested, task.quanta(), "_quantum")
        for port, way in task.links():
            yield from _link_entries(plan, group, child, task, port, way)


def _init_entries(plan: Plan, group: Group, below: list[TaskPlan]) -> Iterator[Entry]:
    wanted: dict[str, list[str]] = {}
    for task in below:
        for connection, dataset_type in task.init_inputs:
            wanted.setdefault(dataset_type, []).append(connection)
    for dataset_type, connections in wanted.items():
        port = _init_port(plan, dataset_type)
        inside = group is plan.structure.root and dataset_type in plan.init_made
        source = f"_init/{identifier(dataset_type)}" if inside else port
        # A tool may take one schema over two connections; a workflow passes it on once.
        for connection in connections if len(below) == 1 else connections[:1]:
            yield Entry(port, "File", False, source, connection)


def _link_entries(
    plan: Plan, group: Group, child: Group | int, task: TaskPlan, port: Port, way: Link
) -> Iterator[Entry]:
    """The port for a link that crosses into the child, and the index of a regroup that happens inside it."""
    above = [plan.structure.root, *group.path]
    if way.meeting in above:
        passed = len(group.path) - len(way.meeting.path)
        nested = isinstance(child, Group)
        scattered = nested and passed < way.aligned
        depth = way.depth - min(passed + int(nested), way.aligned)
        source = task.port(port.name)
        if way.meeting is group:
            made = _made_by(plan, group, way.producer, _output_name(plan, way))
            source = f"{_regroup_name(task, port)}/members" if way.is_regroup else made
        yield Entry(task.port(port.name), array("File", depth), scattered, source, port.name)
    elif way.is_regroup:
        assert isinstance(child, Group)
        outer = len(way.meeting.path) - len(child.path)
        kind = array("int", outer + _index_depth(plan, task, port, way))
        yield Entry(task.index(port.name), kind, True, task.index(port.name), task.index(port.name))


def _made_by(plan: Plan, group: Group, task: int, output: str) -> str:
    """The step output, in the workflow of `group`, that carries an output of a task in it or below."""
    path = [plan.structure.root, *plan.structure.group_of[task].path]
    place = path.index(group)
    if place == len(path) - 1:
        return f"{plan.tasks[task].id}/{output}"
    child = path[place + 1]
    name = output if plan.only_task(child) is not None else plan.tasks[task].port(output)
    return f"{plan.step_of[child]}/{name}"


def _depth(plan: Plan, group: Group, task: int) -> int:
    """Groups between a group and a task in it or below."""
    return len(plan.structure.group_of[task].path) - len(group.path)


def _index_depth(plan: Plan, task: TaskPlan, port: Port, way: Link) -> int:
    return _depth(plan, way.meeting, task.number) + int(port.is_list)


def _outputs(task: TaskPlan) -> list[tuple[str, bool]]:
    return [*((port.name, port.is_list) for port in task.outputs), ("_record", False)]


def _output_name(plan: Plan, way: Link) -> str:
    return next(each.name for each in plan.tasks[way.producer].outputs if each.number == way.output)


def _regroup_name(task: TaskPlan, port: Port) -> str:
    return f"{task.port(port.name)}_regroup"


def _init_port(plan: Plan, dataset_type: str) -> str:
    return f"_init__{identifier(dataset_type)}"
