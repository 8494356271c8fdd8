"""Lists, filters and tags as EC2's query interface spells them, and the tags that it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element


def filters(wanted: Mapping[str, str | Iterable[str]]) -> dict[str, str]:
    """Filters that must all hold, each with the values of which one must.

    >>> filters({"vpc-id": "vpc-1"})
    {'Filter.1.Name': 'vpc-id', 'Filter.1.Value.1': 'vpc-1'}
    """
    params: dict[str, str] = {}
    for number, (name, value) in enumerate(wanted.items(), 1):
        params[f"Filter.{number}.Name"] = name
        params.update(numbered(f"Filter.{number}.Value", [value] if isinstance(value, str) else value))
    return params


def numbered(name: str, values: Iterable[str]) -> dict[str, str]:
    """A list: ``name.1``, ``name.2``, …"""
    return {f"{name}.{number}": value for number, value in enumerate(values, 1)}


def tagged(tags: Mapping[str, str], *kinds: str) -> dict[str, str]:
    """Tags for each kind of thing that a call makes, there from its first moment."""
    params: dict[str, str] = {}
    for at, kind in enumerate(kinds, 1):
        params[f"TagSpecification.{at}.ResourceType"] = kind
        for number, (key, value) in enumerate(tags.items(), 1):
            params[f"TagSpecification.{at}.Tag.{number}.Key"] = key
            params[f"TagSpecification.{at}.Tag.{number}.Value"] = value
    return params


def tags_of(element: Element) -> dict[str, str]:
    """The tags of something in an answer."""
    return {item.findtext("key", ""): item.findtext("value", "") for item in element.iterfind("tagSet/item")}
