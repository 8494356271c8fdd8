"""How a worker comes to its token: the scripts of the user data, run against stores of secrets on this machine."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers.provisioning.base import TAG
from providers.provisioning.cloud_init import HEAD_METADATA, Node, user_data

HEAD_ADDRESS = "127.0.0.1"


@dataclass
class Machine:
    """What a node's user data write, in a folder, with stand-ins for programs that only a node has."""

    folder: Path
    node: Node
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in yaml.safe_load(user_data(self.node))["write_files"]:
            path = self.folder / each["path"].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(each["content"])
        (self.folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
        programs = self.folder / "bin"
        programs.mkdir()
        stand_ins = {
            "condor_token_create": 'echo "token-$(date +%N) $*"',
            "condor_config_val": f"echo {HEAD_ADDRESS}",
            "systemctl": f'echo "$@" >> {self.folder}/asked',
        }
        for name, line in stand_ins.items():
            (programs / name).write_text(f"#!/bin/sh\n{line}\n")
            (programs / name).chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        """Do once what its service of tokens does."""
        unit = (self.folder / "etc/systemd/system/rubincwl-token.service").read_text()
        (line,) = re.findall(r"^ExecStart=/usr/bin/python3 (.*)$", unit, re.M)
        words = [f"{self.folder}{word}" for word in line.split()]
        path = f"{self.folder}/bin:/usr/bin:/bin"
        environment = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **self.environment}
        return subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def token(self) -> Path:
        return self.folder / "etc/condor/tokens.d/rubincwl"

    @property
    def place(self) -> str:
        return (self.folder / "etc/condor/config.d/60-rubincwl-head.config").read_text()

    def asked(self) -> list[str]:
        """What systemctl was called with."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []


@dataclass
class Cluster:
    """A head and a worker, and what their store holds."""

    head: Machine
    worker: Machine
    store: Any

    def overwrite(self, **changes: Any) -> None:
        """Another record than the head would write."""
        record = {"head": HEAD_ADDRESS, "token": "other", "expires": int(time.time()) + 100} | changes
        self.store.put(json.dumps(record))


class Parameters:
    """Moto's Parameter Store, seen with boto3."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        keys = {"aws_access_key_id": "admin", "aws_secret_access_key": "not-a-secret"}
        self.client = boto3.client("ssm", region_name="eu-west-1", endpoint_url=endpoint, **keys)
        self.name = "/rubincwl/dark/worker-token"

    def put(self, text: str) -> None:
        self.client.put_parameter(Name=self.name, Value=text, Type="SecureString", Overwrite=True)

    def texts(self) -> list[str]:
        """What can be read of it now: one text at most."""
        found = self.client.get_parameters(Names=[self.name], WithDecryption=True)["Parameters"]
        assert all(each["Type"] == "SecureString" for each in found)
        return [each["Value"] for each in found]

    def labels(self) -> dict[str, str]:
        found = self.client.list_tags_for_resource(ResourceType="Parameter", ResourceId=self.name)["TagList"]
        return {each["Key"]: each["Value"] for each in found}


class Secrets:
    """As much of Google's Secret Manager, and of a machine's metadata, as the scripts ask for."""

    def __init__(self) -> None:
        self.secret: dict[str, Any] | None = None
        self.versions: list[str | None] = []
        """Texts, None for one that is destroyed."""
        self.refuses_to_destroy = False

    def put(self, text: str) -> None:
        self.secret = self.secret or {}
        self.versions.append(text)

    def texts(self) -> list[str]:
        return [each for each in self.versions if each is not None]

    def labels(self) -> dict[str, str]:
        assert self.secret is not None
        return dict(self.secret["labels"])

    def answer(self, method: str, path: str, headers: Any, body: Any) -> tuple[int, Any]:
        """Status and document of one request."""
        if path == "/computeMetadata/v1/instance/service-accounts/default/token":
            return (200, {"access_token": "of-the-role"}) if headers["Metadata-Flavor"] == "Google" else (403, {})
        if headers["Authorization"] != "Bearer of-the-role":
            return 401, {}
        secret = "/v1/projects/rubin-dark/secrets/rubincwl-dark-worker-token"
        if (method, path) == ("POST", "/v1/projects/rubin-dark/secrets?secretId=rubincwl-dark-worker-token"):
            self.secret = body
            return 200, {"name": secret}
        if self.secret is None:
            return 404, {"error": {"status": "NOT_FOUND"}}
        # Answers name the project by its number.
        names = [f"projects/17/secrets/rubincwl-dark-worker-token/versions/{n + 1}" for n in range(len(self.versions))]
        if (method, path) == ("POST", f"{secret}:addVersion"):
            self.versions.append(base64.b64decode(body["payload"]["data"]).decode())
            return 200, {"name": f"{names[-1].rpartition('/')[0] if names else 'x'}/{len(self.versions)}"}
        if (method, path) == ("GET", f"{secret}/versions/latest:access"):
            text = self.versions[-1] if self.versions else None
            return (404, {}) if text is None else (200, {"payload": {"data": base64.b64encode(text.encode()).decode()}})
        if (method, path) == ("GET", f"{secret}/versions?filter=state:ENABLED"):
            return 200, {"versions": [{"name": n} for n, text in zip(names, self.versions, strict=True) if text]}
        destroyed = re.fullmatch(r"/v1/projects/17/secrets/rubincwl-dark-worker-token/versions/(\d+):destroy", path)
        if method == "POST" and destroyed:
            if self.refuses_to_destroy:
                return 403, {}
            self.versions[int(destroyed[1]) - 1] = None
            return 200, {}
        return 400, {"asked": f"{method} {path}"}


@contextmanager
def serving(answer: Any) -> Iterator[int]:
    """A server of JSON on 127.0.0.1; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do(None)

        def do_POST(self) -> None:
            self._do(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _do(self, body: Any) -> None:
            status, document = answer(self.command, self.path, self.headers, body)
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def aws(folder: Path) -> Iterator[Cluster]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        role = {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "of-the-role", "AWS_ENDPOINT_URL": endpoint}
        head = Node("head", "dark", "aws", "eu-west-1", 7200, 1800)
        worker = Node("worker", "dark", "aws", "eu-west-1", 7200, 1800)
        store = Parameters(endpoint)
        yield Cluster(Machine(folder / "head", head, role), Machine(folder / "worker", worker, role), store)
        store.client.delete_parameters(Names=[store.name])  # all of moto's servers share what they hold
    finally:
        server.stop()


@contextmanager
def gcp(folder: Path) -> Iterator[Cluster]:
    store = Secrets()
    with serving(store.answer) as port:
        places = {
            "GCE_METADATA_HOST": f"127.0.0.1:{port}",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"http://127.0.0.1:{port}/",
        }
        head = Node("head", "dark", "gcp", "us-central1", 7200, 1800, project="rubin-dark")
        worker = Node("worker", "dark", "gcp", "us-central1", 7200, 1800, project="rubin-dark")
        yield Cluster(Machine(folder / "head", head, places), Machine(folder / "worker", worker, places), store)


@pytest.fixture(params=[aws, gcp], ids=["aws", "gcp"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    with request.param(tmp_path) as made:
        yield made


def test_the_heads_token_reaches_the_worker_and_nobody_else_can_read_it(cluster: Cluster) -> None:
    published = cluster.head.run()
    assert published.returncode == 0, published.stderr
    fetched = cluster.worker.run()
    assert fetched.returncode == 0, fetched.stderr
    token = cluster.worker.token.read_text()
    allowed = "-authz ADVERTISE_STARTD -authz ADVERTISE_MASTER -authz READ"
    assert token.endswith(f" -identity worker@rubincwl-dark -lifetime 3600 {allowed}\n")
    assert cluster.worker.token.stat().st_mode & 0o777 == 0o600
    assert os.listdir(cluster.worker.token.parent) == ["rubincwl"]
    assert cluster.worker.place == f"CONDOR_HOST = {HEAD_ADDRESS}\nNETWORK_INTERFACE = 127.0.0.1\n"
    for said in (published, fetched):
        assert "token-" not in said.stdout + said.stderr
    assert cluster.store.labels() == {TAG: "dark"}


def test_a_worker_whose_head_has_not_spoken_yet_tries_again_later(cluster: Cluster) -> None:
    assert cluster.worker.run().returncode != 0
    assert not cluster.worker.token.exists()
    assert cluster.worker.asked() == []
    unit = (cluster.worker.folder / "etc/systemd/system/rubincwl-token.service").read_text()
    assert "Restart=on-failure\nRestartSec=15\n" in unit
    assert "StartLimitIntervalSec=0\n" in unit
    cluster.head.run()
    assert cluster.worker.run().returncode == 0


def test_only_the_newest_token_can_be_read_after_a_renewal(cluster: Cluster) -> None:
    for _ in range(3):
        assert cluster.head.run().returncode == 0
    (text,) = cluster.store.texts()
    assert cluster.worker.run().returncode == 0
    assert cluster.worker.token.read_text().strip() == json.loads(text)["token"]


def test_a_renewed_token_disturbs_no_job_and_another_head_restarts_htcondor(cluster: Cluster) -> None:
    cluster.head.run()
    cluster.worker.run()
    first = cluster.worker.token.read_text()
    assert cluster.worker.asked() == ["restart --no-block condor"]
    cluster.head.run()
    cluster.worker.run()
    assert cluster.worker.token.read_text() != first
    assert cluster.worker.asked() == ["restart --no-block condor"]
    cluster.overwrite(head="127.0.0.2")
    cluster.worker.run()
    assert "CONDOR_HOST = 127.0.0.2\n" in cluster.worker.place
    assert cluster.worker.asked() == ["restart --no-block condor"] * 2


def test_what_an_earlier_cluster_of_the_name_left_behind_is_not_taken(cluster: Cluster) -> None:
    cluster.overwrite(expires=int(time.time()) - 1)
    refused = cluster.worker.run()
    assert refused.returncode != 0
    assert "expired" in refused.stderr
    assert not cluster.worker.token.exists()


def test_a_worker_keeps_its_token_when_the_store_fails(cluster: Cluster) -> None:
    cluster.head.run()
    cluster.worker.run()
    kept = cluster.worker.token.read_text()
    for name in ("AWS_ENDPOINT_URL", "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"):
        cluster.worker.environment[name] = "http://127.0.0.1:9/"
    cluster.worker.environment["AWS_MAX_ATTEMPTS"] = "1"
    assert cluster.worker.run().returncode != 0
    assert cluster.worker.token.read_text() == kept


def test_googles_secret_ends_with_the_cluster_even_if_nobody_removes_it(tmp_path: Path) -> None:
    with gcp(tmp_path) as cluster:
        cluster.head.run()
        assert cluster.store.secret["ttl"] == "10800s"


def test_a_head_that_may_not_destroy_old_versions_says_so_and_goes_on(tmp_path: Path) -> None:
    with gcp(tmp_path) as cluster:
        cluster.store.refuses_to_destroy = True
        cluster.head.run()
        again = cluster.head.run()
        assert again.returncode == 0
        assert "older versions of rubincwl-dark-worker-token stay" in again.stderr
        assert len(cluster.store.texts()) == 2


@pytest.mark.parametrize("fixed", [True, False], ids=["address-in-settings", "address-in-metadata"])
def test_openstacks_worker_learns_where_its_head_is_and_asks_it_for_a_token(tmp_path: Path, fixed: bool) -> None:
    asked = []

    def metadata(_: str, path: str, *__: object) -> tuple[int, Any]:
        asked.append(path)
        return 200, {"uuid": "1", "meta": {HEAD_METADATA: HEAD_ADDRESS}}

    node = Node("worker", "dark", "openstack", "", 7200, 1800, head_address=HEAD_ADDRESS if fixed else "")
    with serving(metadata) as port:
        worker = Machine(tmp_path / "worker", node, {"OPENSTACK_METADATA_HOST": f"127.0.0.1:{port}"})
        for _ in range(2):
            done = worker.run()
            assert done.returncode == 0, done.stderr
    assert bool(asked) is not fixed
    assert "CONDOR_HOST = rubincwl-head\n" in worker.place
    assert (worker.folder / "etc/hosts").read_text() == f"127.0.0.1 localhost\n{HEAD_ADDRESS} rubincwl-head\n"
    assert worker.asked() == ["restart --no-block condor"]
    assert not worker.token.exists()
