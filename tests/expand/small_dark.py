"""A small workflow by hand, of the shape that the compiler writes: isr and cpDark an exposure, combine a detector."""

from __future__ import annotations

from functools import partial
from typing import Any

from compiler.runtime.quantum_runner import dataset_name, record_name

RUNTIME = ["_runner", "_graph", "_butler"]
LABELS = {"isr": "isr", "cp_dark": "cpDark:v2", "combine": "combine"}


def document(patterns: bool = False, hints: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """As cwl-utils would save it, ids plain.

    With `patterns` the tools say the names of outputs, else each quantum's record does; `hints` are those of every
    tool, further ones.
    """
    tool = partial(_tool, patterns=patterns, hints=hints or [])
    return {
        "cwlVersion": "v1.2",
        "$namespaces": {"rubin": "urn:rubincwl:"},
        "$graph": [
            _init(),
            tool("isr", ["exposure", "detector"], [], "out", existing=["raw"]),
            tool("cp_dark", ["exposure", "detector"], [("inp", "File")], "out"),
            tool("combine", ["detector"], [("inp", "File[]"), ("schema", "File")], "dark"),
            {
                "class": "Workflow",
                "id": "per_exposure",
                "inputs": [*_files(RUNTIME), *_any(["isr", "cp_dark"])],
                "outputs": [{"id": "processed", "type": "File", "outputSource": "cp_dark/out"}],
                "steps": [
                    _step("cp_dark", "cp_dark", {"_quantum": "cp_dark", "inp": "isr/out"}, ["out"]),
                    _step("isr", "isr", {"_quantum": "isr"}, ["out"]),
                ],
            },
            {
                "class": "Workflow",
                "id": "per_detector",
                "requirements": [{"class": "ScatterFeatureRequirement"}, {"class": "SubworkflowFeatureRequirement"}],
                "inputs": [*_files([*RUNTIME, "schema"]), *_any(["isr", "cp_dark", "combine"])],
                "outputs": [{"id": "dark", "type": "File", "outputSource": "combine/dark"}],
                "steps": [
                    {
                        **_step("per_exposure", "per_exposure", {"isr": "isr", "cp_dark": "cp_dark"}, ["processed"]),
                        "scatter": ["isr", "cp_dark"],
                        "scatterMethod": "dotproduct",
                    },
                    _step(
                        "combine",
                        "combine",
                        {"_quantum": "combine", "inp": "per_exposure/processed", "schema": "schema"},
                        ["dark"],
                    ),
                ],
            },
            {
                "class": "Workflow",
                "id": "main",
                "requirements": [{"class": "ScatterFeatureRequirement"}, {"class": "SubworkflowFeatureRequirement"}],
                "inputs": [*_files(RUNTIME), *_any(["isr", "cp_dark", "combine"])],
                "outputs": [{"id": "combine__dark", "type": "File[]", "outputSource": "per_detector/dark"}],
                "steps": [
                    _step("_init", "_init", {}, ["dark_schema"]),
                    {
                        **_step(
                            "per_detector",
                            "per_detector",
                            {"isr": "isr", "cp_dark": "cp_dark", "combine": "combine", "schema": "_init/dark_schema"},
                            ["dark"],
                        ),
                        "scatter": ["isr", "cp_dark", "combine"],
                        "scatterMethod": "dotproduct",
                    },
                ],
            },
        ],
    }


def job_order(
    exposures: int = 1, detectors: int = 2, instrument: str = "MockCam", patterns: bool = False
) -> dict[str, Any]:
    def raw(e: int, d: int) -> dict[str, Any]:
        name = dataset_name("raw", [instrument, d, e], f"{e * 1000 + d:032x}")
        return {"class": "File", "location": f"inputs/raw/all/raw_{e}_{d}.json", "basename": name, "size": 508}

    def record(tool: str, data_id: dict[str, Any], out: str, inputs: dict[str, Any]) -> dict[str, Any]:
        values, label = list(data_id.values()), LABELS[tool]
        outputs = {
            out: dataset_name(tool + "_" + out, values),
            "_metadata": dataset_name(tool + "_metadata", values),
            "_record": record_name(label, values),
        }
        named = {} if patterns else {"outputs": outputs}
        return {"data_id": data_id, **named, **({"inputs": inputs} if inputs else {})}

    def at(e: int, d: int) -> dict[str, Any]:
        return {"instrument": instrument, "detector": d, "exposure": e}

    every = [(d, range(1000, 1000 + exposures)) for d in range(detectors)]
    places = {"_runner": "quantum_runner.pyz", "_graph": "graph.qg", "_butler": "butler.yaml"}
    return {
        **{key: {"class": "File", "location": f"runtime/{name}"} for key, name in places.items()},
        "isr": [[record("isr", at(e, d), "out", {"raw": raw(e, d)}) for e in row] for d, row in every],
        "cp_dark": [[record("cp_dark", at(e, d), "out", {}) for e in row] for d, row in every],
        "combine": [record("combine", {"instrument": instrument, "detector": d}, "dark", {}) for d, _ in every],
    }


def _files(names: list[str]) -> list[dict[str, Any]]:
    return [{"id": name, "type": "File"} for name in names]


def _any(names: list[str]) -> list[dict[str, Any]]:
    return [{"id": name, "type": "Any"} for name in names]


def _step(id: str, run: str, links: dict[str, str], out: list[str]) -> dict[str, Any]:
    links = {**{name: name for name in RUNTIME}, **links}
    return {"id": id, "run": f"#{run}", "in": [{"id": k, "source": v} for k, v in links.items()], "out": out}


def _init() -> dict[str, Any]:
    return {
        "class": "CommandLineTool",
        "id": "_init",
        "hints": [{"class": "rubin:Init"}],
        "baseCommand": ["python3"],
        "arguments": [
            "$(inputs._runner.path)",
            "init",
            "--graph",
            "$(inputs._graph.path)",
            "--butler",
            "$(inputs._butler.path)",
        ],
        "inputs": _files(RUNTIME),
        "outputs": [{"id": "dark_schema", "type": "File", "outputBinding": {"glob": "dark_schema"}}],
    }


def _tool(
    id: str,
    dimensions: list[str],
    ports: list[tuple[str, str]],
    out: str,
    existing: list[str] | None = None,
    *,
    patterns: bool,
    hints: list[dict[str, Any]],
) -> dict[str, Any]:
    data_id = ["instrument", *reversed(dimensions)]

    def output(port: str) -> dict[str, Any]:
        glob = f"$(inputs._quantum.outputs.{port})"
        if patterns:
            stem = record_name(LABELS[id], ()) if port == "_record" else f"{id}_{port.lstrip('_')}"
            glob = "-".join([stem, *(f"$(inputs._quantum.data_id.{d})" for d in data_id)])
        return {"id": port, "type": "File", "outputBinding": {"glob": glob}}

    return {
        "class": "CommandLineTool",
        "id": id,
        "hints": [
            {"class": "rubin:Task", "label": LABELS[id]},
            {"class": "ResourceRequirement", "coresMin": 1, "ramMin": 3000 if id == "combine" else 2048},
            *hints,
        ],
        "baseCommand": ["python3"],
        "arguments": [
            "$(inputs._runner.path)",
            "quanta",
            "--graph",
            "$(inputs._graph.path)",
            "--butler",
            "$(inputs._butler.path)",
            "--task",
            LABELS[id],
            *(f"{d}=$(inputs._quantum.data_id.{d})" for d in data_id),
        ],
        "inputs": [*_files(RUNTIME), {"id": "_quantum", "type": "Any"}, *({"id": p, "type": t} for p, t in ports)],
        "outputs": [output(port) for port in (out, "_metadata", "_record")],
    }
