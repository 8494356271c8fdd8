"""The evaluator agrees with the specification's reference implementation about every file of every quantum."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compiler.certificate import certify, find_node
from compiler.certificate.quanta import GraphForm, Ports
from compiler.rubin import QuantumGraph
from compiler.translate import translate
from tests.certificate import by_hand
from tests.shapes import tract

pytest.importorskip("cwltool", reason="needs cwltool (extra engines)")


def names(ports: Ports) -> list[str]:
    return sorted({name for row in ports.values() for name in row})


def lay_out(folder: Path, document: dict[str, Any], order: dict[str, Any], graph: QuantumGraph) -> None:
    """Everything that cwltool needs, with the stand-in runner; overall inputs are empty."""
    form = GraphForm(graph)
    table = {}
    for number in range(graph.n_quanta):
        quantum = form.quantum(number)
        outputs = names(quantum.outputs)
        table[json.dumps([quantum.key[0], *quantum.key[1]])] = {"outputs": outputs, "record": quantum.record}
    init = form.init()
    if init is not None:
        table[json.dumps([""])] = {"outputs": init.outputs, "record": None}
    (folder / "runtime").mkdir()
    shutil.copy(Path(__file__).with_name("stand_in_runner.py"), folder / "runtime" / "quantum_runner.pyz")
    (folder / "runtime" / "graph.qg").write_text(json.dumps(table))
    (folder / "runtime" / "butler.yaml").touch()
    for given in form.given():
        path = folder / str(given.location)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "workflow.cwl").write_text(json.dumps(document))
    (folder / "job.json").write_text(json.dumps(order))


def made(graph: QuantumGraph) -> tuple[dict[str, Any], dict[str, Any], QuantumGraph]:
    workflow = translate(graph)
    return workflow.document, workflow.job_order, graph


@pytest.mark.parametrize("which", ["by hand", "tract"])
def test_cwltool_stages_for_every_quantum_what_the_certificate_says(which: str, tmp_path: Path) -> None:
    if which == "by hand":
        document, order, graph = by_hand.document(), by_hand.job_order(), by_hand.graph()
    else:
        document, order, graph = made(tract(2, 2, 2, 2))
    assert certify(document, order, graph).proved
    lay_out(tmp_path, document, order, graph)
    node = find_node()
    assert node is not None
    outcome = subprocess.run(
        [sys.executable, "-m", "cwltool.main", "--quiet", "--outdir", "out", "workflow.cwl", "job.json"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr[-3000:]
    form = GraphForm(graph)
    expected = set()
    for number in range(graph.n_quanta):
        quantum = form.quantum(number)
        staged = json.loads((tmp_path / "out" / str(quantum.record)).read_text())
        assert sorted(staged) == names(quantum.inputs), quantum.key
        assert sorted({record for record in staged.values() if record}) == quantum.after, quantum.key
        expected |= {*names(quantum.outputs), str(quantum.record)}
    init = form.init()
    expected |= set(init.outputs) if init else set()
    assert {each.name for each in (tmp_path / "out").iterdir()} == expected
