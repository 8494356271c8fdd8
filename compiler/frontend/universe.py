"""Which dimensions of a quantum graph identify, which follow, and in which order data ids list them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

_SKYPIX = re.compile(r"([a-z_]+?)(\d+)")


class Element(msgspec.Struct, frozen=True):
    """A dimension, or a relation of dimensions, as a butler's configuration declares it."""

    requires: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    keys: tuple[Any, ...] | None = None
    """What tells its values apart; a relation of dimensions has none of its own."""


class Universe:
    """The dimensions that a graph was made with, from the configuration that it carries.

    Order and meaning are those of ``lsst.daf.butler.DimensionUniverse`` and ``DimensionGroup``.
    """

    def __init__(self, elements: dict[str, Element], skypix: dict[str, Any]) -> None:
        """Raises `ValueError` if elements require or imply what is not there."""
        self._elements = elements
        self._systems = {*skypix, *skypix.get("systems", ())} - {"common", "systems"}
        self._place = {name: place for place, name in enumerate(_construction_order(elements, self._systems))}

    def split(self, names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Required and implied dimensions of the group that `names` make; raises `KeyError` for unknown ones."""
        whole: set[str] = set()
        waiting = set(names)
        while waiting:
            name = waiting.pop()
            self._key(name)
            whole.add(name)
            element = self._elements.get(name, Element())
            waiting |= {*element.requires, *element.implies} - whole
        implied = {other for name in whole if name in self._elements for other in self._elements[name].implies}
        ordered = sorted(whole, key=self._key)
        return tuple(d for d in ordered if d not in implied), tuple(d for d in ordered if d in implied)

    def record(self, element: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The dimensions whose values stand first in an element's records: those that tell it apart, those it implies.

        As ``DimensionRecord.serialize_key_value`` writes them.
        """
        declared = self._elements.get(element, Element())
        named = [element] if not declared.requires or self._is_dimension(element) else declared.requires
        required, _ = self.split(named)
        return required, tuple(sorted(declared.implies, key=self._key))

    def _is_dimension(self, element: str) -> bool:
        return self._elements[element].keys is not None

    def _key(self, name: str) -> tuple[int, int]:
        if name in self._elements:
            return self._place[name], 0
        found = _SKYPIX.fullmatch(name)
        if found is None or found[1] not in self._systems:
            raise KeyError(name)
        return self._place[found[1]], int(found[2])


def _construction_order(elements: dict[str, Element], systems: set[str]) -> list[str]:
    """Round by round whatever needs nothing that is still to come, in the order of names within a round."""
    todo = {name: {*each.requires, *each.implies} for name, each in elements.items()}
    todo |= {name: set() for name in systems}
    order: list[str] = []
    while todo:
        free = sorted(name for name, needs in todo.items() if needs.isdisjoint(todo))
        if not free:
            raise ValueError(f"dimensions require each other in a circle: {', '.join(sorted(todo))}")
        order += free
        for name in free:
            del todo[name]
    return order
