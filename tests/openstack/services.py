"""A real OpenStack on 127.0.0.1: keystone, placement, glance, neutron and nova, whose machines are make-believe.

The databases are made once and kept as a template: that takes a minute or two, and a database serves for one start of
nova-compute only. Ports and folders are written into each copy.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGES = ("keystone", "placement", "glance", "neutron", "nova")
REGION = "here"
PASSWORD = "secret"
IMAGE = "debian-13"
FLAVORS = {"small": (2, 512, 20), "large": (8, 1024, 40), "huge": (16, 2048, 40)}
"""Cores, memory (MiB) and disk (GiB) by name; of such memory the only host has enough for all tests."""
_SERVICES = {
    "keystone": ("identity", "/v3"),
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "neutron": ("network", ""),
    "nova": ("compute", "/v2.1"),
}
"""Type in the catalog, and path."""
_START_S = 180.0

_KEYSTONE = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db?timeout=60
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet
[fernet_receipts]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
"""
_LOGIN = """
auth_url = {keystone}/v3
auth_type = password
username = admin
password = secret
project_name = admin
user_domain_id = default
project_domain_id = default
"""
_MIDDLEWARE = """
[keystone_authtoken]
service_token_roles = service
service_token_roles_required = true
interface = public
www_authenticate_uri = {keystone}/v3
""" + _LOGIN.lstrip()
_PLACEMENT = """
[DEFAULT]
log_file = {folder}/placement.log
[api]
auth_strategy = keystone
[placement_database]
connection = sqlite:///{folder}/placement.db?timeout=60
"""
_GLANCE = """
[DEFAULT]
log_file = {folder}/glance.log
enabled_backends = files:file
[database]
connection = sqlite:///{folder}/glance.db?timeout=60
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {folder}/images
[paste_deploy]
flavor = keystone
config_file = {programs}/etc/glance/glance-api-paste.ini
[oslo_concurrency]
lock_path = {folder}/locks
"""
_NEUTRON = """
[DEFAULT]
log_file = {folder}/neutron.log
core_plugin = ml2
service_plugins = router
transport_url = fake:///
auth_strategy = keystone
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
api_paste_config = {programs}/etc/neutron/api-paste.ini
[database]
connection = sqlite:///{folder}/neutron.db?timeout=60
[oslo_concurrency]
lock_path = {folder}/locks
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers = test
extension_drivers = port_security
[securitygroup]
enable_security_group = true
"""
_NOVA = (
    """
[DEFAULT]
log_file = {folder}/nova.log
host = here
transport_url = fake:///
compute_driver = fake.FakeDriver
state_path = {folder}/nova
instances_path = {folder}/nova/instances
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
[api]
auth_strategy = keystone
[api_database]
connection = sqlite:///{folder}/nova_api.db?timeout=60
[database]
connection = sqlite:///{folder}/nova_cell.db?timeout=60
[glance]
api_servers = {glance}
[oslo_concurrency]
lock_path = {folder}/locks
[filter_scheduler]
enabled_filters = ComputeFilter
[wsgi]
api_paste_config = {programs}/etc/nova/api-paste.ini
[placement]
region_name = here
valid_interfaces = public
endpoint_override = {placement}
"""
    + _LOGIN.lstrip()
    + """
[neutron]
region_name = here
valid_interfaces = public
endpoint_override = {neutron}
"""
    + _LOGIN.lstrip()
    + """
[service_user]
send_service_user_token = true
"""
    + _LOGIN.lstrip()
)
_FILES = {
    "keystone/keystone.conf": _KEYSTONE,
    "placement/placement.conf": _PLACEMENT + _MIDDLEWARE,
    "glance/glance-api.conf": _GLANCE + _MIDDLEWARE,
    "neutron/neutron.conf": _NEUTRON + _MIDDLEWARE,
    "nova/nova.conf": _NOVA + _MIDDLEWARE,
}
_NEUTRON_TABLES = """
import sys, sqlalchemy
from neutron.db.migration.models import head
head.get_metadata().create_all(sqlalchemy.create_engine("sqlite:///" + sys.argv[1]))
"""
"""Its migrations do not run on sqlite."""


@dataclass
class Services:
    """All services, as they run."""

    folder: Path
    urls: dict[str, str]
    """By package: ``http://127.0.0.1:port``."""
    started_s: float = 0.0
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def memory_mib(self) -> float:
        """Of all processes together."""
        pages = sum(int(Path(f"/proc/{each.pid}/statm").read_text().split()[1]) for each in self._running.values())
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def call(self, package: str, method: str, path: str, token: str | None = None, **more: Any) -> Any:
        """The answer to a call past everything that is tested: a `requests.Response`."""
        import requests

        headers = {"X-Auth-Token": token or "", "OpenStack-API-Version": "compute 2.53", **more.pop("headers", {})}
        answer = requests.request(method, self.urls[package] + path, headers=headers, timeout=120, **more)
        assert answer.status_code < 400 or answer.status_code == 404, f"{method} {path}: {answer.text}"
        return answer

    def token(self, user: str = "admin", project: str = "admin") -> str:
        """For `user` in `project`."""
        default = {"id": "default"}
        who = {"user": {"name": user, "domain": default, "password": PASSWORD}}
        scope = {"project": {"name": project, "domain": default}}
        body = {"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}}
        return str(self.call("keystone", "POST", "/v3/auth/tokens", json=body).headers["X-Subject-Token"])


@contextmanager
def services(environment: Path, folder: Path) -> Iterator[Services]:
    """Start all in `folder`, with an image, flavors and a network; `environment` is where they are installed."""
    begun = time.monotonic()
    template = _template(environment)
    shutil.copytree(template, folder, dirs_exist_ok=True)
    made = Services(folder, {name: f"http://127.0.0.1:{_free_port()}" for name in PACKAGES})
    _configure(environment, folder, made.urls)
    _rewrite(folder)
    try:
        for name in PACKAGES:
            if name == "nova":  # it tells placement of its host when it starts, and again only after a minute
                _wait(made, "keystone")
                _catalog(made)
                _wait(made, "placement")
            made._running[name] = _start(environment, folder, name, made.urls[name])
        for name in PACKAGES:
            _wait(made, name)
        _seed(made)
        made.started_s = time.monotonic() - begun
        yield made
    finally:
        for each in made._running.values():
            each.kill()
        for each in made._running.values():
            each.wait()


def _template(environment: Path) -> Path:
    """Databases as they are before anything has started; they are made at the first use."""
    template = environment.parent / "openstack-databases"
    if (template / "done").is_file():
        return template
    shutil.rmtree(template, ignore_errors=True)
    template.mkdir(parents=True)
    for name in ("fernet", "credential", "images", "locks", "nova/instances"):
        (template / name).mkdir(parents=True)
    _configure(environment, template, {name: f"http://127.0.0.1:{port}" for port, name in enumerate(PACKAGES, 1)})
    user, group = str(os.getuid()), str(os.getgid())
    keys = ("--keystone-user", user, "--keystone-group", group)
    nova = "nova-manage", "nova/nova.conf"
    cell0 = f"sqlite:///{template}/nova_cell0.db?timeout=60"
    for program, configuration, *arguments in (
        ("keystone-manage", "keystone/keystone.conf", "db_sync"),
        ("keystone-manage", "keystone/keystone.conf", "fernet_setup", *keys),
        ("keystone-manage", "keystone/keystone.conf", "credential_setup", *keys),
        ("keystone-manage", "keystone/keystone.conf", "bootstrap", "--bootstrap-password", PASSWORD),
        ("placement-manage", "placement/placement.conf", "db", "sync"),
        ("glance-manage", "glance/glance-api.conf", "db_sync"),
        (*nova, "api_db", "sync"),
        (*nova, "cell_v2", "map_cell0", "--database_connection", cell0),
        (*nova, "db", "sync"),
        (*nova, "cell_v2", "create_cell", "--name", "one"),
    ):
        _run(environment / "bin" / program, "--config-file", template / configuration, *arguments)
    _run(environment / "bin/python", "-c", _NEUTRON_TABLES, template / "neutron.db")
    (template / "done").touch()
    return template


def _run(*command: Any) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"


def _configure(environment: Path, folder: Path, urls: dict[str, str]) -> None:
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.format(folder=folder, programs=environment, **urls))
    shutil.copy(environment / "etc/nova/api-paste.ini", folder / "nova")


def _rewrite(folder: Path) -> None:
    """Nova keeps in one database where the others are."""
    with sqlite3.connect(folder / "nova_api.db") as database:
        for name, file in (("cell0", "nova_cell0.db"), ("one", "nova_cell.db")):
            url = f"sqlite:///{folder}/{file}?timeout=60"
            database.execute("update cell_mappings set database_connection = ? where name = ?", (url, name))
    database.close()


def _start(environment: Path, folder: Path, name: str, url: str) -> subprocess.Popen[bytes]:
    command = [environment / "bin/python", Path(__file__).with_name("serve.py"), name, url.rpartition(":")[2]]
    with (folder / f"{name}.out").open("wb") as out:
        return subprocess.Popen(
            [*map(str, command), str(folder / name)], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT
        )


def _wait(made: Services, name: str) -> None:
    """Until it listens."""
    ends = time.monotonic() + _START_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", int(made.urls[name].rpartition(":")[2])), 1):
            return
        told = (made.folder / f"{name}.out").read_text()[-2000:]
        assert made._running[name].poll() is None, f"{name} has ended: {told}"
        assert time.monotonic() < ends, f"{name} does not start: {told}"
        time.sleep(0.2)


def _catalog(made: Services) -> None:
    """Where services are; and that the administrator, as whom they speak to each other, is a service too."""
    token = made.token()
    found = {
        kind: made.call("keystone", "GET", f"/v3/{kind}?name={name}", token).json()[kind][0]["id"]
        for kind, name in (("users", "admin"), ("projects", "admin"), ("roles", "service"))
    }
    path = "/v3/projects/{projects}/users/{users}/roles/{roles}".format(**found)
    made.call("keystone", "PUT", path, token)
    for name, (kind, path) in _SERVICES.items():
        service = made.call("keystone", "POST", "/v3/services", token, json={"service": {"type": kind, "name": name}})
        endpoint = {"service_id": service.json()["service"]["id"], "interface": "public", "region": REGION}
        body = {"endpoint": {**endpoint, "url": made.urls[name] + path}}
        made.call("keystone", "POST", "/v3/endpoints", token, json=body)


def _seed(made: Services) -> None:
    """Flavors, two images of one name, a network inside and one to the outside; and a host with room."""
    token = made.token()
    for name, (cores, memory, disk) in FLAVORS.items():
        flavor = {"name": name, "vcpus": cores, "ram": memory, "disk": disk}
        made.call("nova", "POST", "/v2.1/flavors", token, json={"flavor": flavor})
    for number in (1, 2):
        image = {"name": IMAGE, "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        found = made.call("glance", "POST", "/v2/images", token, json={**image, "min_disk": 3})
        data = {"headers": {"Content-Type": "application/octet-stream"}, "data": b"an image" * number}
        made.call("glance", "PUT", f"/v2/images/{found.json()['id']}/file", token, **data)
    _network(made, token, "inside", "10.20.0.0/16", {"shared": True})
    ends = time.monotonic() + _START_S
    while not made.call("placement", "GET", "/resource_providers", token).json()["resource_providers"]:
        assert time.monotonic() < ends, "nova has told placement of no host"
        time.sleep(0.5)


def _network(made: Services, token: str, name: str, cidr: str, more: dict[str, Any]) -> str:
    network = made.call("neutron", "POST", "/v2.0/networks", token, json={"network": {"name": name, **more}}).json()
    inside = {"network_id": network["network"]["id"], "ip_version": 4, "cidr": cidr}
    made.call("neutron", "POST", "/v2.0/subnets", token, json={"subnet": inside})
    return str(inside["network_id"])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
