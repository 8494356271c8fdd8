"""A small dark-like graph and the CWL for it, both written by hand: nothing here comes from the translator.

isr     detector, exposure   raw, bias -> image      2 detectors x 2 exposures
clean   detector, exposure   image -> cleaned
combine detector             cleaned (all exposures) -> dark
stack   exposure             dark, cleaned (some of both) -> stacked, one a detector
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import yaml

from compiler.rubin import Connection, DatasetType, GraphBuilder, QuantumGraph, StoredFile, Task

DETECTORS, EXPOSURES = (0, 1), (1000, 1001)
STACKED = {1000: [(0, 1000), (1, 1000), (0, 1001)], 1001: [(1, 1001)]}
"""The cleaned images, by detector and exposure, that a stack of an exposure takes: overlapping, ragged."""


def uuid(name: str) -> UUID:
    """An id that follows from a name."""
    return uuid5(NAMESPACE_URL, name)


def tail(name: str) -> str:
    """What the file name of an existing dataset ends with."""
    return f"+u{uuid(name).hex[-12:]}"


def graph(variant: str = "") -> QuantumGraph:
    """The quantum graph; a `variant` gives every quantum another id."""
    builder = GraphBuilder("hand.qg", "run")
    image = ("instrument", "detector", "exposure")
    types = {"raw": image, "bias": image[:2], "image": image, "cleaned": image, "dark": image[:2], "stacked": image}
    types |= {"schema": (), "isr_config": (), "packages": (), "old_schema": ()}
    tasks = {"isr": image, "clean": image, "combine": image[:2], "stack": ("instrument", "exposure")}
    types |= {f"{label}_{extra}": dims for label, dims in tasks.items() for extra in ("metadata", "log")}
    for name, dims in types.items():
        builder.add_dataset_type(DatasetType(name, dims))
    ports = {
        "isr": (["raw", "bias"], ["image"]),
        "clean": (["image"], ["cleaned"]),
        "combine": (["cleaned"], ["dark"]),
        "stack": (["dark", "cleaned"], ["stacked"]),
    }
    for label, (reads, writes) in ports.items():
        connections = [Connection(name, name, "input", types[name]) for name in reads]
        connections += [Connection(name, name, "output", types[name]) for name in writes]
        connections += [Connection(f"_{x}", f"{label}_{x}", "output", tasks[label]) for x in ("metadata", "log")]
        if label == "clean":
            connections.append(Connection("inSchema", "schema", "init-input"))
        if label == "isr":
            made = (("schema", "schema"), ("_config", "isr_config"))
            connections += [Connection(name, kind, "init-output") for name, kind in made]
            connections.append(Connection("oldSchema", "old_schema", "init-input"))
        builder.add_task(Task(label, f"test.{label.title()}", tasks[label], (), tuple(connections)))

    def dataset(name: str, *values: int) -> int:
        text = f"{name}{values}"
        made = name not in ("raw", "bias", "old_schema")
        file = None if made else StoredFile(f"store/{name}_{'_'.join(map(str, values))}.json", 100 + sum(values))
        full = ("Cam", *values) if types[name] else ()
        return builder.add_dataset(name, full, "run" if made else "in", uuid(text).bytes, file)

    def quantum(
        label: str, values: tuple[int, ...], inputs: dict[str, list[int]], outputs: dict[str, list[int]]
    ) -> None:
        outputs |= {f"_{x}": [dataset(f"{label}_{x}", *values)] for x in ("metadata", "log")}
        builder.add_quantum(label, ("Cam", *values), uuid(f"{variant}{label}{values}").bytes, inputs, outputs)

    for d in DETECTORS:
        for e in EXPOSURES:
            both = {"raw": [dataset("raw", d, e)], "bias": [dataset("bias", d)]}
            quantum("isr", (d, e), both, {"image": [dataset("image", d, e)]})
            quantum("clean", (d, e), {"image": [dataset("image", d, e)]}, {"cleaned": [dataset("cleaned", d, e)]})
        all_of_it = [dataset("cleaned", d, e) for e in EXPOSURES]
        quantum("combine", (d,), {"cleaned": all_of_it}, {"dark": [dataset("dark", d)]})
    for e, members in STACKED.items():
        darks = [dataset("dark", d) for d in sorted({d for d, _ in members})]
        some = [dataset("cleaned", *each) for each in members]
        quantum(
            "stack", (e,), {"dark": darks, "cleaned": some}, {"stacked": [dataset("stacked", d, e) for d in DETECTORS]}
        )
    isr_init = {"schema": [dataset("schema")], "_config": [dataset("isr_config")]}
    builder.add_init("isr", uuid("isr init").bytes, {"oldSchema": [dataset("old_schema")]}, isr_init)
    builder.add_init("clean", uuid("clean init").bytes, {"inSchema": [dataset("schema")]}, {})
    builder.add_init("", uuid("packages").bytes, {}, {"packages": [dataset("packages")]})
    return builder.finish()


def _tool(label: str, dims: list[str], before: dict[str, str], ports: dict[str, str], outputs: dict[str, str]) -> Any:
    outputs = {**outputs, "_metadata": "string", "_log": "string", "_record": "string"}
    quantum = {
        "data_id": {"type": "record", "fields": {d: "string" if d == "instrument" else "long" for d in dims}},
        "outputs": {"type": "record", "fields": outputs},
    }
    if before:
        quantum["inputs"] = {"type": "record", "fields": before}
    listing = [f"$(inputs._quantum.inputs.{name})" for name in before] + [f"$(inputs.{name})" for name in ports]
    return {
        "class": "CommandLineTool",
        "id": label,
        "hints": [{"class": "rubin:Task", "label": label}],
        "requirements": [{"class": "InitialWorkDirRequirement", "listing": listing}],
        "baseCommand": ["python3"],
        "arguments": ["$(inputs._runner.path)", "quanta", "--graph", "$(inputs._graph.path)", "--butler"]
        + ["$(inputs._butler.path)", "--task", label]
        + [f"{d}=$(inputs._quantum.data_id.{d})" for d in dims],
        "inputs": {
            "_runner": "File",
            "_graph": "File",
            "_butler": "File",
            "_quantum": {"type": {"type": "record", "fields": {n: {"type": t} for n, t in quantum.items()}}},
            **ports,
        },
        "outputs": {
            name: {
                "type": "File[]" if kind == "string[]" else "File",
                "outputBinding": {"glob": f"$(inputs._quantum.outputs.{name})"},
            }
            for name, kind in outputs.items()
        },
    }


_REST = """
- class: CommandLineTool
  id: _init
  hints: [{class: "rubin:Init"}]
  requirements: [{class: InitialWorkDirRequirement, listing: [$(inputs.old_schema)]}]
  baseCommand: python3
  arguments: [$(inputs._runner.path), init, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path)]
  inputs: {_runner: File, _graph: File, _butler: File, old_schema: File}
  outputs:
    schema: {type: File, outputBinding: {glob: schema}}
    isr_config: {type: File, outputBinding: {glob: isr_config}}
    packages: {type: File, outputBinding: {glob: packages}}
- class: ExpressionTool
  id: regroup
  requirements: [{class: InlineJavascriptRequirement}]
  inputs:
    pool: {type: {type: array, items: {type: array, items: File}}}
    index: {type: {type: array, items: {type: array, items: int}}}
  outputs: {members: {type: {type: array, items: {type: array, items: File}}}}
  expression: |
    ${
      var flat = [].concat.apply([], inputs.pool);
      return {members: inputs.index.map(function (row) { return row.map(function (i) { return flat[i]; }); })};
    }
- class: Workflow
  id: image
  inputs: &common {_runner: File, _graph: File, _butler: File, isr: Any, clean: Any, schema: File, old_schema: File}
  outputs:
    cleaned: {type: File, outputSource: clean/cleaned}
    all: {type: "File[]", outputSource: [isr/image, isr/_metadata, isr/_log, isr/_record, clean/_metadata, clean/_log,
                                         clean/_record], linkMerge: merge_nested}
  requirements: {MultipleInputFeatureRequirement: {}}
  steps:
    isr:
      run: "#isr"
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: isr, oldSchema: old_schema}
      out: [image, _metadata, _log, _record]
    clean:
      run: "#clean"
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: clean, image: isr/image, inSchema: schema}
      out: [cleaned, _metadata, _log, _record]
- class: Workflow
  id: detector
  inputs: {_runner: File, _graph: File, _butler: File, isr: Any, clean: Any, combine: Any, schema: File,
           old_schema: File}
  outputs:
    cleaned: {type: "File[]", outputSource: image/cleaned}
    dark: {type: File, outputSource: combine/dark}
    all: {type: {type: array, items: {type: array, items: File}}, outputSource: image/all}
    more: {type: "File[]", outputSource: [combine/_metadata, combine/_log, combine/_record]}
  requirements: {ScatterFeatureRequirement: {}, SubworkflowFeatureRequirement: {}, MultipleInputFeatureRequirement: {}}
  steps:
    combine:
      run: "#combine"
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: combine, cleaned: image/cleaned}
      out: [dark, _metadata, _log, _record]
    image:
      run: "#image"
      in: {_runner: _runner, _graph: _graph, _butler: _butler, isr: isr, clean: clean, schema: schema,
           old_schema: old_schema}
      scatter: [isr, clean]
      scatterMethod: dotproduct
      out: [cleaned, all]
- class: Workflow
  id: main
  inputs: {_runner: File, _graph: File, _butler: File, isr: Any, clean: Any, combine: Any, stack: Any,
           old_schema: File, cleaned_index: Any, dark_index: Any}
  outputs:
    init: {type: "File[]", outputSource: [_init/schema, _init/isr_config, _init/packages]}
    cleaned: {type: Any, outputSource: detector/cleaned}
    dark: {type: "File[]", outputSource: detector/dark}
    all: {type: Any, outputSource: detector/all}
    more: {type: Any, outputSource: detector/more}
    stacked: {type: Any, outputSource: stack/stacked}
    rest: {type: "File[]", outputSource: [stack/_metadata, stack/_log, stack/_record], linkMerge: merge_flattened}
  requirements: {ScatterFeatureRequirement: {}, SubworkflowFeatureRequirement: {}, MultipleInputFeatureRequirement: {}}
  steps:
  - id: _init
    run: "#_init"
    in: {_runner: _runner, _graph: _graph, _butler: _butler, old_schema: old_schema}
    out: [schema, isr_config, packages]
  - id: detector
    run: "#detector"
    in: {_runner: _runner, _graph: _graph, _butler: _butler, isr: isr, clean: clean, combine: combine,
         schema: _init/schema, old_schema: old_schema}
    scatter: [isr, clean, combine]
    scatterMethod: dotproduct
    out: [cleaned, dark, all, more]
  - id: regroup_cleaned
    run: "#regroup"
    in: {pool: detector/cleaned, index: cleaned_index}
    out: [members]
  - id: regroup_dark
    run: "#regroup"
    in: {pool: {source: [detector/dark], linkMerge: merge_nested}, index: dark_index}
    out: [members]
  - id: stack
    run: "#stack"
    in:
    - {id: _runner, source: "#main/_runner"}
    - {id: _graph, source: "#main/_graph"}
    - {id: _butler, source: "#main/_butler"}
    - {id: _quantum, source: "#main/stack"}
    - {id: cleaned, source: "#main/regroup_cleaned/members"}
    - {id: dark, source: "#main/regroup_dark/members"}
    scatter: [_quantum, cleaned, dark]
    scatterMethod: dotproduct
    out: [stacked, _metadata, _log, _record]
"""


def document() -> dict[str, Any]:
    """The workflow, as it would be read from its text."""
    image = ["instrument", "detector", "exposure"]
    tools = [
        _tool("isr", image, {"raw": "File", "bias": "File"}, {"oldSchema": "File"}, {"image": "string"}),
        _tool("clean", image, {}, {"image": "File", "inSchema": "File"}, {"cleaned": "string"}),
        _tool("combine", image[:2], {}, {"cleaned": "File[]"}, {"dark": "string"}),
        _tool(
            "stack", ["instrument", "exposure"], {}, {"cleaned": "File[]", "dark": "File[]"}, {"stacked": "string[]"}
        ),
    ]
    return {
        "cwlVersion": "v1.2",
        "$namespaces": {"rubin": "urn:rubincwl:"},
        "$graph": tools + yaml.safe_load(_REST),
    }


def job_order() -> dict[str, Any]:
    """The job order; the names of files are spelled out, not computed by the function that the compiler uses."""

    def existing(name: str, *values: int) -> dict[str, Any]:
        base = "-".join(map(str, (name, *(("Cam", *values) if values else ())))) + tail(f"{name}{values}")
        location = f"inputs/store/{name}_{'_'.join(map(str, values))}.json"
        return {"class": "File", "location": location, "basename": base, "size": 100 + sum(values)}

    def quantum(label: str, data_id: dict[str, Any], outputs: dict[str, Any], **inputs: Any) -> dict[str, Any]:
        here = "-".join(map(str, data_id.values()))
        outputs |= {f"_{x}": f"{label}_{x}-{here}" for x in ("metadata", "log", "record")}
        return {"data_id": data_id, "outputs": outputs} | ({"inputs": inputs} if inputs else {})

    def one(label: str, made: str, d: int, e: int, **inputs: Any) -> dict[str, Any]:
        return quantum(
            label, {"instrument": "Cam", "detector": d, "exposure": e}, {made: f"{made}-Cam-{d}-{e}"}, **inputs
        )

    place = {pair: i for i, pair in enumerate((d, e) for d in DETECTORS for e in EXPOSURES)}
    names = {"_runner": "quantum_runner.pyz", "_graph": "graph.qg", "_butler": "butler.yaml"}
    return {
        **{port: {"class": "File", "location": f"runtime/{name}"} for port, name in names.items()},
        "old_schema": existing("old_schema"),
        "isr": [
            [one("isr", "image", d, e, raw=existing("raw", d, e), bias=existing("bias", d)) for e in EXPOSURES]
            for d in DETECTORS
        ],
        "clean": [[one("clean", "cleaned", d, e) for e in EXPOSURES] for d in DETECTORS],
        "combine": [
            quantum("combine", {"instrument": "Cam", "detector": d}, {"dark": f"dark-Cam-{d}"}) for d in DETECTORS
        ],
        "stack": [
            quantum(
                "stack",
                {"instrument": "Cam", "exposure": e},
                {"stacked": [f"stacked-Cam-{d}-{e}" for d in DETECTORS]},
            )
            for e in STACKED
        ],
        "cleaned_index": [[place[each] for each in members] for members in STACKED.values()],
        "dark_index": [sorted({d for d, _ in members}) for members in STACKED.values()],
    }
