"""From the rubin representation to CWL: a quantum graph becomes a workflow and its job order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.rubin import QuantumGraph

if TYPE_CHECKING:
    from compiler.translate.plan import Runtime


@dataclass(frozen=True)
class Regroup:
    """A step that waits for a whole array before it hands files on: a barrier."""

    task: str
    connection: str
    within: tuple[str, ...]
    """Dimensions of one member of which it waits for the whole; empty for the whole workflow."""


@dataclass(frozen=True)
class Workflow:
    """A CWL document with the job order that makes it this graph."""

    document: dict[str, Any]
    """Grows with the pipeline, not with the number of quanta."""
    job_order: dict[str, Any]
    regroups: tuple[Regroup, ...]

    def document_text(self) -> str:
        """``workflow.cwl``."""
        from compiler.cwl import dump_document

        return dump_document(self.document)

    def job_order_bytes(self) -> bytes:
        """``job.json``."""
        from compiler.cwl import dump_job_order

        return dump_job_order(self.job_order)


def translate(
    graph: QuantumGraph,
    *,
    description: str | None = None,
    container: str | None = None,
    runtime: Runtime | None = None,
) -> Workflow:
    """The workflow of a quantum graph; raises `CompileError` for what CWL cannot say.

    `runtime` holds what quanta ask for and which run together: hints in the document, numbers in the job order.

    `description` is the pipeline's, for people. With `container`, an image's name, every tool hints at it; engines
    that start containers on such a hint are why it is left out by default.
    """
    from compiler.cwl import plain
    from compiler.cwl.build import NAMESPACES
    from compiler.translate.order import job_order
    from compiler.translate.plan import make_plan
    from compiler.translate.tools import init_tool, task_tool
    from compiler.translate.workflows import main_workflow

    plan = make_plan(graph, runtime)
    built = [task_tool(plan, task, container) for task in plan.tasks]
    if plan.init_made:
        built.append(init_tool(plan, container))
    *inner, main = main_workflow(plan)
    if description:
        main.doc = description
    saved = [each.save(top=False, base_url="", relative_uris=False) for each in (*built, *inner, main)]
    document = {"cwlVersion": "v1.2", "$namespaces": NAMESPACES, "$graph": [plain(each) for each in saved]}
    regroups = tuple(
        Regroup(graph.tasks[task.number].label, port.name, tuple(d for g in way.meeting.path for d in g.dimensions))
        for task in plan.tasks
        for port, way in task.links()
        if way.is_regroup
    )
    return Workflow(document, job_order(plan), regroups)
