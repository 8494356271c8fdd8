"""A CommandLineTool for each task, and one for the init job."""

from __future__ import annotations

import cwl_utils.parser.cwl_v1_2 as cwl

from compiler.cwl.build import Type, array, identifier, record
from compiler.rubin.graph import Task
from compiler.runtime.quantum_runner import dataset_name
from compiler.translate.hints import FRACTIONS, cluster_hint, request_hints, varying
from compiler.translate.plan import BUTLER, GRAPH, RUNNER, SHARED, Plan, TaskPlan


def task_tool(plan: Plan, task: TaskPlan, container: str | None) -> cwl.CommandLineTool:
    """The tool that runs one quantum of a task."""
    declared = plan.graph.tasks[task.number]
    files = [f"$(inputs._quantum.inputs.{port.name})" for port in task.inputs if port.exists]
    files += [f"$(inputs.{name})" for name in _made_ports(task)]
    each = ", ".join(declared.dimensions)
    return cwl.CommandLineTool(
        id=task.id,
        label=declared.label,
        doc=f"{declared.task_class}, a quantum for each {each}" if each else f"{declared.task_class}, one quantum",
        hints=[
            {"class": "rubin:Task", "label": declared.label},
            *cluster_hint(plan, task.number),
            *request_hints(plan, task.number),
            *_container(container),
        ],
        requirements=[cwl.InitialWorkDirRequirement(listing=files)] if files else None,
        baseCommand=["python3"],
        arguments=[
            *_runner("quanta", "_graph" if GRAPH in plan.shared else "_quantum.graph"),
            "--task",
            declared.label.replace("$", "\\$"),
            *(f"{d}=$(inputs._quantum.data_id.{d})" for d in declared.dimensions),
        ],
        inputs=[
            *(cwl.CommandInputParameter(id=name, type_="File") for name in plan.shared),
            cwl.CommandInputParameter(id="_quantum", type_=quantum_record(plan, task)),
            *(cwl.CommandInputParameter(id=name, type_=kind) for name, kind in _made_ports(task).items()),
        ],
        outputs=[
            *(_output(port.name, port.is_list, port.pattern or _told(port.name)) for port in task.outputs),
            _output("_record", False, task.record or _told("_record")),
        ],
    )


def init_tool(plan: Plan, container: str | None) -> cwl.CommandLineTool:
    """The tool that writes, once, what tasks need or leave before any quantum runs: schemas, configs, packages."""
    files = [f"$(inputs.{identifier(name)})" for name in plan.init_existing]
    return cwl.CommandLineTool(
        id="_init",
        label="init",
        doc="Writes the init-outputs of every task: schemas, configurations, package versions",
        hints=[{"class": "rubin:Init"}, *request_hints(plan, None), *_container(container)],
        requirements=[cwl.InitialWorkDirRequirement(listing=files)] if files else None,
        baseCommand=["python3"],
        arguments=_runner("init", "_graph"),
        inputs=[
            *(cwl.CommandInputParameter(id=name, type_="File") for name in SHARED),
            *(cwl.CommandInputParameter(id=identifier(name), type_="File") for name in plan.init_existing),
        ],
        outputs=[_output(identifier(name), False, dataset_name(name, ())) for name in plan.init_made],
    )


def quantum_record(plan: Plan, task: TaskPlan) -> Type:
    """The type of what a quantum takes from the job order: data id, files that exist already, names of its outputs."""
    declared = plan.graph.tasks[task.number]
    fields: dict[str, Type] = {}
    if declared.dimensions:
        fields["data_id"] = record({d: _value_type(plan, declared, d) for d in declared.dimensions})
    existing = {port.name: array("File", int(port.is_list)) for port in task.inputs if port.exists}
    if existing:
        fields["inputs"] = record(existing)
    named = {port.name: array("string", int(port.is_list)) for port in task.outputs if port.pattern is None}
    if task.record is None:
        named["_record"] = "string"
    if named:
        fields["outputs"] = record(named)
    if GRAPH not in plan.shared:
        fields["graph"] = "File"
    if plan.runtime.clustering is not None:
        fields["cluster"] = "int"
    if numbers := varying(plan, task.number):
        fields["request"] = record({name: "float" if name in FRACTIONS else "long" for name in numbers})
    return record(fields)


def _value_type(plan: Plan, task: Task, dimension: str) -> str:
    # Exposure ids of LSSTCam need more than 32 bits.
    values = plan.graph.vocabulary.get(dimension, ())
    return "long" if values and all(isinstance(v, int) for v in values) else "string"


def _made_ports(task: TaskPlan) -> dict[str, Type]:
    """Ports fed by the workflow: connections, then init-inputs."""
    ports: dict[str, Type] = {port.name: array("File", int(port.is_list)) for port, _ in task.links()}
    ports.update({connection: "File" for connection, _ in task.init_inputs})
    return ports


def _output(name: str, is_list: bool, glob: str) -> cwl.CommandOutputParameter:
    kind = cwl.CommandOutputArraySchema(items="File", type_="array") if is_list else "File"
    return cwl.CommandOutputParameter(id=name, type_=kind, outputBinding=cwl.CommandOutputBinding(glob=glob))


def _told(port: str) -> str:
    return f"$(inputs._quantum.outputs.{port})"


def _runner(mode: str, graph: str) -> list[str]:
    return [
        f"$(inputs.{RUNNER}.path)",
        mode,
        "--graph",
        f"$(inputs.{graph}.path)",
        "--butler",
        f"$(inputs.{BUTLER}.path)",
    ]


def _container(image: str | None) -> list[object]:
    return [cwl.DockerRequirement(dockerPull=image)] if image else []
