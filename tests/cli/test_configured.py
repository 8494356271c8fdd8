"""What a configuration changes in a compiled folder, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Outcome, Rubincwl


class Compile:
    def __init__(self, rubincwl: Rubincwl, data: Path, folder: Path) -> None:
        self.rubincwl, self.data, self.folder = rubincwl, data, folder

    def __call__(self, config: str) -> Outcome:
        file = self.folder / "config.yaml"
        file.write_text(config)
        graph = self.data / "graph.ndjson.zst"
        words = ("--target", "aws", "--config", file, "-o", self.folder / "out")
        return self.rubincwl("compile", self.data / "pipeline.yaml", graph, *words)

    def summary(self) -> Any:
        return json.loads((self.folder / "out" / "summary.json").read_text())

    def jobs(self) -> list[Any]:
        jobs: list[Any] = json.loads((self.folder / "out" / "pegasus" / "workflow.yml").read_text())["jobs"]
        return jobs

    def handed_out(self) -> set[str]:
        """The dataset types of the files that leave jobs for good."""
        uses = [each for job in self.jobs() for each in job["uses"]]
        return {each["lfn"].split("-")[0] for each in uses if each["type"] == "output" and each["stageOut"]}


@pytest.fixture
def compile_(rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path) -> Compile:
    return Compile(rubincwl, synthetic_dark, tmp_path)


def test_datasets_that_stay_inside_jobs_are_told_with_the_key_that_delivers_them(compile_: Compile) -> None:
    done = compile_("keep: []")
    ((name, count),) = compile_.summary()["jobs"]["inside_types"].items()
    assert count > 0
    assert f"{count} {name}; keep: [{name}] delivers them" in done.out
    assert name not in compile_.handed_out()


@pytest.mark.parametrize("wanted", ["[{name}]", "all"])
def test_what_keep_names_leaves_its_job(compile_: Compile, wanted: str) -> None:
    compile_("keep: []")
    ((name, _),) = compile_.summary()["jobs"]["inside_types"].items()
    done = compile_(f"keep: {wanted.format(name=name)}")
    assert done.code == 0
    assert "left inside" not in done.out
    assert compile_.summary()["jobs"]["inside_types"] == {}
    assert name in compile_.handed_out()


def test_options_of_clustering_that_contradict_each_other_are_told_at_their_place(compile_: Compile) -> None:
    done = compile_("requestMemory: 3000\nclustering: {targetSeconds: 10, maximumSeconds: 5}\n")
    assert done.code == 1
    assert "config.yaml:2:1: error[cluster-option]" in done.err


def test_one_bound_of_clustering_alone_moves_the_others_out_of_its_way(compile_: Compile) -> None:
    assert compile_("clustering: {minimumSeconds: 10000}").code == 0


def test_disk_that_is_said_for_some_quanta_of_a_task_is_not_nothing_for_the_others(compile_: Compile) -> None:
    rule = "{when: {label: isr, data: detector = 1}, disk: 5 GiB}"
    assert compile_(f"clustering: {{algorithm: none}}\nrules: [{rule}]").code == 0
    asked = {job["profiles"]["pegasus"].get("diskspace") for job in compile_.jobs() if job["name"] == "isr"}
    assert asked == {None, 5120}


def test_the_init_job_asks_for_what_the_submit_file_says_of_it(compile_: Compile) -> None:
    assert compile_("queue: long\npipetask: {pipetaskInit: {requestMemory: 9000, requestCpus: 3}}").code == 0
    (init,) = (job for job in compile_.jobs() if job["name"] == "_init")
    assert init["profiles"]["pegasus"] == {"memory": 9000, "cores": 3, "queue": "long"}
