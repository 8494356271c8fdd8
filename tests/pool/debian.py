"""Debian 13 in a folder, with HTCondor and cloud-init as a node of a cloud has them. Made once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

SUITE = "trixie"
PACKAGES = ("condor", "cloud-init", "nftables", "python3-boto3", "iproute2", "procps", "systemd")


def cache() -> Path:
    """Where it is kept; beside what else `make` sets up."""
    return Path(os.environ.get("RUBINCWL_POOL_CACHE", Path(__file__).parents[2] / ".venv" / "pool"))


def mirror() -> str:
    """The first archive of Debian that apt uses on this machine.

    Raises LookupError if apt uses none.
    """
    folder = Path("/etc/apt")
    for each in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        if each.is_file():
            for url in re.findall(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(\S+/debian)/?(?:\s|$)", each.read_text(), re.M):
                return str(url)
    raise LookupError("apt has no archive of Debian on this machine")


def root() -> Path:
    """The folder; made by debootstrap if it is not there."""
    made = cache() / f"{SUITE}-{'-'.join(PACKAGES)}"
    if not made.is_dir():
        made.parent.mkdir(parents=True, exist_ok=True)
        partial = made.with_name(f".{made.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        _run("debootstrap", "--variant=minbase", SUITE, str(partial), mirror())
        # No daemon starts while packages are installed.
        no = partial / "usr/sbin/policy-rc.d"
        no.write_text("#!/bin/sh\nexit 101\n")
        no.chmod(0o755)
        install = f"apt-get -qy --no-install-recommends install {' '.join(PACKAGES)} && apt-get clean"
        inside = f'mount -t proc proc "$1/proc"; chroot "$1" sh -ec "{install}"'
        _run("unshare", "--mount", "sh", "-ec", inside, "-", str(partial))
        partial.rename(made)
    return made


def _run(*command: str) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}"
