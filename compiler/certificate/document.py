"""Reading a CWL document: names, maps that may be lists, and what this checker understands.

Everything that is not understood is refused by name, so that no part of a document can change
its meaning without the certificate noticing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Node = dict[str, Any]


class MalformedError(ValueError):
    """The document is not CWL; the text says where and why."""


class UnsupportedError(ValueError):
    """CWL that this checker does not evaluate; the text names it."""


def local_name(name: str) -> str:
    """The last part of an identifier.

    >>> local_name("#main/isr/out"), local_name("out")
    ('out', 'out')
    """
    return name.rsplit("/", 1)[-1].rsplit("#", 1)[-1]


def fragment(name: str) -> str:
    """An identifier of the document without its leading ``#``."""
    return name.removeprefix("#")


def named_items(raw: Any, key: str, short: str) -> list[tuple[str, Node]]:
    """The items of a list of objects, or of CWL's map form of it, with their names.

    `short` is the field that a bare value in the map form stands for. Raises `MalformedError`.
    """
    found: list[tuple[str, Node]] = []
    if isinstance(raw, Mapping):
        for name, each in raw.items():
            # In a map of ports `{type: array, items: File}` is no type: it is a port with a field `items`.
            found.append((str(name), each if isinstance(each, dict) else {short: each}))
    elif isinstance(raw, list):
        for each in raw:
            if not isinstance(each, dict) or not isinstance(each.get(key), str):
                raise MalformedError(f"an item without {key!r}")
            found.append((each[key], each))
    elif raw is not None:
        raise MalformedError(f"{type(raw).__name__} where items with {key!r} are expected")
    for name, times in Counter(local_name(name) for name, _ in found).items():
        if times > 1:
            raise MalformedError(f"{name!r} twice")
    return found


def ports(node: Node, field: str) -> dict[str, Node]:
    """Inputs or outputs of a process by id; raises `MalformedError`."""
    return {local_name(name): each for name, each in named_items(node.get(field), "id", "type")}


def only(node: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise `UnsupportedError` if the node has a field that is not known; namespaced fields are notes of somebody."""
    unknown = sorted(key for key in map(str, node.keys() - set(known)) if ":" not in key and node[key] is not None)
    if unknown:
        raise UnsupportedError(f"{', '.join(map(repr, unknown))} in {where}")


def classes(raw: Any) -> dict[str, Node]:
    """Requirements or hints by class; raises `MalformedError`."""
    if raw is None:
        return {}
    if isinstance(raw, Mapping):
        if not all(each is None or isinstance(each, dict) for each in raw.values()):
            raise MalformedError("a requirement that is no object")
        return {str(name): each or {} for name, each in raw.items()}
    if not _all_have(raw, "class"):
        raise MalformedError("requirements that are neither a map nor objects with a class")
    found = {each["class"]: each for each in raw}
    if len(found) < len(raw):
        raise MalformedError("a requirement twice")
    return found


def processes(document: Any) -> dict[str, Node]:
    """The processes of a document by id; a document without ``$graph`` is its own ``main``. Raises `MalformedError`."""
    if not isinstance(document, dict):
        raise MalformedError("the document is no object")
    version = document.get("cwlVersion")
    if version != "v1.2":
        raise MalformedError(f"cwlVersion is {version!r}, not 'v1.2'")
    if "$graph" not in document:
        return {"main": document}
    only(document, {"cwlVersion", "$graph", "$namespaces", "$schemas"}, "the document")
    raw = document["$graph"]
    if not _all_have(raw, "id"):
        raise MalformedError("$graph is no list of processes with an id")
    found = {fragment(each["id"]): each for each in raw}
    if len(found) < len(raw):
        raise MalformedError("two processes of $graph share an id")
    return found


def _all_have(raw: Any, key: str) -> bool:
    return isinstance(raw, list) and all(isinstance(each, dict) and isinstance(each.get(key), str) for each in raw)
