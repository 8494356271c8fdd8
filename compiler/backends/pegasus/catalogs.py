"""Transformations and properties, built with Pegasus.api."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.backends.pegasus.layout import OUT, Layout, layout_of
from compiler.backends.pegasus.plain import write_yaml
from compiler.backends.pegasus.program import NAMESPACE
from compiler.backends.pegasus.replicas import Pair
from compiler.backends.pegasus.settings import Settings
from compiler.backends.pegasus.worker_script import SHARED_RUNNER
from compiler.backends.pegasus.workflow import Abstract
from compiler.diagnostics import Findings
from providers.base import COMPUTE, LOCAL, Handover, Placeholder, Provider, Site

if TYPE_CHECKING:
    from Pegasus import api

_CONTAINER = "science"


def write_transformations(
    path: Path, plan: Abstract, provider: Provider, settings: Settings, findings: Findings
) -> frozenset[str]:
    """One transformation a tool, so that Pegasus' statistics tell tasks apart; returns their names.

    A tool whose jobs run different programs is a finding.
    """
    from Pegasus import api

    catalog = api.TransformationCatalog()
    container = None
    if settings.container is not None:
        kind = api.Container.DOCKER if settings.container_type == "docker" else api.Container.SINGULARITY
        # Each worker fetches the image from where it is; staged, it would pass through the submit host.
        container = api.Container(_CONTAINER, kind, settings.container, bypass_staging=True)
        catalog.add_containers(container)
    layout = layout_of(provider.handover, settings.container)
    programs: dict[str, Pair] = {}
    for name, program in plan.transformations():
        script = plan.jobs.files.locations[program.file] if program.file is not None else None
        if script is not None and not layout.lite:
            script = f"pegasus/{SHARED_RUNNER}"
        here = (LOCAL, f"file://{OUT}/{script}") if script is not None else (COMPUTE, program.path)
        if programs.setdefault(name, here) != here:
            findings.error("varying-executable", f"jobs of tool {name!r} run different programs")
    compute = next(site for site in provider.sites() if site.name == COMPUTE)
    for name in sorted(programs):
        catalog.add_transformations(_transformation(name, *programs[name], compute, container))
    write_yaml(path, catalog)
    return frozenset(programs)


def _transformation(
    name: str, site: str, file: str, compute: Site, container: api.Container | None
) -> api.Transformation:
    from Pegasus import api

    return api.Transformation(
        name,
        NAMESPACE,
        site=site,
        pfn=file,
        is_stageable=site == LOCAL,
        arch=api.Arch(compute.architecture),
        os_type=api.OS(compute.system),
        container=container,
    )


def properties_of(handover: Handover, layout: Layout, folder: str = "") -> dict[str, str]:
    """Pegasus' properties, with catalogs in `folder`; what is left out stands at its default."""
    transfers = _TRANSFERS[handover] if layout.lite or handover != "shared-folder" else _IN_PLACE
    return {
        "pegasus.catalog.site.file": f"{folder}sites.yml",
        "pegasus.catalog.replica": "YAML",
        "pegasus.catalog.replica.file": f"{folder}replicas.yml",
        "pegasus.catalog.transformation.file": f"{folder}transformations.yml",
        "pegasus.data.configuration": layout.configuration,
        **transfers,
        # Full checking fetches every result back to the submit host to sum it up. The quanta's records hold checksums.
        "pegasus.integrity.checking": "none",
        # Workers may have no way out to Pegasus' download server.
        "pegasus.transfer.worker.package.autodownload": "false",
        # Workers of another Linux than the submit host's take its package rather than none.
        "pegasus.transfer.worker.package.strict": "false",
        # Else a job whose files are all for others than its own (sub-)workflow counts as done, and is dropped.
        "pegasus.data.reuse.scope": "none",
    }


_TRANSFERS: Mapping[Handover, Mapping[str, str]] = {
    "object-store": {
        # Inputs in an object store go from there to the job, not through a copy in staging.
        "pegasus.transfer.bypass.input.staging": "true",
        # Each transfer is a process that mostly waits; the defaults are one at a time in a job, two in a stage-out.
        "pegasus.transfer.threads": "4",
    },
    "shared-folder": {
        # Jobs copy inputs from where they are in the shared folder, not from a copy in its scratch space.
        "pegasus.transfer.bypass.input.staging": "true",
    },
    "submit-host": {
        # Inputs on the submit host are linked to where HTCondor takes them from, others fetched by the job itself.
        "pegasus.transfer.bypass.input.staging": "true",
        "pegasus.transfer.links": "true",
    },
}
"""What of the transfers suits each way of handing files over, where jobs run under PegasusLite."""

_IN_PLACE: Mapping[str, str] = {
    # Inputs in the shared folder are linked to where jobs look for them, not copied.
    "pegasus.transfer.links": "true",
    # Beyond 4,000 characters kickstart would read arguments from a file that it splits at spaces.
    "pegasus.gridstart.invoke.disable": "true",
}
"""Where all jobs run in the shared folder."""


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """As Pegasus.api writes them; it does not know all that there are."""
    path.write_text("".join(f"{key} = {value}\n" for key, value in properties.items()) + "\n", encoding="utf-8")


def marks_in(paths: Iterable[Path], marks: Iterable[Placeholder]) -> dict[Placeholder, list[str]]:
    """Which placeholders stand in which of the files, by file name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    found = {mark: [name for name, text in texts.items() if mark.mark in text] for mark in marks}
    return {mark: names for mark, names in found.items() if names}
