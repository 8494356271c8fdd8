"""The interchange format: a quantum graph as lines of JSON, for graphs that the Rubin middleware did not make.

docs/interchange.md describes it, schemas/interchange.schema.json says it exactly; this module reads and writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import msgspec
import zstandard

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, Span, closest
from compiler.frontend.predicted import Progress
from compiler.rubin import Connection, ConnectionKind, DatasetType, GraphBuilder, QuantumGraph, StoredFile, Task
from compiler.rubin.graph import Value
from compiler.rubin.ids import dataset_id, init_id, quantum_id

FORMAT = "rubincwl-graph"
VERSION = 1
_ZSTD = b"\x28\xb5\x2f\xfd"
_PAGE = 1 << 20
_ENOUGH = 20
"""Findings after which reading stops."""


Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Bytes."""


class _Record(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, omit_defaults=True):
    """One line."""


class GraphLine(_Record, tag="graph"):
    """The first line."""

    format: str
    version: int
    output_run: str = ""
    quanta: int | None = None
    datasets: int | None = None
    """With both counts a file that was cut between two lines is noticed."""


class TypeLine(_Record, tag="dataset_type"):
    name: str
    dimensions: tuple[str, ...] = ()
    storage_class: str = ""
    is_calibration: bool = False


class Port(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A connection of a task."""

    name: str
    kind: ConnectionKind
    dataset_type: str
    storage_class: str = ""


class TaskLine(_Record, tag="task"):
    label: str
    task_class: str = ""
    dimensions: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    connections: tuple[Port, ...] = ()


class File(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The datastore's record of a dataset that exists."""

    path: str
    size: Size | None = None
    formatter: str = ""
    checksum: str | None = None


class DatasetLine(_Record, tag="dataset", gc=False):
    type: str
    values: tuple[int | str, ...] = ()
    run: str | None = None
    """The graph's output run if absent."""
    id: UUID | None = None
    file: File | None = None


class QuantumLine(_Record, tag="quantum", gc=False):
    task: str
    values: tuple[int | str, ...] = ()
    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    id: UUID | None = None


class InitLine(_Record, tag="init"):
    task: str
    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    id: UUID | None = None


_Line = GraphLine | TypeLine | TaskLine | DatasetLine | QuantumLine | InitLine


def write_interchange(graph: QuantumGraph, path: Path | str) -> None:
    """Write `graph`; compressed if the name ends in ``.zst``. The same graph gives the same bytes."""
    with Path(path).open("wb") as file:
        if not str(path).endswith(".zst"):
            _write(graph, file)
            return
        with zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False) as packed:
            _write(graph, packed)


def _write(graph: QuantumGraph, file: BinaryIO | zstandard.ZstdCompressionWriter) -> None:
    encoder = msgspec.json.Encoder()
    page = bytearray()
    for record in _records(graph):
        page += encoder.encode(record)
        page += b"\n"
        if len(page) > _PAGE:
            file.write(bytes(page))
            page.clear()
    file.write(bytes(page))


def _records(graph: QuantumGraph) -> Iterator[_Line]:
    yield GraphLine(FORMAT, VERSION, graph.output_run, graph.n_quanta, graph.n_datasets)
    for kind in graph.dataset_types:
        yield TypeLine(kind.name, kind.dimensions, kind.storage_class, kind.is_calibration)
    for task in graph.tasks:
        ports = tuple(Port(c.name, c.kind, c.dataset_type, c.storage_class) for c in task.connections)
        yield TaskLine(task.label, task.task_class, task.dimensions, task.implied, ports)
    for number in range(graph.n_datasets):
        dataset = graph.dataset(number)
        values = tuple(dataset.data_id.values())
        file = None if dataset.file is None else _file_of(dataset.file)
        run = None if dataset.run == graph.output_run else dataset.run
        derived = dataset.id.bytes == dataset_id(dataset.type, values, dataset.run)
        yield DatasetLine(dataset.type, values, run, None if derived else dataset.id, file)
    for init in graph.init:
        yield InitLine(init.label, dict(init.inputs), dict(init.outputs), _unless(init.id, init_id(init.label)))
    for number, task in enumerate(graph.tasks):
        columns = [graph.vocabulary[d] for d in task.all_dimensions]
        for q, codes in zip(graph.quanta_of(number), graph.quantum_codes[number].tolist(), strict=True):
            row = tuple(column[code] for column, code in zip(columns, codes, strict=True))
            quantum = graph.quantum(q)
            derived_id = quantum_id(task.label, row[: len(task.dimensions)])
            yield QuantumLine(
                task.label, row, dict(quantum.inputs), dict(quantum.outputs), _unless(quantum.id, derived_id)
            )


def _file_of(stored: StoredFile) -> File:
    return File(stored.path, stored.size, stored.formatter, stored.checksum)


def _unless(id: UUID, derived: bytes) -> UUID | None:
    return None if id.bytes == derived else id


def read_interchange(
    path: Path | str, findings: Findings | None = None, progress: Progress | None = None
) -> QuantumGraph:
    """The graph in an interchange file, compressed or not; raises `CompileError` with the line of each fault."""
    reader = _Reader(str(path), Findings() if findings is None else findings, progress)
    try:
        with Path(path).open("rb") as file:
            reader.read(_lines(file))
    except OSError as error:
        message = f"cannot read the quantum graph: {error.strerror or error}"
        raise CompileError([Diagnostic("cannot-read", message, Origin(str(path)))]) from None
    except (zstandard.ZstdError, EOFError, MemoryError) as error:
        message = f"the quantum graph is broken: {str(error) or type(error).__name__}"
        help = "write it again, or copy it again: the file may be cut short"
        raise CompileError([Diagnostic("broken-graph", message, Origin(str(path)), help)]) from None
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
    page = file.read(_PAGE)
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
        page = unpack.unused_data or file.read(_PAGE)
    if not unpack.eof:
        raise EOFError("the compressed text ends in the middle")


class _FaultError(Exception):
    """Something is wrong in a line, at a word of it."""

    def __init__(self, code: str, message: str, word: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.word, self.help = code, word, help


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
        self._inits: set[str] = set()

    def read(self, lines: Iterator[bytes]) -> None:
        decode = msgspec.json.Decoder(_Line).decode
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                self._take(decode(line))
            except msgspec.MsgspecError as error:
                # Its number is taken, so that the numbers behind it stay right.
                self._datasets += b'"dataset"' in line[:30]
                self._tell(
                    number, line, _FaultError("broken-graph", f"not a line of this format: {_short(error)}"), error
                )
            except _FaultError as fault:
                self._tell(number, line, fault)
            if self._head is None or len(self._findings.errors) >= _ENOUGH:
                break
        self._findings.raise_errors()
        self._count()

    def finish(self) -> QuantumGraph:
        try:
            return self._builder.finish()
        except ValueError as error:
            message = str(error)
        raise CompileError([*self._findings, Diagnostic("circular-tasks", message, Origin(self._source))])

    def _take(self, record: _Line) -> None:
        if isinstance(record, GraphLine):
            self._take_head(record)
        elif self._head is None:
            raise _FaultError("broken-graph", "the first line is not of kind 'graph'", "kind")
        elif isinstance(record, DatasetLine):
            self._take_dataset(record)
        elif isinstance(record, QuantumLine):
            self._take_quantum(record)
        elif isinstance(record, TypeLine):
            self._take_type(record)
        elif isinstance(record, TaskLine):
            self._take_task(record)
        else:
            self._take_init(record)

    def _take_head(self, head: GraphLine) -> None:
        if self._head is not None:
            raise _FaultError("broken-graph", "a second line of kind 'graph'", "kind")
        if head.format != FORMAT:
            raise _FaultError("not-a-graph", f"the format is '{head.format}', not '{FORMAT}'", "format")
        if head.version != VERSION:
            message = f"version {head.version} of the format is not known ({VERSION} is)"
            raise _FaultError("unknown-graph-version", message, "version", "this file needs a newer rubincwl")
        self._head = head
        self._builder.output_run = head.output_run

    def _take_type(self, kind: TypeLine) -> None:
        if kind.name in self._types:
            raise _FaultError("broken-graph", f"dataset type '{kind.name}' is declared twice", kind.name)
        _once(kind.dimensions, "dimension")
        self._types[kind.name] = DatasetType(kind.name, kind.dimensions, kind.storage_class, kind.is_calibration)
        self._builder.add_dataset_type(self._types[kind.name])

    def _take_task(self, task: TaskLine) -> None:
        if task.label in self._tasks:
            raise _FaultError("broken-graph", f"task '{task.label}' is declared twice", task.label)
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
            raise _FaultError("doubled-dataset", f"dataset {self._datasets - 1} stood before", dataset.type, help)
        self._added += 1

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
            raise _FaultError("doubled-data-id", f"a second init quantum of '{init.task}'", init.task)
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
                    raise _FaultError("unknown-dataset", message, name)

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

    def _tell(self, number: int, line: bytes, fault: _FaultError, error: msgspec.MsgspecError | None = None) -> None:
        text = line.decode(errors="replace")
        start, end = _place(text, str(error)) if error is not None else _word(text, fault.word)
        place = Span(self._source, number, start + 1, None if end is None else end + 1)
        self._findings.error(fault.code, str(fault), place, fault.help)


def _bytes(id: UUID | None) -> bytes | None:
    return None if id is None else id.bytes


def _once(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise _FaultError("broken-graph", f"{what} '{name}' stands here twice", name)


def _fitting(values: Sequence[Value], dimensions: Sequence[str]) -> None:
    if len(values) != len(dimensions):
        names = ", ".join(dimensions) or "none"
        raise _FaultError("wrong-data-id", f"{len(values)} values for {len(dimensions)} dimensions ({names})", "values")


def _unknown(what: str, name: str, known: Sequence[str] | dict[str, Task] | dict[str, DatasetType]) -> _FaultError:
    near = closest(name, known)
    code = f"unknown-{what.split(' of ')[0].replace(' ', '-')}"
    help = f"did you mean '{near}'?" if near else "what a line names must stand before it"
    return _FaultError(code, f"no {what} '{name}' declared before", name, help)


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
