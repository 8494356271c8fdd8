"""What a YAML file holds, held against a JSON Schema: findings with places, in the words of who writes YAML."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from compiler.diagnostics import Findings
from compiler.frontend.placed import Placed
from compiler.frontend.yaml_nodes import nearest

_WORDS = {
    "object": "mapping",
    "array": "list",
    "string": "string",
    "number": "number",
    "integer": "whole number",
    "boolean": "boolean",
}


def validate(tree: Placed, schema: Mapping[str, Any] | bool, findings: Findings, whole: str = "the file") -> None:
    """Tell where `tree`, which findings call `whole`, is not what the JSON `schema` (2020-12) allows, and which name
    was probably meant."""
    from jsonschema import Draft202012Validator

    incomplete: set[tuple[str | int, ...]] = set()
    for error in Draft202012Validator(schema).iter_errors(tree.plain()):
        path = tuple(error.absolute_path)
        found, _ = tree.nearest(*path)
        what = _what(path) if path else whole
        if error.validator == "additionalProperties" and found.is_mapping:
            known = error.schema.get("properties", {})
            for key, value in found.mapping.items():
                if key not in known:
                    findings.error("unknown-key", f"{what} has no key '{key}'", value.key, nearest(key, known))
        elif error.validator == "type":
            allowed = error.validator_value
            words = [_WORDS.get(str(each), str(each)) for each in (allowed if isinstance(allowed, list) else [allowed])]
            is_what = "empty" if found.content is None else f"a {_kind(found)}"
            findings.error("wrong-type", f"{what} is {is_what}, not a {' or a '.join(words)}", found.place)
        elif error.validator in ("enum", "const"):
            allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
            known = [str(each) for each in allowed]
            help = nearest(str(found.content), known)
            findings.error("wrong-value", f"{what} is '{found.content}'", found.place, help)
        elif error.validator == "required" and found.is_mapping:
            if path not in incomplete:  # else told already: there is an error for each key
                incomplete.add(path)
                lacking = " and ".join(repr(key) for key in error.validator_value if key not in found.mapping)
                findings.error("missing-key", f"{what} lacks {lacking}", found.key or found.place)
        else:
            message = f"{what} is a {_kind(found)} that is not allowed: {error.message}"
            findings.error("wrong-value", message, found.place)


def _what(path: tuple[str | int, ...]) -> str:
    """What findings call a value inside: its key, or its number in a list.

    >>> _what(("rules", 0)), _what(("targets", "aws"))
    ("'rules' 1", "'aws'")
    """
    *before, last = path
    if isinstance(last, int):
        return f"{_what(tuple(before))} {last + 1}" if before else f"number {last + 1}"
    return f"'{last}'"


def _kind(placed: Placed) -> str:
    match placed.content:
        case dict():
            return "mapping"
        case tuple():
            return "list"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case date():
            return "date"
        case None:
            return "null"
    return "string"
