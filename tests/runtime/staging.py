"""Plays the workflow system: puts the inputs of a quantum into a folder and calls the runner there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler.frontend.qg import read_qg
from compiler.rubin import Quantum, QuantumGraph
from compiler.runtime.bundle import write_runner
from compiler.runtime.quantum_runner import butler_config, dataset_name, record_name


@dataclass(frozen=True)
class Staging:
    """A graph, the repository that holds its existing inputs, and a pool of what jobs have made so far."""

    graph_file: Path
    repo: Path
    pool: Path

    @cached_property
    def graph(self) -> QuantumGraph:
        return read_qg(self.graph_file)

    @cached_property
    def butler(self) -> Path:
        self.pool.mkdir(parents=True, exist_ok=True)
        file = self.pool / "butler.yaml"
        file.write_text(butler_config())
        return file

    @cached_property
    def runner(self) -> Path:
        self.pool.mkdir(parents=True, exist_ok=True)
        return write_runner(self.pool / "quantum_runner.pyz")

    def quantum(self, label: str, **data_id: Any) -> Quantum:
        fits = (q for q in self.graph.quanta() if q.label == label and data_id.items() <= q.data_id.items())
        return next(fits)

    def name(self, dataset: int) -> str:
        each = self.graph.dataset(dataset)
        existing = each.id.hex if self.graph.exists_before(dataset) else None
        return dataset_name(each.type, each.data_id.values(), existing)

    def stage(self, folder: Path, *quanta: Quantum) -> list[str]:
        """Link the inputs of the quanta that no other of them makes; returns their names, sorted."""
        folder.mkdir(parents=True, exist_ok=True)
        made = {d for q in quanta for row in q.outputs.values() for d in row}
        wanted = {d for q in quanta for row in q.inputs.values() for d in row} - made
        init = {each.label: each for each in self.graph.init}
        wanted |= {d for q in quanta for row in init[q.label].inputs.values() for d in row}
        for dataset in wanted:
            file = self.graph.dataset(dataset).file
            source = self.pool / self.name(dataset) if file is None else self.repo / file.path
            os.symlink(source, folder / self.name(dataset))
        return sorted(map(self.name, wanted))

    def command(self, *quanta: Quantum, more: tuple[str, ...] = ()) -> list[str]:
        verb = "quanta" if quanta else "init"
        command = [sys.executable, str(self.runner), verb, "--graph", str(self.graph_file)]
        command += ["--butler", str(self.butler), *more]
        for each in quanta:
            command += ["--task", each.label, *(f"{k}={v}" for k, v in each.data_id.items())]
        return command

    def call(self, folder: Path, *quanta: Quantum, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run quanta, or with none the init outputs, in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        return subprocess.run(self.command(*quanta, more=more), cwd=folder, capture_output=True, text=True)

    def record(self, folder: Path, quantum: Quantum) -> dict[str, Any]:
        file = folder / record_name(quantum.label, quantum.data_id.values())
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def collect(self, folder: Path) -> None:
        """Keep what a job made, as a workflow system would."""
        self.pool.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if not file.is_symlink():
                shutil.copy(file, self.pool)


def make_graph(repo: Path, pipeline: str, out: Path, *, attach_datastore_records: bool = True) -> Path:
    """A real quantum graph of another pipeline text on the repository of demonstration data."""
    from lsst.daf.butler import Butler
    from lsst.pipe.base import Pipeline
    from lsst.pipe.base.all_dimensions_quantum_graph_builder import AllDimensionsQuantumGraphBuilder

    out.mkdir(parents=True)
    (out / "pipeline.yaml").write_text(pipeline)
    with Butler.from_config(str(repo)) as butler:
        builder = AllDimensionsQuantumGraphBuilder(
            Pipeline.fromFile(str(out / "pipeline.yaml")).to_graph(),
            butler,
            input_collections=["defaults"],
            output_run="u/test/run",
            where="instrument = 'MockCam'",
        )
        parts = builder.finish(output="u/test", attach_datastore_records=attach_datastore_records)
        parts.write(str(out / "graph.qg"))
    return out / "graph.qg"
