"""A head and workers of a real HTCondor, made by a real cloud-init from the very user data that clouds get.

Each machine has its own network, processes and files on one cable; the cloud is moto with its metadata. Only systemd is
missing: the tests do what its units say, and `systemctl` and `shutdown` write down what was asked of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from providers.provisioning.cloud_init import Node, user_data
from tests.pool import debian
from tests.pool.machines import CLOUD, METADATA, Cable, Machine, cable, wait

pytestmark = [
    pytest.mark.pool,
    pytest.mark.system("debootstrap", "ip", "unshare", "nsenter"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make machines of namespaces"),
]

HEAD = Node("head", "dark", "aws", "us-east-1", lease_s=7200, idle_s=1800)
WORKER = replace(HEAD, role="worker")
STORE = f"http://{CLOUD}:5000"


@dataclass
class Pool:
    """A head and a worker that have started for the first time, and the cable for more."""

    cable: Cable
    head: Machine
    worker: Machine

    def machine(self, name: str, node: Node) -> Machine:
        """Another machine, as its user data make it."""
        return _started(self.cable, name, node)

    def members(self) -> list[str]:
        """Machines whose slots the head knows."""
        return sorted(set(self.head.says("condor_status -af Machine").split()))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("needs debootstrap and root")
    with tempfile.TemporaryDirectory() as folder, cable(debian.root(), Path(folder)) as wire:
        service = Path(__file__).with_name("cloud.py")
        command = ["ip", "netns", "exec", wire.name, sys.executable, str(service), METADATA, CLOUD, "5000"]
        cloud = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert cloud.stdout is not None
            assert cloud.stdout.readline() == "ready\n"
            made = Pool(wire, _started(wire, "head", HEAD), _started(wire, "worker", WORKER))
            _start_condor(made.head)
            wait(lambda: _answers(made.head), "the head's HTCondor does not answer")
            yield made
        finally:
            cloud.kill()
            cloud.wait()


@pytest.fixture(scope="module")
def joined(pool: Pool) -> Pool:
    """The worker has found its head and joined with its token."""
    _until_done(pool.head, "rubincwl-token")
    _until_done(pool.worker, "rubincwl-token")
    _start_condor(pool.worker)
    wait(lambda: pool.members() == ["worker"], "the worker did not join")
    return pool


@pytest.fixture(scope="module")
def stranger(joined: Pool) -> Machine:
    """A machine in the cluster's network that knows where the head is, and has no token yet."""
    machine = joined.machine("stranger", WORKER)
    place = joined.worker.read("/etc/condor/config.d/60-rubincwl-head.config")
    machine.write("/etc/condor/config.d/60-rubincwl-head.config", place.replace(joined.worker.address, machine.address))
    return machine


def test_cloud_init_does_everything_in_its_user_data(pool: Pool) -> None:
    for machine in (pool.head, pool.worker):
        assert _errors(machine) == []
        assert machine.run("systemd-analyze verify /etc/systemd/system/rubincwl-*", check=False).stderr == ""
        # The lease first, before anything can fail.
        assert machine.asked("systemctl")[:2] == ["daemon-reload", "enable --now --no-block rubincwl-lease.timer"]


def test_the_signing_key_is_made_on_the_head_and_stays_there(joined: Pool) -> None:
    assert joined.head.says("stat -c '%a %U' /etc/condor/passwords.d/POOL") == "600 root"
    assert joined.worker.says("ls /etc/condor/passwords.d 2>/dev/null || true") == ""


def test_a_worker_joins_with_its_token_and_runs_a_job(joined: Pool) -> None:
    assert joined.worker.says("stat -c '%a %U' /etc/condor/tokens.d/rubincwl") == "600 root"
    job = "hostname; id -un; cat given.txt; echo made > made.txt"
    assert _run_job(joined, job, gives="made.txt") == "worker\nnobody\ngiven\nmade\n"


def test_jobs_see_neither_the_metadata_nor_the_token(joined: Pool) -> None:
    job = (
        f"exec 2>&1; (exec 3<>/dev/tcp/{METADATA}/80) && echo open || echo closed; "
        "cat /etc/condor/tokens.d/rubincwl || echo unreadable; echo > made.txt"
    )
    said = _run_job(joined, job, gives="made.txt")
    assert "closed" in said
    assert "unreadable" in said
    assert joined.worker.says(f"bash -c '(exec 3<>/dev/tcp/{METADATA}/80) && echo open'") == "open"


def test_a_workers_token_lets_it_advertise_itself_and_nothing_else(joined: Pool) -> None:
    assert _may(joined.worker, "ADVERTISE_STARTD")
    for level in ("WRITE", "ADMINISTRATOR", "NEGOTIATOR", "ADVERTISE_SCHEDD", "DAEMON"):
        assert not _may(joined.worker, level), level


def test_a_worker_without_a_token_is_refused(joined: Pool, stranger: Machine) -> None:
    assert not _may(stranger, "ADVERTISE_STARTD")
    _start_condor(stranger)
    try:
        wait(lambda: stranger.address in _refusals(joined.head), "the head refused nobody")
        wait(lambda: "failed" in stranger.read("/var/log/condor/StartLog"), "the stranger did not notice")
        assert joined.members() == ["worker"]
    finally:
        stranger.run("pkill -x condor_master")


def test_a_forged_token_is_refused(joined: Pool, stranger: Machine) -> None:
    # All that an attacker can know, signed by a key of his own.
    stranger.run("mkdir -p -m 700 /etc/condor/passwords.d && head -c 64 /dev/urandom > /etc/condor/passwords.d/POOL")
    stranger.run("chmod 600 /etc/condor/passwords.d/POOL")
    _give_token(stranger, _token(stranger, 3600))
    stranger.run("rm /etc/condor/passwords.d/POOL")
    assert not _may(stranger, "ADVERTISE_STARTD")
    # The same token, signed by the head, is good: it is the signature that was refused.
    _give_token(stranger, _token(joined.head, 3600))
    assert _may(stranger, "ADVERTISE_STARTD")


def test_an_expired_token_is_refused(joined: Pool, stranger: Machine) -> None:
    _give_token(stranger, _token(joined.head, 3))
    assert _may(stranger, "ADVERTISE_STARTD")
    time.sleep(5)
    assert not _may(stranger, "ADVERTISE_STARTD")


def test_a_renewed_token_reaches_the_worker(joined: Pool) -> None:
    before = joined.worker.read("/etc/condor/tokens.d/rubincwl")
    asked = joined.worker.asked("systemctl")
    _until_done(joined.head, "rubincwl-token")
    _until_done(joined.worker, "rubincwl-token")
    assert joined.worker.read("/etc/condor/tokens.d/rubincwl") != before
    assert joined.worker.asked("systemctl") == asked, "running jobs were disturbed"


def test_a_worker_ends_only_when_it_has_had_no_job_for_its_idle_limit(joined: Pool) -> None:
    _submit(joined, "sleep 300")
    wait(lambda: joined.worker.run("pgrep -x condor_starter", check=False).returncode == 0, "no job started")
    try:
        for machine in (joined.worker, joined.head):
            _idle_for(machine, 5000)
            assert machine.service("rubincwl-idle").returncode == 0
            assert machine.asked("shutdown") == []
    finally:
        joined.head.run("condor_rm -all")
    wait(lambda: joined.worker.run("pgrep -x condor_starter", check=False).returncode == 1, "the job did not end")
    _idle_for(joined.worker, 1700)
    joined.worker.service("rubincwl-idle")
    assert joined.worker.asked("shutdown") == []
    _idle_for(joined.worker, 1801)
    joined.worker.service("rubincwl-idle")
    assert [each[:6] for each in joined.worker.asked("shutdown")] == ["-P now"]


def test_the_head_ends_when_its_queue_is_empty_and_its_workers_are_gone(joined: Pool) -> None:
    wait(lambda: joined.head.says("condor_q -allusers -af ClusterId") == "", "the queue is not empty")
    _idle_for(joined.head, 5000)
    joined.head.service("rubincwl-idle")
    assert joined.head.asked("shutdown") == [], "a worker is still there"
    joined.worker.run("pkill -QUIT -x condor_master")
    wait(lambda: joined.members() == [], "the worker is still there")
    _idle_for(joined.head, 5000)
    joined.head.service("rubincwl-idle")
    assert [each[:6] for each in joined.head.asked("shutdown")] == ["-P now"]


def test_a_node_whose_first_start_failed_half_way_ends_at_its_lease(pool: Pool) -> None:
    text = user_data(replace(WORKER, packages=("no-such-package",)))
    broken = pool.cable.machine("broken", {})
    _prepare(broken)
    broken.first_start(text.replace("path: /etc/rubincwl", "path: /proc/no/such/place"))
    assert _errors(broken) != []
    assert "enable --now --no-block rubincwl-lease.timer" in broken.asked("systemctl")
    assert broken.service("rubincwl-lease").returncode == 0
    assert broken.asked("shutdown") == []
    ends = int(broken.read("/var/lib/rubincwl/lease-ends"))
    assert 7000 < ends - time.time() <= 7200
    # A restart does not prolong it.
    broken.run("rm -r /var/lib/cloud/instance* /var/lib/cloud/data")
    broken.first_start(text)
    assert int(broken.read("/var/lib/rubincwl/lease-ends")) == ends
    for text in (str(int(time.time()) - 1), "", "nonsense"):
        before = len(broken.asked("shutdown"))
        broken.write("/var/lib/rubincwl/lease-ends", text)
        broken.service("rubincwl-lease")
        assert len(broken.asked("shutdown")) == before + 1, f"a lease that ends at {text!r} ends nothing"


def test_openstacks_workers_ask_their_head_for_a_token_in_its_first_half_hour(pool: Pool) -> None:
    head_node = Node("head", "dusk", "openstack", "", lease_s=7200, idle_s=1800, network="10.213.0.0/24")
    head = pool.machine("dusk-head", head_node)
    _start_condor(head)
    wait(lambda: _answers(head), "the head's HTCondor does not answer")
    worker = pool.machine("dusk-worker", replace(head_node, role="worker", head_address=head.address))
    late = pool.machine("dusk-late", replace(head_node, role="worker", head_address=head.address))
    for machine in (worker, late):
        _until_done(machine, "rubincwl-token")
    _start_condor(worker)
    wait(lambda: "oken" in worker.read("/var/log/condor/StartLog"), "nobody asked for a token")
    assert head.says("condor_status -af Machine") == "", "a worker joined that nobody let in"
    _until_done(head, "rubincwl-token")
    wait(lambda: head.says("condor_status -af Machine") == "dusk-worker", "the worker did not join", 120)
    wait(lambda: "dusk-worker" in head.says("condor_status -master -af Machine"), "its master did not join", 120)
    # From now on nobody is let in, and who has a token stays in, also after a restart.
    head.run("condor_reconfig")
    worker.run("pkill -QUIT -x condor_master")
    wait(lambda: head.says("condor_status -af Machine") == "", "the worker did not leave")
    for machine in (late, worker):
        _start_condor(machine)
    wait(lambda: head.says("condor_status -af Machine") == "dusk-worker", "the worker did not join again")
    wait(lambda: "oken" in late.read("/var/log/condor/StartLog"), "nobody asked for a token")
    assert _may(worker, "ADVERTISE_STARTD")
    assert not _may(late, "ADVERTISE_STARTD")
    for level in ("WRITE", "ADMINISTRATOR", "NEGOTIATOR"):
        assert not _may(worker, level), level
        assert not _may(late, level), level


def _started(wire: Cable, name: str, node: Node) -> Machine:
    machine = wire.machine(name, {"AWS_ENDPOINT_URL": STORE})
    _prepare(machine)
    machine.first_start(user_data(node))
    assert machine.service("rubincwl-metadata").returncode == 0
    return machine


def _prepare(machine: Machine) -> None:
    # There is no archive on this cable, and no need to wait for one: what the user data want is installed.
    machine.write("/etc/apt/apt.conf.d/99-here", 'Acquire::Retries "0";\n')
    machine.run("useradd --create-home submitter")


def _until_done(machine: Machine, unit: str) -> None:
    """Do what a unit does until it succeeds, as its `Restart=on-failure` says."""
    wait(lambda: machine.service(unit).returncode == 0, f"{unit} of {machine.name} fails", 90)


def _errors(machine: Machine) -> list[str]:
    """What cloud-init says went wrong."""
    return list(json.loads(machine.says("cloud-init status --format=json || true"))["errors"])


def _start_condor(machine: Machine) -> None:
    machine.start("exec condor_master -f")


def _answers(machine: Machine) -> bool:
    types = machine.run("condor_status -any -af MyType", check=False).stdout.split()
    return {"Negotiator", "Scheduler", "Collector"} <= set(types)


def _may(machine: Machine, level: str) -> bool:
    """Whether the head grants the machine's root this level of access."""
    tool = f"condor_ping -pool $(condor_config_val CONDOR_HOST) -type COLLECTOR -quiet {level}"
    return machine.run(tool, check=False).returncode == 0


def _refusals(head: Machine) -> str:
    return "\n".join(
        line for line in head.read("/var/log/condor/CollectorLog").splitlines() if "DC_AUTHENTICATE" in line
    )


def _token(machine: Machine, life_s: int) -> str:
    return machine.says(
        f"condor_token_create -identity worker@rubincwl-dark -lifetime {life_s} -authz ADVERTISE_STARTD"
    )


def _give_token(machine: Machine, token: str) -> None:
    machine.run("mkdir -p -m 700 /etc/condor/tokens.d")
    machine.write("/etc/condor/tokens.d/rubincwl", f"{token}\n", 0o600)


def _idle_for(machine: Machine, seconds: int) -> None:
    """As if the machine had last had work so long ago."""
    age = float(Path("/proc/uptime").read_text().split()[0])
    machine.write("/run/rubincwl-work", str(age - seconds))


def _submit(pool: Pool, line: str, gives: str = "") -> str:
    """Put a job into the queue, as a user without rights; returns its folder."""
    folder = pool.head.says("mktemp -d", user="submitter")
    pool.head.write(f"{folder}/job.sh", f"#!/bin/bash\n{line}\n", 0o755)
    pool.head.write(f"{folder}/given.txt", "given\n")
    submit = (
        "executable = job.sh\nshould_transfer_files = YES\ntransfer_input_files = given.txt\n"
        f"transfer_output_files = {gives}\noutput = out\nerror = err\nlog = log\nrequest_memory = 100\nqueue\n"
    )
    pool.head.write(f"{folder}/job.sub", submit)
    pool.head.run(f"cd {folder} && condor_submit job.sub", user="submitter")
    return folder


def _run_job(pool: Pool, line: str, gives: str) -> str:
    """What a job prints, and then the file that it gives back."""
    folder = _submit(pool, line, gives)
    pool.head.run(f"condor_wait -wait 90 {folder}/log")
    return pool.head.says(f"cat {folder}/out {folder}/{gives}") + "\n"
