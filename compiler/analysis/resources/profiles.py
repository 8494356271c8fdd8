"""Profiles: rules that come with the product, chosen by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from compiler.analysis.resources.rules import Rule, parse_rules
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
    # Here, since whoever only wants the names needs no YAML.
    from compiler.analysis.resources.written import written_rules
    from compiler.frontend.yaml_nodes import Document

    findings = Findings()
    document = Document(str(_FOLDER / f"{name}.yaml"), findings)
    rules: tuple[Rule, ...] = ()
    if document.root is not None:
        listed = document.entries(document.root, "the profile")["rules"].value
        # Not by the file's path, which is another one on every machine.
        rules = parse_rules(written_rules(document, listed, f"rubincwl/{name}.yaml"), findings, f"profile {name}, rule")
    if findings.items:
        raise BugError(f"the profile '{name}' cannot be read", findings)
    return rules
