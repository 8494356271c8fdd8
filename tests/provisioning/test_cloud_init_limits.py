"""What ends a machine: the scripts of the user data, run with stand-ins for what only a node has."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from providers.provisioning.cloud_init import Node, user_data

WORKER = Node("worker", "dark", "aws", "us-east-1", lease_s=7200, idle_s=1800)
HEAD = replace(WORKER, role="head")


@dataclass
class Machine:
    """A node's script of idleness, and programs that answer as they are told."""

    folder: Path
    node: Node

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir()
        self.program("shutdown", f'echo "$@" >> {self.folder}/asked')
        written = {each["path"]: each["content"] for each in yaml.safe_load(user_data(self.node))["write_files"]}
        (self.folder / "idle.py").write_text(written["/usr/local/lib/rubincwl/idle.py"])
        (self.folder / "node.json").write_text(written["/etc/rubincwl/node.json"])

    def program(self, name: str, line: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (self.folder / "bin" / name).chmod(0o755)

    def ends(self, *, idle_for: float | None) -> bool:
        """Whether the machine ends itself, if it last had work so many seconds ago; None if it never had any."""
        mark = self.folder / "work"
        mark.unlink(missing_ok=True)
        if idle_for is not None:
            mark.write_text(str(self.age() - idle_for))
        command = [sys.executable, "idle.py", "node.json", "work"]
        subprocess.run(command, cwd=self.folder, env={"PATH": f"{self.folder}/bin:/usr/bin:/bin"}, check=True)
        asked = self.folder / "asked"
        ended = asked.exists() and asked.read_text().startswith("-P now ")
        asked.unlink(missing_ok=True)
        return ended

    def knows_of_work(self) -> bool:
        """Whether it noted just now that it has work."""
        mark = self.folder / "work"
        return mark.exists() and self.age() - float(mark.read_text()) < 60

    @staticmethod
    def age() -> float:
        return float(Path("/proc/uptime").read_text().split()[0])


@pytest.fixture
def worker(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, WORKER)
    machine.program("pgrep", "exit 1")
    return machine


@pytest.fixture
def head(tmp_path: Path) -> Machine:
    """An empty queue, no workers, all daemons running."""
    machine = Machine(tmp_path, HEAD)
    machine.program("pgrep", "exit 0")
    machine.program("condor_q", "true")
    machine.program("condor_status", "true")
    return machine


def test_a_worker_without_a_job_ends_after_its_limit_and_not_before(worker: Machine) -> None:
    assert not worker.ends(idle_for=1700)
    assert worker.ends(idle_for=1801)


def test_a_worker_with_a_job_never_ends_and_starts_counting_anew(worker: Machine) -> None:
    worker.program("pgrep", '[ "$*" = "-x condor_starter" ]')
    assert not worker.ends(idle_for=100_000)
    assert worker.knows_of_work()


def test_a_worker_that_never_got_a_job_counts_from_its_start(worker: Machine) -> None:
    idle = json.loads((worker.folder / "node.json").read_text())
    for idle_s, ends in ((int(worker.age()) - 60, True), (int(worker.age()) + 600, False)):
        (worker.folder / "node.json").write_text(json.dumps(idle | {"idle_s": idle_s}))
        assert worker.ends(idle_for=None) is ends


def test_a_head_with_nothing_to_do_ends_after_its_limit(head: Machine) -> None:
    assert not head.ends(idle_for=1700)
    assert head.ends(idle_for=1801)


@pytest.mark.parametrize("program", ["condor_q", "condor_status"])
def test_a_head_with_a_job_or_a_worker_stays(head: Machine, program: str) -> None:
    head.program(program, "echo one")
    assert not head.ends(idle_for=100_000)
    assert head.knows_of_work()


def test_a_queue_that_does_not_answer_may_be_a_long_one(head: Machine) -> None:
    head.program("condor_q", "exit 1")
    assert not head.ends(idle_for=100_000)


def test_a_head_whose_queue_is_gone_ends(head: Machine) -> None:
    head.program("condor_q", "exit 1")
    head.program("pgrep", "exit 1")
    assert head.ends(idle_for=1801)


def test_workers_that_nobody_can_count_keep_no_head(head: Machine) -> None:
    head.program("condor_status", "exit 1")
    assert head.ends(idle_for=1801)


@pytest.mark.parametrize(
    ("left", "ends"), [("in an hour", False), ("an hour ago", True), ("", True), ("nonsense", True), (None, True)]
)
def test_the_lease_ends_a_machine_also_when_nobody_knows_it_any_more(
    tmp_path: Path, left: str | None, ends: bool
) -> None:
    (script,) = yaml.safe_load(user_data(WORKER))["bootcmd"]
    body = script.split("rubincwl-lease << 'END'\n")[1].split("END\n")[0]
    lease = tmp_path / "lease-ends"
    hour = {"in an hour": 3600, "an hour ago": -3600}
    if left is not None:
        lease.write_text(str(int(time.time()) + hour[left]) if left in hour else left)
    (tmp_path / "shutdown").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    (tmp_path / "shutdown").chmod(0o755)
    body = body.replace("/var/lib/rubincwl/lease-ends", str(lease))
    subprocess.run(["sh", "-c", body], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, capture_output=True)
    assert (tmp_path / "asked").exists() is ends


def test_a_restart_does_not_prolong_the_lease(tmp_path: Path) -> None:
    (script,) = yaml.safe_load(user_data(WORKER))["bootcmd"]
    lines = [line for line in script.splitlines() if "lease-ends" in line and line.startswith("[ -s")]
    (line,) = (each.replace("/var/lib/rubincwl", str(tmp_path)) for each in lines)
    subprocess.run(["sh", "-c", line], check=True)
    first = int((tmp_path / "lease-ends").read_text())
    assert 7190 < first - time.time() <= 7200
    (tmp_path / "lease-ends").write_text(str(first - 1000))
    subprocess.run(["sh", "-c", line], check=True)
    assert int((tmp_path / "lease-ends").read_text()) == first - 1000
