"""A submit file of bps: what it says of each task, cluster and site."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from compiler.diagnostics import Diagnostic, Findings, Span
from compiler.frontend.bps.amounts import AMOUNTS, NOTHING, Amount
from compiler.frontend.bps.clusters import Algorithm, ClusterSpec, read_algorithm, read_clusters
from compiler.frontend.bps.defaults import DEFAULTS, RETRIES_WITH_MORE_MEMORY
from compiler.frontend.bps.keys import PAYLOAD, SECTIONS
from compiler.frontend.bps.search import Found, Resolver, Scope, find
from compiler.frontend.placed import Placed, overlay, unplaced

INIT = "pipetaskInit"
"""The label of the job that initialises a run."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that counts for somebody."""

    value: Any
    """Memory and disk in MiB, times in seconds, exit codes as a tuple, variables of the environment as a mapping."""
    place: Span | None = None
    """None for a default of bps."""
    said: Any = None
    """As it was written, variables replaced."""
    section: str = ""
    """Where it was found: ``pipetask.isr``, ``payload``, ...; empty for the top level."""

    @property
    def is_default(self) -> bool:
        """Whether the user said nothing."""
        return self.place is None


class BpsConfig:
    """Settings of a submit file over bps's defaults, looked up as bps looks them up."""

    def __init__(self, user: Placed | None = None) -> None:
        """`user` is what the submit file holds, its includes included."""
        self.user = user if user is not None else Placed({})
        self.root = overlay(unplaced(DEFAULTS), _without_empty_sections(self.user))
        self._settings: dict[tuple[str | None, ...], Mapping[str, Setting]] = {}

    def quantum_settings(
        self,
        label: str,
        cluster: str | None = None,
        site: str | None = None,
        cloud: str | None = None,
        findings: Findings | None = None,
    ) -> Mapping[str, Setting]:
        """What one quantum of the task `label` asks for, by key of `AMOUNTS`; what nobody said is absent.

        `cluster` is the name of the cluster in which it runs; without one it is alone, which to bps is a cluster with
        the name of its task. `site` and `cloud` are by default those of ``computeSite`` and ``computeCloud``. Values
        that cannot be read are absent; they are told to `findings`, if given, and were told by `check_submit`.
        """
        who = (label, cluster, site, cloud)
        if findings is not None or who not in self._settings:
            self._settings[who] = self._amounts(self.scope(*who), findings)
        return self._settings[who]

    def cluster_settings(self, name: str, findings: Findings | None = None) -> Mapping[str, Setting]:
        """What ``cluster.<name>`` says itself. For a job these stand for the whole cluster, not for each quantum; only
        what is not said there is worked out from the quanta: disk and wall time as sums, the rest as maxima."""
        section = self.root.mapping.get("cluster")
        entry = section.mapping.get(name) if section is not None else None
        if entry is None or not entry.is_mapping:
            return {}
        scope = replace(self.scope(None, name), first=entry, first_name=f"cluster.{name}")
        settings = dict(self._amounts(scope, findings, entry.mapping.keys() - {"memoryLimit"}))
        multiplier = settings.get("memoryMultiplier")
        if multiplier is not None and multiplier.value > 1 and "numberOfRetries" not in settings:
            settings["numberOfRetries"] = Setting(RETRIES_WITH_MORE_MEMORY, multiplier.place, None, scope.first_name)
        return settings

    @property
    def labels(self) -> Mapping[str, Span | None]:
        """The labels that have an entry under ``pipetask`` in the file, each with its place."""
        section = self.user.mapping.get("pipetask")
        entries = section.mapping if section is not None else {}
        return {label: entry.key for label, entry in entries.items() if entry.is_mapping}

    def clusters(self) -> tuple[ClusterSpec, ...]:
        """The entries of ``cluster``, in the order of the file."""
        return read_clusters(self.root)

    @property
    def cluster_algorithm(self) -> Algorithm:
        """``clusterAlgorithm``: a job a quantum, or clusters by dimensions; the first for what only bps can run."""
        return read_algorithm(self.root) or "single"

    @property
    def algorithm_place(self) -> Span | None:
        """Where ``clusterAlgorithm`` stands; None where the user said nothing."""
        found = self.search_found("clusterAlgorithm")
        return None if found is None else found.value.place

    @property
    def payload(self) -> Mapping[str, Setting]:
        """Of payloadName, butlerConfig, inCollection, output, outputRun, dataQuery, pipelineYaml, qgraphFile and
        runInit those that are given. What bps fills in later, as ``{timestamp}``, stays as it stands."""
        found = {key: self.search(key) for key in PAYLOAD}
        return {key: setting for key, setting in found.items() if setting is not None}

    @property
    def final_job(self) -> Mapping[str, Setting]:
        """What ``finalJob`` holds, and what the final job asks for."""
        entry = self.root.mapping["finalJob"]
        scope = replace(self.scope(None), first=entry, first_name="finalJob")
        resolver = Resolver(self.root, scope)
        held = {
            key: _setting(Found(placed, "finalJob"), resolver.value(placed, key))
            for key, placed in entry.mapping.items()
            if key not in AMOUNTS
        }
        return {**held, **self._amounts(scope, None)}

    def search(self, key: str, label: str | None = None, cluster: str | None = None) -> Setting | None:
        """Any setting as bps would find it for a task, its value as it was written; None if nobody gave it."""
        found = Resolver(self.root, self.scope(label, cluster)).get(key)
        return None if found is None else _setting(*found)

    def search_found(self, key: str) -> Found | None:
        """Where a setting is defined for nobody in particular."""
        return find(self.root, key, self.scope(None))

    def scope(
        self, label: str | None, cluster: str | None = None, site: str | None = None, cloud: str | None = None
    ) -> Scope:
        """For whom to look settings up. The job that initialises a run belongs to no cluster."""
        cluster = cluster if cluster is not None or label == INIT else label
        # As bps: where a job runs may depend on its cluster, not on its task.
        lookup = Scope(pipetask=label) if label == INIT else Scope(cluster=cluster)
        if site is None:
            site = self._name("computeSite", lookup)
        if cloud is None:
            cloud = self._name("computeCloud", replace(lookup, site=site))
        return Scope(cluster, label, site, cloud)

    def _name(self, key: str, scope: Scope) -> str | None:
        found = Resolver(self.root, scope).get(key)
        return None if found is None or found[1] is None else str(found[1])

    def _amounts(
        self, scope: Scope, findings: Findings | None, keys: Collection[str] = AMOUNTS
    ) -> Mapping[str, Setting]:
        """Those of `keys` that can be read for `scope`."""
        settings: dict[str, Setting] = {}
        for key, amount in AMOUNTS.items():
            if key not in keys:
                continue
            # bps asks for the limit of memory once a site, for no task.
            resolver = Resolver(self.root, Scope(site=scope.site) if key == "memoryLimit" else scope)
            found = find(self.root, key, resolver.scope)
            if found is None:
                continue
            setting = self.read(amount, found, resolver)
            if findings is not None:
                findings.items.extend(resolver.faults)
            if setting is not None:
                settings[key] = setting
        retries = settings.get("numberOfRetries")
        if retries is not None and retries.value is None:
            # bps: null is 5 where memory grows with each retry, and otherwise none.
            multiplier = settings.get("memoryMultiplier")
            grows = multiplier is not None and multiplier.value > 1
            settings["numberOfRetries"] = replace(retries, value=RETRIES_WITH_MORE_MEMORY if grows else 0)
        return settings

    def read(self, amount: Amount, found: Found, resolver: Resolver) -> Setting | None:
        """The setting, or None where it counts as not given or cannot be read; then the resolver has the fault."""
        said = resolver.value(found.value, amount.key)
        if amount.key == "environment" and found.value.is_mapping:
            # Its variables may use each other.
            inner = Resolver(self.root, replace(resolver.scope, first=found.value, first_name="environment"))
            said = {name: inner.value(placed, name) for name, placed in found.value.mapping.items()}
            resolver.faults.extend(inner.faults)
            resolver.undefined |= inner.undefined
        if resolver.faults:
            return None
        try:
            value = amount.null if said is None else amount.read(self._in_seconds(amount, said))
        except ValueError as error:
            whose = f" of {found.section}" if found.section else ""
            message = f"'{amount.key}'{whose}: {error}"
            resolver.faults.append(Diagnostic("bad-amount", message, found.value.place, amount.help))
            return None
        return None if value is NOTHING else replace(_setting(found, said), value=value)

    def _in_seconds(self, amount: Amount, said: Any) -> Any:
        """Wall times without a unit: seconds, by bps's documentation and its PanDA plug-in, but minutes to its plug-in
        for Parsl (``lsst/ctrl/bps/parsl/job.py``)."""
        number = isinstance(said, int | float) and not isinstance(said, bool)
        if amount.key == "requestWalltime" and number and self.walltime_in_minutes:
            return said * 60
        return said

    @property
    def walltime_in_minutes(self) -> bool:
        """Whether a wall time without a unit is minutes: bps's plug-in for Parsl is chosen."""
        found = Resolver(self.root, Scope()).get("wmsServiceClass")
        return found is not None and str(found[1]).startswith("lsst.ctrl.bps.parsl.")


def _setting(found: Found, value: Any) -> Setting:
    return Setting(value, found.value.place, value, found.section)


def _without_empty_sections(user: Placed) -> Placed:
    """What the file holds, without sections that it names and leaves empty: bps stops there, here they mean nothing."""
    kept = {key: value for key, value in user.mapping.items() if key not in SECTIONS or value.content is not None}
    return replace(user, content=kept)
