"""Single changes of JSON-like values: each node dropped, doubled or altered, one at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def nodes(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of everything below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from nodes(each, (*path, key))


def at(value: Any, path: Path) -> Any:
    """What stands at a path."""
    for key in path:
        value = value[key]
    return value


def dropped(value: Any, path: Path) -> Any:
    """A copy without the node."""
    other = copy.deepcopy(value)
    del at(other, path[:-1])[path[-1]]
    return other


def doubled(value: Any, path: Path) -> Any:
    """A copy with an array's item twice in a row."""
    other = copy.deepcopy(value)
    at(other, path[:-1]).insert(path[-1], copy.deepcopy(at(other, path)))
    return other


def altered(value: Any, path: Path) -> Any:
    """A copy in which a string or a number is another."""
    other = copy.deepcopy(value)
    old = at(other, path)
    at(other, path[:-1])[path[-1]] = old + 1 if isinstance(old, int) else f"{old}x"
    return other


def mutants(value: Any) -> Iterator[tuple[str, Path]]:
    """Every single change: its kind, a function of this module, and its path."""
    for path in nodes(value):
        yield "dropped", path
        if isinstance(path[-1], int):
            yield "doubled", path
        if isinstance(at(value, path), str | int):
            yield "altered", path


def mutate(value: Any, kind: str, path: Path) -> Any:
    """The changed copy."""
    return {"dropped": dropped, "doubled": doubled, "altered": altered}[kind](value, path)
