"""Rules as they stand in a YAML file, with the place of every key."""

from __future__ import annotations

from typing import Any

import yaml

from compiler.analysis.resources.rules import Written
from compiler.diagnostics import Span
from compiler.frontend.yaml_nodes import Document


def written_rules(document: Document, node: yaml.Node, called: str | None = None) -> Written:
    """The list of rules at `node`; one that is no list is told and gives no rules.

    `called` is how places name the file, if not by its own name.
    """
    listed = document.members(node, "'rules'")
    rules: list[Any] = [document.value(each) for each in listed]

    def place(index: int, key: str) -> Span | None:
        shown = found = listed[index]
        for step in key.split(".") if key else ():
            pairs = found.value if isinstance(found, yaml.MappingNode) else []
            pair = next((pair for pair in pairs if pair[0].value == step), None)
            if pair is None:
                return None
            found = pair[1]
            # What spans several lines is shown by its key.
            shown = pair[0] if isinstance(found, yaml.CollectionNode) else found
        span = document.span(shown)
        return Span(called, span.line, span.column) if called else span

    return Written(rules, place)
