"""Sites, replicas, transformations and properties, built with Pegasus.api and written without its clock and user."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from compiler.backends.pegasus.program import NAMESPACE
from compiler.backends.pegasus.quoting import json_string
from compiler.backends.pegasus.retries import EXPRESSIONS
from compiler.backends.pegasus.settings import Settings
from compiler.backends.pegasus.worker_script import WORKER_SCRIPT
from compiler.backends.pegasus.workflow import Abstract
from compiler.diagnostics import Findings
from providers.base import COMPUTE, LOCAL, STAGING, Folder, Place, Placeholder, Problem, Provider, Site, Web

if TYPE_CHECKING:
    from Pegasus import api

OUT = "${RUBINCWL_OUT}"
"""The output folder: Pegasus replaces it when it plans, plan.sh sets it, so that the folder can be moved."""
INPUTS_MARK = Placeholder("@INPUTS_AT@", "the S3 URL of the repository's files, s3://bucket/prefix", "inputs_at")
_CONTAINER = "science"
_PLAIN_INPUT = re.compile(r"inputs(?:/[A-Za-z0-9_+=-][A-Za-z0-9._+=-]*)+")
"""Locations whose letters every store takes as they are."""

Pair = tuple[str, str]
"""A site and a physical file name."""


def url_of(place: Place) -> str:
    """A place as pegasus-transfer names it."""
    if isinstance(place, Folder):
        return f"file://{place.path}"
    if isinstance(place, Web):
        return place.url
    account = f"{place.account}/" if place.account else ""
    return f"{place.scheme}://{account}{place.bucket}" + (f"/{place.key}" if place.key else "")


@dataclass(frozen=True)
class Known:
    """What somebody has found out of existing files beyond where `Settings.inputs_at` puts them.

    Keys are locations, as `compiler.jobs.Files.locations` spells them: ``inputs/raw/all/raw_1_0.fits``. What is not
    there is not known.
    """

    urls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where copies of the file are, as the provider takes them (``s3://bucket/key``), the one to be preferred first.
    They stand in place of what `Settings.inputs_at` says."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """64 hexadecimal digits, of those that can be trusted: never an ETag."""


@dataclass
class Replicas:
    """Where the files are that exist before the workflow."""

    place: list[Pair | None]
    """Shape (existing files,): None for one that jobs cannot reach, which is told, and for an executable."""

    def lines(self, names: Sequence[str], files: Iterable[int]) -> Iterator[str]:
        """The replica catalog's entries for some of the files as Pegasus.api writes them, one a line."""
        for file in files:
            if (place := self.place[file]) is not None:
                lfn, site, pfn = json_string(names[file]), place[0], json_string(place[1])
                yield f'{{"lfn": {lfn}, "pfns": [{{"site": "{site}", "pfn": {pfn}}}]}}'


def replicas_of(plan: Abstract, provider: Provider, settings: Settings, findings: Findings) -> Replicas:
    """Where every file that exists before the workflow is; the runner is no file but a program."""
    executables = {program.file for program in plan.programs}
    base = _below(provider, settings)
    reported: set[str] = set()
    found: list[Pair | None] = []
    for place, location in enumerate(plan.jobs.files.locations):
        if base is not None and _PLAIN_INPUT.fullmatch(location):
            found.append((base[0], f"{base[1]}/{location[7:]}"))
            continue
        where = None if place in executables else _replica(location, provider, settings)
        if isinstance(where, Problem):
            if where.message not in reported:
                reported.add(where.message)
                findings.error(where.code, where.message, help=where.help)
            where = None
        found.append(where)
    return Replicas(found)


def _below(provider: Provider, settings: Settings) -> Pair | None:
    """The site and the URL of the folder below which inputs are; None if it is not open to jobs."""
    if settings.inputs_at is None or urlsplit(settings.inputs_at).scheme in ("", "file"):
        return None
    folder = provider.replica(settings.inputs_at)
    return None if isinstance(folder, Problem) else (folder.site, url_of(folder.place))


def _replica(location: str, provider: Provider, settings: Settings) -> Pair | Problem:
    if location.startswith("runtime/"):
        return LOCAL, f"file://{OUT}/{unquote(location)}"
    if location.startswith("inputs/"):
        path = unquote(location.removeprefix("inputs/"))
        if settings.inputs_at is None:
            return STAGING, f"{INPUTS_MARK.mark}/{path}"
        location = f"{settings.inputs_at.rstrip('/')}/{path}"
    base = (
        settings.inputs_at if settings.inputs_at is not None and location.startswith(settings.inputs_at) else location
    )
    if urlsplit(base).scheme in ("", "file"):
        return Problem(
            "inputs-on-submit-host",
            f"inputs at {base!r} would all pass through the submit host",
            "copy them with 'rubincwl upload GRAPH --repo REPO --to URL', then say --inputs-at URL",
        )
    replica = provider.replica(location)
    return replica if isinstance(replica, Problem) else (replica.site, url_of(replica.place))


def write_replicas(path: Path, lines: Iterable[str]) -> None:
    """JSON, one line a file: a night's raws are many."""
    from Pegasus.api import ReplicaCatalog

    version = _plain(ReplicaCatalog())["pegasus"]
    with path.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as stream:
        stream.write(f'{{"pegasus": {json.dumps(version)}, "replicas": [')
        separator = "\n"
        for line in lines:
            stream.write(separator + line)
            separator = ",\n"
        stream.write("\n]}\n")


def write_sites(path: Path, provider: Provider, settings: Settings) -> None:
    """The three logical sites with their stores."""
    from Pegasus.api import SiteCatalog

    catalog = SiteCatalog()
    for site in provider.sites():
        catalog.add_sites(_site(site, settings))
    _write_yaml(path, catalog)


def _site(site: Site, settings: Settings) -> api.Site:
    from Pegasus import api

    made = api.Site(site.name, api.Arch(site.architecture), api.OS(site.system))
    if site.name == COMPUTE:
        made.add_pegasus_profile(style="condor").add_condor_profile(universe="vanilla")
        for key, expression in EXPRESSIONS.items():
            made.add_profiles(api.Namespace.CONDOR, key=key, value=expression)
        made.add_dagman_profile(retry="0")  # HTCondor tries jobs again itself: DAGMan cannot tell why one failed
        made.add_pegasus_profile(pegasus_lite_env_source=f"{OUT}/pegasus/{WORKER_SCRIPT}")
    stores: list[tuple[Any, str, str]] = []
    if site.store is not None:
        for kind, place in (
            (api.Directory.SHARED_SCRATCH, site.store.scratch),
            (api.Directory.LOCAL_STORAGE, site.store.outputs),
        ):
            folder = place.path if isinstance(place, Folder) else f"/{place.bucket}/{place.key}"
            stores.append((kind, folder, url_of(place)))
    elif site.name == LOCAL:
        made.add_dagman_profile(retry=str(settings.retries))
        for kind, name in ((api.Directory.SHARED_SCRATCH, "scratch"), (api.Directory.LOCAL_STORAGE, "outputs")):
            folder = f"{OUT}/pegasus/local/{name}"
            stores.append((kind, folder, f"file://{folder}"))
    for kind, folder, url in stores:
        directory = api.Directory(kind, "/")
        directory.path = folder  # set later: the constructor takes a variable for a relative path
        made.add_directories(directory.add_file_servers(api.FileServer(url, api.Operation.ALL)))
    return made


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
    programs: dict[str, Pair] = {}
    for name, program in plan.transformations():
        script = plan.jobs.files.locations[program.file] if program.file is not None else None
        here = (LOCAL, f"file://{OUT}/{script}") if script is not None else (COMPUTE, program.path)
        if programs.setdefault(name, here) != here:
            findings.error("varying-executable", f"jobs of tool {name!r} run different programs")
    compute = next(site for site in provider.sites() if site.name == COMPUTE)
    for name in sorted(programs):
        catalog.add_transformations(_transformation(name, *programs[name], compute, container))
    _write_yaml(path, catalog)
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


def properties_of(folder: str = "") -> dict[str, str]:
    """Pegasus' properties, with catalogs in `folder`; what is left out stands at its default."""
    return {
        "pegasus.catalog.site.file": f"{folder}sites.yml",
        "pegasus.catalog.replica": "YAML",
        "pegasus.catalog.replica.file": f"{folder}replicas.yml",
        "pegasus.catalog.transformation.file": f"{folder}transformations.yml",
        # Jobs share nothing: they fetch from the staging site and put back to it.
        "pegasus.data.configuration": "nonsharedfs",
        # Inputs in an object store go from there to the job, not through a copy in staging.
        "pegasus.transfer.bypass.input.staging": "true",
        # Full checking fetches every result back to the submit host to sum it up. The quanta's records hold checksums.
        "pegasus.integrity.checking": "none",
        # Workers may have no way out to Pegasus' download server.
        "pegasus.transfer.worker.package.autodownload": "false",
        # Else a job whose files are all for others than its own (sub-)workflow counts as done, and is dropped.
        "pegasus.data.reuse.scope": "none",
    }


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """As Pegasus.api writes them."""
    from Pegasus.api import Properties

    made = Properties()
    for key, value in properties.items():
        made[key] = value
    with path.open("w+", encoding="utf-8") as stream:
        made.write(stream)


def _plain(catalog: Any) -> dict[str, Any]:
    """A catalog as plain data without ``x-pegasus``, which tells who wrote it and when."""
    stream = StringIO()
    catalog.write(stream, _format="json")
    content: dict[str, Any] = json.loads(stream.getvalue())
    del content["x-pegasus"]
    return content


def _write_yaml(path: Path, catalog: Any) -> None:
    import yaml

    path.write_text(yaml.safe_dump(_plain(catalog), sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def marks_in(paths: Iterable[Path], marks: Iterable[Placeholder]) -> dict[Placeholder, list[str]]:
    """Which placeholders stand in which of the files, by file name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    found = {mark: [name for name, text in texts.items() if mark.mark in text] for mark in marks}
    return {mark: names for mark, names in found.items() if names}
