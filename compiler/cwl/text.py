"""CWL as text: YAML for people where it is small, JSON where it is large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MAPPED = {"inputs": "type", "outputs": "type", "in": "source", "steps": None, "fields": "type"}
"""Lists that CWL also lets one write as a map from identifier, and the field that may then stand alone."""

_FIRST = frozenset({"id", "class", "type"})


def plain(node: Any) -> Any:
    """What cwl-utils saved, in the form that people write: maps by identifier, no generated names.

    >>> plain({"inputs": [{"id": "raw", "type": "File"}]})
    {'inputs': {'raw': 'File'}}
    """
    if isinstance(node, Mapping):
        out = {}
        for key in sorted(node, key=_FIRST.__contains__, reverse=True):
            value = node[key]
            # cwl-utils names what is anonymous at random.
            if key in ("id", "name") and isinstance(value, str) and value.startswith("_:"):
                continue
            out[key] = (
                _by_identifier(value, _MAPPED[key]) if key in _MAPPED and isinstance(value, list) else plain(value)
            )
        return out
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [plain(each) for each in node]
    return node


def _by_identifier(items: Sequence[Any], alone: str | None) -> Any:
    out: dict[str, Any] = {}
    for item in items:
        rest = plain({k: v for k, v in item.items() if k not in ("id", "name")})
        name = item.get("id", item.get("name"))
        # A map that stands for a type alone would be read as the parameter itself, so arrays keep their key.
        short = alone is not None and set(rest) == {alone} and isinstance(rest[alone], str)
        out[name] = rest[alone] if short and alone is not None else rest
    return out


def dump_document(document: Mapping[str, Any]) -> str:
    """The document as YAML, keys in the order given, the same bytes for the same document."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    found: str = yaml.dump(
        document, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True
    )
    return "#!/usr/bin/env cwl-runner\n" + found


def dump_job_order(order: Mapping[str, Any]) -> bytes:
    """The job order as JSON, a line an input, the same bytes for the same order."""
    import msgspec

    lines = [b"  " + msgspec.json.encode(key) + b": " + msgspec.json.encode(value) for key, value in order.items()]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"
