"""The file that ``--config`` names: a submit file of bps, our own keys beside, and the choices of the command line that
go before both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.diagnostics import Findings, Span
from compiler.frontend.bps import BpsConfig, check_submit, read_files
from compiler.frontend.bps.keys import OWN
from compiler.frontend.own import Own, read_own


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one target, each with the place where it stands; what the command line gave has none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says; without one, bps's defaults and nothing of ours."""

    bps: BpsConfig = field(default_factory=BpsConfig)
    own: Own = field(default_factory=Own)

    def targets(self, target: str, given: Mapping[str, Any]) -> Settings:
        """The settings of `target`: those `given`, then those of the file."""
        values = self.own.targets.get(target, {})
        places = {key: self.own.value_place("targets", target, key) for key in values}
        kept = {key: place for key, place in places.items() if place is not None and key not in given}
        return Settings({**values, **given}, kept)


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
