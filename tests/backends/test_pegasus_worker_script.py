"""worker.sh in job scripts such as the planner writes, with stand-ins for Pegasus' own tools."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from compiler.backends.pegasus.worker_script import worker_script

# What stands in the script of a job without a container (PegasusLite 5.1.2), in this order.
_JOB = r"""set -e
. ./worker.sh
pegasus_lite_signal_term() { caught_signal_name=TERM; }
trap pegasus_lite_signal_term TERM
%(stage_in)s
set +e
job_ec=0
pegasus-kickstart -n isr ./rubincwl-isr 'a b'
job_ec=$?
%(errexit)s
set +e
pegasus-transfer --threads 1 1>&2 << 'eof'
[ { "linkage": "output", "src_urls": [ { "url": "file://$PWD/kept.tar", "checkpoint": "true" } ] } ]
eof
%(errexit)s
pegasus-transfer --threads 1 1>&2 << 'eof'
[ { "linkage": "output", "src_urls": [ { "url": "file://$PWD/postISRCCD", "checkpoint": "false" } ] } ]
eof
set -e
exit $job_ec
"""
_STAGE_IN = r"""pegasus-transfer --threads 1 1>&2 << 'eof'
[ { "linkage": "input", "src_urls": [ { "url": "s3://raw", "checkpoint": "false" } ] } ]
eof
set +e
pegasus-transfer --threads 1 1>&2 << 'eof'
[ { "linkage": "input", "src_urls": [ { "url": "s3://kept.tar", "checkpoint": "true" } ] } ]
eof
set -e
"""


class Job:
    """A job's script beside worker.sh; what its transfers were asked for stands in `transfers`."""

    def __init__(self, folder: Path, *, task: str, transfer: str = "exit 0", errexit: bool = True) -> None:
        self.folder = folder
        (folder / "worker.sh").write_text(worker_script("SCIENCE=set"))
        (folder / "job.sh").write_text(_JOB % {"stage_in": _STAGE_IN, "errexit": "set -e" if errexit else "set +e"})
        (folder / "bin").mkdir()
        self._tool("pegasus-transfer", f'echo "$* $(cat)" >> "{folder}/transfers"\n{transfer}')
        self._tool("pegasus-kickstart", f'echo "$*" > "{folder}/task"\n{task}')
        self.command = ["bash", "job.sh"]
        self.environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}

    def _tool(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (self.folder / "bin" / name).chmod(0o755)

    def run(self) -> int:
        return subprocess.run(self.command, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE).returncode

    @property
    def transfers(self) -> list[tuple[str, str]]:
        """Options and URL of each."""
        rows = [each.partition(" [") for each in (self.folder / "transfers").read_text().splitlines()]
        return [(options, json.loads("[" + wanted)[0]["src_urls"][0]["url"]) for options, _, wanted in rows]


def test_a_job_that_succeeds_waits_for_no_checkpoint_and_sends_none(tmp_path: Path) -> None:
    job = Job(tmp_path, task="exit 0")
    assert job.run() == 0
    assert job.transfers == [
        ("--threads 1", "s3://raw"),
        ("--threads 1 --max-attempts 1", "s3://kept.tar"),
        ("--threads 1", "file://$PWD/postISRCCD"),
    ]
    assert (tmp_path / "task").read_text() == "-n isr ./rubincwl-isr a b\n"


@pytest.mark.parametrize("code", [10, 139])
def test_a_job_that_fails_sends_its_checkpoint_alone_and_keeps_its_exit_code(tmp_path: Path, code: int) -> None:
    job = Job(tmp_path, task=f"exit {code}")
    assert job.run() == code
    assert [url for _, url in job.transfers] == ["s3://raw", "s3://kept.tar", "file://$PWD/kept.tar"]
    assert job.transfers[-1][0] == "--threads 1", "tried as often as anything else"


def test_a_checkpoint_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    assert Job(tmp_path, task="exit 0", transfer='[[ "$*" != *max-attempts* ]]').run() == 0


@pytest.mark.parametrize("errexit", [True, False], ids=["plain", "as with a container"])
def test_outputs_that_cannot_be_sent_fail_the_job(tmp_path: Path, errexit: bool) -> None:
    transfer = f'! tail -1 "{tmp_path}/transfers" | grep -q postISRCCD'
    assert Job(tmp_path, task="exit 0", transfer=transfer, errexit=errexit).run() == 1


def test_a_request_to_end_reaches_the_task_and_its_checkpoint_is_sent(tmp_path: Path) -> None:
    job = Job(tmp_path, task='trap "echo ended > ended; exit 143" TERM\ntouch ready\nwhile :; do sleep 0.05; done')
    with subprocess.Popen(job.command, cwd=tmp_path, env=job.environment, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 20
        while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=20)
    assert running.returncode == 143
    assert (tmp_path / "ended").exists()
    assert job.transfers[-1][1] == "file://$PWD/kept.tar"
