"""The file that ``--config`` names: a submit file of bps, our own keys beside, and the choices of the command line that
go before both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from compiler.diagnostics import Diagnostic, Findings, Span
from compiler.frontend.bps import BpsConfig, check_submit, read_files, used_variables
from compiler.frontend.bps.amounts import AMOUNTS
from compiler.frontend.bps.keys import OWN
from compiler.frontend.own import Own, read_own
from compiler.frontend.placed import Placed, unplaced

if TYPE_CHECKING:
    from compiler.analysis.clustering.options import Options

Algorithm = Literal["auto", "bps", "none"]
_OPTIONS = {
    "minimumSeconds": "minimum_s",
    "targetSeconds": "target_s",
    "maximumSeconds": "maximum_s",
    "unknownSeconds": "unknown_s",
    "maximumQuanta": "maximum_quanta",
    "parallelJobs": "parallel",
}
"""Our keys under ``clustering`` and what they are called in `compiler.analysis.clustering.options.Options`."""

ONE_TARGET_HELP = "say it at the top level, or name the site of all targets with computeSite"

_PARTITION = {"maximumJobs": "partition_jobs", "maximumFiles": "partition_files"}
"""Our keys under ``partition``, which holds for every target, and what targets call them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one target, each with the place where it stands; what the command line gave has none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Span] = field(default_factory=dict)
    """By setting, with dots for those inside others: ``machines.0.cores``."""

    def place(self, setting: str) -> Span | None:
        """Where the setting stands, or the innermost around it that does."""
        while setting and setting not in self.places:
            setting = setting.rpartition(".")[0]
        return self.places.get(setting)

    def placed(self, finding: Diagnostic) -> Diagnostic:
        """The finding at the place of the setting that is to blame."""
        if finding.place is not None or finding.setting is None:
            return finding
        return replace(finding, place=self.place(finding.setting))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says; without one, bps's defaults and nothing of ours."""

    bps: BpsConfig = field(default_factory=BpsConfig)
    own: Own = field(default_factory=Own)

    def files(self) -> list[Path]:
        """The files that it came from, those included and records of earlier runs among them."""
        records = self.own.file("records")
        found = {Path(name) for name in self.bps.user.files()} | ({records} if records is not None else set())
        return sorted(found)

    def targets(self, target: str, given: Mapping[str, Any]) -> Settings:
        """The settings of `target`: those `given`, then those of the file."""
        values = dict(self.own.targets.get(target, {}))
        held = self.own.tree.at("targets", target)
        places = dict(_places_in(held)) if held is not None else {}
        for key, ours in _PARTITION.items():
            if key in self.own.partition:
                values[ours] = self.own.partition[key]
                if (place := self.own.value_place("partition", key)) is not None:
                    places[ours] = place
        kept = {key: place for key, place in places.items() if key.partition(".")[0] not in given}
        return Settings({**values, **given}, kept)

    def for_target(self, target: str) -> Configuration:
        """What holds on `target`: where the file names no ``computeSite``, the section of ``site`` that has the
        target's name is that of the site where jobs run."""
        if not self._has_section(target):
            return self
        tree = self.bps.user
        return replace(self, bps=BpsConfig(replace(tree, content={**tree.mapping, "computeSite": unplaced(target)})))

    def tell_one_target_only(self, findings: Findings) -> None:
        """A warning for each setting of jobs that holds on one target alone: with it, workflows are not the same."""
        from providers import known_providers

        used = {*AMOUNTS, "clusterAlgorithm", *used_variables(self.bps.user)}
        for target in filter(self._has_section, known_providers()):
            section = self.bps.user.mapping["site"].mapping[target]
            for key in filter(used.__contains__, section.mapping):
                message = f"'site.{target}.{key}' holds for the target {target} alone: its workflow is not the others'"
                findings.warning("one-target-only", message, section.mapping[key].key, ONE_TARGET_HELP)

    def _has_section(self, target: str) -> bool:
        sites = self.bps.user.mapping.get("site")
        found = sites.mapping.get(target) if sites is not None else None
        return found is not None and found.is_mapping and self.bps.search_found("computeSite") is None

    def clustering(self, findings: Findings) -> tuple[Algorithm, Options]:
        """How quanta are grouped: as our ``clustering`` says, else as bps's ``clusterAlgorithm``, else ``auto``."""
        from compiler.analysis.clustering.options import Options

        said = self.own.clustering
        algorithm: Algorithm = said.get("algorithm") or ("auto" if self.bps.algorithm_place is None else "bps")
        if algorithm == "bps" and "algorithm" not in said and self.bps.cluster_algorithm == "single":
            algorithm = "none"
        used = [spec for spec in self.bps.clusters() if spec.pipetasks]
        if used and algorithm != "bps":
            message = f"clustering is '{algorithm}': what stands under 'cluster' groups nothing"
            findings.note("unused-clusters", message, used[0].place, "write clustering: {algorithm: bps}")
        options = {ours: said[key] for key, ours in _OPTIONS.items() if key in said}
        target = options.get("target_s", Options().target_s)
        # One bound alone moves the others out of its way; two that contradict each other are told.
        options.setdefault("minimum_s", min(Options().minimum_s, target, options.get("maximum_s", target)))
        options.setdefault("maximum_s", max(Options().maximum_s, 2 * target, options["minimum_s"]))
        if "target_s" not in options:
            options["target_s"] = min(max(target, options["minimum_s"]), options["maximum_s"])
        return algorithm, Options(**options)


def _places_in(placed: Placed, path: str = "") -> Iterator[tuple[str, Span]]:
    """Where each setting stands: a mapping or list at its key, anything else behind it."""
    inside = placed.content if isinstance(placed.content, tuple) else ()
    below = {**placed.mapping, **{str(number): each for number, each in enumerate(inside)}}
    place = (placed.key or placed.place) if placed.is_mapping or inside else placed.place
    if path and place is not None:
        yield path, place
    for key, each in below.items():
        yield from _places_in(each, f"{path}.{key}" if path else key)


def read_config(path: Path | None, findings: Findings) -> Configuration:
    """The file at `path` with what it includes. What is wrong with it, and what of it means nothing here, is told to
    `findings`; it never raises, and what can be understood is in what it returns."""
    if path is None:
        return Configuration()
    tree = read_files(str(path), findings)
    if tree is None:
        return Configuration()
    own = read_own(tree, OWN, findings)
    bps = BpsConfig(tree)
    check_submit(bps, findings, own.clustering.get("algorithm"))
    return Configuration(bps, own)


def target_settings(config: Path | None, target: str, given: Mapping[str, Any]) -> Settings:
    """The settings of `target`: those `given`, then those of the file.

    Raises `CompileError` for a file with errors, in our keys or in bps's.
    """
    findings = Findings()
    configuration = read_config(config, findings)
    findings.raise_errors()
    return configuration.targets(target, given)
