"""The settings of a cluster as records; schemas/cluster.schema.json says what they may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.base import Problem
from providers.provisioning.cloud_init import AptSource
from providers.provisioning.images import DEFAULT
from schemas import schema

_UNITS_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class Machines:
    """What the settings say of the head, or of a group of workers."""

    name: str
    types: tuple[str, ...]
    count: int
    spot: bool
    fallback: bool
    """Whether machines on demand are taken where no spot capacity is left."""
    zones: tuple[str, ...]
    disk_gib: int
    setting: str
    """Where it stands: ``cluster.workers.0``."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """All settings of a cluster, with what stands in the files that they name."""

    name: str
    groups: tuple[Machines, ...]
    """The head first."""
    ssh_from: tuple[str, ...]
    ssh_key: str | None
    user: str
    lease_s: int
    idle_s: int
    usd_hour: float | None
    usd_total: float | None
    image: str
    identity: str | None
    network: str | None
    network_range: str
    labels: Mapping[str, str]
    prices: Mapping[str, Mapping[str, float]]
    packages: Mapping[str, tuple[str, ...]]
    """By role: ``head`` and ``workers``."""
    apt_sources: tuple[AptSource, ...]
    runtime: Any


@dataclass(slots=True)
class _Files:
    """Reads the files that settings name, and gathers what is wrong with them."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)

    def text(self, name: str, setting: str) -> str:
        path = self.folder / Path(name).expanduser()
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as reason:
            why = reason.strerror if isinstance(reason, OSError) else "it holds no text"
            self.problems.append(Problem("unreadable-file", f"'{path}' cannot be read: {why}", None, setting))
            return ""

    def public_key(self, name: str) -> str:
        """The one line of a public key; a private one is refused without a word of it."""
        setting = "cluster.ssh_key_file"
        text = self.text(name, setting)
        if "PRIVATE KEY" in text:
            help = "name the file beside it that ends in .pub"
            self.problems.append(Problem("private-key", f"'{name}' holds a private key", help, setting))
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if text and (len(lines) != 1 or not re.match(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+", lines[0])):
            help = "one line such as: ssh-ed25519 AAAA... you@there"
            self.problems.append(Problem("bad-ssh-key", f"'{name}' holds no public SSH key", help, setting))
            return ""
        return lines[0] if lines else ""


def read_settings(given: Mapping[str, Any], folder: Path) -> ClusterSettings | tuple[Problem, ...]:
    """The settings ``cluster``, or all that is wrong with them; relative names of files count from `folder`."""
    from jsonschema import Draft202012Validator

    wrong = tuple(
        Problem("bad-setting", error.message, None, ".".join(("cluster", *(str(step) for step in error.absolute_path))))
        for error in Draft202012Validator(schema("cluster")).iter_errors(given)
    )
    if wrong:
        return wrong
    files = _Files(folder)
    groups = (_head(given["head"]), *(_workers(each, n) for n, each in enumerate(given["workers"])))
    found = ClusterSettings(
        name=given["name"],
        groups=groups,
        ssh_from=tuple(given["ssh_from"]),
        ssh_key=files.public_key(given["ssh_key_file"]) if "ssh_key_file" in given else None,
        user=given.get("user", "rubin"),
        lease_s=seconds(given.get("lease", "12h")),
        idle_s=seconds(given.get("idle", "30m")),
        usd_hour=given.get("limits", {}).get("usd_hour"),
        usd_total=given.get("limits", {}).get("usd_total"),
        image=given.get("image", DEFAULT),
        identity=given.get("identity"),
        network=given.get("network"),
        network_range=given.get("network_range", ""),
        labels=dict(given.get("labels", {})),
        prices=given.get("prices", {}),
        packages={role: tuple(names) for role, names in given.get("packages", {}).items()},
        apt_sources=tuple(
            AptSource(each["name"], each["line"], files.text(each["key_file"], f"cluster.apt_sources.{n}.key_file"))
            for n, each in enumerate(given.get("apt_sources", ()))
        ),
        runtime=given.get("runtime"),
    )
    problems = (*files.problems, *_names(groups), *_times(found))
    return problems or found


def seconds(duration: str) -> int:
    """The seconds of a duration in days, hours, minutes and seconds.

    >>> seconds("1d12h"), seconds("90m")
    (129600, 5400)
    """
    return sum(int(count) * _UNITS_S[unit] for count, unit in re.findall(r"(\d+)([dhms])", duration))


def _head(given: Mapping[str, Any]) -> Machines:
    zones = tuple(given.get("zones", ()))
    return Machines("head", (given["type"],), 1, False, False, zones, given.get("disk_gib", 50), "cluster.head")


def _workers(given: Mapping[str, Any], number: int) -> Machines:
    return Machines(
        name=given["name"],
        types=tuple(given["types"]),
        count=given["count"],
        spot=given.get("spot", False),
        fallback=given.get("fallback") == "on-demand",
        zones=tuple(given.get("zones", ())),
        disk_gib=given.get("disk_gib", 100),
        setting=f"cluster.workers.{number}",
    )


def _names(groups: tuple[Machines, ...]) -> list[Problem]:
    """Each group has a name of its own, and none is a head beside the head."""
    found, seen = [], set()
    for each in groups:
        if each.name in seen:
            message = f"two groups of machines are called '{each.name}'"
            found.append(Problem("group-twice", message, "give each its own name", f"{each.setting}.name"))
        seen.add(each.name)
    return found


def _times(settings: ClusterSettings) -> list[Problem]:
    if settings.idle_s <= settings.lease_s:
        return []
    help = "an idle limit is shorter than the lease"
    return [Problem("idle-beyond-lease", "machines end with their lease before they are idle", help, "cluster.idle")]
