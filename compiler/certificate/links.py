"""Data links of a workflow: where the value of a step's input or of a workflow's output comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.certificate.document import MalformedError, Node, UnsupportedError, local_name
from compiler.certificate.values import UNKNOWN

Key = tuple[str, str]
"""A step and its output, or the empty string and an input of the workflow."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a port gets."""

    get: Callable[[Mapping[Key, Any]], Any]
    """Takes it out of its workflow's values."""
    key: Key | None = None
    """Where it comes from, if it is just that."""
    constant: Any = None
    """What it is, if no link leads to it."""
    merged: bool = False
    """Whether it is put together from several sources."""

    def __call__(self, values: Mapping[Key, Any]) -> Any:
        return self.get(values)


def source_key(source: str, workflow: str) -> Key:
    """What a source names inside its workflow; with ``#`` it is spelled from the document's root.

    >>> source_key("#main/isr/out", "main"), source_key("isr/out", "main"), source_key("#main/raw", "main")
    (('isr', 'out'), ('isr', 'out'), ('', 'raw'))
    """
    text = source
    if source.startswith("#"):
        if not source.startswith(f"#{workflow}/"):
            raise MalformedError(f"the source {source!r} is outside of workflow {workflow!r}")
        text = source[len(workflow) + 2 :]
    step, slash, port = text.partition("/")
    if "/" in port:
        raise MalformedError(f"the source {source!r}")
    return (step, port) if slash else ("", step)


def outgoing(step: Node) -> list[str]:
    """The output ports that a step hands to its workflow; raises `MalformedError`."""
    found = [local_name(each if isinstance(each, str) else each["id"]) for each in step.get("out") or []]
    if len(set(found)) < len(found):
        raise MalformedError(f"an output twice among {', '.join(found)}")
    return found


def feed(node: Node, field: str, workflow: str, known: set[Key], features: frozenset[str]) -> Feed:
    """The function that takes a link's value out of its workflow's; raises `MalformedError` and `UnsupportedError`."""
    raw = node.get(field)
    if raw is None:
        if field == "outputSource" or "default" not in node:
            raise MalformedError(f"a port without {field}")
        constant = node["default"]
        if isinstance(constant, dict | list):
            raise UnsupportedError("a default that is an array or an object")
        return Feed(lambda values: constant, constant=constant)
    if node.get("default") is not None:
        raise UnsupportedError("a default on a linked port, which engines treat differently inside a scatter")
    sources = [raw] if isinstance(raw, str) else raw
    keys = [source_key(each, workflow) for each in sources]
    for key, source in zip(keys, sources, strict=True):
        if key not in known:
            raise MalformedError(f"no source {source!r} in workflow {workflow!r}")
    if len(keys) > 1 and "MultipleInputFeatureRequirement" not in features:
        raise MalformedError("several sources without MultipleInputFeatureRequirement")
    return _picked(_merged(keys, node.get("linkMerge")), node.get("pickValue"))


def _merged(keys: list[Key], method: Any) -> Feed:
    if method not in (None, "merge_nested", "merge_flattened"):
        raise MalformedError(f"linkMerge {method!r}")
    if len(keys) == 1 and method is None:
        (key,) = keys
        return Feed(lambda values: values[key], key)
    if method != "merge_flattened":
        return Feed(lambda values: [values[key] for key in keys], merged=True)

    def flattened(values: Mapping[Key, Any]) -> Any:
        found: list[Any] = []
        for key in keys:
            value = values[key]
            if value is UNKNOWN:
                return UNKNOWN
            found += value if type(value) is list else [value]
        return found

    return Feed(flattened, merged=True)


def _picked(get: Feed, method: Any) -> Feed:
    if method is None:
        return get
    # Which value is null decides; an engine's answer to a null that never comes needs no second implementation.
    raise UnsupportedError(f"pickValue {method!r}")
