"""Written abstract workflows read back, sub-workflows included, in the columns that a proof needs.

Shares no code with what writes them. Names and commands stand as Python's hash of them, since there are millions.
"""

from __future__ import annotations

import shlex
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import CompileError, Diagnostic, Origin

WORKFLOW = "workflow.yml"
SUB_WORKFLOW = "pegasusWorkflow"
CARRIED = ("--graph", "--butler")
"""Options that name files which every quantum of a job needs."""
RECORDS = "--records"
COLLECT = "collect"
"""The verb of jobs that put files of records together."""


class _Use(msgspec.Struct, gc=False):
    lfn: str
    type: Literal["input", "output", "checkpoint"]
    staged_out: bool = msgspec.field(name="stageOut", default=False)


class _Job(msgspec.Struct):
    id: str
    type: Literal["job", "pegasusWorkflow"]
    file: str = ""
    arguments: list[str] = []
    uses: list[_Use] = []
    metadata: dict[str, str] = {}


class _Dependency(msgspec.Struct):
    id: str
    children: list[str]


class _Document(msgspec.Struct):
    jobs: list[msgspec.Raw]
    dependencies: list[_Dependency] = msgspec.field(name="jobDependencies", default_factory=list)
    metadata: dict[str, str] = {}


_decode = msgspec.json.Decoder(_Job).decode


@dataclass
class Ragged:
    """Rows of hashes: those of row r stand at ``start[r]:start[r + 1]``."""

    start: NDArray[np.int64]
    item: NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """What one job says, as text."""

    quanta: list[str]
    """The words behind each ``--task``, quoted for a shell."""
    inputs: list[str]
    outputs: list[str]
    carried: list[str]
    """Files that the arguments name and that are no datasets: graph and butler."""
    records: list[str]
    """The file of records that the arguments name, if any."""


@dataclass
class Written:
    """Every job that the documents hold, and the sub-workflows, which are jobs of the main one."""

    folder: Path
    files: list[str]
    """Of the documents, the main one first."""
    ids: list[str]
    verbs: list[str]
    """What each job does: its first argument."""
    document: NDArray[np.int32]
    """Shape (jobs,): the number of the document that holds each."""
    runs: NDArray[np.int32]
    """Shape (jobs,): the number of the document that each runs; -1 for a job that is no sub-workflow."""
    told: str
    """How many quanta the main document's metadata tells."""
    quanta: Ragged
    """For each job the words behind each ``--task`` of its arguments, in their order."""
    inputs: Ragged
    outputs: Ragged
    passed_on: Ragged
    """Those outputs that are not staged out."""
    carried: NDArray[np.int64]
    """Shape (jobs,): the sum of the files that arguments say every quantum of the job needs: graph and butler."""
    records: NDArray[np.int64]
    """Shape (jobs,): the file of records that the arguments say; 0 if none."""
    declared: NDArray[np.int64]
    """Shape (edges, 2): pairs (earlier, later) of jobs as a document declares them."""
    unlike: list[tuple[int, str]]
    """Jobs that contradict themselves, and in what."""
    lost: list[tuple[int, str]]
    """By document, ids in dependencies that are no job there."""

    _last: tuple[int, _Document] | None = None
    """The document that was read again last."""

    def said(self, job: int) -> Said:
        """What a job says, read once more."""
        number = int(self.document[job])
        found = _decode(self._again(number).jobs[job - int(np.searchsorted(self.document, number))])
        head, *quanta = _spoken(found.arguments)
        options = _options(head)
        uses = [use for use in found.uses if found.type != SUB_WORKFLOW or use.lfn != found.file]
        return Said(
            quanta,
            [use.lfn for use in uses if use.type == "input"],
            [use.lfn for use in uses if use.type == "output"],
            [options[each] for each in CARRIED if each in options],
            [options[each] for each in (RECORDS,) if each in options],
        )

    def names_of(self, files: set[int], document: int) -> list[str]:
        """The names, in order, of those `files` that jobs of a document use."""
        jobs = map(_decode, self._again(document).jobs)
        return sorted({use.lfn for job in jobs for use in job.uses if hash(use.lfn) in files})

    def _again(self, document: int) -> _Document:
        if self._last is None or self._last[0] != document:
            self._last = document, _read(self.folder, self.files[document])
        return self._last[1]


def read_workflow(folder: Path) -> Written:
    """Read ``workflow.yml`` of `folder` and the documents of its sub-workflows.

    Raises `CompileError` for a document that is not there or is no abstract workflow in JSON.
    """
    found = _Reader()
    files = [WORKFLOW]
    told = ""
    for number, file in enumerate(files):  # grows as the main one is read
        document = _read(folder, file)
        told = told or document.metadata.get("quanta", "0")
        files += found.add(document, number, file)
    return Written(
        folder,
        files,
        found.ids,
        found.verbs,
        np.array(found.document, dtype=np.int32),
        np.array(found.runs, dtype=np.int32),
        told,
        found.quanta.done(),
        found.inputs.done(),
        found.outputs.done(),
        found.passed_on.done(),
        np.array(found.carried, dtype=np.int64),
        np.array(found.records, dtype=np.int64),
        np.array(found.declared, dtype=np.int64).reshape(-1, 2),
        found.unlike,
        found.lost,
    )


def _read(folder: Path, file: str) -> _Document:
    try:
        return msgspec.json.decode((folder / file).read_bytes(), type=_Document)
    except (OSError, msgspec.DecodeError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: str, error: Exception) -> CompileError:
    message = f"'{file}' is no abstract workflow: {error}"
    return CompileError([Diagnostic("unreadable-workflow", message, Origin(file), help="compile again")])


@dataclass
class _Rows:
    """Hashes while they are collected."""

    start: array[int] = field(default_factory=lambda: array("q", [0]))
    item: array[int] = field(default_factory=lambda: array("q"))

    def add(self, texts: list[str]) -> None:
        self.item.extend(map(hash, texts))
        self.start.append(len(self.item))

    def done(self) -> Ragged:
        return Ragged(np.array(self.start, dtype=np.int64), np.array(self.item, dtype=np.int64))


@dataclass
class _Reader:
    ids: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    document: array[int] = field(default_factory=lambda: array("i"))
    runs: array[int] = field(default_factory=lambda: array("i"))
    quanta: _Rows = field(default_factory=_Rows)
    inputs: _Rows = field(default_factory=_Rows)
    outputs: _Rows = field(default_factory=_Rows)
    passed_on: _Rows = field(default_factory=_Rows)
    carried: array[int] = field(default_factory=lambda: array("q"))
    records: array[int] = field(default_factory=lambda: array("q"))
    declared: array[int] = field(default_factory=lambda: array("q"))
    unlike: list[tuple[int, str]] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    documents: int = 1
    """That are known so far."""

    def add(self, content: _Document, document: int, file: str) -> list[str]:
        """Take in one document; gives the files of its sub-workflows."""
        numbers: dict[str, int] = {}
        below: list[str] = []
        for raw in content.jobs:
            try:
                job = _decode(raw)
            except msgspec.DecodeError as error:
                raise _unreadable(file, error) from error
            numbers[job.id] = len(self.ids)
            self.ids.append(job.id)
            self.document.append(document)
            if job.type == SUB_WORKFLOW:
                below.append(job.file)
                self.runs.append(self.documents)
                self.documents += 1
                self._says([""], [use for use in job.uses if use.lfn != job.file], {})
            else:
                self.runs.append(-1)
                self._says(_spoken(job.arguments), job.uses, job.metadata)
        for each in content.dependencies:
            self._declares(each, numbers, document)
        return below

    def _says(self, spoken: list[str], uses: list[_Use], metadata: dict[str, str]) -> None:
        head, *quanta = spoken
        options = _options(head)
        self.verbs.append(head.partition(" ")[0])
        self.quanta.add(quanta)
        self.inputs.add([use.lfn for use in uses if use.type == "input"])
        outputs = [use for use in uses if use.type == "output"]
        self.outputs.add([use.lfn for use in outputs])
        self.passed_on.add([use.lfn for use in outputs if not use.staged_out])
        carried = sum(hash(options[each]) for each in CARRIED if each in options)
        self.carried.append((carried + (1 << 63)) % (1 << 64) - (1 << 63))
        self.records.append(hash(options[RECORDS]) if RECORDS in options else 0)
        kept = [use.lfn for use in uses if use.type == "checkpoint"]
        if kept != [options[each] for each in ("--checkpoint",) if each in options]:
            self.unlike.append((len(self.verbs) - 1, "the checkpoint that it uses is not that of its arguments"))
        if not _is_plain(head):
            self.unlike.append((len(self.verbs) - 1, "its arguments are no verb with options of one value each"))
        if self.verbs[-1] == COLLECT:
            if [options.get("--output")] != [use.lfn for use in outputs]:
                self.unlike.append((len(self.verbs) - 1, "it makes another file than its arguments say"))
            if sorted(_gathered(head)) != sorted(use.lfn for use in uses if use.type == "input"):
                self.unlike.append((len(self.verbs) - 1, "it fetches other files than its arguments say"))
        if not _tells(metadata, quanta):
            self.unlike.append((len(self.verbs) - 1, "its metadata names other quanta than its arguments"))

    def _declares(self, said: _Dependency, numbers: dict[str, int], document: int) -> None:
        self.lost += [(document, id) for id in (said.id, *said.children) if id not in numbers]
        parent = numbers.get(said.id, -1)
        for child in said.children:
            if parent >= 0 and child in numbers:
                self.declared.extend((parent, numbers[child]))


def _options(head: str) -> dict[str, str]:
    """What arguments say before the first ``--task``."""
    words = head.split(" ")
    return dict(zip(words[1::2], words[2::2], strict=False))


def _gathered(head: str) -> list[str]:
    """The files that a job puts together, behind its verb, its one option and that option's value."""
    return head.split(" ")[3:]


def _is_plain(head: str) -> bool:
    verb, *words = head.split(" ")
    if verb == COLLECT:
        words = words[:2]
    return len(words) % 2 == 0 and all(word.startswith("--") for word in words[::2])


def _tells(metadata: dict[str, str], quanta: list[str]) -> bool:
    """Whether a job's metadata says of its quanta how many they are, and by its place the words of each."""
    told = [_as_spoken(each) if "'" in each or '"' in each else each for each in metadata.values()]
    if told[1:] == quanta and tuple(metadata) == _metadata_keys(len(quanta)):  # in this order it is quick
        return told[:1] == ([str(len(quanta))] if quanta else [])
    expected = zip(_metadata_keys(len(quanta)), [str(len(quanta)), *quanta], strict=False)
    return dict(zip(metadata, told, strict=True)) == dict(expected)


def _as_spoken(words: str) -> str:
    try:
        return " ".join(_words(words))
    except ValueError:  # a quote that does not close
        return words


@lru_cache(maxsize=1 << 10)
def _metadata_keys(quanta: int) -> tuple[str, ...]:
    return ("quanta", *(f"quantum.{place}" for place in range(quanta))) if quanta else ()


def _spoken(arguments: list[str]) -> list[str]:
    """What stands before the first ``--task``, and what follows each, quoted for a shell in one way."""
    line = " ".join(arguments)
    if not ("'" in line or '"' in line):
        return line.split(" --task ")
    try:
        words = list(chain.from_iterable(map(_words, arguments)))
    except ValueError:  # a quote that closes in another argument, or not at all: not what anybody means to say
        words = arguments
    starts = [place for place, word in enumerate(words) if word == "--task"]
    return [" ".join(words[a + 1 : b]) for a, b in pairwise([-1, *starts, len(words)])]


@lru_cache(maxsize=1 << 16)
def _words(argument: str) -> list[str]:
    """The words of an argument, each quoted for a shell in one way; what a shell would expand stays as it is."""
    if any(letter in argument for letter in "$`\\") or not ("'" in argument or '"' in argument):
        return argument.split(" ")
    return [shlex.quote(word) for word in shlex.split(argument)]
