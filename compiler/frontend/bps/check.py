"""What a submit file holds that cannot be read, that nobody reads, or that means nothing here; all of it at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from compiler.diagnostics import Diagnostic, Findings, Span
from compiler.frontend.bps.amounts import AMOUNTS
from compiler.frontend.bps.clusters import read_algorithm, read_clusters
from compiler.frontend.bps.defaults import DEFAULTS
from compiler.frontend.bps.keys import CLUSTER, LEFT, NAMED, OWN, PAYLOAD, READ, SECTIONS
from compiler.frontend.bps.search import Found, Resolver, Scope, variables
from compiler.frontend.bps.submit import INIT, BpsConfig, Setting
from compiler.frontend.placed import Placed, unplaced

_FINAL = ("whenRun", "whenSetup", "updateOutputChain", "implementation", "command1")
_COMMAND = re.compile(r"command\d+")
_MAPPINGS = ("environment", "profile", "attrs")
"""Keys whose value is a mapping, and that may stand where a mapping is otherwise a task, a cluster or a site."""
_LEAST_MIB = 128


@dataclass(frozen=True, slots=True)
class _Holder:
    """A mapping of the file whose keys are settings."""

    name: str
    """``pipetask.isr``, ``payload``, ...; empty for the top level."""
    held: Mapping[str, Placed]
    known: frozenset[str]
    scope: Scope

    @property
    def section(self) -> str:
        return self.name.partition(".")[0]


def check_submit(config: BpsConfig, findings: Findings, own_algorithm: str | None = None) -> None:
    """Tell what is wrong with a submit file, and what of it changes nothing here.

    `own_algorithm` is that of our own ``clustering`` key, before which bps's ``clusterAlgorithm`` does not count.
    """
    told = Findings()
    _sections(config, told)
    holders = tuple(_holders(config))
    _keys(holders, used_variables(config.user), told)
    for holder in holders:
        _amounts(config, holder, told)
    read_clusters(config.root, told)
    if own_algorithm in (None, "bps"):
        read_algorithm(config.root, told.items)
    _contradictions(config.quantum_settings(""), told)  # a task without an entry of its own
    _for_whom(config, config.labels, told)
    for spec in config.clusters():
        config.cluster_settings(spec.name, told)
        for label in spec.pipetasks:
            _contradictions(config.quantum_settings(label, spec.name, findings=told), told)
    _payload(config, told)
    _minutes(config, holders, told)
    findings.items.extend(_once(told))


def check_labels(config: BpsConfig, labels: Iterable[str], findings: Findings) -> None:
    """Tell what only the tasks of a pipeline show: settings that cannot be read for one of `labels`, and entries under
    ``pipetask`` whose name is nearly, but not quite, that of a task."""
    labels = sorted(labels)
    told = Findings()
    _for_whom(config, labels, told)
    by_lower = {label.lower(): label for label in labels}
    for label, place in config.labels.items():
        like = get_close_matches(label.lower(), by_lower, 1, 0.85) if label not in labels and label != INIT else []
        if like:
            # Only a note: files for many pipelines hold labels that differ by little.
            message = f"no task has the label '{label}'; its settings count for nobody"
            told.note("unknown-label", message, place, f"did you mean '{by_lower[like[0]]}'?")
    findings.items.extend(_once(told))


def _once(told: Findings) -> list[Diagnostic]:
    """Findings without those that say the same of the same place; a default that cannot be read has none."""
    return list({(each.code, each.message, str(each.place)): each for each in told}.values())


def _sections(config: BpsConfig, told: Findings) -> None:
    """Sections and entries that are no mappings; bps stops at them with a traceback."""
    for name in SECTIONS:
        section = config.user.mapping.get(name)
        if section is None:
            continue
        if section.content is None:
            told.note("empty-section", f"nothing stands under '{name}'", section.key)
        elif not section.is_mapping:
            told.error("wrong-type", f"'{name}' is no mapping of keys to values", section.place)
        elif name in NAMED:
            for key, entry in section.mapping.items():
                if entry.content is None and key not in READ and key not in LEFT:
                    told.note("empty-section", f"nothing stands under '{name}.{key}'", entry.key)


def _holders(config: BpsConfig) -> Iterator[_Holder]:
    """Every mapping of settings that the file holds."""
    user = config.user
    plain = config.scope(None)
    common = READ | LEFT.keys()
    yield _Holder("", user.mapping, frozenset({*common, *SECTIONS, *OWN}), plain)
    for name in SECTIONS:
        section = user.mapping.get(name)
        if section is None or not section.is_mapping:
            continue
        if name not in NAMED:
            scope = plain if name == "payload" else replace(plain, first=section, first_name=name)
            known = common if name == "payload" else {*common, *_FINAL}
            yield _Holder(name, section.mapping, frozenset(known), scope)
            continue
        # Keys that stand beside the names: bps takes them for whom has no entry.
        entries = {key: each for key, each in section.mapping.items() if each.is_mapping and key not in _MAPPINGS}
        beside = {key: each for key, each in section.mapping.items() if key not in entries}
        yield _Holder(name, {k: v for k, v in beside.items() if v.content is not None}, frozenset(common), plain)
        for key, entry in entries.items():
            known = frozenset({*common, *CLUSTER}) if name == "cluster" else frozenset(common)
            yield _Holder(f"{name}.{key}", entry.mapping, known, _scope_of(config, name, key))


def _scope_of(config: BpsConfig, section: str, name: str) -> Scope:
    """For whom an entry's settings are looked up."""
    match section:
        case "pipetask":
            return config.scope(name)
        case "cluster":
            return config.scope(None, name)
        case "site":
            return config.scope(None, site=name)
        case _:
            return config.scope(None, cloud=name)


def used_variables(user: Placed) -> set[str]:
    """Names that stand in braces in some text, of the file or of the defaults."""
    used: set[str] = set()

    def collect(placed: Placed) -> None:
        if isinstance(placed.content, str):
            used.update(variables(placed.content))
        elif isinstance(placed.content, tuple):
            for each in placed.content:
                collect(each)
        else:
            for each in placed.mapping.values():
                collect(each)

    collect(user)
    collect(unplaced(DEFAULTS))
    return used


def _keys(holders: Iterable[_Holder], used: set[str], told: Findings) -> None:
    """Keys that nobody reads, and, once each, keys of bps that change nothing here."""
    left: dict[str, list[Span | None]] = {}
    for holder in holders:
        plugin: list[Placed] = []
        names: list[str] = []
        for key, value in holder.held.items():
            is_own = not holder.name and key == "profile" and not value.is_mapping
            if holder.section == "finalJob" and (key in LEFT or _COMMAND.fullmatch(key)):
                continue
            if key in LEFT and not is_own:
                left.setdefault(key, []).append(value.key)
            elif key not in holder.known and key not in used:
                if holder.section in ("site", "cloud") and _like(key, holder.known, 0.8) is None:
                    plugin.append(value)
                    names.append(key)
                else:
                    _unknown(holder, key, value, told)
        if plugin:
            message = f"only a plug-in of bps reads of {holder.name}: {', '.join(names)}"
            told.note("bps-key-without-meaning", message, plugin[0].key, "write what a site needs under 'targets'")
    for key, places in left.items():
        why = LEFT[key]
        times = f" ({len(places)} times)" if len(places) > 1 else ""
        tell = told.warning if why.severity == "warning" else told.note
        tell("bps-key-without-meaning", f"'{key}' {why.message}{times}", places[0], why.instead)


def _unknown(holder: _Holder, key: str, value: Placed, told: Findings) -> None:
    where = f" of {holder.name}" if holder.name else ""
    like = _like(key, holder.known, 0.6)
    if holder.name in NAMED and like is None:
        message = f"'{key}'{where} is no mapping of settings"
        told.error("wrong-type", message, value.place, "as in {requestMemory: 4096}")
        return
    # A name of the user's own is nothing wrong in bps's eyes: it may be a variable of another file.
    help = f"did you mean '{like}'?" if like else f"as a variable it is used as '{{{key}}}'; nothing does"
    told.warning("unknown-key", f"nobody reads the key '{key}'{where}", value.key, help)


def _like(key: str, known: Iterable[str], least: float) -> str | None:
    """The key that was probably meant, among those that have a meaning; capitals do not count."""
    by_lower = {each.lower(): each for each in sorted(known) if each not in LEFT}
    found = get_close_matches(key.lower(), by_lower, 1, least)
    return by_lower[found[0]] if found else None


def _amounts(config: BpsConfig, holder: _Holder, told: Findings) -> None:
    """What is asked for in one place, read for whom stands there."""
    elsewhere = {key for section in NAMED for key in _keys_of_entries(config.user.mapping.get(section))}
    for key, value in holder.held.items():
        amount = AMOUNTS.get(key)
        if amount is None:
            continue
        if key == "memoryLimit" and holder.section in ("pipetask", "cluster", "finalJob"):
            message = f"'memoryLimit' of {holder.name} counts for nobody: bps reads it for a site or for all"
            told.warning("bps-key-without-meaning", message, value.key, "write 'requestMemoryMax'")
            continue
        resolver = Resolver(config.root, holder.scope)
        setting = config.read(amount, Found(value, holder.name), resolver)
        # A variable that only some tasks define is looked at task by task.
        if not (resolver.undefined and resolver.undefined <= elsewhere):
            told.items.extend(resolver.faults)
        if setting is not None and key in ("requestMemory", "requestMemoryMax", "memoryLimit"):
            _little(holder, key, setting, told)


def _little(holder: _Holder, key: str, setting: Setting, told: Findings) -> None:
    if setting.value < _LEAST_MIB:
        where = f" of {holder.name}" if holder.name else ""
        message = f"'{key}'{where} is {setting.value} MiB, less than the middleware alone takes (about 170 MiB)"
        told.warning("little-memory", message, setting.place, f"did you mean '{setting.value} GiB'?")


def _keys_of_entries(section: Placed | None) -> Iterator[str]:
    for entry in section.mapping.values() if section is not None else ():
        yield from entry.mapping


def _for_whom(config: BpsConfig, labels: Iterable[str], told: Findings) -> None:
    for label in labels:
        _contradictions(config.quantum_settings(label, findings=told), told)


def _contradictions(settings: Mapping[str, Setting], told: Findings) -> None:
    """A maximum of memory below what is asked for at first: memory could not grow, and bps removes the job at once."""
    memory, multiplier = settings.get("requestMemory"), settings.get("memoryMultiplier")
    for key in ("requestMemoryMax", "memoryLimit"):
        most = settings.get(key)
        if memory is None or most is None or multiplier is None or multiplier.value <= 1:
            continue
        if most.value < memory.value:
            at = f" ({memory.place})" if memory.place is not None else ""
            message = f"'{key}' is {most.value} MiB, less than the {memory.value} MiB that are asked for at first{at}"
            place = most.place or memory.place
            told.warning("contradictory-memory", message, place, "ask for less, or allow more")


def _payload(config: BpsConfig, told: Findings) -> None:
    """Variables of ``payload`` that nobody defines. Nothing that is compiled depends on them: no error."""
    for key in PAYLOAD:
        found = config.search_found(key)
        if found is None or found.value.place is None:
            continue
        resolver = Resolver(config.root, config.scope(None))
        resolver.value(found.value, key)
        for each in resolver.faults:
            told.items.append(replace(each, severity="note" if each.code == "unset-variable" else "warning"))


def _minutes(config: BpsConfig, holders: Iterable[_Holder], told: Findings) -> None:
    places = [
        holder.held["requestWalltime"].place
        for holder in holders
        if isinstance(getattr(holder.held.get("requestWalltime"), "content", None), int | float)
    ]
    if config.walltime_in_minutes and places:
        message = "'requestWalltime' without a unit is taken as minutes, as bps's plug-in for Parsl does"
        told.note("walltime-unit", message, places[0], "to others it is seconds; write a unit, as in '90m'")
