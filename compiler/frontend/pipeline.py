"""Pipeline YAML becomes `Pipeline`: imports merged, parameters applied, labels looked up; no LSST package needed."""

from __future__ import annotations

import ast
import builtins
import logging
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from compiler.diagnostics import Diagnostic, Findings, Origin, Span
from compiler.frontend.pipeline_imports import keep_labels, locate, merge, narrow
from compiler.frontend.pipeline_sections import Draft, TaskDraft, read_sections
from compiler.frontend.yaml_nodes import Document, nearest
from compiler.rubin import ConfigItem, Contract, Pipeline, PipelineTask, Subset


def read_pipeline(path: Path | str, findings: Findings | None = None) -> Pipeline:
    """The pipeline in a YAML file, with everything that it imports.

    ``path#label,label`` keeps only those tasks and the tasks of those subsets, as in the middleware's commands.
    Python in the file is carried as text and never run. Raises `CompileError` with every finding; warnings alone are
    added to `findings`, or logged if nobody gives one.
    """
    found = Findings()
    reader = _Reader(found)
    name, selection = _split(os.fspath(path))
    draft = reader.whole(name, selection)
    pipeline = _finish(draft, tuple(reader.sources), found) if draft is not None else None
    found.items.sort(key=lambda each: _order(each, reader.sources))
    found.raise_errors()
    assert pipeline is not None, "a file that cannot be read is an error finding"
    if findings is not None:
        findings.items.extend(found)
    else:
        for each in found:
            logging.getLogger(__name__).warning("%s", each)
    return pipeline


def _split(path: str) -> tuple[str, str]:
    """The file, and the labels selected behind ``#``; a file may have a ``#`` in its name."""
    name, _, selection = path.rpartition("#")
    return (name, selection) if name and not os.path.exists(path) else (path, "")


def _order(finding: Diagnostic, sources: list[str]) -> tuple[int, int, int]:
    place = finding.place
    if isinstance(place, Span):
        return (sources.index(place.file) if place.file in sources else len(sources), place.line, place.column)
    return (-1, 0, 0)


class _Reader:
    """Reads files, each once, and merges what they import."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.sources: list[str] = []
        self.done: dict[str, Draft] = {}
        self.open: dict[str, str] = {}
        """Names of the files that are being read, by real path, outermost first."""

    def whole(self, name: str, selection: str) -> Draft | None:
        """The outermost file, with its labels selected."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) and not name.startswith("file:///"):
            message = f"'{name}' is not on this machine's file system"
            help = "copy it, and give the path of the copy"
            self.findings.error("unsupported-location", message, Origin(name), help)
            return None
        draft = self.read(name.removeprefix("file://"), None)
        return self._select(draft, selection) if selection and draft.whole else draft

    def read(self, name: str, place: Span | None) -> Draft:
        """The file's pipeline, its imports merged and its labels looked up."""
        if "\0" in name:
            self.findings.error("unreadable-file", f"{name!a} cannot be the name of a file", place)
            return Draft(name, whole=False)
        real = os.path.realpath(name)
        if real in self.open:
            chain = " -> ".join([*list(self.open.values())[list(self.open).index(real) :], name])
            self.findings.error("import-cycle", f"'{name}' imports itself: {chain}", place)
            return Draft(name, whole=False)
        if real not in self.done:
            self.sources.append(name)
            self.open[real] = name
            own = read_sections(Document(name, self.findings, place))
            parts = []
            for request in own.imports:
                file = locate(request.location, name, request.span, self.findings)
                part = self.read(file, request.span) if file is not None else Draft(request.location, whole=False)
                parts.append((request, narrow(request, part, self.findings)))
            self.done[real] = merge(own, parts, self.findings)
            del self.open[real]
            _check_labels(self.done[real], self.findings)
        return self.done[real]

    def _select(self, draft: Draft, selection: str) -> Draft:
        if ".." in selection:
            message = f"the range '{selection}' needs the order of the tasks, which a pipeline file does not tell"
            self.findings.error("unsupported-selection", message, Origin(draft.file), "list the labels: #isr,calibrate")
            return draft
        wanted: set[str] = set()
        for label in selection.split(","):
            if label in draft.subsets:
                wanted.update(draft.subsets[label].members)
            elif label in draft.tasks:
                wanted.add(label)
            else:
                known = draft.tasks.keys() | draft.subsets.keys()
                message = f"no task or subset '{label}' in this pipeline"
                self.findings.error("unknown-label", message, Origin(draft.file), nearest(label, known))
        return keep_labels(draft, wanted)


def _check_labels(draft: Draft, findings: Findings) -> None:
    """Each label of a subset is a task, no subset is called like a task, each step is a subset."""
    for subset in draft.subsets.values():
        if subset.label in draft.tasks:
            message = f"'{subset.label}' is the label of a subset and of a task ({draft.tasks[subset.label].span})"
            findings.error("duplicate-label", message, subset.span)
        for label, span in subset.members.items() if draft.whole else ():
            if label not in draft.tasks:
                message = f"no task '{label}' in this pipeline"
                findings.error("unknown-task", message, span, nearest(label, draft.tasks))
    for step in draft.steps.values() if draft.whole else ():
        if step.label not in draft.subsets:
            message = f"the step '{step.label}' is no subset"
            help = nearest(step.label, draft.subsets) or f"add '{step.label}' to 'subsets'"
            findings.error("step-without-subset", message, step.span, help)


def _finish(draft: Draft, sources: tuple[str, ...], findings: Findings) -> Pipeline:
    if draft.whole:
        for contract in draft.contracts:
            _check_contract(contract, draft, findings)
    return Pipeline(
        description=draft.description,
        tasks=tuple(
            PipelineTask(task.label, task.task_class, tuple(_config(task, draft, findings)), task.span)
            for task in draft.tasks.values()
        ),
        instrument=draft.instrument,
        subsets=tuple(Subset(s.label, frozenset(s.members), s.description, s.span) for s in draft.subsets.values()),
        steps=tuple(draft.steps.values()),
        contracts=draft.contracts,
        parameters=tuple(draft.parameters.items()),
        file=draft.file,
        sources=sources,
    )


def _config(task: TaskDraft, draft: Draft, findings: Findings) -> Iterator[ConfigItem]:
    """The task's overrides in the order in which they apply (``PipelineTaskConfig.applyConfigOverrides``)."""
    for block in task.config:
        for item in block.files:
            yield replace(item, value=os.path.expandvars(item.value))
        if block.python is not None:
            yield block.python
        for item in block.fields.values():
            yield _with_parameter(item, draft, findings)


def _with_parameter(item: ConfigItem, draft: Draft, findings: Findings) -> ConfigItem:
    match = re.match("parameters[.](.*)", item.value) if isinstance(item.value, str) else None
    if match is None:
        return item
    if match[1] in draft.parameters:
        return replace(item, value=draft.parameters[match[1]])
    # The middleware warns too, and leaves the text: it may be meant as it stands.
    message = f"no parameter '{match[1]}' in this pipeline"
    findings.warning("unknown-parameter", message, item.span, nearest(match[1], draft.parameters))
    return item


def _check_contract(contract: Contract, draft: Draft, findings: Findings) -> None:
    """A contract is one Python expression over the labels of tasks; it is parsed here, never evaluated."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(contract.expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        findings.error("contract-syntax", f"this contract is no Python expression: {reason}", contract.span)
        return
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | set(dir(builtins))
    for name in dict.fromkeys(node.id for node in names):
        if name not in bound and name not in draft.tasks:
            # A warning: behind 'or' the middleware may never come to look at it.
            message = f"this contract names '{name}', which is no task in this pipeline"
            findings.warning("unknown-task", message, contract.span, nearest(name, draft.tasks))
