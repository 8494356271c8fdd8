#!/usr/bin/env python3
"""Runs quanta of a Rubin quantum graph in an empty folder, with nothing shared.

    quantum_runner.py init    --graph G --butler B
    quantum_runner.py quanta  --graph G --butler B --task LABEL dim=value ... [--task ...]
    quantum_runner.py collect --output FILE [FILE ...]

It needs Python's standard library and, beside it, the science environment. Staged datasets are
expected in the current folder under the names of `dataset_name`; outputs and one record a quantum
(``--records FILE``: all of them in one file) are left there. With ``--checkpoint FILE`` a call that
fails leaves what its finished quanta made, and the next call runs only the rest. A private
datastore is made in a temporary subfolder and the real middleware (``pipetask run-qbb``) runs in a
forked process of its own: one start of the interpreter and one import of the middleware serve
both, and whatever the task does to its process, the runner lives on to tell. Exit codes: see
`EXIT_CODES` and docs/quantum-runner.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import json
import os
import platform
import re
import resource
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

USAGE, TASK_FAILED, INPUT_MISSING, OUTPUT_MISSING, ENVIRONMENT, GRAPH, SIGNAL = 2, 10, 11, 12, 13, 14, 128
EXIT_CODES = {
    0: "every quantum succeeded; absent outputs are explained by its caveats",
    USAGE: "wrong command line",
    TASK_FAILED: "the task failed; the record keeps what the middleware exited with",
    INPUT_MISSING: "a staged input is missing or has another size than its record",
    OUTPUT_MISSING: "an output is missing and the quantum's caveats do not explain it",
    ENVIRONMENT: "the science environment or this Python cannot run it",
    GRAPH: "the graph cannot be read or does not hold the quantum",
    SIGNAL: "128 + n: ended by signal n",
}
MARKER = b"rubincwl-absent 1\n"
RECORD_PREFIX = "rubincwl-record: "
INIT = "_init"
_INFO = "lsst.daf.butler.datastore.stored_file_info.StoredFileInfo"
_TAIL_LINES = 30
_ANY_OUTPUT_MISSING, _ALL_OUTPUTS_MISSING = 1, 2  # lsst.pipe.base.QuantumSuccessCaveats
_UNSAFE = re.compile(rb"[^A-Za-z0-9._]")
LONGEST_NAME = 200
_FAILED_LINE = re.compile(r"Execution of task '(.+?)' on quantum (\{.*?\}) failed\. Exception (.*)")
_COMMAND_LINE_ERROR = "lsst.daf.butler.cli.utils ERROR: Caught an exception"
_BEGIN_LINE = re.compile(r"Preparing execution of quantum for label=(.+?) dataId=(\{.*?\})")
_LONGEST_LINE = 4000  # below PIPE_BUF, so that lines of jobs that share standard error do not mix
_LONGEST_OUTPUT = 200_000  # of records on standard output: Pegasus' kickstart keeps 256 KiB of it
_ENDS_THE_CALL = {signal.SIGTERM, signal.SIGINT, signal.SIGKILL}  # asked to end, or out of memory
CHECKPOINT_INDEX = "rubincwl-checkpoint.json"
_CHECKPOINT = "rubincwl checkpoint 1"


def dataset_name(dataset_type: str, values: Iterable[object], existing_id: str | None = None) -> str:
    """The file name under which a dataset travels: type, data-id values and, if it exists already, its id.

    Parts are joined by ``-``; in each, every byte outside ``[A-Za-z0-9._]`` is written ``+hh``, so that two
    datasets never share a name. `existing_id` is the 32 hexadecimal digits of the id of a dataset that was there
    before the workflow: two calibrations may share a data id.

    >>> dataset_name("postISRCCD", ["MockCam", 3, 1000])
    'postISRCCD-MockCam-3-1000'
    >>> dataset_name("raw", ["My Cam", 3], "01a2041d608b7158b6e51ec7b5045f22")
    'raw-My+20Cam-3+u1ec7b5045f22'
    """
    name = "-".join(_escape(str(part)) for part in (dataset_type, *values))
    if existing_id is not None:
        name += "+u" + existing_id[-12:]
    if len(name) > LONGEST_NAME:
        name = name[:120] + "+h" + hashlib.sha256(name.encode()).hexdigest()[:32]
    return name


def record_name(label: str, values: Iterable[object]) -> str:
    """The file name of a quantum's record."""
    return dataset_name(label + "_record", values)


def quantum_text(label: str, data_id: Mapping[str, object]) -> str:
    """A quantum's name for people.

    >>> quantum_text("isr", {"exposure": 1000, "detector": 3})
    'isr{exposure: 1000, detector: 3}'
    """
    return f"{label}{{{', '.join(f'{k}: {v}' for k, v in data_id.items())}}}"


@functools.lru_cache(maxsize=65536)
def _escape(part: str) -> str:
    return _UNSAFE.sub(lambda found: b"+%02x" % found[0][0], part.encode()).decode()


def butler_config() -> str:
    """The butler configuration of a job (YAML): a private file datastore beside the configuration, no registry.

    The packaged file templates stay in force; nothing is cached, as every job starts empty.
    """
    return (
        "datastore:\n"
        "  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore\n"
        "  name: staged\n"
        "  root: <butlerRoot>/store\n"
        "  cached:\n"
        "    expiry:\n"
        "      mode: disabled\n"
    )


def is_marker(path: Path) -> bool:
    """Whether the file stands for a dataset that was legitimately not produced."""
    with path.open("rb") as stream:
        return stream.read(len(MARKER)) == MARKER


class StopError(Exception):
    """Ends the call with an exit code and a sentence before anything has been run."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Staged:
    """A dataset of the call: its file's name in the current folder and its place in the private store."""

    name: str
    path: str
    size: int | None = None
    """Bytes that the datastore's record promises, for a dataset that exists before the workflow."""


@dataclass(slots=True)
class Quantum:
    """A quantum to run, with its datasets by connection; init-inputs stand among the inputs."""

    id: UUID
    label: str
    data_id: dict[str, Any]
    inputs: dict[str, list[UUID]]
    outputs: dict[str, list[UUID]]
    record: str
    """File name of its record."""

    def __str__(self) -> str:
        return quantum_text(self.label, self.data_id)


@dataclass(slots=True)
class Call:
    """What one call of the runner has to do: quanta and every dataset that they touch."""

    quanta: list[Quantum]
    """In the order in which they were asked for."""
    datasets: dict[UUID, Staged]
    cut: Callable[[Collection[UUID]], Any]
    """PredictedQuantumGraphComponents that hold these quanta only, their records pointing at the private store."""


@dataclass(slots=True)
class Ended:
    """How the forked process went."""

    code: int
    """Exit status of the middleware; 0 when a signal ended it."""
    signal: int | None
    started: float
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    memory: float
    """Peak resident size in MiB."""
    said: list[str]
    """The lines that it printed."""
    importable: bool
    """False if the task's own code could not be imported."""
    given: set[UUID] = field(default_factory=set)
    """The quanta that it was to run."""
    began: set[UUID] = field(default_factory=set)
    """Those of them that it says to have started."""


@dataclass(slots=True)
class Watch:
    """Signals that ask the runner to end, and the process that they are passed on to."""

    caught: list[int] = field(default_factory=list)
    child: int | None = None

    def forward(self, number: int, _frame: object) -> None:
        """Remember the signal and pass it on."""
        self.caught.append(number)
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, number)


# What stands in the graph.


def check_environment() -> None:
    """Raise `StopError` unless this Python reads graphs rightly and the middleware can be imported."""
    if not zipfile_is_sound():
        version = platform.python_version()
        raise StopError(
            ENVIRONMENT,
            f"the zipfile module of Python {version} reads quantum graphs wrongly (known of 3.12.1 and 3.13.0); "
            "use another patch release",
        )
    try:
        import lsst.ctrl.mpexec.cli.pipetask
        import lsst.pipe.base.quantum_graph  # noqa: F401
    except ImportError as error:
        raise StopError(ENVIRONMENT, f"no science environment at {sys.executable}: {error}") from error


def zipfile_is_sound() -> bool:
    """Whether two open members of a stored archive can be read at random: 3.12.1 and 3.13.0 mix them up."""
    content = bytes(range(256)) * 4
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name in ("a", "b"):
            writer.writestr(name, content)
    try:
        with zipfile.ZipFile(archive) as reader, reader.open("a") as first, reader.open("b") as second:
            second.read(100)
            first.seek(300)
            return first.read(1) == content[300:301]
    except (EOFError, zipfile.BadZipFile):
        return False


def prepare(graph: str, work: Path, wanted: Sequence[tuple[str, dict[str, str]]] | None, names: dict[str, str]) -> Call:
    """Read what is needed of the graph and plan the call; no quanta (`wanted` None) means the init outputs.

    Raises `StopError` for a graph that cannot be read or lacks a quantum.
    """
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    try:
        with PredictedQuantumGraph.open(graph, import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
            whole = reader.components
            ids: list[UUID] = []
            if wanted is not None:
                reader.read_thin_graph()
                ids = list(dict.fromkeys(_find_all(whole, wanted)))
            reader.read_execution_quanta(ids)
    except (StopError, ImportError):
        raise
    except Exception as error:  # zip, zstd, JSON, pydantic and the middleware's own: all say the same to us
        raise StopError(GRAPH, f"cannot read the quantum graph {graph}: {type(error).__name__}: {error}") from error
    init = {each.task_label: each for each in whole.init_quanta.root}
    models = [whole.quantum_datasets[each] for each in ids]
    touched = [*models, *(init[each.task_label] for each in models if each.task_label in init)]
    touched = touched if wanted is not None else list(init.values())
    datasets, store = _locate(whole, touched, work, names)
    quanta = [_quantum(whole, each, init, names) for each in models]
    if wanted is None:
        made = {k: [d.dataset_id for d in v] for each in touched for k, v in _unique_outputs(each)}
        needed = [d.dataset_id for each in touched for v in each.inputs.values() for d in v]
        inputs = {"init": [d for d in needed if d not in set(chain.from_iterable(made.values()))]}
        quanta = [Quantum(UUID(int=0), INIT, {}, inputs, made, "")]

    def cut(chosen: Collection[UUID]) -> Any:
        return _shard(whole, [each for each in models if each.quantum_id in chosen], datasets, store)

    return Call(quanta, datasets, cut)


def _unique_outputs(model: Any) -> Iterator[tuple[str, Any]]:
    """Outputs of an init quantum, keyed by dataset type: connections of two tasks may share a name."""
    for found in model.outputs.values():
        yield found[0].dataset_type_name, found


def _find_all(whole: Any, wanted: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[UUID]:
    """For each label and data id the one quantum that holds the given values; values are compared as strings."""
    indices: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], list[UUID]]] = {}
    for label, given in wanted:
        key = (label, tuple(given))
        if key not in indices:
            indices[key] = _index(whole, label, given)
        found = indices[key].get(tuple(given.values()), [])
        if len(found) != 1:
            raise StopError(GRAPH, f"{len(found) or 'no'} quanta {quantum_text(label, given)} in the graph")
        yield found[0]


def _index(whole: Any, label: str, dimensions: Iterable[str]) -> dict[tuple[str, ...], list[UUID]]:
    """Ids of the task's quanta by the values of these dimensions."""
    if label not in whole.pipeline_graph.tasks:
        raise StopError(GRAPH, f"no task '{label}' in the graph; it has {', '.join(whole.pipeline_graph.tasks)}")
    keys = list(whole.pipeline_graph.tasks[label].dimensions.data_coordinate_keys)
    if unknown := sorted(set(dimensions) - set(keys)):
        raise StopError(GRAPH, f"task '{label}' has no dimension {', '.join(unknown)}; it has {', '.join(keys)}")
    places = [keys.index(each) for each in dimensions]
    index: dict[tuple[str, ...], list[UUID]] = {}
    for each in whole.thin_graph.quanta.get(label, []):
        values = tuple(str(each.data_coordinate[place]) for place in places)
        index.setdefault(values, []).append(UUID(str(each.quantum_id)))
    return index


def _quantum(whole: Any, model: Any, init: Mapping[str, Any], names: Mapping[str, str]) -> Quantum:
    required = list(whole.pipeline_graph.tasks[model.task_label].dimensions.required)
    data_id = dict(zip(required, model.data_coordinate, strict=False))
    inputs = {k: [d.dataset_id for d in v] for k, v in model.inputs.items()}
    if model.task_label in init:
        inputs |= {k: [d.dataset_id for d in v] for k, v in init[model.task_label].inputs.items()}
    record = names.get(str(model.quantum_id)) or record_name(model.task_label, data_id.values())
    outputs = {k: [d.dataset_id for d in v] for k, v in model.outputs.items()}
    return Quantum(model.quantum_id, model.task_label, data_id, inputs, outputs, record)


def _rows(model: Any) -> dict[UUID, dict[str, Any]]:
    """Datastore records (as JSON) of the inputs that exist before the workflow."""
    rows: dict[UUID, dict[str, Any]] = {}
    for data in model.datastore_records.values():
        for digits, tables in data.model_dump(mode="json")["records"].get(_INFO, {}).items():
            found = [row for table in tables.values() for row in table]
            if len(found) != 1:
                raise StopError(GRAPH, f"dataset {digits} is a composite of {len(found)} files, which is not supported")
            rows[UUID(digits)] = found[0]
    return rows


def _locate(whole: Any, models: Sequence[Any], work: Path, names: Mapping[str, str]) -> tuple[dict[UUID, Staged], str]:
    """Every dataset's file name and place in the private store, and the name of the job's datastore.

    A dataset with a datastore record existed before the workflow and gets a place of ours; the middleware tells
    where it looks for the rest. Raises `StopError` for an input that neither exists nor is made by the workflow.
    """
    existing = {k: v for each in models for k, v in _rows(each).items()}
    staged: dict[UUID, Staged] = {}
    others: dict[UUID, Any] = {}
    for each in chain.from_iterable(chain(*m.inputs.values(), *m.outputs.values()) for m in models):
        node = whole.pipeline_graph.dataset_types.get(each.dataset_type_name)
        values = each.data_coordinate[: len(node.dataset_type.dimensions.required) if node is not None else 0]
        row = existing.get(each.dataset_id)
        name = names.get(str(each.dataset_id))
        if row is None:
            if each.run != whole.header.output_run:
                raise StopError(
                    GRAPH,
                    f"the graph holds no datastore record of {each.dataset_type_name} {values} in '{each.run}'; "
                    "build it with 'pipetask qgraph --qgraph-datastore-records'",
                )
            others[each.dataset_id] = each
            staged[each.dataset_id] = Staged(name or dataset_name(each.dataset_type_name, values), "")
        else:
            path, hash_sign, fragment = row["path"].partition("#")
            kept = "".join(Path(path).suffixes[-2 if path.endswith((".gz", ".fz")) else -1 :])
            staged[each.dataset_id] = Staged(
                name or dataset_name(each.dataset_type_name, values, each.dataset_id.hex),
                f"existing/{each.dataset_id}{kept}{hash_sign}{fragment}",
                row["file_size"] if row["file_size"] >= 0 else None,
            )
    store, paths = _predicted_paths(whole, others.values(), work)
    for dataset, path in paths.items():
        staged[dataset].path = path
    return staged, store


def _predicted_paths(whole: Any, models: Iterable[Any], root: Path) -> tuple[str, dict[UUID, str]]:
    """The name of the datastore below `root`, and where a quantum-backed butler puts datasets in it."""
    from lsst.daf.butler import QuantumBackedButler

    types = {node.name: node.dataset_type for node in whole.pipeline_graph.dataset_types.values()}
    register_mocks(kind.storageClass_name for kind in types.values())
    refs = [whole.make_dataset_ref(each) for each in models]
    butler = QuantumBackedButler.from_predicted(
        str(root), (), {ref.id for ref in refs}, whole.pipeline_graph.universe, {}, dataset_types=types
    )
    with butler:
        ((store, data),) = butler.export_predicted_datastore_records(refs).items()
    return store, {key: next(iter(tables.values()))[0].path for key, tables in data.records.items()}


def register_mocks(storage_classes: Iterable[str]) -> bool:
    """Make the storage classes of the middleware's own mock tasks known; whether there were any."""
    mocks = [each for each in storage_classes if each.startswith("_mock_")]
    if mocks:
        from lsst.pipe.base.tests.mocks import MockStorageClass

        for each in mocks:
            MockStorageClass.get_or_register_mock(each.removeprefix("_mock_"))
    return bool(mocks)


def _shard(whole: Any, models: Sequence[Any], datasets: Mapping[UUID, Staged], store: str) -> Any:
    """A graph that holds these quanta only; with none it serves the init outputs of every task."""
    from lsst.daf.butler import DataCoordinate
    from lsst.daf.butler.dimensions import DimensionDataAttacher, DimensionDataExtractor
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraphComponents

    labels = {each.task_label for each in models} or set(whole.pipeline_graph.tasks)
    pipeline = whole.pipeline_graph
    if labels != set(pipeline.tasks):  # spares the import of tasks that do not run here
        pipeline = pipeline.copy()
        pipeline.remove_tasks([each for each in pipeline.tasks if each not in labels], drop_from_subsets=True)
        known = {node.name: node.dataset_type for node in whole.pipeline_graph.dataset_types.values()}
        pipeline.resolve(dimensions=whole.pipeline_graph.universe, dataset_types=known)
    shard = PredictedQuantumGraphComponents(header=whole.header.model_copy(deep=True), pipeline_graph=pipeline)
    shard.quantum_datasets = {each.quantum_id: _localised(each, datasets, store) for each in models}
    kept = [each for each in whole.init_quanta.root if not each.task_label or each.task_label in labels]
    shard.init_quanta = type(whole.init_quanta)([_localised(each, datasets, store) for each in kept])
    dimensions = whole.pipeline_graph.get_all_dimensions()
    extractor = DimensionDataExtractor.from_dimension_group(dimensions)
    for each in models:
        own = whole.pipeline_graph.tasks[each.task_label].dimensions
        data_id = DataCoordinate.from_full_values(own, tuple(each.data_coordinate))
        extractor.update(whole.dimension_data.attach(own, [data_id]))
        for dataset in chain(*each.inputs.values(), *each.outputs.values()):
            extractor.update([whole.make_dataset_ref(dataset).dataId])
    shard.dimension_data = DimensionDataAttacher(records=extractor.records.values(), dimensions=dimensions)
    shard.set_thin_graph()
    shard.set_header_counts()
    return shard


def _localised(model: Any, datasets: Mapping[UUID, Staged], store: str) -> Any:
    """A copy whose datastore records point at the private store; under another name they would be ignored."""
    from lsst.daf.butler.datastore.record_data import SerializedDatastoreRecordData

    rows = _rows(model)
    records = {key.hex: {"file_datastore_records": [{**row, "path": datasets[key].path}]} for key, row in rows.items()}
    data = SerializedDatastoreRecordData(dataset_ids=list(rows), records={_INFO: records})
    return model.model_copy(update={"datastore_records": {store: data} if rows else {}})


# Before, during and after the middleware.


def link_inputs(call: Call, quanta: Sequence[Quantum], work: Path, folder: Path) -> None:
    """Put the staged inputs where the quantum-backed butler looks for them; absent ones are left out.

    What one of `quanta` makes for another stays inside.

    Raises `StopError` if one is missing or cut short, since the middleware may take that for "nothing to do".
    """
    made = {d for each in quanta for row in each.outputs.values() for d in row}
    faults: list[str] = []
    for quantum in quanta:
        for dataset in chain.from_iterable(quantum.inputs.values()):
            staged = call.datasets[dataset]
            source = folder / staged.name
            target = work / "store" / staged.path.partition("#")[0]
            if dataset in made or target.is_symlink():
                continue
            if not source.exists():
                faults.append(f"{staged.name} is missing")
            elif is_marker(source):
                continue
            elif staged.size is not None and source.stat().st_size != staged.size:
                faults.append(f"{staged.name} has {source.stat().st_size} bytes, its record says {staged.size}")
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.realpath(source))
    if faults:
        raise StopError(INPUT_MISSING, f"stage-in is incomplete: {'; '.join(dict.fromkeys(faults))}")


def run_quanta(call: Call, quanta: Sequence[Quantum], work: Path, watch: Watch) -> list[Ended]:
    """Run them in one process of the middleware, or in several if a crash leaves some that could still run.

    The middleware goes on after an exception, with what does not depend on the quantum that raised it; it cannot
    after a crash. Each process but the first has at least one quantum less to run than that before it.
    """
    passes: list[Ended] = []
    left = list(quanta)
    while left:
        shard = call.cut({each.id for each in left})
        shard.write(str(work / "shard.qg"))
        classes = sorted({each.task_class_name for each in shard.pipeline_graph.tasks.values()})
        verb = "run-qbb" if left[0].label != INIT else "pre-exec-init-qbb"
        ended = run_middleware(work, verb, classes, work / f"log{len(passes) or ''}", watch)
        ended.given = {each.id for each in left}
        ended.began = _began(left, ended.said)
        passes.append(ended)
        left = _still_to_run(call, left, ended, work)
    return passes


def _began(quanta: Iterable[Quantum], said: Iterable[str]) -> set[UUID]:
    """The quanta whose start the middleware tells."""
    starts = [(found[1], found[2]) for line in said if (found := _BEGIN_LINE.search(line))]
    return {each.id for each in quanta if any(_is_meant(each, *start) for start in starts)}


def _is_meant(quantum: Quantum, label: str, data_id: str) -> bool:
    """Whether the middleware's text of a data id is that of the quantum."""
    return label == quantum.label and all(
        re.search(rf"\b{k}: {re.escape(repr(v))}[,}}]", data_id) for k, v in quantum.data_id.items()
    )


def _still_to_run(call: Call, quanta: Sequence[Quantum], ended: Ended, work: Path) -> list[Quantum]:
    """What a process that crashed did not come to, and what does not depend on a quantum that it lost."""
    if (ended.code == 0 and ended.signal is None) or not ended.began or ended.signal in _ENDS_THE_CALL:
        return []
    done = {each.id for each in quanta if _metadata_of(call, each, work).exists()}
    lost = _upstream(quanta, {each.id for each in quanta if each.id in ended.began - done})
    return [each for each in quanta if each.id not in done and each.id not in ended.began and each.id not in lost]


def _metadata_of(call: Call, quantum: Quantum, work: Path) -> Path:
    """Where the middleware leaves the quantum's metadata, which it writes last."""
    return work / "store" / call.datasets[quantum.outputs["_metadata"][0]].path


def _upstream(quanta: Iterable[Quantum], failed: Collection[UUID]) -> dict[UUID, Quantum]:
    """By id of each quantum that depends on a failed one, directly or not: a failed one on which it depends."""
    rows = list(quanta)
    maker = {d: each for each in rows for row in each.outputs.values() for d in row}
    causes: dict[UUID, Quantum] = {}
    grown = True
    while grown:  # at most once a level: data flows from the first to the last where the caller orders them
        before = len(causes)
        for each in rows:
            for source in (maker[d] for d in chain.from_iterable(each.inputs.values()) if d in maker):
                if each.id not in causes and source.id != each.id and (source.id in failed or source.id in causes):
                    causes[each.id] = causes.get(source.id, source)
        grown = len(causes) > before
    return causes


def run_middleware(work: Path, verb: str, classes: Iterable[str], log: Path, watch: Watch) -> Ended:
    """Run ``pipetask VERB . shard.qg`` in a forked process; signals to us are passed on to it."""
    sys.stdout.flush()
    sys.stderr.flush()
    started, clock = time.time(), time.monotonic()
    if watch.caught:  # asked to end before anything ran
        return Ended(0, watch.caught[0], started, 0.0, 0.0, 0.0, [], True)
    child = os.fork()
    if child == 0:
        _in_child(work, verb, classes, log)
    watch.child = child
    if watch.caught:  # in between
        watch.forward(watch.caught.pop(), None)
    _, status, usage = os.wait4(child, 0)
    watch.child = None
    code = os.waitstatus_to_exitcode(status)
    said = log.read_text(errors="replace").splitlines() if log.exists() else []
    by_signal = -code if code < 0 else watch.caught[0] if watch.caught and code else None
    wall, cpu = time.monotonic() - clock, usage.ru_utime + usage.ru_stime
    unit = 2**20 if sys.platform == "darwin" else 1024
    importable = not (work / "not-importable").exists()
    return Ended(max(code, 0), by_signal, started, wall, cpu, usage.ru_maxrss / unit, said, importable)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """While this lasts, SIGTERM and SIGINT end what runs, but not the runner, which must tell and keep."""
    watch = Watch()
    before = {each: signal.signal(each, watch.forward) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_child(work: Path, verb: str, classes: Iterable[str], log: Path) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _die_with_parent()
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.chdir(work)  # what a task drops into its folder goes away with it
        os.environ.setdefault("DAF_BUTLER_CACHE_DIRECTORY_IF_UNSET", str(work / "cache"))
        code = _pipetask(work, verb, classes)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pipetask(work: Path, verb: str, classes: Iterable[str]) -> int:
    import atexit

    from lsst.ctrl.mpexec.cli.pipetask import cli
    from lsst.utils.doImport import doImportType

    try:
        for each in classes:
            doImportType(each)
    except ImportError:
        (work / "not-importable").touch()
        raise
    sys.argv = ["pipetask", verb, ".", "shard.qg"]
    try:
        cli.main(args=sys.argv[1:], prog_name="pipetask")
    except SystemExit as end:
        atexit._run_exitfuncs()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _die_with_parent() -> None:
    """On Linux a killed runner (SIGKILL cannot be passed on) takes the task with it."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


# After the middleware: what there is, what is rightly absent, and the record that says so.


def judge(
    call: Call, quanta: Sequence[Quantum], passes: Sequence[Ended], work: Path, folder: Path
) -> list[dict[str, Any]]:
    """Hand outputs over to `folder` and judge what is absent; returns a record for each of the quanta that ran."""
    places = {key: work / "store" / each.path.partition("#")[0] for key, each in call.datasets.items()}
    present = {key for key, place in places.items() if place.exists()}
    last = {id: ended for ended in passes for id in ended.given}
    began = {id for ended in passes for id in ended.began}
    process = _process(passes, len(quanta))
    records = []
    for quantum in quanta:
        ended = last[quantum.id]
        record = blank_record(quantum, ended, process)
        record["absent_inputs"] = [
            call.datasets[d].name for row in quantum.inputs.values() for d in row if d not in present
        ]
        metadata = next(iter(quantum.outputs.get("_metadata", ())), None)
        if quantum.label == INIT:
            record |= _verdict_on_init(call, quantum, ended, present)
        elif metadata in present:
            content = json.loads(places[metadata].read_text())
            record |= _verdict_on_finished(call, quantum, content, present, alone=len(quanta) == 1)
        else:
            record |= _verdict_on_unfinished(quantum, ended, began=quantum.id in began or len(quanta) == 1)
        records.append(record)
    lost = {each.id for each, record in zip(quanta, records, strict=True) if record["exit_code"]}
    causes = _upstream(quanta, lost & began)
    for quantum, record in zip(quanta, records, strict=True):
        if quantum.id in causes and quantum.id in lost - began:
            message = f"it needs what {causes[quantum.id]} was to make"
            record |= {"status": "upstream-failed", "exit_code": TASK_FAILED, "message": message}
        _hand_over(call, quantum, record, places, present, folder)
    return records


def _process(passes: Sequence[Ended], quanta: int) -> dict[str, Any]:
    """What the whole call took, the runner itself included."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "quanta": quanta,
        "wall_seconds": round(sum(each.wall for each in passes), 3),
        "cpu_seconds": round(sum(each.cpu for each in passes) + own.ru_utime + own.ru_stime, 3),
        "peak_memory_mib": round(max((each.memory for each in passes), default=0.0), 1),
    }


def blank_record(quantum: Quantum, ended: Ended | None, process: Mapping[str, Any]) -> dict[str, Any]:
    """A record before judgement; schemas/quantum_record.schema.json tells what every field means."""
    ran = ended is not None
    ended = ended or Ended(0, None, time.time(), 0.0, 0.0, 0.0, [], True)
    return {
        "format": "rubincwl quantum record 1",
        "label": quantum.label,
        "data_id": quantum.data_id,
        "quantum_id": str(quantum.id),
        "status": "failed",
        "exit_code": TASK_FAILED,
        "middleware_exit_code": ended.code if ran and ended.signal is None else None,
        "signal": ended.signal,
        "caveats": None,
        "message": "",
        "started": _utc(ended.started),
        "ended": _utc(ended.started + ended.wall),
        "wall_seconds": round(ended.wall, 3),
        "cpu_seconds": round(ended.cpu, 3),
        "peak_memory_mib": round(ended.memory, 1),
        "process": dict(process),
        "host": platform.node(),
        "python": platform.python_version(),
        "outputs": [],
        "absent_inputs": [],
        "absent_outputs": [],
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _verdict_on_finished(
    call: Call, quantum: Quantum, metadata: Any, present: set[UUID], *, alone: bool
) -> dict[str, Any]:
    """The quantum wrote its metadata, so it succeeded; does that explain every absent output?

    Caveats are a bit set. A quantum that lost inputs may have given outputs up before it ran, without any bit. What
    the metadata lists as written must be there in any case, and so must the log.
    """
    section = metadata["metadata"]["quantum"]
    caveats = int(section["scalars"].get("caveats", 0))
    written = {UUID(each) for each in section["arrays"].get("outputs", ())}
    lost_inputs = any(d not in present for row in quantum.inputs.values() for d in row)
    explained = lost_inputs or bool(caveats & (_ANY_OUTPUT_MISSING | _ALL_OUTPUTS_MISSING))
    lost = [
        call.datasets[d].name
        for connection, row in quantum.outputs.items()
        for d in row
        if d not in present and (d in written or not explained or connection == "_log")
    ]
    verdict = {"caveats": caveats, "signal": None, **({} if alone else _own_figures(section["arrays"]))}
    if lost:
        message = f"missing although caveats {caveats} do not explain it: {', '.join(lost)}"
        return {**verdict, "status": "output-missing", "exit_code": OUTPUT_MISSING, "message": message}
    return {**verdict, "status": "done", "exit_code": 0}


def _own_figures(arrays: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A quantum's share of a process that ran several, as the middleware measured it."""
    begin, end = datetime.fromisoformat(arrays["prepUtc"][0]), datetime.fromisoformat(arrays["endUtc"][-1])
    return {
        "started": _utc(begin.timestamp()),
        "ended": _utc(end.timestamp()),
        "wall_seconds": round((end - begin).total_seconds(), 3),
        "cpu_seconds": round(arrays["endCpuTime"][-1] - arrays["prepCpuTime"][0], 3),
        "peak_memory_mib": round(arrays["endMaxResidentSetSize"][-1] / 2**20, 1),
    }


def _verdict_on_unfinished(quantum: Quantum, ended: Ended, *, began: bool) -> dict[str, Any]:
    """No metadata: it failed, or its process ended before it started."""
    if not ended.importable:
        return {"exit_code": ENVIRONMENT, "status": "environment", "message": "the task cannot be imported here"}
    if ended.signal is not None:
        name, code = signal.Signals(ended.signal).name, SIGNAL + ended.signal
        if began:
            return {"exit_code": code, "status": "signal", "message": f"ended by {name}"}
        return {"exit_code": code, "status": "not-started", "message": f"{name} ended the call before it started"}
    if ended.code == 0:
        message = "the middleware exited with 0 but left no metadata"
        return {"exit_code": OUTPUT_MISSING, "status": "output-missing", "message": message}
    reason = _reason(quantum, ended.said)
    return {"message": f"the middleware exited with {ended.code}" + (f": {reason}" if reason else "")}


def _reason(quantum: Quantum, said: Sequence[str]) -> str | None:
    """The exception that ended the quantum, from the middleware's own line about it."""
    for line in reversed(said):
        found = _FAILED_LINE.search(line)
        if found and _is_meant(quantum, found[1], found[2]):
            return found[3]
    return None


def _verdict_on_init(call: Call, quantum: Quantum, ended: Ended, present: set[UUID]) -> dict[str, Any]:
    lost = [call.datasets[d].name for row in quantum.outputs.values() for d in row if d not in present]
    if ended.code or ended.signal or not ended.importable:
        return _verdict_on_unfinished(quantum, ended, began=True)
    if lost:
        return {"status": "output-missing", "exit_code": OUTPUT_MISSING, "message": f"missing: {', '.join(lost)}"}
    return {"status": "done", "exit_code": 0}


def _hand_over(
    call: Call, quantum: Quantum, record: dict[str, Any], places: Mapping[UUID, Path], present: set[UUID], folder: Path
) -> None:
    """Move outputs to their names and put markers for the rest; a failed quantum hands over its log."""
    done = record["status"] == "done"
    for connection, row in quantum.outputs.items():
        for dataset in row if done or connection == "_log" else ():
            target = folder / call.datasets[dataset].name
            if dataset in present:
                os.replace(places[dataset], target)
                size, digest = _size_and_sum(target)
                record["outputs"].append(
                    {"connection": connection, "name": target.name, "size": size, "sha256": digest}
                )
            elif done:
                about = {"dataset": str(dataset), "quantum": str(quantum.id), "caveats": record["caveats"]}
                target.write_bytes(MARKER + json.dumps(about).encode() + b"\n")
                record["absent_outputs"].append({"connection": connection, "name": target.name})


def _tail(said: Sequence[str]) -> list[str]:
    """The end of a log, without the traceback of the middleware's command line behind that of the task."""
    ends = [n for n, line in enumerate(said) if _COMMAND_LINE_ERROR in line]
    if ends and any(line.startswith("Traceback") for line in said[: ends[-1]]):
        said = said[: ends[-1]]
    return list(said[-_TAIL_LINES:])


def tell(record: Mapping[str, Any], quantum: Quantum, tail: Sequence[str]) -> None:
    """A line for the quantum; of a failed one also the end of its log, and its record in one line that survives
    where a failed job's files are lost. Written at once, so that lines of parallel jobs do not mix."""
    if record["status"] == "done":
        _say(f"rubincwl: done {quantum} {record['wall_seconds']:.1f} s\n")
        return
    lines = [f"rubincwl: failed {quantum} exit {record['exit_code']}: {record['message']}"]
    if record["status"] not in ("upstream-failed", "not-started"):
        lines += [f"rubincwl| {each}" for each in tail]
    _say("\n".join(lines) + "\n")
    _say(record_line(record, _LONGEST_LINE, tail) + "\n")


def record_line(record: Mapping[str, Any], longest: int, tail: Sequence[str] = ()) -> str:
    """The record in one line of fewer than `longest` characters: the log, then files, then words are left out."""
    kept = list(tail)
    fields = dict(record, message=record["message"][:1000])
    while True:
        line = RECORD_PREFIX + json.dumps(fields | ({"log_tail": kept} if kept else {}), separators=(",", ":"))
        if len(line) < longest:
            return line
        if kept:
            del kept[: max(1, len(kept) // 4)]
        elif droppable := [each for each in ("outputs", "absent_inputs", "absent_outputs") if fields[each]]:
            fields[droppable[0]] = []
        elif len(fields["message"]) > 100:
            fields["message"] = fields["message"][:100]
        else:
            return line


def print_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Every record of a failed call on standard output, which workflow systems keep where files are lost."""
    room, longest = _LONGEST_OUTPUT, min(_LONGEST_LINE, _LONGEST_OUTPUT // max(1, len(records)))
    sys.stdout.flush()
    for number, record in enumerate(records):
        line = (record_line(record, longest) + "\n").encode(errors="replace")
        room -= len(line)
        if room < 0:
            os.write(1, f"rubincwl: {len(records) - number} more records were left out\n".encode())
            return
        _write(1, line)


def _say(text: str) -> None:
    sys.stderr.flush()
    _write(2, text.encode(errors="replace"))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


# Records in one file, and what earlier calls made.


def write_records(call: Call, records: Sequence[Mapping[str, Any]], together: str | None, folder: Path) -> None:
    """One file a quantum; or all in one, a collection as `collect` makes it, with the metadata of finished quanta."""
    if together is None:
        for quantum, record in zip(call.quanta, records, strict=True):
            if quantum.record:
                (folder / quantum.record).write_text(json.dumps(record, indent=1) + "\n")
        return
    rows: dict[str, Any] = {}
    for quantum, record in zip(call.quanta, records, strict=True):
        rows[quantum.record] = record
        for output in record["outputs"]:
            if output["connection"] == "_metadata":
                rows[output["name"]] = json.loads((folder / output["name"]).read_text())
    with (folder / together).open("w") as stream:
        for name, content in sorted(rows.items()):
            stream.write(json.dumps({"name": name, "content": content}) + "\n")


def write_checkpoint(file: Path, records: Mapping[UUID, Mapping[str, Any]], folder: Path) -> None:
    """Keep what finished quanta made (`records` by quantum) in a tar, its index first; it appears whole or not at all.

    Without records it is an empty checkpoint: Pegasus transfers the file of a successful job, too, and waits for
    minutes if there is none.
    """
    names = [each["name"] for record in records.values() for each in chain(record["outputs"], record["absent_outputs"])]
    index = {"format": _CHECKPOINT, "records": list(records.values())}
    part = file.with_name(file.name + ".part")
    with tarfile.open(part, "w") as tar:
        _add(tar, CHECKPOINT_INDEX, io.BytesIO(content := json.dumps(index).encode()), len(content))
        for name in names:
            with (folder / name).open("rb") as stream:
                _add(tar, name, stream, (folder / name).stat().st_size)
    os.replace(part, file)


def _add(tar: tarfile.TarFile, name: str, content: Any, size: int) -> None:
    """A member without times and owners, so that the same files give the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)


def restore_checkpoint(file: Path, call: Call, folder: Path) -> dict[UUID, dict[str, Any]]:
    """Unpack what earlier calls finished of these quanta; returns their records.

    What is not of this graph, damaged or incomplete is told and run again.
    """
    if not file.exists():
        return {}
    try:
        with tarfile.open(file) as tar:
            index = json.load(tar.extractfile(CHECKPOINT_INDEX) or io.BytesIO())
            if index["format"] != _CHECKPOINT:
                raise ValueError(f"its format is {index['format']!r}")
            found = {UUID(each["quantum_id"]): each for each in index["records"]}
            mine = {each.id: each for each in call.quanta}
            if foreign := len(found.keys() - mine.keys()):
                _say(f"rubincwl: {foreign} quanta in {file.name} are not of this call\n")
            return {id: found[id] for id in found if id in mine and _unpack(tar, call, mine[id], found[id], folder)}
    except (tarfile.TarError, KeyError, ValueError, TypeError, OSError, EOFError) as error:
        _say(f"rubincwl: the checkpoint {file.name} cannot be used: {type(error).__name__}: {error}\n")
        return {}


def _unpack(tar: tarfile.TarFile, call: Call, quantum: Quantum, record: Mapping[str, Any], folder: Path) -> bool:
    """Put a finished quantum's files into `folder`; false, and told, if one is not what its record says."""
    expected = {call.datasets[d].name for row in quantum.outputs.values() for d in row}
    sums = {each["name"]: (each["size"], each["sha256"]) for each in record["outputs"]}
    absent = {each["name"] for each in record["absent_outputs"]}
    faults = [f"{each} is not in its record" for each in expected - sums.keys() - absent]
    for name in expected & (sums.keys() | absent):
        try:
            source = tar.extractfile(name)
        except (KeyError, tarfile.TarError) as error:
            faults.append(str(error))
            continue
        with (folder / name).open("wb") as target:
            shutil.copyfileobj(source or io.BytesIO(), target)
        if name in sums and sums[name] != _size_and_sum(folder / name):
            faults.append(f"{name} has another checksum than its record says")
        elif name in absent and not is_marker(folder / name):
            faults.append(f"{name} is no marker")
    if not faults:
        _say(f"rubincwl: kept {quantum} of an earlier try\n")
        return True
    _say(f"rubincwl: what the checkpoint holds of {quantum} cannot be used: {'; '.join(sorted(faults))}\n")
    for name in expected:
        (folder / name).unlink(missing_ok=True)
    return False


def _size_and_sum(file: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return file.stat().st_size, digest


# The command line.


def run(args: argparse.Namespace) -> int:
    """Init or quanta: prepare, run, judge; returns the exit code."""
    folder, wanted = Path.cwd(), None if args.verb == "init" else [parse_task(each) for each in args.task]
    names = json.loads(Path(args.names).read_text()) if args.names else {}
    checkpoint = Path(args.checkpoint) if wanted is not None and args.checkpoint else None
    work = Path(tempfile.mkdtemp(prefix=".rubincwl-", dir=folder))
    try:
        check_environment()
        shutil.copyfile(args.butler, work / "butler.yaml")
        call = prepare(args.graph, work, wanted, names)
        with watching() as watch:
            kept = restore_checkpoint(checkpoint, call, folder) if checkpoint else {}
            records, tails = _perform(call, kept, work, folder, watch)
            ordered = [records[each.id] for each in call.quanta]
            write_records(call, ordered, args.records if wanted is not None else None, folder)
            code = max(each["exit_code"] for each in ordered)
            if checkpoint:
                done = {id: each for id, each in records.items() if code and not each["exit_code"]}
                _keep(checkpoint, done, folder)
        for quantum in call.quanta:
            if quantum.id not in kept:
                tell(records[quantum.id], quantum, tails.get(quantum.id, ()))
        if code:
            print_records(ordered)
        return int(code)
    except ImportError as error:
        raise StopError(ENVIRONMENT, f"a package that the datasets need cannot be imported: {error}") from error
    finally:
        if checkpoint and not checkpoint.exists():
            _keep(checkpoint, {}, folder)
        shutil.rmtree(work, ignore_errors=True)


def _perform(
    call: Call, kept: Mapping[UUID, dict[str, Any]], work: Path, folder: Path, watch: Watch
) -> tuple[dict[UUID, dict[str, Any]], dict[UUID, list[str]]]:
    """Run what is not kept of an earlier try; returns records of all quanta, and the end of each one's log."""
    quanta = [each for each in call.quanta if each.id not in kept]
    for quantum in quanta:
        _say(f"rubincwl: start {quantum}\n")
    try:
        link_inputs(call, quanta, work, folder)
    except StopError as stop:
        verdict = {"status": "input-missing", "exit_code": stop.code, "message": str(stop)}
        process = _process((), len(quanta))
        return {**kept, **{each.id: blank_record(each, None, process) | verdict for each in quanta}}, {}
    passes = run_quanta(call, quanta, work, watch)
    records = judge(call, quanta, passes, work, folder)
    tails = {id: _tail(ended.said) for ended in passes for id in ended.given}
    return {**kept, **{each.id: record for each, record in zip(quanta, records, strict=True)}}, tails


def _keep(checkpoint: Path, records: Mapping[UUID, Mapping[str, Any]], folder: Path) -> None:
    """Write the checkpoint; that it cannot be written is told, and no reason to fail."""
    try:
        write_checkpoint(checkpoint, records, folder)
    except OSError as error:
        _say(f"rubincwl: the checkpoint {checkpoint.name} cannot be written: {error}\n")


def parse_task(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A label and its data id from ``LABEL dim=value ...``; raises `StopError`."""
    label, *pairs = words
    if wrong := [each for each in pairs if "=" not in each]:
        raise StopError(USAGE, f"'{wrong[0]}' is not dimension=value")
    return label, dict(each.split("=", 1) for each in pairs)


@dataclass(slots=True)
class Piece:
    """One record or metadata document among files to be collected."""

    file: Path
    start: int
    """Where it begins, in bytes."""
    size: int
    line: bool
    """Whether it stands in a line ``{"name": ..., "content": ...}``."""

    def content(self) -> bytes:
        """Its bytes; JSON out of a line is laid out anew."""
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            data = stream.read(self.size)
        return json.dumps(json.loads(data)["content"], indent=1).encode() + b"\n" if self.line else data


def pieces(file: Path) -> Iterator[tuple[str, Piece]]:
    """What a file brings: itself, or what a collection (.jsonl, .tar) of an earlier call holds. Raises `StopError`."""
    try:
        if file.suffix == ".jsonl":
            start = 0
            with file.open("rb") as stream:
                for line in stream:
                    yield json.loads(line)["name"], Piece(file, start, len(line), line=True)
                    start += len(line)
        elif file.suffix == ".tar":
            with tarfile.open(file) as tar:
                for member in tar:
                    yield member.name, Piece(file, member.offset_data, member.size, line=False)
        else:
            yield file.name, Piece(file, 0, file.stat().st_size, line=False)
    except (ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise StopError(INPUT_MISSING, f"{file} is no collection: {type(error).__name__}: {error}") from error


def collect(args: argparse.Namespace) -> int:
    """Put records and metadata, not payload, into one file: JSON lines or tar; same input, same bytes.

    Collections among the files are merged, so that a tree of calls gathers what one could not fetch.
    """
    target, here = Path(args.output), Path.cwd()
    found = sorted({each for end in ("*_record*", "*_metadata*", "_collect*") for each in here.glob(end)})
    files = [Path(each) for each in args.files] or [each for each in found if each != here / target]
    if lost := [str(each) for each in files if not each.is_file()]:
        raise StopError(INPUT_MISSING, f"to be collected but missing: {', '.join(lost)}")
    rows: dict[str, Piece] = {}
    for name, piece in chain.from_iterable(map(pieces, files)):
        if name in rows and json.loads(rows[name].content()) != json.loads(piece.content()):
            raise StopError(USAGE, f"{rows[name].file} and {piece.file} hold different {name}")
        rows.setdefault(name, piece)
    if target.suffix == ".jsonl":
        with target.open("w") as stream:
            for name, piece in sorted(rows.items()):
                stream.write(json.dumps({"name": name, "content": json.loads(piece.content())}) + "\n")
        return 0
    with tarfile.open(target, "w") as tar:
        for name, piece in sorted(rows.items()):
            _add(tar, name, io.BytesIO(content := piece.content()), len(content))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line; ``@FILE`` stands for arguments in a file, one a line."""
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    for name, about in (("init", "write every init output"), ("quanta", "run quanta")):
        verb = verbs.add_parser(name, help=about, fromfile_prefix_chars="@")
        verb.add_argument("--graph", required=True, help="the quantum graph, whole or a shard")
        verb.add_argument("--butler", required=True, help="the job's butler configuration")
        verb.add_argument("--names", help="JSON: file name by dataset id (or quantum id, for records)")
        verb.set_defaults(action=run)
        if name == "quanta":
            verb.add_argument(
                "--task",
                nargs="+",
                action="append",
                required=True,
                metavar=("LABEL", "dim=value"),
                help="a quantum; may be repeated",
            )
            verb.add_argument("--records", metavar="FILE", help="a .jsonl for all records, instead of one file each")
            verb.add_argument(
                "--checkpoint", metavar="FILE", help="keep what is done if the call fails; run only what is left"
            )
    verb = verbs.add_parser(
        "collect", help="gather records, metadata and earlier collections", fromfile_prefix_chars="@"
    )
    verb.add_argument("--output", required=True, help="a .tar or .jsonl file")
    verb.add_argument("files", nargs="*", metavar="FILE", help="by default those of the current folder")
    verb.set_defaults(action=collect)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        return int(args.action(args))
    except StopError as stop:
        _say(f"rubincwl: failed exit {stop.code}: {stop}\n")
        return stop.code


if __name__ == "__main__":
    sys.exit(main())
