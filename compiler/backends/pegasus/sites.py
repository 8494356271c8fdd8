"""The site catalog: where jobs run, where files wait for them, and the submit host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.backends.pegasus.layout import OUT, layout_of
from compiler.backends.pegasus.plain import write_yaml
from compiler.backends.pegasus.replicas import url_of
from compiler.backends.pegasus.retries import EXPRESSIONS
from compiler.backends.pegasus.settings import Settings
from compiler.backends.pegasus.worker_script import BEFORE_SCRIPT, WORKER_SCRIPT
from compiler.jobs import Request
from providers.base import COMPUTE, LOCAL, STAGING, Batch, Folder, Provider, Site, Store

if TYPE_CHECKING:
    from Pegasus import api

_SHORTEST_LIMIT = 60
"""Minutes that a batch system leaves a job at least where no wall time is asked for."""
_USUAL_CREDENTIALS = ("PEGASUS_CREDENTIALS", "~/.pegasus/credentials.conf")
_LONGER_THAN_EXPECTED = 4
"""How many times its expected run time a job may take there."""


def write_sites(path: Path, provider: Provider, settings: Settings, requests: Sequence[Request] = ()) -> None:
    """The logical sites with their stores; `requests`: what jobs ask for."""
    from Pegasus.api import SiteCatalog

    catalog = SiteCatalog()
    sites = {site.name: site for site in provider.sites()}
    layout = layout_of(provider.handover, settings.container)
    store = next((sites[name].store for name in (layout.staging, STAGING) if sites[name].store is not None), None)
    for site in sites.values():
        made = _site(site)
        if site.name == COMPUTE:
            _compute(made, site, provider, settings, requests)
        if site.name == LOCAL:
            made.add_dagman_profile(retry=str(settings.retries))
            _credentials(made, provider)
        kept = store if site.name == layout.staging and store is not None else _default_store(site)
        _add_store(made, kept, shared=site.name == COMPUTE)
        if site.name != STAGING or kept is not None:
            catalog.add_sites(made)
    write_yaml(path, catalog)


def _site(site: Site) -> api.Site:
    from Pegasus import api

    made = api.Site(site.name, api.Arch(site.architecture), api.OS(site.system))
    return made.add_env(**site.environment) if site.environment else made


def _default_store(site: Site) -> Store | None:
    """Folders on the submit host, which Pegasus wants to know of whether it uses them or not."""
    if site.name != LOCAL:
        return None
    return Store(Folder(f"{OUT}/pegasus/local/scratch"), Folder(f"{OUT}/pegasus/local/outputs"))


def _compute(made: api.Site, site: Site, provider: Provider, settings: Settings, requests: Sequence[Request]) -> None:
    if site.batch is not None:
        _batch(made, site.batch, settings, requests)
    else:
        _pool(made)
    layout = layout_of(provider.handover, settings.container)
    if layout.staging == COMPUTE:
        # The submit host sees the folder too: Pegasus' own jobs need not wait for a worker.
        made.add_pegasus_profile(auxillary_local="true")
    if layout.configuration == "condorio":
        made.add_dagman_profile(pre=f"{OUT}/pegasus/{BEFORE_SCRIPT}", pre_arguments="$JOB")
    if layout.lite:
        made.add_pegasus_profile(pegasus_lite_env_source=f"{OUT}/pegasus/{WORKER_SCRIPT}")
    else:
        # Its package could only be downloaded: there is no PegasusLite that brings it.
        made.add_env(PEGASUS_HOME="${PEGASUS_HOME}")


def _pool(made: api.Site) -> None:
    from Pegasus import api

    made.add_pegasus_profile(style="condor").add_condor_profile(universe="vanilla")
    for key, expression in EXPRESSIONS.items():
        made.add_profiles(api.Namespace.CONDOR, key=key, value=expression)
    made.add_dagman_profile(retry="0")  # HTCondor tries jobs again itself: DAGMan cannot tell why one failed


def _batch(made: api.Site, batch: Batch, settings: Settings, requests: Iterable[Request]) -> None:
    """A batch system behind HTCondor's blahp: no machines to match, and no counts of failures that it could go by."""
    made.add_pegasus_profile(style="glite").add_condor_profile(grid_resource=f"batch {batch.system}")
    if batch.queue is not None:
        made.add_pegasus_profile(queue=batch.queue)
    if batch.account is not None:
        made.add_pegasus_profile(project=batch.account)
    if (minutes := batch_limit(requests)) is not None:
        # Without it Pegasus takes the time that a job is expected to run for the time after which it is ended.
        made.add_globus_profile(max_wall_time=minutes)
    made.add_dagman_profile(retry=str(settings.retries))


def batch_limit(requests: Iterable[Request]) -> int | None:
    """Minutes after which a batch system may end any of the jobs; None if nothing is known of how long they take.

    >>> batch_limit([Request(run_time_s=600), Request(walltime_s=7201)])
    121
    """
    limits = []
    for each in requests:
        if each.walltime_s is not None:
            limits.append(math.ceil(each.walltime_s / 60))
        elif each.run_time_s is not None:
            limits.append(max(_SHORTEST_LIMIT, math.ceil(_LONGER_THAN_EXPECTED * each.run_time_s / 60)))
    return max(limits, default=None)


def _credentials(made: api.Site, provider: Provider) -> None:
    """Where Pegasus finds files of secrets that do not stand where it looks."""
    for each in provider.credentials():
        if each.variable and (each.variable, each.path) != _USUAL_CREDENTIALS:
            made.add_env(**{each.variable: in_home(each.path)})


def in_home(path: str) -> str:
    """A path with ``~`` as Pegasus expands it.

    >>> in_home("~/.pegasus/credentials.conf")
    '${HOME}/.pegasus/credentials.conf'
    """
    return f"${{HOME}}{path[1:]}" if path == "~" or path.startswith("~/") else path


def _add_store(made: api.Site, store: Store | None, shared: bool) -> None:
    """`shared`: whether all workers see it."""
    from Pegasus import api

    if store is None:
        return
    for kind, place in ((api.Directory.SHARED_SCRATCH, store.scratch), (api.Directory.LOCAL_STORAGE, store.outputs)):
        directory = api.Directory(kind, "/", shared_file_system=shared)
        # Set later: the constructor takes a variable for a relative path.
        directory.path = place.path if isinstance(place, Folder) else f"/{place.bucket}/{place.key}"
        made.add_directories(directory.add_file_servers(api.FileServer(url_of(place), api.Operation.ALL)))
