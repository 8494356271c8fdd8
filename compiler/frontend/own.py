"""Our own keys of a configuration, which stand beside those of bps; schemas/config.schema.json says what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from compiler.diagnostics import Findings, Span
from compiler.frontend.placed import Placed
from compiler.frontend.targets import config_schema
from compiler.frontend.validation import validate


@dataclass(frozen=True, slots=True)
class Own:
    """What a configuration says in our keys; empty where it says nothing."""

    tree: Placed = field(default_factory=lambda: Placed({}))
    """The keys with their places."""
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings by target."""
    rules: tuple[Mapping[str, Any], ...] = ()
    """As they were written (compiler.analysis.resources reads them)."""
    profile: str | None = None
    """The name of a profile."""
    records: str | None = None
    """A file or folder with records of earlier runs, as it was written; see `file`."""
    run_times: Mapping[str, float] = field(default_factory=dict)
    """Expected run time of a quantum in seconds, by label or class of its task."""
    clustering: Mapping[str, Any] = field(default_factory=dict)
    """algorithm, minimumSeconds, targetSeconds, ...: those that are given."""
    keep: tuple[str, ...] | Literal["all"] = "all"
    """Dataset types of which those datasets too are results that one job makes and reads, and no other."""
    partition: Mapping[str, Any] = field(default_factory=dict)
    """maximumJobs and maximumFiles, if they are given."""

    def place(self, *path: str | int) -> Span | None:
        """Where the value at `path` stands, of a mapping or list its key; None if it is not there. A step may be
        several with dots between them, ``when.label``."""
        found: Placed | None = self.tree
        steps = [
            part for step in path for part in (step.split(".") if isinstance(step, str) else (step,)) if part != ""
        ]
        while steps and found is not None:
            found, steps = _step(found, steps)
        if found is None:
            return None
        return found.key or found.place if found.is_mapping or isinstance(found.content, tuple) else found.place

    def value_place(self, *path: str | int) -> Span | None:
        """Where the value at `path` itself stands, behind its key; None if it is not there."""
        found = self.tree.at(*path)
        return None if found is None else found.place

    def file(self, key: Literal["records"]) -> Path | None:
        """The file that `key` names: a relative name counts from the folder of the file in which it stands."""
        found = self.tree.mapping.get(key)
        if found is None or found.place is None:
            return None
        return Path(found.place.file).parent / Path(str(found.content)).expanduser()


def _step(holder: Placed, steps: list[str | int]) -> tuple[Placed | None, list[str | int]]:
    """What stands at the first of the steps, and the steps behind it; a key may hold dots itself, as a class does."""
    words = list(takewhile(lambda step: isinstance(step, str), steps))
    for count in range(len(words), 0, -1):
        found = holder.mapping.get(".".join(str(word) for word in words[:count]))
        if found is not None:
            return found, steps[count:]
    return holder.at(steps[0]), steps[1:]


def read_own(root: Placed, keys: tuple[str, ...], findings: Findings) -> Own:
    """Our `keys` of the file; empty where they do not hold what the schema allows, which is told."""
    held = {key: root.mapping[key] for key in keys if key in root.mapping}
    if "profile" in held and held["profile"].is_mapping:
        del held["profile"]  # bps has a key of that name for settings of batch systems, always a mapping
    tree = Placed(held, root.place)
    before = len(findings.errors)
    targets = tree.mapping.get("targets")
    validate(tree, config_schema(targets.mapping if targets is not None else {}, findings), findings)
    run_times = _seconds(tree, findings)
    if len(findings.errors) > before:
        return Own()
    plain = tree.plain()
    keep = plain.get("keep", "all")
    return Own(
        tree=tree,
        targets=plain.get("targets", {}),
        rules=tuple(plain.get("rules", ())),
        profile=plain.get("profile"),
        records=plain.get("records"),
        run_times=run_times,
        clustering=plain.get("clustering", {}),
        keep="all" if keep == "all" else tuple(keep),
        partition=plain.get("partition", {}),
    )


def _seconds(tree: Placed, findings: Findings) -> dict[str, float]:
    from compiler.analysis.resources.units import parse_time

    found = {}
    times = tree.mapping.get("runTimes")
    for name, value in times.mapping.items() if times is not None else ():
        if value.content is None or isinstance(value.content, dict | tuple):
            continue  # not what the schema allows
        try:
            found[name] = parse_time(value.content)
        except ValueError as error:
            findings.error("bad-amount", f"the run time of '{name}': {error}", value.place)
    return found
