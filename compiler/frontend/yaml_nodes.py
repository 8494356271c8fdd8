"""A YAML file as nodes that know their places, read with the rules of the survey's own loader (PyYAML, YAML 1.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from compiler.diagnostics import Findings, Origin, Severity, Span, closest

_STRING = "tag:yaml.org,2002:str"
_KINDS = {
    "map": "mapping",
    "seq": "list",
    "str": "string",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "null": "null",
    "timestamp": "date",
}
_LARGEST = 1_000_000
"""Values a file may stand for once its aliases are followed; real pipelines have some thousands."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping and what it holds."""

    key: yaml.Node
    value: yaml.Node


class Document:
    """One YAML document; what is wrong with it is told to `findings`, with its place.

    `root` is None for a file that cannot be read, is empty or is not YAML.
    """

    def __init__(
        self,
        name: str,
        findings: Findings,
        place: Span | None = None,
        *,
        what: str = "pipeline",
        repeated: Literal["refused", "last"] = "refused",
        tags: Collection[str] = (),
    ) -> None:
        """`name` is the file as findings shall call it, `place` where it is mentioned, `what` it should be.

        Of a key that stands twice the first is kept and the other an error; with ``last``, as in files that plain
        PyYAML reads, the last is kept with a warning. Nodes with one of `tags` are left to the caller.
        """
        self.name = name
        self.findings = findings
        self.root: yaml.Node | None = None
        self.repeated = repeated
        self.tags = tags
        self._refused: set[yaml.Node] = set()
        text = _read_text(name, findings, place, what)
        if text is None:
            return
        try:
            self._loader = yaml.SafeLoader(text)
            root = self._loader.get_single_node()
            if root is None:
                self.findings.error("empty-file", f"nothing stands in '{name}'", Span(name, 1, 1))
                return
            if _Inspection(self).size(root) <= _LARGEST:
                self.root = root
            else:
                message = f"the aliases in '{name}' stand for more than {_LARGEST:,} values"
                self.findings.error("too-many-aliases", message, Span(name, 1, 1))
        except yaml.reader.ReaderError as error:
            before = text[: error.position].splitlines() or [""]
            place = Span(name, len(before), len(before[-1]) + 1)
            self.findings.error("not-text", f"a character that YAML does not allow: {chr(error.character)!r}", place)
        except yaml.YAMLError as error:
            self.syntax_error(error)
        except RecursionError:
            self.findings.error("nested-too-deep", f"lists and mappings nest too deep in '{name}'", Span(name, 1, 1))

    def span(self, node: yaml.Node) -> Span:
        start, end = node.start_mark, node.end_mark
        same_line = start.line == end.line and end.column > start.column
        return Span(self.name, start.line + 1, start.column + 1, end.column + 1 if same_line else None)

    def syntax_error(self, error: yaml.YAMLError, node: yaml.Node | None = None) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        words = [w for w in (getattr(error, "context", None), getattr(error, "problem", None)) if w]
        place = Span(self.name, mark.line + 1, mark.column + 1) if mark else (self.span(node) if node else None)
        help = "indent with spaces, not with tabs" if any("'\\t'" in w for w in words) else None
        self.findings.error("yaml-syntax", ", ".join(words) or str(error), place, help)

    def wrong_type(self, node: yaml.Node, what: str, wanted: str, help: str | None = None) -> None:
        found = "empty" if is_null(node) else f"a {kind(node)}"
        self.findings.error("wrong-type", f"{what} is {found}, not a {wanted}", self.span(node), help)

    def entries(self, node: yaml.Node, what: str) -> dict[str, Entry]:
        """Entries of a mapping by key; empty, with a finding, for anything else."""
        if not isinstance(node, yaml.MappingNode) or kind(node) != "mapping":
            self.wrong_type(node, what, "mapping")
            return {}
        found: dict[str, Entry] = {}
        for key, value in node.value:
            if key.tag != _STRING:
                self.wrong_type(key, f"a key of {what}", "string", "put it into quotes")
            else:
                found[key.value] = Entry(key, value)
        return found

    def members(self, node: yaml.Node, what: str, wanted: str = "list") -> list[yaml.Node]:
        """Members of a list; empty, with a finding, for anything else."""
        if not isinstance(node, yaml.SequenceNode) or kind(node) != "list":
            self.wrong_type(node, what, wanted)
            return []
        return list(node.value)

    def text(self, node: yaml.Node, what: str, help: str | None = None) -> str | None:
        """A string; None, with a finding, for anything else."""
        if node.tag != _STRING or not isinstance(node, yaml.ScalarNode):
            scalar = isinstance(node, yaml.ScalarNode) and not is_null(node)
            self.wrong_type(node, what, "string", help or ("put it into quotes" if scalar else None))
            return None
        return str(node.value)

    def texts(self, node: yaml.Node, what: str, one: bool = False) -> dict[str, Span]:
        """Strings of a list, in order, doubles dropped, with their places; with `one`, a string is a list of one."""
        if one and isinstance(node, yaml.ScalarNode) and node.tag == _STRING:
            return {node.value: self.span(node)}
        found: dict[str, Span] = {}
        for member in self.members(node, what, "string or a list of strings" if one else "list"):
            text = self.text(member, f"a member of {what}")
            if text is not None:
                found.setdefault(text, self.span(member))
        return found

    def flag(self, node: yaml.Node, what: str) -> bool:
        """A boolean; True, with a finding, for anything else."""
        if kind(node) != "boolean":
            self.wrong_type(node, what, "boolean")
            return True
        return bool(self.value(node))

    def value(self, node: yaml.Node) -> Any:
        """What PyYAML's safe loader makes of the node; None, with one finding a node, where it refuses."""
        if node in self._refused:
            return None
        try:
            # Deep: without it PyYAML fills lists and mappings only when the whole document is done.
            return self._loader.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            self.syntax_error(error, node)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            # What PyYAML lets through for "2001-99-99", "0b_" or "!!bool x".
            message = f"'{_shown(node)}' is no {kind(node)}"
            self.findings.error("yaml-value", message, self.span(node), "put it into quotes")
        self._refused.add(node)
        self._loader.recursive_objects.clear()
        return None

    def scalar(self, node: yaml.Node) -> None:
        """Tell if the node is no value of its kind, or a text that cannot be written."""
        if any("\ud800" <= c <= "\udfff" for c in node.value):
            self.findings.error("yaml-value", f"half a character in {node.value!a}", self.span(node))
            node.value = ascii(node.value)
        self.value(node)

    def check_keys(
        self, entries: Mapping[str, Entry], known: Iterable[str], what: str, severity: Severity = "error"
    ) -> None:
        """Tell of every key that nobody reads. Where the middleware passes over such a key it is a warning."""
        known = tuple(known)
        tell = self.findings.error if severity == "error" else self.findings.warning
        for key, entry in entries.items():
            if key not in known:
                tell("unknown-key", f"{what} has no key '{key}'", self.span(entry.key), nearest(key, known))

    def flatten(self, node: yaml.MappingNode) -> None:
        """Replace merge keys (``<<``) by what they bring, in place."""
        self._loader.flatten_mapping(node)


class _Inspection:
    """One walk over a document's nodes: merge keys, doubled keys, circular aliases, scalars that are no values."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.sizes: dict[yaml.Node, int] = {}
        self.open: set[yaml.Node] = set()

    def size(self, node: yaml.Node) -> int:
        """How many values the node stands for, counting each alias as often as it is used."""
        if node in self.sizes:
            return self.sizes[node]
        if node in self.open:
            problem = "an alias of this stands inside it"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        self.open.add(node)
        count = 1
        if isinstance(node, yaml.MappingNode):
            count += sum(self.size(part) for pair in node.value for part in pair)
            self.document.flatten(node)
            self._unique_keys(node)
        elif isinstance(node, yaml.SequenceNode):
            count += sum(self.size(part) for part in node.value)
        elif node.tag != "tag:yaml.org,2002:merge" and node.tag not in self.document.tags:
            self.document.scalar(node)
        self.open.discard(node)
        self.sizes[node] = count
        return count

    def _unique_keys(self, node: yaml.MappingNode) -> None:
        if self.document.repeated == "last":
            self._last_of_each_key(node)
            return
        first: dict[str, yaml.Node] = {}
        kept = []
        for key, value in node.value:
            # By text, as the survey's loader compares: 1 and "1" are one key, and a merged key may not be overridden.
            text = key.value if isinstance(key, yaml.ScalarNode) else str(id(key))
            if text in first:
                message = f"the key '{text}' stands twice, first in line {first[text].start_mark.line + 1}"
                self.document.findings.error("duplicate-key", message, self.document.span(key))
            else:
                first[text] = key
                kept.append((key, value))
        node.value = kept

    def _last_of_each_key(self, node: yaml.MappingNode) -> None:
        kept: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            text = key.value if isinstance(key, yaml.ScalarNode) else str(id(key))
            # What a merge key (``<<``) brings stands before the mapping, and is there to be replaced.
            if text in kept and kept[text][0].start_mark.index >= node.start_mark.index:
                message = f"the key '{text}' stands twice; the last counts, not that of line "
                line = kept[text][0].start_mark.line + 1
                self.document.findings.warning("duplicate-key", f"{message}{line}", self.document.span(key))
            kept[text] = (key, value)
        node.value = list(kept.values())


def kind(node: yaml.Node) -> str:
    """What the node is, in a word for people."""
    short = node.tag.rpartition(":")[2]
    return _KINDS.get(short, f"'{short}'")


def is_null(node: yaml.Node) -> bool:
    return kind(node) == "null"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A help that names the word probably meant, else those that exist."""
    known = sorted(known)
    like = closest(word, known)
    if like:
        return f"did you mean '{like}'?"
    return f"known here: {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}" if known else None


def _shown(node: yaml.Node) -> str:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else "this"
    return text if len(text) <= 40 else text[:37] + "..."


def _read_text(name: str, findings: Findings, place: Span | None, what: str) -> str | None:
    origin = place or Origin(name)
    try:
        data = Path(name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        findings.error("no-file", f"no file '{name}'", origin, _alike(name))
    except IsADirectoryError:
        findings.error("unreadable-file", f"'{name}' is a folder", origin, f"name the {what} file in it")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        findings.error("unreadable-file", f"'{name}' cannot be read: {reason}", origin)
    else:
        return _decode(name, data, findings, what)
    return None


def _alike(name: str) -> str | None:
    """The file beside the missing one that has nearly its name."""
    path = Path(name)
    try:
        like = closest(path.name, sorted(each.name for each in path.parent.iterdir()))
    except OSError:
        return f"no folder '{path.parent}' either"
    return f"did you mean '{path.parent / like}'?" if like else None


def _decode(name: str, data: bytes, findings: Findings, what: str) -> str | None:
    if data.startswith(b"PK\x03\x04"):
        help = "a quantum graph is such a file"
        if what == "pipeline":
            help += "; the pipeline is the YAML that it was made from"
        findings.error("not-text", f"'{name}' is a ZIP archive, not a {what}", Origin(name), help)
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").splitlines(keepends=True) or [""]
        ended = before[-1].endswith(("\n", "\r"))
        place = Span(name, len(before) + ended, 1 if ended else len(before[-1]) + 1)
        findings.error("not-text", f"'{name}' is not UTF-8 text", place, "save it as UTF-8")
    return None
