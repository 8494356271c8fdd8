"""Profiles: rules that come with the product, chosen by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from compiler.analysis.resources.rules import Rule, Written, parse_rules
from compiler.diagnostics import BugError, Findings, Span, closest

_FOLDER = Path(__file__).with_name("data")


@cache
def known_profiles() -> tuple[str, ...]:
    """Names of the profiles, sorted.

    >>> known_profiles()
    ('poc-2020', 'talk')
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def profile_rules(name: str, findings: Findings, place: Span | None = None) -> tuple[Rule, ...]:
    """The rules of a profile; `place` is where it is chosen, for a name that is not known."""
    if name not in known_profiles():
        like = closest(name, known_profiles())
        help = f"did you mean '{like}'?" if like else f"profiles: {', '.join(known_profiles())}"
        findings.error("unknown-profile", f"no profile '{name}'", place, help)
        return ()
    return _read(name)


@cache
def _read(name: str) -> tuple[Rule, ...]:
    from compiler.frontend.yaml_nodes import Document, Entry

    findings = Findings()
    document = Document(str(_FOLDER / f"{name}.yaml"), findings)
    rules: tuple[Rule, ...] = ()
    if document.root is not None:
        listed = document.entries(document.root, "the profile")["rules"].value
        keys: list[dict[str, Entry]] = [document.entries(node, "a rule") for node in listed.value]

        def place(index: int, key: str) -> Span | None:
            entry = keys[index].get(key.partition(".")[0]) if key else None
            found = document.span(entry.key if entry else listed.value[index])
            # Not the file's path, which is another one on every machine.
            return Span(f"profile {name}", found.line, found.column)

        written: Any = document.value(listed)
        rules = parse_rules(Written(written, place), findings, f"profile {name}, rule")
    if findings.items:
        raise BugError(f"the profile '{name}' cannot be read", findings)
    return rules
