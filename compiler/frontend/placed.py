"""What YAML files hold, as values that keep their places when one file is laid over another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from compiler.diagnostics import Span


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A value and where it stands."""

    content: Any
    """A scalar, a tuple of `Placed` or a dict of `Placed` by key."""
    place: Span | None = None
    """None for what stands in no file."""
    key: Span | None = None
    """Where its key stands, if it is in a mapping."""

    @property
    def mapping(self) -> dict[str, Placed]:
        """What it holds by key; empty for anything but a mapping."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.content, dict)

    def plain(self) -> Any:
        """The value without places, as PyYAML would give it."""
        if isinstance(self.content, dict):
            return {key: value.plain() for key, value in self.content.items()}
        if isinstance(self.content, tuple):
            return [value.plain() for value in self.content]
        return self.content

    def files(self) -> set[str]:
        """The files that it and what it holds stand in."""
        below = self.mapping.values() if self.is_mapping else self.content if isinstance(self.content, tuple) else ()
        own = {span.file for span in (self.place, self.key) if span is not None}
        return own.union(*(each.files() for each in below))

    def at(self, *path: str | int) -> Placed | None:
        """The value at `path`, or None."""
        found, left = self.nearest(*path)
        return None if left else found

    def nearest(self, *path: str | int) -> tuple[Placed, int]:
        """The value at `path` or the deepest on the way that is there, and how many steps are missing."""
        here = self
        for done, step in enumerate(path):
            below = None
            if isinstance(here.content, dict):
                below = here.content.get(step)
            elif isinstance(here.content, tuple) and isinstance(step, int) and step < len(here.content):
                below = here.content[step]
            if below is None:
                return here, len(path) - done
            here = below
        return here, 0

    def changed(self, path: tuple[str, ...], value: Placed) -> Placed:
        """The same with another value at `path`, all of whose steps are mappings."""
        if not path:
            return value
        first, *rest = path
        below = self.mapping[first].changed(tuple(rest), value)
        return replace(self, content={**self.mapping, first: below})


def unplaced(value: Any) -> Placed:
    """Plain data that stands in no file.

    >>> unplaced({"a": [1]}).at("a", 0).plain()
    1
    """
    if isinstance(value, dict):
        return Placed({key: unplaced(each) for key, each in value.items()})
    if isinstance(value, list):
        return Placed(tuple(unplaced(each) for each in value))
    return Placed(value)


def overlay(below: Placed, above: Placed) -> Placed:
    """`above` laid over `below`: mappings become one, key by key; of anything else `above` is what counts.

    >>> overlay(unplaced({"a": {"b": 1, "c": 2}}), unplaced({"a": {"c": 3}, "d": [4]})).plain()
    {'a': {'b': 1, 'c': 3}, 'd': [4]}
    """
    if not (below.is_mapping and above.is_mapping):
        return above
    merged = dict(below.mapping)
    for key, value in above.mapping.items():
        merged[key] = overlay(merged[key], value) if key in merged else value
    return Placed(merged, above.place or below.place, above.key or below.key)
