"""One pipeline file as it stands: its sections as records, nothing imported and no parameter applied yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from compiler.diagnostics import Findings, Span
from compiler.frontend.yaml_nodes import Document, Entry, is_null, kind, nearest
from compiler.rubin import ConfigItem, Contract, Steps

_TOP = ("description", "instrument", "imports", "parameters", "tasks", "subsets", "steps", "contracts")
_IMPORT = (
    "location",
    "include",
    "exclude",
    "rename",
    "importContracts",
    "importSteps",
    "labeledSubsetModifyMode",
    "instrument",
)


@dataclass(frozen=True, slots=True)
class ConfigBlock:
    """One block of overrides; within it files apply first, then Python, then fields, as the middleware does it."""

    files: tuple[ConfigItem, ...] = ()
    python: ConfigItem | None = None
    fields: Mapping[str, ConfigItem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A task before parameters are applied; the class is empty where the file names none (a finding says so)."""

    label: str
    task_class: str
    config: tuple[ConfigBlock, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SubsetDraft:
    """A subset whose labels are not looked up yet."""

    label: str
    members: Mapping[str, Span]
    description: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """A wish for another pipeline file, or a part of it."""

    location: str
    span: Span
    include: Mapping[str, Span] | None = None
    exclude: Mapping[str, Span] | None = None
    rename: Mapping[str, tuple[str, Span]] = field(default_factory=dict)
    contracts: bool = True
    steps: bool = True
    edit_subsets: bool = False
    """Whether a subset loses the labels that are not imported, instead of being dropped."""
    keep_instrument: bool = True
    instrument: str | None = None
    """Takes the place of the imported instrument unless that is kept."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A pipeline file's content, or several merged; never changed, always replaced."""

    file: str
    description: str = ""
    tasks: Mapping[str, TaskDraft] = field(default_factory=dict)
    instrument: str | None = None
    instrument_span: Span | None = None
    contracts: tuple[Contract, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    subsets: Mapping[str, SubsetDraft] = field(default_factory=dict)
    steps: Mapping[str, Steps] = field(default_factory=dict)
    imports: tuple[Import, ...] = ()
    whole: bool = True
    """False where an import or the tasks could not be read: then nothing is said about labels that seem unknown."""


def read_sections(document: Document) -> Draft:
    """The sections of a file that is YAML; raises nothing, tells `document.findings`."""
    if document.root is None:
        return Draft(document.name, whole=False)
    if kind(document.root) != "mapping":
        help = "a pipeline starts with 'description: ...' and 'tasks:'"
        document.wrong_type(document.root, "a pipeline", "mapping", help)
        return Draft(document.name, whole=False)
    return _Sections(document, document.entries(document.root, "a pipeline")).read()


class _Sections:
    """Reads a file's top-level keys one by one."""

    def __init__(self, document: Document, top: Mapping[str, Entry]) -> None:
        self.document = document
        self.findings: Findings = document.findings
        self.top = top
        self.start = Span(document.name, 1, 1)
        self.whole = True

    def read(self) -> Draft:
        self._top_keys()
        tasks = self._tasks()
        before = len(self.findings.errors)
        imports = tuple(self._imports())
        self.whole = self.whole and len(self.findings.errors) == before
        instrument = self._present("instrument")
        return Draft(
            file=self.document.name,
            description=self._description(),
            tasks=tasks,
            instrument=self._instrument(instrument.value) if instrument else None,
            instrument_span=self.document.span(instrument.value) if instrument else None,
            contracts=tuple(self._contracts()),
            parameters=self._parameters(),
            subsets=self._subsets(),
            steps=self._steps(),
            imports=imports,
            whole=self.whole,
        )

    def _present(self, key: str) -> Entry | None:
        """The entry of a key that may be absent or null."""
        entry = self.top.get(key)
        return None if entry is None or is_null(entry.value) else entry

    def _top_keys(self) -> None:
        known = dict(self.top)
        # Other unknown keys are passed over by the middleware; these two it refuses.
        refused = {"inherits": "imports"} | ({} if "subsets" in known else {"subset": "subsets"})
        for key, right in refused.items():
            if key in known:
                place = self.document.span(known.pop(key).key)
                self.findings.error("unknown-key", f"a pipeline has no key '{key}'", place, f"write '{right}'")
        self.document.check_keys(known, _TOP, "a pipeline", "warning")
        if "tasks" not in known and "imports" not in known:
            self.findings.error("missing-key", "this pipeline has neither 'tasks' nor 'imports'", self.start)

    def _description(self) -> str:
        entry = self.top.get("description")
        if entry is None:
            help = "the middleware refuses a pipeline without one; add 'description: ...'"
            self.findings.error("missing-key", "this pipeline has no 'description'", self.start, help)
            return ""
        if not isinstance(entry.value, yaml.ScalarNode):
            self.document.wrong_type(entry.value, "'description'", "string")
            return ""
        return "" if is_null(entry.value) else str(entry.value.value)

    def _instrument(self, node: yaml.Node) -> str | None:
        help = "a pipeline has one instrument" if kind(node) == "list" else None
        return self.document.text(node, "'instrument'", help)

    def _tasks(self) -> dict[str, TaskDraft]:
        entry = self._present("tasks")
        found: dict[str, TaskDraft] = {}
        before = len(self.findings.errors)
        entries = self.document.entries(entry.value, "'tasks'") if entry else {}
        self.whole = len(self.findings.errors) == before
        for label, task in entries.items():
            span = self.document.span(task.key)
            if label == "parameters":
                self.findings.error("reserved-label", "'parameters' cannot be the label of a task", span)
                continue
            found[label] = self._task(label, task.value, span)
        return found

    def _task(self, label: str, node: yaml.Node, span: Span) -> TaskDraft:
        if kind(node) == "string":
            return TaskDraft(label, self.document.text(node, "a class") or "", (), span)
        if kind(node) != "mapping":
            help = f"write '{label}: package.module.TaskClass'"
            self.document.wrong_type(node, f"the task '{label}'", "class name or a mapping", help)
            return TaskDraft(label, "", (), span)
        parts = self.document.entries(node, f"the task '{label}'")
        self.document.check_keys(parts, ("class", "config"), f"the task '{label}'", "warning")
        task_class = ""
        if "class" in parts:
            task_class = self.document.text(parts["class"].value, f"the class of '{label}'") or ""
        else:
            self.findings.error("missing-key", f"the task '{label}' has no 'class'", span)
        config: tuple[ConfigBlock, ...] = ()
        if "config" in parts and not is_null(parts["config"].value):
            config = tuple(self._blocks(label, parts["config"].value))
        return TaskDraft(label, task_class, config, span)

    def _blocks(self, label: str, node: yaml.Node) -> Iterator[ConfigBlock]:
        what = f"the config of '{label}'"
        single = kind(node) == "mapping"
        blocks = [node] if single else self.document.members(node, what, "mapping or a list of mappings")
        for block in blocks:
            yield self._block(what, self.document.entries(block, what))

    def _block(self, what: str, entries: dict[str, Entry]) -> ConfigBlock:
        files: tuple[ConfigItem, ...] = ()
        python: ConfigItem | None = None
        fields: dict[str, ConfigItem] = {}
        for key, entry in entries.items():
            node = entry.value
            if key == "file":
                texts = {} if is_null(node) else self.document.texts(node, "'file'", one=True)
                files = tuple(ConfigItem("file", "", text, span) for text, span in texts.items())
            elif key == "python":
                text = None if is_null(node) else self.document.text(node, "'python'")
                python = None if text is None else ConfigItem("python", "", text, self.document.span(node))
            elif key == "dataId":
                if not is_null(node):
                    message = f"{what} is bound to a data id, which the middleware cannot do either"
                    place = self.document.span(entry.key)
                    self.findings.error("unsupported-data-id", message, place, "leave 'dataId' out")
            else:
                fields[key] = ConfigItem("field", key, self.document.value(node), self.document.span(node))
        return ConfigBlock(files, python, fields)

    def _contracts(self) -> Iterator[Contract]:
        entry = self.top.get("contracts")
        if entry is None:
            return
        single = kind(entry.value) == "string"
        nodes = [entry.value] if single else self.document.members(entry.value, "'contracts'", "string or a list")
        for node in nodes:
            span = self.document.span(node)
            if kind(node) != "mapping":
                text = self.document.text(node, "a contract")
                if text is not None:
                    yield Contract(text, None, span)
                continue
            parts = self.document.entries(node, "a contract")
            self.document.check_keys(parts, ("contract", "msg"), "a contract")
            if "contract" not in parts:
                self.findings.error("missing-key", "this contract has no 'contract'", span)
                continue
            text = self.document.text(parts["contract"].value, "a contract's 'contract'")
            message = parts.get("msg")
            told = None
            if message is not None and not is_null(message.value):
                told = self.document.text(message.value, "a contract's 'msg'")
            if text is not None:
                yield Contract(text, told, self.document.span(parts["contract"].value))

    def _parameters(self) -> dict[str, Any]:
        entry = self.top.get("parameters")
        entries = self.document.entries(entry.value, "'parameters'") if entry else {}
        return {name: self.document.value(each.value) for name, each in entries.items()}

    def _subsets(self) -> dict[str, SubsetDraft]:
        entry = self.top.get("subsets")
        found: dict[str, SubsetDraft] = {}
        for label, subset in (self.document.entries(entry.value, "'subsets'") if entry else {}).items():
            what, span = f"the subset '{label}'", self.document.span(subset.key)
            if kind(subset.value) != "mapping":
                members = self._members(subset.value, what, "list or a mapping")
                found[label] = SubsetDraft(label, members, None, span)
                continue
            parts = self.document.entries(subset.value, what)
            # The middleware passes over 'dimensions': it is a step that has them.
            self.document.check_keys(parts, ("subset", "description"), what, "warning")
            members = {}
            if "subset" in parts:
                members = self._members(parts["subset"].value, what, "list")
            else:
                self.findings.error("missing-key", f"{what} has no 'subset'", span)
            told = parts.get("description")
            description = None
            if told is not None and not is_null(told.value):
                description = self.document.text(told.value, f"the description of {what}")
            found[label] = SubsetDraft(label, members, description, span)
        return found

    def _members(self, node: yaml.Node, what: str, wanted: str) -> dict[str, Span]:
        if kind(node) != "list":
            self.document.wrong_type(node, what, wanted, "write the labels as a list: [isr, calibrate]")
            return {}
        return self.document.texts(node, what)

    def _steps(self) -> dict[str, Steps]:
        entry = self.top.get("steps")
        found: dict[str, Steps] = {}
        for node in self.document.members(entry.value, "'steps'", "list of mappings") if entry else ():
            if (step := self._step(node)) is None:
                continue
            if step.label in found:
                self.findings.error("duplicate-label", f"the step '{step.label}' is declared twice", step.span)
            found.setdefault(step.label, step)
        return found

    def _step(self, node: yaml.Node) -> Steps | None:
        before = len(self.findings.errors)
        parts = self.document.entries(node, "a step")
        if len(self.findings.errors) > before:
            return None
        self.document.check_keys(parts, ("label", "dimensions"), "a step")
        for key in ("label", "dimensions"):
            if key not in parts:
                self.findings.error("missing-key", f"this step has no '{key}'", self.document.span(node))
        label = self.document.text(parts["label"].value, "a step's 'label'") if "label" in parts else None
        dimensions: Mapping[str, Span] = {}
        if "dimensions" in parts:
            dimensions = self.document.texts(parts["dimensions"].value, "a step's 'dimensions'")
        if label is None:
            return None
        return Steps(label, tuple(dimensions), self.document.span(parts["label"].value))

    def _imports(self) -> Iterator[Import]:
        entry = self._present("imports")
        if entry is None:
            return
        single = kind(entry.value) in ("string", "mapping")
        wanted = "string, a mapping or a list of them"
        for node in [entry.value] if single else self.document.members(entry.value, "'imports'", wanted):
            if kind(node) == "string":
                yield Import(self.document.text(node, "an import") or "", self.document.span(node))
            elif kind(node) == "mapping":
                found = self._import(node)
                if found is not None:
                    yield found
            else:
                self.document.wrong_type(node, "an import", "string or a mapping")

    def _import(self, node: yaml.Node) -> Import | None:
        parts = self.document.entries(node, "an import")
        self.document.check_keys(parts, _IMPORT, "an import")
        place = self.document.span(node)
        if "location" not in parts:
            self.findings.error("missing-key", "this import has no 'location'", place)
            return None
        where = parts["location"].value
        location = self.document.text(where, "an import's 'location'")
        if location is None:
            return None
        include, exclude = self._labels(parts, "include"), self._labels(parts, "exclude")
        if include and exclude:
            message = "an import has either 'include' or 'exclude', not both"
            self.findings.error("include-and-exclude", message, self.document.span(parts["exclude"].key))
        keeps = "instrument" not in parts
        return Import(
            location,
            self.document.span(where),
            include,
            exclude,
            self._rename(parts.get("rename")),
            self._flag(parts, "importContracts"),
            self._flag(parts, "importSteps"),
            self._edits_subsets(parts.get("labeledSubsetModifyMode")),
            keeps,
            None if keeps else self._new_instrument(parts["instrument"].value),
        )

    def _labels(self, parts: Mapping[str, Entry], key: str) -> dict[str, Span] | None:
        if key not in parts or is_null(parts[key].value):
            return None
        return self.document.texts(parts[key].value, f"'{key}'", one=True)

    def _flag(self, parts: Mapping[str, Entry], key: str) -> bool:
        return self.document.flag(parts[key].value, f"'{key}'") if key in parts else True

    def _edits_subsets(self, entry: Entry | None) -> bool:
        if entry is None:
            return False
        mode = self.document.text(entry.value, "'labeledSubsetModifyMode'")
        if mode not in (None, "DROP", "EDIT"):
            message = f"'labeledSubsetModifyMode' cannot be '{mode}'"
            place = self.document.span(entry.value)
            self.findings.error("unknown-word", message, place, nearest(str(mode).upper(), ("DROP", "EDIT")))
        return mode == "EDIT"

    def _new_instrument(self, node: yaml.Node) -> str | None:
        """Null and the string ``None`` both take the instrument away."""
        name = None if is_null(node) else self._instrument(node)
        return None if name == "None" else name

    def _rename(self, entry: Entry | None) -> dict[str, tuple[str, Span]]:
        found: dict[str, tuple[str, Span]] = {}
        taken: set[str] = set()
        entries = self.document.entries(entry.value, "'rename'") if entry else {}
        for old, each in entries.items():
            new = self.document.text(each.value, "a new label")
            if new is None:
                continue
            span = self.document.span(each.value)
            if new in taken or new in entries:
                self.findings.error("duplicate-label", f"'{old}' cannot be renamed to '{new}', which is taken", span)
            else:
                found[old] = (new, self.document.span(each.key))
            taken.add(new)
        return found
