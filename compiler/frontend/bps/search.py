"""Where bps looks for a setting, and what it puts for the variables in it.

The rules are those of ctrl_bps 30.2026.300, ``bps_config.py`` (`BpsConfig.search`, `BpsConfig.replace_vars`), with
three differences, each of which turns a value that would be silently wrong there into a finding or the value that was
meant: a variable that nobody defines is told instead of becoming nothing; so is one that stands for itself; and
variables are replaced in everything that is asked for, where bps hands ``requestMemory: "{mine}"`` on as it is.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compiler.diagnostics import Diagnostic, Span, closest
from compiler.frontend.bps.files import unset_variable
from compiler.frontend.placed import Placed

ORDER = ("payload", "cluster", "pipetask", "site", "cloud")
"""Sections in the order in which they are searched; the top level comes last. (bps has two more, for its own command
line, which goes before all, and for what it works out itself.)"""

DEFINED_LATER = frozenset(
    {
        "timestamp",
        "operator",
        "uniqProcName",
        "submitPath",
        "workflowName",
        "workflowPath",
        "qgraphFile",
        "runQgraphFile",
        "inputQgraphFile",
        "qgraphNodeId",
        "qgraphId",
        "wmsAttemptNum",
        "node_number",
        "label",
    }
)
"""Variables that bps defines when it submits or for each job; where nobody else defines them they stay in the text, so
that a workflow does not depend on who compiles it, and when."""

_FIELD = re.compile(r"(?<![${])\{([^{}:!]+)[^{}]*\}")
_ENVIRONMENT = re.compile(r"<ENV:([^>]+)>")
_UNSET = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_FORMATTER = string.Formatter()


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a setting is looked up: which entry of each section is theirs."""

    cluster: str | None = None
    pipetask: str | None = None
    site: str | None = None
    cloud: str | None = None
    first: Placed | None = None
    """A mapping that goes before all sections, as ``finalJob`` does for the final job."""
    first_name: str = ""
    """What findings call it."""

    def entry(self, section: str) -> str | None:
        """The entry of `section`; ``payload`` has none."""
        name: str | None = getattr(self, section, None)
        return name


@dataclass(frozen=True, slots=True)
class Found:
    """A setting, not worked on yet."""

    value: Placed
    section: str
    """``pipetask.isr``, ``payload``, ...; empty for the top level."""


def find(root: Placed, key: str, scope: Scope) -> Found | None:
    """Where `key` is defined for `scope`; the first of the sections in `ORDER` that has it wins."""
    entry = scope.entry(key.removeprefix("curr_")) if key.startswith("curr_") else None
    if entry is not None:
        return Found(Placed(entry), "")
    if scope.first is not None and (hit := _inside(scope.first, key)):
        return Found(hit, scope.first_name)
    for name in ORDER:
        section = root.mapping.get(name)
        if section is None:
            continue
        entry, where = scope.entry(name), name
        if entry is not None and entry in section.mapping:
            section, where = section.mapping[entry], f"{name}.{entry}"
        if hit := _inside(section, key):
            return Found(hit, where)
    hit = _inside(root, key)
    return Found(hit, "") if hit else None


def _inside(holder: Placed, key: str) -> Placed | None:
    """The value of `key`, which may be a path (``.finalJob.whenRun``): its first character is then what separates."""
    if key in holder.mapping:
        return holder.mapping[key]
    if key and not key[0].isalnum():
        return holder.at(*key[1:].split(key[0]))
    return None


def variables(text: str) -> Iterator[str]:
    """The names in braces in `text`.

    >>> list(variables("-d {dataQuery} in ${HOME} {n:03}"))
    ['dataQuery', 'n']
    """
    return (match[1] for match in _FIELD.finditer(text))


class Resolver:
    """Gives settings of one scope their values; what cannot be resolved is collected in `faults`."""

    def __init__(self, root: Placed, scope: Scope) -> None:
        self.root = root
        self.scope = scope
        self.faults: list[Diagnostic] = []
        self.undefined: set[str] = set()
        """Variables that are not defined for this scope."""

    def get(self, key: str) -> tuple[Found, Any] | None:
        """The setting `key` and its value, or None if nobody gave it."""
        found = find(self.root, key, self.scope)
        return None if found is None else (found, self.value(found.value, key))

    def value(self, placed: Placed, key: str) -> Any:
        """Plain data; in a text, variables are replaced (in lists and mappings bps leaves them, and so do we)."""
        if isinstance(placed.content, str):
            return self._text(placed.content, placed.place, (key,))
        return placed.plain()

    def _text(self, text: str, place: Span | None, open_: tuple[str, ...]) -> str:
        """`text` with variables replaced; `open_` are the settings whose texts it stands in."""
        text = os.path.expandvars(_ENVIRONMENT.sub(r"${\1}", text))
        for match in _UNSET.finditer(text):
            self.faults.append(unset_variable(match[1] or match[2], place))
        # Braces of ``${X}`` are none of ours; characters for private use keep them out of the way.
        text = re.sub(r"\$\{([^}]+)\}", "$\ue000\\1\ue001", text)
        try:
            text = self._format(text, place, open_)
        except (ValueError, TypeError) as error:  # the latter for a list in a number's form
            message = f"the braces in '{_short(text)}' cannot be read: {error}".lower()
            self._fault("bad-variable", message, place, "write '{{' and '}}' for braces that are no variable")
        text = text.replace("\ue000", "{").replace("\ue001", "}")
        if "bpsEval" in text:
            message = f"'{_short(text)}' is worked out by Python code that only bps runs"
            self._fault("bps-eval", message, place, "write the value that it gives")
        return text

    def _format(self, text: str, place: Span | None, open_: tuple[str, ...], deep: int = 2) -> str:
        if deep < 0:
            raise ValueError("braces nest too deep")
        parts: list[str] = []
        for literal, name, form, conversion in _FORMATTER.parse(text):
            parts.append(literal)
            if name is None:
                continue
            form = self._format(form or "", place, open_, deep - 1)
            if find(self.root, name, self.scope) is None and name in DEFINED_LATER:
                parts.append(f"{{{name}}}")
            else:
                value = self._variable(name, place, open_)
                parts.append(format(_FORMATTER.convert_field(value, conversion) if conversion else value, form))
        return "".join(parts)

    def _variable(self, name: str, place: Span | None, open_: tuple[str, ...]) -> Any:
        found = find(self.root, name, self.scope)
        if found is None:
            self.undefined.add(name)
            message = f"the variable '{{{name}}}' is not defined"
            like = closest(name, sorted(_names(self.root)))
            help = f"did you mean '{{{like}}}'?" if like else f"write '{name}: ...' at the top level"
            self._fault("undefined-variable", message, place, help)
            return ""
        if name in open_:
            ring = " -> ".join(f"{{{each}}}" for each in (*open_[open_.index(name) :], name))
            self._fault("variable-circle", f"a variable stands for itself: {ring}", place, "give one of them a value")
            return ""
        content = found.value.content
        if isinstance(content, str):
            return self._text(content, found.value.place, (*open_, name))
        if isinstance(content, dict):
            message = f"'{{{name}}}' is a section, not a value"
            self._fault("undefined-variable", message, place, f"'{{.{name}.KEY}}' is a value in it")
            return ""
        return found.value.plain()

    def _fault(self, code: str, message: str, place: Span | None, help: str | None) -> None:
        self.faults.append(Diagnostic(code, message, place, help))


def _names(root: Placed) -> set[str]:
    """What variables may be called: everything at the top and in ``payload``."""
    held = {**root.mapping, **(root.mapping["payload"].mapping if "payload" in root.mapping else {})}
    return {key for key, value in held.items() if not value.is_mapping}


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
