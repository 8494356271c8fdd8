"""Our own check of an abstract workflow, run at every compile on what is about to be written.

Pegasus' planner tells one fault a run, without a place, after minutes; and some it takes in silence. Here are both:

refused by the planner: an unknown key of a job, an unknown profile namespace, memory that is no number, a cycle, an
unknown child, two producers of one file, a missing transformation or replica;

accepted in silence (a job is lost, a setting has no effect): two jobs of one id or of one node name, a profile that
does not exist, ``dagman.retry`` that is no number, a wrong version, no name, a negative size, ``--cluster
horizontal`` without ``clusters.size``, a replica of a file that a job makes, ``${...}``, arguments that are too long.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from compiler.backends.pegasus import profiles
from compiler.backends.pegasus.documents import VERSION
from compiler.backends.pegasus.quoting import FILE_NAME, LONGEST_ARGUMENTS, LONGEST_NODE_ALLOWED, node_name
from compiler.diagnostics import Diagnostic, Findings, Origin

ID = re.compile(r"[A-Za-z0-9_-]+")
"""Pegasus' schema, share/pegasus/schema/yaml/common.yml."""

_TOP = """
    pegasus name version hooks profiles metadata siteCatalog replicaCatalog transformationCatalog jobs jobDependencies
    """
_JOB = "type file namespace version name id stdin stdout stderr nodeLabel arguments uses profiles metadata hooks"
_USE = "lfn metadata size forPlanning type stageOut registerReplica bypass"
_TOP_KEYS, _JOB_KEYS, _USE_KEYS = (frozenset(words.split()) for words in (_TOP, _JOB, _USE))
_JOB_NEEDED = ("type", "id", "arguments", "uses")
_USE_TYPES = ("input", "output", "checkpoint")

Entry = Mapping[str, Any]


class Checker:
    """Looks at jobs and dependencies as they stream by; `finish` tells what only the whole can tell."""

    def __init__(self, transformations: Collection[str], replicas: Collection[str], file: str = "workflow.yml") -> None:
        """`transformations` as ``namespace::name``; `replicas`: logical names of the files that exist."""
        self.findings = Findings()
        self._file = file
        self._transformations = transformations
        self._replicas = replicas
        self._numbers: dict[str, int] = {}
        self._nodes: Counter[str] = Counter()
        self._producer: dict[str, int] = {}
        self._reads: list[list[str]] = []
        self._edges: list[tuple[int, int]] = []
        self._unknown_tools: set[str] = set()

    def header(self, document: Entry) -> None:
        """Everything of the document but its jobs and dependencies."""
        for key in sorted(set(document) - _TOP_KEYS):
            if not key.startswith("x-"):
                self._error("unknown-key", f"a workflow has no key {key!r}")
        if document.get("pegasus") != VERSION:
            self._error("wrong-version", f"the workflow's format is {document.get('pegasus')!r}, not {VERSION!r}")
        if not document.get("name"):
            self._error("no-name", "the workflow has no name")
        elif not ID.fullmatch(str(document["name"])):
            self._error("bad-name", f"the workflow's name {document['name']!r} is not of A-Z a-z 0-9 _ -")
        self._profiles(document.get("profiles") or {}, "the workflow")

    def jobs(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries, looked at."""
        for entry in entries:
            self._job(entry)
            yield entry

    def dependencies(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries, looked at; after all jobs have passed."""
        for entry in entries:
            self._dependency(entry)
            yield entry

    def finish(self) -> list[Diagnostic]:
        """All findings, those of the whole included."""
        for name, times in self._nodes.items():
            if times > 1:
                self._error("duplicate-node", f"{times} jobs become the DAGMan node {name!r}, so all but one are lost")
        for number, lfns in enumerate(self._reads):
            for lfn in lfns:
                if lfn in self._producer:
                    self._edges.append((self._producer[lfn], number))
                elif lfn not in self._replicas:
                    self._error("missing-replica", f"no job makes the input {lfn!r} and no replica of it is known")
        for lfn in sorted(set(self._producer) & set(self._replicas)):
            self._error("replica-of-output", f"{lfn!r} is made by a job and has a replica: Pegasus would drop the job")
        cyclic = _cycle(len(self._reads), self._edges)
        if cyclic:
            ids = list(self._numbers)
            names = ", ".join(repr(ids[number]) for number in cyclic[:5])
            self._error("cycle", f"{len(cyclic)} jobs wait for each other, among them {names}")
        return list(self.findings)

    def _error(self, code: str, message: str, job: str = "") -> None:
        self.findings.error(code, message, Origin(self._file, job))

    def _job(self, entry: Entry) -> None:
        id = str(entry.get("id", ""))
        number = len(self._reads)
        self._reads.append([])
        for key in entry:
            if key not in _JOB_KEYS and not key.startswith("x-"):
                self._error("unknown-key", f"a job has no key {key!r}", id)
        below = entry.get("type") == "pegasusWorkflow"
        missing = [key for key in (*_JOB_NEEDED, "file" if below else "name") if key not in entry]
        if missing:
            self._error("missing-key", f"a job needs {', '.join(missing)}", id)
            return
        if not ID.fullmatch(id):
            self._error("bad-id", f"the id {id!r} is not of A-Z a-z 0-9 _ -", id)
        if id in self._numbers:
            self._error("duplicate-id", f"two jobs have the id {id!r}, so one is lost", id)
        self._numbers.setdefault(id, number)
        if not below and entry["type"] != "job":
            self._error("bad-type", f"a job's type is {entry['type']!r}", id)
        if below:
            self._node(node_name("pegasus-plan", id), id)
        else:
            self._name(entry, id)
            self._arguments(entry["arguments"], id)
        seen: set[str] = set()
        for use in entry["uses"]:
            self._use(use, id, number, seen)
        self._profiles(entry.get("profiles") or {}, f"job {id!r}", id)

    def _name(self, entry: Entry, id: str) -> None:
        tool = f"{entry['namespace']}::{entry['name']}" if entry.get("namespace") else entry["name"]
        if tool not in self._transformations and tool not in self._unknown_tools:
            self._unknown_tools.add(tool)
            self._error("missing-transformation", f"no transformation {tool!r} is known", id)
        self._node(node_name(entry["name"], id), id)

    def _node(self, node: str, id: str) -> None:
        self._nodes[node] += 1
        if len(node) > LONGEST_NODE_ALLOWED:
            self._error("long-name", f"files called after the node {node[:40]!r}... would have too long names", id)

    def _arguments(self, arguments: Sequence[Any], id: str) -> None:
        line = " ".join(map(str, arguments))
        if len(line) > LONGEST_ARGUMENTS:
            self._error("long-arguments", f"arguments of {len(line)} characters are more than a system takes", id)
        if "${" in line or "${" in id:
            self._error("variable", "'${' is replaced by the planner from its own environment", id)
        if "'" in line or '"' in line:
            try:
                shlex.split(line)
            except ValueError:
                self._error("open-quote", "the arguments have a quote that does not close", id)

    def _use(self, use: Entry, id: str, number: int, seen: set[str]) -> None:
        for key in use:
            if key not in _USE_KEYS:
                self._error("unknown-key", f"a use has no key {key!r}", id)
        lfn, kind = str(use.get("lfn", "")), use.get("type")
        if not FILE_NAME.fullmatch(lfn):
            self._error("bad-file-name", f"the file name {lfn!r} is not of A-Z a-z 0-9 . _ + -", id)
        if kind not in _USE_TYPES:
            self._error("bad-type", f"{lfn!r} is used as {kind!r}", id)
        if lfn in seen:
            self._error("duplicate-use", f"{lfn!r} is used twice", id)
        seen.add(lfn)
        if "size" in use and not profiles.is_number(use["size"]):
            self._error("bad-size", f"{lfn!r} has the size {use['size']!r}", id)
        if kind == "output":
            if self._producer.setdefault(lfn, number) != number:
                self._error("two-producers", f"{lfn!r} is made by another job too", id)
        elif kind == "input":  # a checkpoint is not there at a job's first try
            self._reads[number].append(lfn)

    def _dependency(self, entry: Entry) -> None:
        parent = self._numbers.get(entry.get("id", ""))
        if parent is None:
            self._error("unknown-job", f"no job {entry.get('id')!r} to depend on")
        for child in entry.get("children", ()):
            number = self._numbers.get(child)
            if number is None:
                self._error("unknown-job", f"no job {child!r} to depend on {entry.get('id')!r}")
            elif parent is not None:
                self._edges.append((parent, number))

    def _profiles(self, given: Entry, whose: str, job: str = "") -> None:
        for code, message in profiles.problems(given):
            self._error(code, f"{whose}: {message}", job)


def check_workflow(document: Entry, transformations: Collection[str], replicas: Collection[str]) -> list[Diagnostic]:
    """Everything wrong with a whole abstract workflow, given as parsed data."""
    checker = Checker(transformations, replicas)
    checker.header(document)
    for _ in checker.jobs(document.get("jobs", ())):
        pass
    for _ in checker.dependencies(document.get("jobDependencies", ())):
        pass
    return checker.finish()


def check_planning(properties: Mapping[str, str], options: Sequence[str], job_profiles: Entry) -> list[Diagnostic]:
    """What is wrong with the properties and pegasus-plan's options; `job_profiles` are those every job has."""
    findings = Findings()
    place = Origin("pegasus.properties")
    for key, value in properties.items():
        namespace, _, name = key.partition(".")
        if namespace in ("dagman", "condor") or (namespace == "pegasus" and name in profiles.KEYS["pegasus"]):
            for code, message in profiles.problems({namespace: {name: value}}):
                findings.error(code, message, place)
    options = [part for option in options for part in option.split("=", 1)]
    clustered = [b for a, b in pairwise(options) if a in ("--cluster", "-C")]
    sized = {"pegasus.clusters.size", "pegasus.clusters.num"} & set(properties) or {
        "clusters.size",
        "clusters.num",
    } & set(job_profiles.get("pegasus", {}))
    if any("horizontal" in each.split(",") for each in clustered) and not sized:
        findings.error("no-cluster-size", "'--cluster horizontal' does nothing without clusters.size", place)
    return list(findings)


def _cycle(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """Numbers of the nodes that are on a cycle or behind one; empty if there is none."""
    children: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for parent, child in edges:
        children[parent].append(child)
        waiting[child] += 1
    ready = [number for number in range(count) if not waiting[number]]
    for number in ready:
        for child in children[number]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return [number for number in range(count) if waiting[number]]
