"""A submit file and the files that it includes, laid over each other.

The rules are those of ``lsst.daf.butler.Config``, with which bps reads its files: what ``includeConfigs`` names, at any
depth, lies below the mapping in which it stands, the first file lowest; a relative name counts from the current folder,
then from that of the file; ``!include`` stands for what another file holds. A key that stands twice counts where it
stands last.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

import yaml

from compiler.diagnostics import Diagnostic, Findings, Span
from compiler.frontend.placed import Placed, overlay
from compiler.frontend.yaml_nodes import Document

INCLUDE = "includeConfigs"
_TAG = "!include"
_UNSET = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def read_files(name: str, findings: Findings) -> Placed | None:
    """What the file `name` holds with its includes; None, with a finding, if it cannot be read."""
    return _Reader(findings).read(name, None, ())


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def read(self, name: str, place: Span | None, within: tuple[str, ...]) -> Placed | None:
        """A file, mentioned at `place` while the files `within` (real paths) are being read."""
        tree = self.content(name, place, within)
        if tree is None:
            return None
        if not tree.is_mapping:
            self.findings.error("wrong-type", f"'{name}' holds no mapping of keys to values", tree.place)
            return None
        within = (*within, os.path.realpath(name))
        for path in tuple(_includes(tree)):
            tree = self.included(tree, path, name, within)
        return tree

    def content(self, name: str, place: Span | None, within: tuple[str, ...]) -> Placed | None:
        """What stands in one file, with ``!include`` replaced."""
        if os.path.realpath(name) in within:
            self.findings.error("include-circle", f"'{name}' includes itself", place, "leave one of the includes out")
            return None
        told = Findings()
        document = Document(name, told, place, what="configuration", repeated="last", tags=(_TAG,))
        # An empty file is nothing wrong where it is only included: users keep such for later.
        empty = place is not None and any(each.code == "empty-file" for each in told)
        self.findings.items.extend(replace(each, severity="note") if empty else each for each in told)
        if empty:
            return Placed({}, Span(name, 1, 1))
        if document.root is None:
            return None
        document.findings = self.findings
        return self.tree(document, document.root, None, (*within, os.path.realpath(name)))

    def tree(self, document: Document, node: yaml.Node, key: Span | None, within: tuple[str, ...]) -> Placed:
        place = document.span(node)
        if node.tag == _TAG:
            return self.tagged(document, node, key, within)
        if isinstance(node, yaml.MappingNode):
            held = {}
            for name, value in node.value:
                at = document.span(name)
                if isinstance(name, yaml.ScalarNode):
                    held[str(name.value)] = self.tree(document, value, at, within)
                else:
                    document.wrong_type(name, "a key", "string")
            return Placed(held, place, key)
        if isinstance(node, yaml.SequenceNode):
            return Placed(tuple(self.tree(document, each, None, within) for each in node.value), place, key)
        return Placed(document.value(node), place, key)

    def tagged(self, document: Document, node: yaml.Node, key: Span | None, within: tuple[str, ...]) -> Placed:
        """What ``!include`` stands for; a name is relative to the file's folder."""
        place = document.span(node)
        if not isinstance(node, yaml.ScalarNode):
            help = "include one file at each place"
            self.findings.error("unsupported-include", f"'{_TAG}' of several files at once", place, help)
            return Placed(None, place, key)
        name = os.path.normpath(os.path.join(os.path.dirname(document.name), node.value))
        found = self.content(name, place, within)
        return Placed(None, place, key) if found is None else replace(found, key=key)

    def included(self, tree: Placed, path: tuple[str, ...], name: str, within: tuple[str, ...]) -> Placed:
        """The tree with the files below the mapping at `path` that its ``includeConfigs`` names."""
        own = tree.at(*path)
        assert own is not None, path
        listed = own.mapping[INCLUDE]
        own = replace(own, content={key: value for key, value in own.mapping.items() if key != INCLUDE})
        below: Placed | None = None
        for each in listed.content if isinstance(listed.content, tuple) else (listed,):
            found = self.locate(each, name)
            part = self.read(found, each.place, within) if found is not None else None
            if part is not None:
                below = part if below is None else overlay(below, part)
        return tree.changed(path, own if below is None else overlay(below, own))

    def locate(self, wanted: Placed, name: str) -> str | None:
        """The file that an include in the file `name` means, or None with a finding."""
        if not isinstance(wanted.content, str) or not wanted.content:
            help = f"as in {INCLUDE}: [site.yaml, clusters.yaml]"
            self.findings.error("wrong-type", f"a member of '{INCLUDE}' is no file name", wanted.place, help)
            return None
        path = os.path.expandvars(wanted.content).removeprefix("file://")
        if unset := _UNSET.search(path):
            self.findings.items.append(unset_variable(unset[1] or unset[2], wanted.place))
            return None
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
            message = f"'{path}' is not on this machine's file system"
            help = "copy it, and give the path of the copy"
            self.findings.error("unsupported-location", message, wanted.place, help)
            return None
        if os.path.isabs(path):
            return path
        beside = os.path.normpath(os.path.join(os.path.dirname(name), path))
        if not os.path.exists(path):
            return beside
        if os.path.exists(beside) and not os.path.samefile(beside, path):
            message = f"'{path}' of the current folder is taken, not '{beside}'"
            self.findings.warning("ambiguous-include", message, wanted.place, "bps looks there first; write a path")
        return os.path.normpath(path)


def unset_variable(name: str, place: Span | None) -> Diagnostic:
    """What is told where a variable of the environment is needed that is not set."""
    help = f"set {name} to the folder of {name.removesuffix('_DIR').lower()}" if name.endswith("_DIR") else None
    help = help or f"set {name}, or write the value"
    return Diagnostic("unset-variable", f"the environment variable '{name}' is not set", place, help)


def _includes(tree: Placed, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in the tree there are includes, in the order of the text."""
    for key, value in tree.mapping.items():
        if key == INCLUDE:
            yield path
        elif value.is_mapping:
            yield from _includes(value, (*path, key))
