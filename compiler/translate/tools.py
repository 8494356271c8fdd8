"""A CommandLineTool for each task, and one for the init job."""

from __future__ import annotations

import cwl_utils.parser.cwl_v1_2 as cwl

from compiler.cwl.build import Type, array, identifier, record
from compiler.rubin.graph import Task
from compiler.runtime.quantum_runner import dataset_name
from compiler.translate.plan import SHARED, Plan, TaskPlan

DEFAULT_CORES, DEFAULT_MEMORY_MIB = 1, 2048
"""What bps asks for where nothing is configured (requestCpus, requestMemory)."""


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
        hints=_hints({"class": "rubin:Task", "label": declared.label}, container),
        requirements=[cwl.InitialWorkDirRequirement(listing=files)] if files else None,
        baseCommand=["python3"],
        arguments=[
            *_runner("quanta"),
            "--task",
            declared.label.replace("$", "\\$"),
            *(f"{d}=$(inputs._quantum.data_id.{d})" for d in declared.dimensions),
        ],
        inputs=[
            *(cwl.CommandInputParameter(id=name, type_="File") for name in SHARED),
            cwl.CommandInputParameter(id="_quantum", type_=quantum_record(plan, task)),
            *(cwl.CommandInputParameter(id=name, type_=kind) for name, kind in _made_ports(task).items()),
        ],
        outputs=[
            *(_output(port.name, port.is_list, f"$(inputs._quantum.outputs.{port.name})") for port in task.outputs),
            _output("_record", False, "$(inputs._quantum.outputs._record)"),
        ],
    )


def init_tool(plan: Plan, container: str | None) -> cwl.CommandLineTool:
    """The tool that writes, once, what tasks need or leave before any quantum runs: schemas, configs, packages."""
    files = [f"$(inputs.{identifier(name)})" for name in plan.init_existing]
    return cwl.CommandLineTool(
        id="_init",
        label="init",
        doc="Writes the init-outputs of every task: schemas, configurations, package versions",
        hints=_hints({"class": "rubin:Init"}, container),
        requirements=[cwl.InitialWorkDirRequirement(listing=files)] if files else None,
        baseCommand=["python3"],
        arguments=_runner("init"),
        inputs=[
            *(cwl.CommandInputParameter(id=name, type_="File") for name in SHARED),
            *(cwl.CommandInputParameter(id=identifier(name), type_="File") for name in plan.init_existing),
        ],
        outputs=[_output(identifier(name), False, dataset_name(name, ())) for name in plan.init_made],
    )


def quantum_record(plan: Plan, task: TaskPlan) -> Type:
    """The type of what a quantum takes from the job order: data id, files that exist already, names of its outputs."""
    declared = plan.graph.tasks[task.number]
    fields = {}
    if declared.dimensions:
        fields["data_id"] = record({d: _value_type(plan, declared, d) for d in declared.dimensions})
    existing = {port.name: array("File", int(port.is_list)) for port in task.inputs if port.exists}
    if existing:
        fields["inputs"] = record(existing)
    named = {port.name: array("string", int(port.is_list)) for port in task.outputs}
    fields["outputs"] = record({**named, "_record": "string"})
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


def _runner(mode: str) -> list[str]:
    return ["$(inputs._runner.path)", mode, "--graph", "$(inputs._graph.path)", "--butler", "$(inputs._butler.path)"]


def _hints(about: dict[str, str], container: str | None) -> list[object]:
    hints: list[object] = [about, cwl.ResourceRequirement(coresMin=DEFAULT_CORES, ramMin=DEFAULT_MEMORY_MIB)]
    if container:
        hints.append(cwl.DockerRequirement(dockerPull=container))
    return hints
