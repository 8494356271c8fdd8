"""``summary.json``: what was compiled, in counts that people and programs can read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.diagnostics import Diagnostic, Span

if TYPE_CHECKING:
    from compiler.jobs import JobGraph
    from compiler.preparation import Prepared
    from compiler.rubin import Pipeline, QuantumGraph
    from compiler.translate import Workflow

FORMAT = "rubincwl-summary 1"


def summarise(
    pipeline: Pipeline,
    graph: QuantumGraph,
    workflow: Workflow,
    jobs: dict[str, Any] | None,
    prepared: Prepared,
    target: str,
    findings: Iterable[Diagnostic],
) -> dict[str, Any]:
    """The summary, with what `summarise_jobs` said if there are jobs.

    The same for the same input: it holds no time, no host and no path of its own.
    """
    return {
        "format": FORMAT,
        "target": target,
        "pipeline": {
            "description": pipeline.description,
            "instrument": pipeline.instrument,
            "tasks": [
                {
                    "label": task.label,
                    "class": task.task_class,
                    "dimensions": list(task.dimensions),
                    "quanta": len(graph.quanta_of(number)),
                }
                for number, task in enumerate(graph.tasks)
            ],
        },
        "graph": {
            "quanta": graph.n_quanta,
            "datasets": graph.n_datasets,
            "overall_inputs": int((graph.producer < 0).sum()) - len(graph.init_made),
            "reads": len(graph.reads.dataset),
            "writes": len(graph.writes.dataset),
            "output_run": graph.output_run,
        },
        "workflow": _workflow(workflow),
        "clusters": _clusters(prepared),
        "jobs": jobs,
        "findings": [_plain(each) for each in findings if each.severity != "note"],
    }


def summarise_jobs(graph: QuantumGraph, jobs: JobGraph) -> dict[str, Any]:
    """The part that tells of jobs."""
    made = len(jobs.files) - jobs.files.existing
    return {
        "count": len(jobs),
        "files": len(jobs.files),
        "staged_in": len(jobs.inputs.item),
        "staged_out": len(jobs.outputs.item),
        "inside": made - len(jobs.outputs.item),
        "inside_types": _inside(graph, jobs),
    }


def _inside(graph: QuantumGraph, jobs: JobGraph) -> dict[str, int]:
    """How many datasets of each type no job hands out, in the order of the tasks that make them."""
    types = {(task.label, each.name): each.dataset_type for task in graph.tasks for each in task.connections}
    stays = np.ones(len(jobs.files), dtype=bool)
    stays[jobs.outputs.item] = False
    counts = {
        types[label, port.name]: int(np.count_nonzero(stays[port.first : port.last]))
        for port in jobs.files.ports
        if (label := jobs.calls.tools[port.tool].label) is not None and (label, port.name) in types
    }
    return {name: count for name, count in counts.items() if count}


def json_text(content: dict[str, Any]) -> str:
    """JSON as it stands in our small files: indented, keys in the order given."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def target_of(out: Path) -> str | None:
    """The target that the summary in the output folder `out` names; None where there is no summary."""
    try:
        said = json.loads((out / "summary.json").read_bytes())
    except (OSError, ValueError):
        return None
    return said.get("target") if isinstance(said, dict) else None


def _workflow(workflow: Workflow) -> dict[str, Any]:
    count = {"CommandLineTool": 0, "Workflow": 0, "ExpressionTool": 0}
    steps = 0
    for process in workflow.document["$graph"]:
        count[process["class"]] = count.get(process["class"], 0) + 1
        steps += len(process.get("steps", ()))
        count["ExpressionTool"] += sum(
            isinstance(step["run"], dict) and step["run"].get("class") == "ExpressionTool"
            for step in process.get("steps", {}).values()
        )
    return {
        "bytes": len(workflow.document_text().encode()),
        "tools": count["CommandLineTool"],
        "workflows": count["Workflow"],
        "steps": steps,
        "regroups": [
            {"task": each.task, "connection": each.connection, "within": list(each.within)}
            for each in workflow.regroups
        ],
    }


def _clusters(prepared: Prepared) -> dict[str, Any]:
    sizes = np.bincount(prepared.clustering.of)
    shards = prepared.runtime.shards
    return {
        "count": len(sizes),
        "largest": int(sizes.max(initial=0)),
        "said": prepared.clustering.said,
        "shards": 0 if shards is None else int(shards.max(initial=-1)) + 1,
    }


def _plain(finding: Diagnostic) -> dict[str, Any]:
    place = finding.place
    line = {"line": place.line, "column": place.column} if isinstance(place, Span) else {}
    return {"severity": finding.severity, "code": finding.code, "message": finding.message, **line}
