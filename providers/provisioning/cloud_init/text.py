"""The text that cloud-init reads, put together from the templates beside this module."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from providers.provisioning.base import TAG
from providers.provisioning.cloud_init.node import HEAD_METADATA, NEEDS_SOURCE, Node, secret_name

if TYPE_CHECKING:
    from jinja2 import Environment

LIBRARY = "/usr/local/lib/rubincwl"
NODE = "/etc/rubincwl/node.json"

TOKEN_LIFE_S = 3600
"""A worker's token; it is asked for only when a worker's daemons (re)join, so an hour is plenty."""
RENEWED_S = 1200
"""So that two renewals may fail."""
FETCHED_S = 600
"""A thousand workers then ask 1.7 times a second; AWS answers 40."""
FETCH_SPREAD_S = 60
APPROVAL_S = 1800
"""How long after its start an OpenStack head lets machines of its network in by themselves."""

_HERE = Path(__file__).parent
_UNITS = "/etc/systemd/system"
_PACKAGES = ("condor", "nftables", "python3")
_RUNTIME_PACKAGE = {"apptainer": "apptainer", "docker": "docker.io"}


def user_data(node: Node) -> str:
    """The machine's user data: ``#cloud-config`` and YAML, the same for the same node; no secret is in it.

    Ask `problems` of the node first. It takes about 11,000 of the 16,384 bytes of AWS. Needs the extra ``provision``.
    """
    document: dict[str, Any] = {
        "bootcmd": [_render("lease.sh", lease_s=node.lease_s)],
        "users": _users(node),
        "write_files": [_file(path, text, mode) for path, (text, mode) in files(node).items()],
        "apt": {"sources": sources(node)},
        "package_update": True,
        "packages": packages(node),
        "runcmd": commands(node),
    }
    if not document["apt"]["sources"]:
        del document["apt"]
    if not document["users"]:
        del document["users"]
    text = yaml.dump(document, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=1000)
    return f"#cloud-config\n{text}"


def google_startup(lease_s: int) -> str:
    """The ``startup-script`` of a Google machine, beside its ``user-data``.

    Google's Debian images come without cloud-init, so this sets the lease, installs cloud-init and lets it read the
    user data; where the image has it, only the lease is set.
    """
    return _render("google-startup.sh", lease=_render("lease.sh", lease_s=lease_s).rstrip("\n"))


def files(node: Node) -> dict[str, tuple[str, str]]:
    """What is written on the machine: path -> (text, octal mode)."""
    written = {
        NODE: (json.dumps(_told(node), indent=1) + "\n", "0644"),
        f"/etc/condor/config.d/50-rubincwl-{node.role}.config": (condor_config(node), "0644"),
        "/etc/rubincwl/metadata.nft": (_render("metadata.nft"), "0644"),
        f"{LIBRARY}/idle.py": (_render("idle.py"), "0644"),
        f"{_UNITS}/condor.service.d/rubincwl.conf": (_render("condor.conf", head=node.head), "0644"),
        f"{_UNITS}/rubincwl-metadata.service": (_render("metadata.service"), "0644"),
        f"{_UNITS}/rubincwl-idle.service": (_render("idle.service"), "0644"),
        f"{_UNITS}/rubincwl-idle.timer": (_timer("Looks for work", 60, 0), "0644"),
    }
    return written | _joining(node)


def sources(node: Node) -> dict[str, dict[str, str]]:
    """Repositories of packages beside Debian's, where the node installs anything that is not Debian's."""
    if not node.packages and (node.head or node.runtime not in NEEDS_SOURCE):
        return {}
    return {f"{each.name}.list": {"source": each.line, "key": each.key} for each in node.apt_sources}


def packages(node: Node) -> list[str]:
    """What apt installs."""
    found = [*_PACKAGES]
    if node.cloud == "aws":
        found.append("python3-boto3")
    if node.runtime is not None and not node.head:
        found.append(_RUNTIME_PACKAGE[node.runtime])
    return [*found, *node.packages]


def commands(node: Node) -> list[str]:
    """What runs at the end of the first start, each without harm a second time."""
    units = ["rubincwl-metadata.service", "rubincwl-idle.timer"]
    units.append("rubincwl-token.service" if _approves(node) else "rubincwl-token.timer")
    found = ["systemctl daemon-reload"]
    if node.runtime == "docker" and not node.head:
        # Pegasus starts containers from inside the job.
        found.append("usermod -aG docker nobody")
    found.append(f"systemctl enable --now --no-block {' '.join(units)}")
    if node.head:
        found.append("systemctl restart --no-block condor")
    return found


def condor_config(node: Node) -> str:
    """HTCondor's configuration of this role."""
    openstack = node.cloud == "openstack"
    return _render(
        f"{node.role}.config",
        cluster=node.cluster,
        trust_domain=_trust_domain(node),
        worker_identity=_worker_identity(node),
        # A request for a token comes from a machine that has none yet: it sees who answers by TLS.
        methods="FS, IDTOKENS, SSL" if openstack else "FS, IDTOKENS",
        token_requests=openstack,
        lease_s=node.lease_s,
    )


def _told(node: Node) -> dict[str, Any]:
    """What the scripts read."""
    told: dict[str, Any] = {"role": node.role, "cluster": node.cluster, "idle_s": node.idle_s}
    if node.cloud == "openstack":
        return told | {"head_address": node.head_address, "head_metadata": HEAD_METADATA}
    told |= {"secret": secret_name(node.cluster, node.cloud)}
    told |= {"region": node.region} if node.cloud == "aws" else {"project": node.project}
    if node.head:
        told |= {"tag": TAG, "token_life_s": TOKEN_LIFE_S, "worker_identity": _worker_identity(node)}
        told |= {"secret_ttl": f"{node.lease_s + TOKEN_LIFE_S}s"} if node.cloud == "gcp" else {}
    return told


def _joining(node: Node) -> dict[str, tuple[str, str]]:
    """How a worker comes to its token."""
    if _approves(node):
        command = f"/usr/bin/condor_token_request_auto_approve -netblock {node.network} -lifetime {APPROVAL_S}"
        unit = _render(
            "token.service", description="Lets workers in for a while", head=True, command=command, once=True
        )
        return {f"{_UNITS}/rubincwl-token.service": (unit, "0644")}
    if node.head:
        script, description, every, spread = "publish_token", "Lets workers in", RENEWED_S, 0
        arguments = NODE
    else:
        script, description, every, spread = "fetch_token", "Finds the head", FETCHED_S, FETCH_SPREAD_S
        arguments = f"{NODE} /etc"
    command = f"/usr/bin/python3 {LIBRARY}/{script}.py {arguments}"
    unit = _unit(description, command, head=node.head, once=False)
    return {
        f"{LIBRARY}/secret_store.py": (_render(f"secret_store_{node.cloud}.py"), "0644"),
        f"{LIBRARY}/{script}.py": (_render(f"{script}.py"), "0644"),
        f"{_UNITS}/rubincwl-token.service": (unit, "0644"),
        f"{_UNITS}/rubincwl-token.timer": (_timer(description, every, spread), "0644"),
    }


def _approves(node: Node) -> bool:
    return node.head and node.cloud == "openstack"


def _trust_domain(node: Node) -> str:
    return f"rubincwl-{node.cluster}"


def _worker_identity(node: Node) -> str:
    # HTCondor grants tokens by itself only to its own user.
    return f"{'condor' if node.cloud == 'openstack' else 'worker'}@{_trust_domain(node)}"


def _users(node: Node) -> list[Any]:
    if not node.head:
        return []
    user: dict[str, Any] = {"name": node.user, "shell": "/bin/bash", "lock_passwd": True}
    if node.ssh_key is not None:
        user["ssh_authorized_keys"] = [node.ssh_key]
    return ["default", user]


def _unit(description: str, command: str, *, head: bool, once: bool) -> str:
    return _render("token.service", description=description, command=command, head=head, once=once)


def _timer(description: str, every_s: int, spread_s: int) -> str:
    return _render("every.timer", description=description, every_s=every_s, spread_s=spread_s)


def _file(path: str, text: str, mode: str) -> dict[str, str]:
    return {"path": path, "permissions": mode, "content": text}


def _render(name: str, **values: object) -> str:
    return _templates().get_template(f"{name}.j2").render(**values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # shell, units and HTCondor's own language; what comes in is checked by `problems`
    )


def _dumper() -> type[yaml.SafeDumper]:
    class Dumper(yaml.SafeDumper):
        """Texts of several lines as they are."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper
