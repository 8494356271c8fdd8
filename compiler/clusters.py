"""The cluster that a target's settings ask for: its plan, what is wrong with it at the lines where it stands, and the
folder that a compile writes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.diagnostics import Diagnostic, Findings
from compiler.frontend.config import Settings

if TYPE_CHECKING:
    from providers import Problem, Provider
    from providers.provisioning.base import ClusterPlan

FOLDER = "cluster"
"""In the folder that a compile writes."""
SETTING = "cluster"


def plan_cluster(
    provider: Provider,
    settings: Settings,
    findings: Findings,
    name: str | None = None,
    user_data_limit: int | None = None,
) -> ClusterPlan:
    """What ``cluster`` of the `settings` asks for at `provider`, under another `name` if one is given.

    Raises `CompileError` with all that is wrong with it. Without `user_data_limit` the cloud's own is taken, where what
    it needs is installed.
    """
    from providers.provisioning.base import ClusterPlan
    from providers.provisioning.first_start import first_start
    from providers.provisioning.plan import make_plan

    given = settings.values.get(SETTING)
    if "provisioning" not in provider.capabilities:
        findings.items.append(Diagnostic("no-provisioning", f"no machines can be made at {provider.name}"))
    elif not isinstance(given, dict):
        help = "docs/clusters.md shows one"
        findings.items.append(
            Diagnostic("no-cluster", f"'targets.{provider.name}' of the configuration has no 'cluster'", help=help)
        )
    findings.raise_errors()
    assert isinstance(given, dict)
    limit = user_data_limit if user_data_limit is not None else _user_data_limit(provider)
    planned = make_plan(
        provider, {**given, **({"name": name} if name else {})}, first_start, folder_of(settings), limit
    )
    if isinstance(planned, ClusterPlan):
        return planned
    findings.items.extend(placed(planned, settings))
    findings.raise_errors()
    raise AssertionError("a plan that is none has no error")


def placed(problems: Iterable[Problem], settings: Settings) -> Iterator[Diagnostic]:
    """Findings for `problems`, where the settings that are to blame stand."""
    for each in problems:
        found = Diagnostic(each.code, each.message, None, each.help, each.severity, each.setting)
        yield settings.placed(found)


def folder_of(settings: Settings) -> Path:
    """From where names of files in the cluster's settings count: the folder of the file in which they stand."""
    place = settings.place(SETTING)
    return Path(place.file).parent if place is not None else Path()


def files_of(settings: Settings) -> list[Path]:
    """The files that the cluster's settings name."""
    given = settings.values.get(SETTING)
    if not isinstance(given, dict):
        return []
    named = [given["ssh_key_file"]] if "ssh_key_file" in given else []
    named += [each["key_file"] for each in given.get("apt_sources", ())]
    return [folder_of(settings) / Path(each).expanduser() for each in named]


def write_cluster(plan: ClusterPlan, folder: Path) -> None:
    """Write the plan and what machines do at their first start into `folder`, which is made."""
    from providers.provisioning.documents import cluster_files

    folder.mkdir()
    for name, text in cluster_files(plan).items():
        (folder / name).write_text(text, encoding="utf-8")


def _user_data_limit(provider: Provider) -> int | None:
    from providers import ProviderUnavailableError
    from providers.provisioning.base import CloudError

    try:
        return provider.cloud().user_data_limit
    except (ProviderUnavailableError, CloudError):
        return None
