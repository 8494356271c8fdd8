"""Settings in YAML, and the choices of the command line that go before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from compiler.diagnostics import Findings, Span
from compiler.frontend.yaml_nodes import Document, kind, nearest

_WORDS = {"object": "mapping", "array": "list", "string": "string", "number": "number", "integer": "whole number"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one target, each with the place where it stands; what the command line gave has none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Span] = field(default_factory=dict)


def target_settings(config: Path | None, target: str, given: Mapping[str, Any]) -> Settings:
    """The settings of `target`: those `given`, then those of the file.

    Raises `CompileError` for a file that schemas/config.schema.json does not allow.
    """
    if config is None:
        return Settings(dict(given))
    findings = Findings()
    document = Document(str(config), findings)
    values: dict[str, Any] = {}
    places: dict[str, Span] = {}
    if document.root is not None:
        _validate(document, document.root, findings)
        findings.raise_errors()
        node = _below(document.root, ("targets", target))
        if isinstance(node, yaml.MappingNode):
            values = dict(document.value(node))
            places = {key.value: document.span(value) for key, value in node.value}
    findings.raise_errors()
    kept = {key: place for key, place in places.items() if key not in given}
    return Settings({**values, **given}, kept)


def _validate(document: Document, root: yaml.Node, findings: Findings) -> None:
    from jsonschema import Draft202012Validator

    from compiler.schema_files import schema

    content = document.value(root)
    for error in Draft202012Validator(schema("config")).iter_errors(content):
        path = tuple(error.absolute_path)
        node = _below(root, path)
        what = f"'{path[-1]}'" if path else "the file"
        if error.validator == "additionalProperties" and isinstance(node, yaml.MappingNode):
            known = error.schema["properties"]
            for key, _ in node.value:
                if key.value not in known:
                    place = document.span(key)
                    findings.error("unknown-key", f"{what} has no key '{key.value}'", place, nearest(key.value, known))
        elif error.validator == "type":
            document.wrong_type(node, what, _WORDS.get(str(error.validator_value), str(error.validator_value)))
        else:
            findings.error("wrong-value", f"{what} is a {kind(node)} that is not allowed: {error.message}",
                           document.span(node))  # fmt: skip


def _below(node: yaml.Node, path: tuple[str | int, ...]) -> yaml.Node:
    """The node at `path`, or the nearest above it that is there."""
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = node.value[step]
        else:
            found = None
        if found is None:
            return node
        node = found
    return node
