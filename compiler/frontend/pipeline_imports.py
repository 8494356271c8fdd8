"""Where an import is found, which part of it is taken, and how parts become one pipeline.

The rules are those of ``lsst.pipe.base.pipelineIR`` (``ImportIR.toPipelineIR``, ``PipelineIR.merge_pipelines`` and
``PipelineIR.subset_from_labels``), with two differences. A relative location counts from the importing file's folder
too, not only from the current folder. And with `include` and `rename` together every included label is kept: the
middleware loses the others there, by a slip in how it rewrites its list.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from compiler.diagnostics import Findings, Span
from compiler.frontend.pipeline_sections import ConfigBlock, Draft, Import, SubsetDraft, TaskDraft
from compiler.frontend.yaml_nodes import nearest
from compiler.rubin import Contract, Steps


def locate(location: str, importer: str, place: Span, findings: Findings) -> str | None:
    """The imported file, named as findings shall name it; None, with a finding, if there is none to read."""
    path, _, selection = location.partition("#")
    if selection:
        message = f"labels are selected in the location '{location}'"
        findings.error("unsupported-selection", message, place, "list the labels under 'include'")
        return None
    path = re.sub(r"^eups://([^/]+)", lambda m: f"${m[1].upper()}_DIR", path)
    path = os.path.expanduser(os.path.expandvars(path.removeprefix("file://")))
    unset = re.search(r"\$(?:(\w+)|\{(\w+)\})", path)
    if unset:
        name = unset[1] or unset[2]
        help = f"set {name} to the folder of {name.removesuffix('_DIR').lower()}" if name.endswith("_DIR") else None
        findings.error("unset-variable", f"the environment variable '{name}' is not set", place, help)
        return None
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
        message = f"'{path}' is not on this machine's file system"
        findings.error("unsupported-location", message, place, "copy it, and give the path of the copy")
        return None
    return _choose(path, importer, place, findings)


def _choose(path: str, importer: str, place: Span, findings: Findings) -> str | None:
    beside = os.path.normpath(os.path.join(os.path.dirname(importer), path))
    here = os.path.normpath(path)
    if not os.path.exists(here) or os.path.isabs(path):
        return beside
    if os.path.exists(beside) and not os.path.samefile(beside, here):
        message = f"'{path}' may be '{beside}' or '{here}' of the current folder"
        findings.error("ambiguous-import", message, place, "write a path that starts with '/' or with a variable")
        return None
    return beside if os.path.exists(beside) else here


def narrow(request: Import, draft: Draft, findings: Findings) -> Draft:
    """The part of an imported pipeline that the import asks for, under the labels that it asks for."""
    include, exclude = request.include, request.exclude
    _unknown_words(request, draft, findings)
    wanted: set[str] = set()
    tasks = dict(draft.tasks)
    for label in draft.tasks:
        included = bool(include and label in include)
        if included or (exclude and label not in exclude) or (include is None and exclude is None):
            new, place = request.rename.get(label, (label, request.span))
            if new != label and (new in tasks or new in draft.subsets):
                message = f"'{label}' cannot be renamed to '{new}', which '{draft.file}' has already"
                findings.error("duplicate-label", message, place)
            elif new != label:
                tasks[new] = replace(tasks.pop(label), label=new)
            wanted.add(new)
    for name in (include or {}).keys() & draft.subsets.keys():
        wanted.update(draft.subsets[name].members)
    for name in (exclude or {}).keys() & draft.subsets.keys():
        wanted.difference_update(draft.subsets[name].members)
    for label in sorted(wanted - tasks.keys()):
        if draft.whole and label in draft.tasks:
            findings.error("unknown-task", f"a subset that is included holds '{label}', which is renamed", request.span)
    if draft.whole and draft.tasks and not wanted and not (include and exclude):
        findings.warning("nothing-imported", f"no task of '{draft.file}' is imported", request.span)
    steps = draft.steps if request.steps else {}
    kept = keep_labels(replace(draft, tasks=tasks, steps=steps), wanted, request.edit_subsets)
    return replace(
        kept,
        contracts=kept.contracts if request.contracts else (),
        instrument=kept.instrument if request.keep_instrument else request.instrument,
    )


def _unknown_words(request: Import, draft: Draft, findings: Findings) -> None:
    if not draft.whole:
        return
    renamed = {label: place for label, (_, place) in request.rename.items()}
    both = draft.tasks.keys() | draft.subsets.keys()
    for words, known, kind in (
        (request.include or {}, both, "task or subset"),
        (request.exclude or {}, both, "task or subset"),
        (renamed, draft.tasks.keys(), "task"),
    ):
        for word, place in words.items():
            if word not in known:
                # The middleware passes over it, so pipelines with such words are about: no error.
                message = f"'{draft.file}' has no {kind} '{word}'"
                findings.warning("unknown-label", message, place, nearest(word, known))


def keep_labels(draft: Draft, wanted: Iterable[str], edit_subsets: bool = False) -> Draft:
    """The pipeline with only these tasks.

    Contracts that mention another task go; a subset that has another task goes, or loses it with `edit_subsets`; so
    does a subset without any task, unless `edit_subsets`. A step goes with its subset.
    """
    wanted = set(wanted)
    tasks = {label: task for label, task in draft.tasks.items() if label in wanted}
    gone = draft.tasks.keys() - tasks.keys()
    subsets: dict[str, SubsetDraft] = {}
    for label, subset in draft.subsets.items():
        members = {name: span for name, span in subset.members.items() if name in tasks}
        if edit_subsets or (members and len(members) == len(subset.members)):
            subsets[label] = replace(subset, members=members)
    return replace(
        draft,
        tasks=tasks,
        contracts=tuple(each for each in draft.contracts if not _mentions(each, gone)),
        subsets=subsets,
        steps={label: step for label, step in draft.steps.items() if label in subsets},
    )


def _mentions(contract: Contract, labels: Iterable[str]) -> bool:
    # By text and in the first line only, as the middleware looks.
    return any(re.match(rf".*([^A-Za-z0-9_]|^){re.escape(label)}[.]", contract.expression) for label in labels)


def merge(own: Draft, imported: Iterable[tuple[Import, Draft]], findings: Findings) -> Draft:
    """A file's own sections over those that it imports, in their order."""
    instrument = own.instrument
    told_by = own.instrument_span
    contracts = list(own.contracts)
    tasks: dict[str, TaskDraft] = {}
    subsets: dict[str, SubsetDraft] = {}
    parameters: dict[str, object] = {}
    steps: dict[str, Steps] = {}
    whole = own.whole
    for request, part in imported:
        whole = whole and part.whole
        if instrument is None:
            instrument, told_by = part.instrument, part.instrument_span
        elif part.instrument not in (None, instrument):
            message = f"the instrument is '{instrument}' ({told_by}), but '{part.file}' is for '{part.instrument}'"
            help = "write 'instrument: None' at the import to drop its instrument"
            findings.error("two-instruments", message, request.span, help)
        _unique(tasks, part.tasks, "task", request.span, findings)
        tasks.update(part.tasks)
        _unique(subsets, part.subsets, "subset", request.span, findings)
        subsets.update(part.subsets)
        contracts.extend(part.contracts)
        parameters.update(part.parameters)
        _add_steps(steps, part.steps, findings)
    _add_steps(steps, own.steps, findings)
    for label, task in own.tasks.items():
        tasks[label] = _override(tasks.get(label), task)
    parameters.update(own.parameters)
    return replace(
        own,
        tasks=tasks,
        instrument=instrument,
        instrument_span=told_by,
        contracts=tuple(contracts),
        parameters=parameters,
        subsets=subsets | dict(own.subsets),
        steps=steps,
        imports=(),
        whole=whole,
    )


def _unique(
    have: Mapping[str, TaskDraft | SubsetDraft],
    new: Mapping[str, TaskDraft | SubsetDraft],
    what: str,
    place: Span,
    findings: Findings,
) -> None:
    for label in sorted(have.keys() & new.keys()):
        message = f"the {what} '{label}' comes from two imports: {have[label].span} and {new[label].span}"
        findings.error("duplicate-label", message, place, f"exclude '{label}' from one of them")


def _add_steps(steps: dict[str, Steps], new: Mapping[str, Steps], findings: Findings) -> None:
    for label, step in new.items():
        have = steps.setdefault(label, step)
        if have.dimensions != step.dimensions:
            message = f"the step '{label}' has other dimensions at {have.span}: {', '.join(have.dimensions)}"
            findings.error("conflicting-steps", message, step.span)


def _override(below: TaskDraft | None, task: TaskDraft) -> TaskDraft:
    """The task over an imported one: of the same class it adds to its config, else it takes its place."""
    if below is None or below.task_class != task.task_class:
        return task
    blocks = below.config
    for block in task.config:
        blocks = _add_block(blocks, block)
    return replace(task, config=blocks)


def _add_block(blocks: tuple[ConfigBlock, ...], new: ConfigBlock) -> tuple[ConfigBlock, ...]:
    """Blocks of fields that do not contradict become one, so that a field stands once and keeps its first place."""
    if not blocks:
        return (new,)
    last = blocks[-1]
    python = any(b.python is not None and b.python.value for b in (last, new))
    common = last.fields.keys() & new.fields.keys()
    if python or last.files or new.files or any(last.fields[k].value != new.fields[k].value for k in common):
        return (*blocks, new)
    return (*blocks[:-1], ConfigBlock((), None, {**last.fields, **new.fields}))
