"""Small files that were written, read back with the lines at which things stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PlacedYaml:
    """A value of a YAML file; what is not there is empty and stands at line 0."""

    node: Any = None

    @property
    def line(self) -> int:
        """Counted from 1."""
        return 0 if self.node is None else int(self.node.start_mark.line) + 1

    @property
    def value(self) -> str:
        """Of a scalar as it was written; empty for anything else."""
        content = getattr(self.node, "value", "")
        return content if isinstance(content, str) else ""

    def pairs(self) -> Iterator[tuple[str, PlacedYaml]]:
        """Keys and values of a mapping; none of anything else."""
        if getattr(self.node, "id", "") == "mapping":
            for key, value in self.node.value:
                yield str(key.value), PlacedYaml(value)

    def at(self, key: str) -> PlacedYaml:
        """What stands under the key."""
        return next((value for name, value in self.pairs() if name == key), PlacedYaml())

    def items(self) -> Iterator[PlacedYaml]:
        """Of a list; none of anything else."""
        if getattr(self.node, "id", "") == "sequence":
            yield from map(PlacedYaml, self.node.value)

    def profiles(self) -> Iterator[tuple[str, str, PlacedYaml]]:
        """Namespace, key and value of each profile."""
        for namespace, entries in self.at("profiles").pairs():
            for key, value in entries.pairs():
                yield namespace, key, value


def read_placed(path: Path) -> PlacedYaml:
    """A YAML file with the places of its values."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return PlacedYaml(yaml.compose(path.read_text(encoding="utf-8"), loader))


def properties_in(path: Path) -> dict[str, tuple[str, int]]:
    """Of a file of properties: each key with its value and line; the last one holds, as for Java."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        key, separator, value = line.partition("=")
        if separator and not line.lstrip().startswith(("#", "!")):
            found[key.strip()] = value.strip(), number
    return found


@dataclass
class StagingOptions:
    """What plan.sh tells pegasus-plan of sites."""

    staging: str = ""
    """The site at which files of jobs on ``compute`` are staged."""
    results: str = ""
    variable: str = ""
    """What ``RUBINCWL_STAGING`` is set to."""
    line: int = 1
    """Of the option that names the staging site."""
    results_line: int = 1
    others: list[tuple[str, int]] = field(default_factory=list)
    """Options that choose places, with their lines, that ours never gives."""


_PLACES = ("--output-dir", "-O", "--output-site", "-o", "--cache", "--inherited-rc-files")


def staging_options(path: Path) -> StagingOptions:
    """Read in the script that plans; a word ``$RUBINCWL_STAGING`` stands for what the script sets it to."""
    found = StagingOptions()
    command = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := re.match(r"\s*export RUBINCWL_STAGING=(\S*)", line):
            found.variable = match[1]
        command = command or line.startswith("exec pegasus-plan")
        if command:
            words = [part for word in line.split() for part in word.split("=", 1 if word.startswith("--") else 0)]
            for option, value in pairwise([*words, ""]):
                _take(found, option, value.replace("$RUBINCWL_STAGING", found.variable), number)
        command = command and line.endswith("\\")
    return found


def _take(found: StagingOptions, option: str, value: str, line: int) -> None:
    if option == "--staging-site":
        found.staging, found.line = value.removeprefix("compute="), line
    elif option == "--output-sites":
        found.results, found.results_line = value, line
    elif option in _PLACES:
        found.others.append((option, line))
