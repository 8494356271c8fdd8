"""The same input gives the same bytes, in any order of the graph file, in any process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from tests.cli.conftest import Rubincwl
from tests.frontend.interchange_forms import as_rows

PROMISED = ("workflow.cwl", "job.json", "certificate.json", "pegasus/workflow.yml")


def contents(out: Path) -> dict[str, bytes]:
    return {str(each.relative_to(out)): each.read_bytes() for each in sorted(out.rglob("*")) if each.is_file()}


def shuffled(graph: Path, to: Path, seed: int) -> None:
    """The same graph with its tasks, types and quanta in another order."""
    with zstandard.open(graph) as stream:
        lines = as_rows(json.loads(line) for line in stream.read().decode().splitlines() if line)
    draw = random.Random(seed)
    order = ("graph", "dataset_type", "task", "dataset")
    groups = [[each for each in lines if each["kind"] == kind] for kind in order]
    groups.append([each for each in lines if each["kind"] not in order])
    for group in groups:
        # Datasets are named by their number, so they keep their order.
        if group and group[0]["kind"] != "dataset":
            draw.shuffle(group)
    to.write_text("".join(json.dumps(each) + "\n" for group in groups for each in group))


@pytest.mark.parametrize("kind", ["dark", "tract"])
def test_the_order_of_the_graph_file_means_nothing(
    kind: str, rubincwl: Rubincwl, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data: Path = request.getfixturevalue(f"synthetic_{kind}")
    original = data / "graph.ndjson.zst"
    results = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        graph = folder / "graph.ndjson"
        shuffled(original, graph, seed)
        done = rubincwl("compile", data / "pipeline.yaml", graph, "--target", "aws", "-o", folder / "out")
        assert done.code == 0, done.err
        results.append({name: (folder / "out" / name).read_bytes() for name in PROMISED})
    assert results[0] == results[1] == results[2]


def test_two_processes_write_the_same_bytes_whatever_their_hash_seed(synthetic_tract: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "rubincwl", "compile", synthetic_tract / "pipeline.yaml",
             synthetic_tract / "graph.ndjson.zst", "--target", "aws", "-o", tmp_path / seed, "-q"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )  # fmt: skip
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_nothing_that_is_written_names_this_machine(rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path) -> None:
    import socket

    out = tmp_path / "out"
    files = synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst"
    rubincwl("compile", *files, "--target", "aws", "-o", out)
    words = [str(tmp_path), str(synthetic_dark), str(Path.cwd()), socket.gethostname()]
    for name, data in contents(out).items():
        if name.startswith("runtime/"):
            continue
        assert [word for word in words if word.encode() in data and len(word) > 3] == [], name
