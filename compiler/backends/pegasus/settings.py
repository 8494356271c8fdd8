"""What a user may say about a Pegasus workflow beside the provider's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from compiler.backends.pegasus.partition import Limits
from compiler.diagnostics import Findings, closest


@dataclass(frozen=True, slots=True)
class Settings:
    """All optional; what is missing becomes a placeholder or is left to the workers."""

    inputs_at: str | list[str] | None = None
    """URL that holds the repository's datastore root; several if there are copies, the one to be preferred first."""
    container: str | None = None
    """Image that holds the science stack, as Pegasus fetches it (``docker://...``)."""
    container_type: str = "singularity"
    """Or ``docker``."""
    setup_script: str | None = None
    """Shell script that sets the science stack up: an absolute path on the workers, or ``file:///`` one on the submit
    host, which then travels with every job."""
    retries: int = 2
    """How often Pegasus' own jobs (transfers, clean-ups, sub-workflows) are tried again; each other job says itself."""
    partition_jobs: int = Limits().jobs
    """A workflow of more jobs than this becomes one of sub-workflows."""
    partition_files: int = Limits().files
    """And one whose jobs use more files than this, each counted once a job."""

    def input_bases(self) -> tuple[str, ...]:
        """The URLs of `inputs_at`."""
        return (self.inputs_at,) if isinstance(self.inputs_at, str) else tuple(self.inputs_at or ())


def read_settings(given: Mapping[str, Any], findings: Findings) -> Settings:
    """Settings from a mapping of plain values; unknown names and wrong values are findings."""
    known = [each.name for each in fields(Settings)]
    for key in given:
        if key not in known:
            near = closest(key, known)
            help = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
            findings.error("unknown-setting", f"Pegasus has no setting {key!r}", help=help, setting=key)
    settings = Settings(**{key: value for key, value in given.items() if key in known})
    if settings.container_type not in ("singularity", "docker"):
        message = f"container_type is {settings.container_type!r}"
        findings.error("bad-setting", message, help="singularity or docker", setting="container_type")
    if not isinstance(settings.retries, int) or settings.retries < 0:
        message = f"retries is {settings.retries!r}, which is no number of tries"
        findings.error("bad-setting", message, setting="retries")
    for name in ("partition_jobs", "partition_files"):
        number = getattr(settings, name)
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            findings.error("bad-setting", f"{name} is {number!r}, which is no number of them", setting=name)
    bases = settings.inputs_at
    if not (
        bases is None or isinstance(bases, str) or (isinstance(bases, list) and all(isinstance(b, str) for b in bases))
    ):
        findings.error("bad-setting", f"inputs_at is {bases!r}", help="a URL, or a list of them", setting="inputs_at")
        settings = replace(settings, inputs_at=None)
    script = settings.setup_script
    if script is not None and (not script.removeprefix("file://").startswith("/") or set(script) & set(" \t\n$'\"\\")):
        help = "Pegasus sources it without quotes: an absolute path without spaces"
        findings.error("bad-setting", f"setup_script is {script!r}", help=help, setting="setup_script")
    if settings.container is not None and "://" not in settings.container:
        findings.error(
            "bad-setting",
            f"container is {settings.container!r}",
            help="for instance docker://lsstsqre/centos:w_2026_43",
            setting="container",
        )
    return settings
