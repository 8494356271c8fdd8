"""Read the interchange format: a quantum graph as lines of JSON, for graphs that the Rubin middleware did not make.

docs/interchange.md describes it, schemas/interchange.schema.json says it exactly.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import msgspec
import zstandard

from compiler.collection import no_collection
from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, Span, closest
from compiler.frontend import interchange_blocks as blocks
from compiler.frontend.interchange_lines import (
    FORMAT,
    VERSION,
    VERSIONS,
    DatasetLine,
    DatasetsLine,
    EdgeColumn,
    FaultError,
    GraphLine,
    InitLine,
    Line,
    QuantaLine,
    QuantumLine,
    TaskLine,
    TypeLine,
)
from compiler.frontend.interchange_writer import write_interchange as write_interchange
from compiler.frontend.predicted_documents import Progress
from compiler.rubin import Connection, ConnectionKind, DatasetType, GraphBuilder, QuantumGraph, StoredFile, Task
from compiler.rubin.build import EdgeColumns
from compiler.rubin.graph import Value

_ZSTD = b"\x28\xb5\x2f\xfd"
_PAGE = 1 << 20
_PACKED_PAGE = 1 << 16
"""Compressed text may be a hundred times smaller than what is in it."""
_ENOUGH = 20
"""Findings after which reading stops."""


def read_interchange(
    path: Path | str, findings: Findings | None = None, progress: Progress | None = None
) -> QuantumGraph:
    """The graph in an interchange file, compressed or not; raises `CompileError` with the line of each fault."""
    reader = _Reader(str(path), Findings() if findings is None else findings, progress)
    try:
        with no_collection(), Path(path).open("rb") as file:
            reader.read(_lines(file))
    except OSError as error:
        message = f"cannot read the quantum graph: {error.strerror or error}"
        raise CompileError([Diagnostic("cannot-read", message, Origin(str(path)))]) from None
    except (zstandard.ZstdError, EOFError, MemoryError) as error:
        message = f"the quantum graph is broken: {str(error) or type(error).__name__}"
        help = "write it again, or copy it again: the file may be cut short"
        raise CompileError([Diagnostic("broken-graph", message, Origin(str(path)), help)]) from None
    with no_collection():
        return reader.finish()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends; raises `EOFError` if the compressed text does not end."""
    rest = b""
    for page in _pages(file):
        first, *more = page.split(b"\n")
        if more:
            yield rest + first
            yield from more[:-1]
            rest = more[-1]
        else:
            rest += first
    if rest:
        yield rest


def _pages(file: BinaryIO) -> Iterator[bytes]:
    page = file.read(_PACKED_PAGE)
    if not page.startswith(_ZSTD):
        while page:
            yield page
            page = file.read(_PAGE)
        return
    unpack = zstandard.ZstdDecompressor().decompressobj()
    while page:
        if unpack.eof:
            unpack = zstandard.ZstdDecompressor().decompressobj()
        yield unpack.decompress(page)
        # What stands behind a frame's end is the next frame: compressed files may be joined.
        page = unpack.unused_data or file.read(_PACKED_PAGE)
    if not unpack.eof:
        raise EOFError("the compressed text ends in the middle")


class _Reader:
    def __init__(self, source: str, findings: Findings, progress: Progress | None) -> None:
        self._source = source
        self._findings = findings
        self._progress = progress
        self._builder = GraphBuilder(source)
        self._head: GraphLine | None = None
        self._types: dict[str, DatasetType] = {}
        self._tasks: dict[str, Task] = {}
        self._datasets = self._added = self._quanta = 0
        self._blocks: list[tuple[int, int, str]] = []
        """Of each line of datasets, from the first block on: its first dataset's number, its own, their type."""
        self._inits: set[str] = set()

    def read(self, lines: Iterator[bytes]) -> None:
        decode = msgspec.json.Decoder(Line).decode
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                self._take(decode(line), number)
            except msgspec.MsgspecError as error:
                # Its numbers are taken, so that those behind it stay right.
                self._datasets += _announced(line)
                self._tell(
                    number, line, FaultError("broken-graph", f"not a line of this format: {_short(error)}"), error
                )
            except FaultError as fault:
                self._tell(number, line, fault)
            if self._head is None or len(self._findings.errors) >= _ENOUGH:
                break
        self._findings.raise_errors()
        self._count()
        if self._blocks:
            self._doubled()

    def finish(self) -> QuantumGraph:
        try:
            return self._builder.finish()
        except ValueError as error:
            message = str(error)
        raise CompileError([*self._findings, Diagnostic("circular-tasks", message, Origin(self._source))])

    def _take(self, record: Line, line: int) -> None:
        if isinstance(record, GraphLine):
            self._take_head(record)
        elif self._head is None:
            raise FaultError("broken-graph", "the first line is not of kind 'graph'", "kind")
        elif isinstance(record, DatasetsLine | QuantaLine):
            self._take_block(record, line)
        elif isinstance(record, DatasetLine):
            if self._blocks:
                self._blocks.append((self._datasets, line, record.type))
            self._take_dataset(record)
        elif isinstance(record, QuantumLine):
            self._take_quantum(record)
        elif isinstance(record, TypeLine):
            self._take_type(record)
        elif isinstance(record, TaskLine):
            self._take_task(record)
        else:
            self._take_init(record)

    def _take_block(self, record: DatasetsLine | QuantaLine, line: int) -> None:
        assert self._head is not None
        if isinstance(record, DatasetsLine):
            self._blocks.append((self._datasets, line, record.type))
            self._take_datasets(record)
        else:
            self._take_quanta(record)
        if self._head.version < 2:
            raise FaultError("unknown-graph-version", "blocks are of version 2, the first line says 1", "kind")

    def _take_head(self, head: GraphLine) -> None:
        if self._head is not None:
            raise FaultError("broken-graph", "a second line of kind 'graph'", "kind")
        if head.format != FORMAT:
            raise FaultError("not-a-graph", f"the format is '{head.format}', not '{FORMAT}'", "format")
        if head.version not in VERSIONS:
            message = f"version {head.version} of the format is not known (up to {VERSION} is)"
            raise FaultError("unknown-graph-version", message, "version", "this file needs a newer rubincwl")
        self._head = head
        self._builder.output_run = head.output_run

    def _take_type(self, kind: TypeLine) -> None:
        if kind.name in self._types:
            raise FaultError("broken-graph", f"dataset type '{kind.name}' is declared twice", kind.name)
        _once(kind.dimensions, "dimension")
        self._types[kind.name] = DatasetType(kind.name, kind.dimensions, kind.storage_class, kind.is_calibration)
        self._builder.add_dataset_type(self._types[kind.name])

    def _take_task(self, task: TaskLine) -> None:
        if task.label in self._tasks:
            raise FaultError("broken-graph", f"task '{task.label}' is declared twice", task.label)
        _once((*task.dimensions, *task.implied), "dimension")
        _once([each.name for each in task.connections], "connection")
        connections = tuple(
            Connection(c.name, c.dataset_type, c.kind, self._type(c.dataset_type).dimensions, c.storage_class)
            for c in task.connections
        )
        made = Task(task.label, task.task_class, task.dimensions, task.implied, connections)
        self._tasks[task.label] = made
        self._builder.add_task(made)

    def _take_dataset(self, dataset: DatasetLine) -> None:
        self._datasets += 1
        kind = self._type(dataset.type)
        _fitting(dataset.values, kind.dimensions)
        assert self._head is not None
        run = self._head.output_run if dataset.run is None else dataset.run
        file = None
        if dataset.file is not None:
            known = dataset.file
            file = StoredFile(known.path, known.size, known.formatter, known.checksum)
        id = _bytes(dataset.id)
        if self._builder.add_dataset(kind.name, dataset.values, run, id, file) < self._added:
            help = "two datasets of one type, data id and run need an 'id' each" if id is None else None
            raise FaultError("doubled-dataset", f"dataset {self._datasets - 1} stood before", dataset.type, help)
        self._added += 1

    def _take_datasets(self, block: DatasetsLine) -> None:
        self._datasets += block.count
        kind = self._type(block.type)
        assert self._head is not None
        columns = blocks.columns(block.columns, kind.dimensions, block.count)
        runs = blocks.runs(block.run, self._head.output_run, block.count)
        ids = blocks.ids(block.ids, block.count)
        files = None if block.files is None else blocks.files(block.files, block.count)
        first = self._builder.add_datasets(kind.name, columns, runs, block.count, ids)
        if files is not None:
            rows, paths, sizes, formatters, checksums = files
            self._builder.add_files([first + row for row in rows], paths, sizes, formatters, checksums)
        self._added += block.count

    def _take_quanta(self, block: QuantaLine) -> None:
        task = self._tasks.get(block.task)
        if task is None:
            raise _unknown("task", block.task, self._tasks)
        columns = blocks.columns(block.columns, task.all_dimensions, block.count)
        inputs = self._edges(block, block.inputs, task, ("input", "prerequisite"))
        outputs = self._edges(block, block.outputs, task, ("output",))
        ids = blocks.ids(block.ids, block.count)
        self._builder.add_quanta(task.label, columns, block.count, ids, inputs, outputs)
        self._quanta += block.count
        if self._progress is not None:
            self._progress(self._quanta, (self._head and self._head.quanta) or self._quanta)

    def _edges(
        self, block: QuantaLine, sides: Mapping[str, EdgeColumn], task: Task, kinds: tuple[str, ...]
    ) -> EdgeColumns:
        known = [each.name for each in task.connections if each.kind in kinds]
        for name in sides:
            if name not in known:
                raise _unknown(f"connection of kind {' or '.join(kinds)}", name, known)
        return {name: blocks.edges(each, block.count, self._datasets, name) for name, each in sides.items()}

    def _doubled(self) -> None:
        """Where datasets come in blocks, all of them are compared at last."""
        firsts = [first for first, _, _ in self._blocks]
        for handle in self._builder.doubled_datasets()[:_ENOUGH]:
            first, line, kind = self._blocks[max(0, bisect_right(firsts, handle) - 1)]
            message = f"dataset {handle} ('{kind}', row {handle - first} of this line) stood before"
            help = "two datasets of one type, data id and run need an 'id' each"
            self._findings.error("doubled-dataset", message, Span(self._source, line, 1), help)
        self._findings.raise_errors()

    def _take_quantum(self, quantum: QuantumLine) -> None:
        task = self._tasks.get(quantum.task)
        if task is None:
            raise _unknown("task", quantum.task, self._tasks)
        _fitting(quantum.values, task.all_dimensions)
        ports = {each.name: each.kind for each in task.connections}
        self._rows(quantum.inputs, ports, ("input", "prerequisite"))
        self._rows(quantum.outputs, ports, ("output",))
        self._builder.add_quantum(quantum.task, quantum.values, _bytes(quantum.id), quantum.inputs, quantum.outputs)
        self._quanta += 1
        if self._progress is not None and self._quanta % 1000 == 0:
            self._progress(self._quanta, (self._head and self._head.quanta) or self._quanta)

    def _take_init(self, init: InitLine) -> None:
        if init.task in self._inits:
            raise FaultError("doubled-data-id", f"a second init quantum of '{init.task}'", init.task)
        self._inits.add(init.task)
        ports: dict[str, str] | None = None
        if init.task:
            if init.task not in self._tasks:
                raise _unknown("task", init.task, self._tasks)
            ports = {each.name: each.kind for each in self._tasks[init.task].connections}
        self._rows(init.inputs, ports, ("init-input",))
        self._rows(init.outputs, ports, ("init-output",))
        self._builder.add_init(init.task, _bytes(init.id), init.inputs, init.outputs)

    def _type(self, name: str) -> DatasetType:
        if name not in self._types:
            raise _unknown("dataset type", name, self._types)
        return self._types[name]

    def _rows(
        self,
        rows: dict[str, tuple[int, ...]],
        ports: dict[str, ConnectionKind] | dict[str, str] | None,
        kinds: tuple[str, ...],
    ) -> None:
        """`ports` is None for the init quantum of the packages, which belongs to no task."""
        for name, row in rows.items():
            if ports is not None and ports.get(name) not in kinds:
                known = [each for each, kind in ports.items() if kind in kinds]
                raise _unknown(f"connection of kind {' or '.join(kinds)}", name, known)
            for number in row:
                if not 0 <= number < self._datasets:
                    message = f"no dataset {number}: {self._datasets} stand before this line, counted from 0"
                    raise FaultError("unknown-dataset", message, name)

    def _count(self) -> None:
        if self._head is None:
            raise CompileError([Diagnostic("empty-file", "the quantum graph is empty", Origin(self._source))])
        for what, told, found in (
            ("quanta", self._head.quanta, self._quanta),
            ("datasets", self._head.datasets, self._datasets),
        ):
            if told is not None and told != found:
                message = f"the quantum graph is broken: the first line announces {told} {what}, {found} follow"
                help = "write it again, or copy it again: the file may be cut short"
                self._findings.error("broken-graph", message, Span(self._source, 1, 1), help)
        self._findings.raise_errors()

    def _tell(self, number: int, line: bytes, fault: FaultError, error: msgspec.MsgspecError | None = None) -> None:
        text = line.decode(errors="replace")
        start, end = _place(text, str(error)) if error is not None else _word(text, fault.word)
        place = Span(self._source, number, start + 1, None if end is None else end + 1)
        self._findings.error(fault.code, str(fault), place, fault.help)


def _announced(line: bytes) -> int:
    """How many datasets a line holds that cannot be read, as far as its beginning tells."""
    if b'"datasets"' in line[:30]:
        told = re.search(rb'"count":\s*(\d{1,9})', line[:80])
        return int(told[1]) if told else 0
    return b'"dataset"' in line[:30]


def _bytes(id: UUID | None) -> bytes | None:
    return None if id is None else id.bytes


def _once(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise FaultError("broken-graph", f"{what} '{name}' stands here twice", name)


def _fitting(values: Sequence[Value], dimensions: Sequence[str]) -> None:
    if len(values) != len(dimensions):
        names = ", ".join(dimensions) or "none"
        raise FaultError("wrong-data-id", f"{len(values)} values for {len(dimensions)} dimensions ({names})", "values")


def _unknown(what: str, name: str, known: Sequence[str] | dict[str, Task] | dict[str, DatasetType]) -> FaultError:
    near = closest(name, known)
    code = f"unknown-{what.split(' of ')[0].replace(' ', '-')}"
    help = f"did you mean '{near}'?" if near else "what a line names must stand before it"
    return FaultError(code, f"no {what} '{name}' declared before", name, help)


def _short(error: msgspec.MsgspecError) -> str:
    return re.sub(r" - at `\$\.?(.*)`$", lambda found: f" in '{found[1]}'" if found[1] else "", str(error))


def _word(text: str, word: str | None) -> tuple[int, int | None]:
    """Where a JSON string stands in a line."""
    quoted = msgspec.json.encode(word).decode() if word is not None else ""
    start = text.find(quoted) if quoted else -1
    return (0, None) if start < 0 else (start, start + len(quoted))


def _place(text: str, message: str) -> tuple[int, int | None]:
    """Where the decoder stumbled: it tells a byte, or a path of keys."""
    byte = re.search(r"\(byte (\d+)\)", message)
    if byte:
        return len(text.encode()[: int(byte[1])].decode(errors="replace")), None
    if "truncated" in message:
        return max(0, len(text.rstrip()) - 1), None
    keys = re.findall(r"\.([A-Za-z_]\w*)", message.rpartition("`$")[2]) or re.findall(r"field `(\w+)`", message)
    return _word(text, keys[-1]) if keys else (0, None)
