"""What a graph says that a run makes, and where a repository wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.delivery.repository import no_repository
from compiler.diagnostics import CompileError, Diagnostic, Origin, ToolError
from compiler.runtime import quantum_runner

OUTPUTS = Path("run") / "outputs"
"""Where a run leaves its files, below the output folder."""
GRAPH = Path("runtime") / "graph.qg"
_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Output:
    """A predicted output: its name in the workflow, its dataset and its place in the repository."""

    name: str
    ref: Any
    """lsst.daf.butler.DatasetRef"""
    target: Any
    """lsst.resources.ResourcePath"""
    initial: bool = False
    """Whether the init job makes it, of which there is no record; it is never legitimately absent."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Every output of a graph."""

    outputs: list[Output]
    run: str
    """The RUN collection that they belong to."""
    mocks: bool
    """Whether mock storage classes occur."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a delivery did."""

    repo: str
    run: str
    """The RUN collection that the outputs belong to."""
    delivered: int
    """Files put into the repository by this call."""
    there_already: int
    """Files that an earlier delivery had put there, with equal content."""
    absent: int
    """Datasets legitimately not produced: their markers stay behind."""
    missing: int
    """Predicted datasets without file or marker; none unless an incomplete run was delivered."""
    not_kept: int = 0
    """Datasets that were made and, as the configuration says, not kept."""
    bytes: int = 0
    """Copied inside a store."""
    register: str | None = None
    """The command that is still to be run, where the registry can be reached; None if it was run."""
    registry: str = ""
    """Where the registry is, and so where the command runs."""


def require(out: Path, *parts: Path) -> None:
    """Raise unless `out` has what is to be delivered and there is the middleware to do it with."""
    for each in parts:
        if not (out / each).exists():
            message = f"there is no '{each}' in '{out}'"
            raise CompileError([Diagnostic("nothing-to-deliver", message, Origin(str(out)), f"rubincwl run {out}")])
    try:
        quantum_runner.check_environment()
    except quantum_runner.StopError as stop:
        help = "run 'rubincwl deliver' in a Python that has the middleware (extra 'lsst')"
        raise ToolError([Diagnostic("no-middleware", str(stop), help=help)]) from stop


def predicted(graph: Path, repo: str) -> Prediction:
    """Every output that the graph predicts. Raises `CompileError` for what is no repository, `ToolError` for a
    package that is absent."""
    try:
        return _predicted(graph, repo)
    except ImportError as error:
        message = f"a package that the datasets need cannot be imported: {error}"
        raise ToolError([Diagnostic("no-middleware", message)]) from error


def _predicted(graph: Path, repo: str) -> Prediction:
    from lsst.daf.butler import QuantumBackedButler
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    with PredictedQuantumGraph.open(str(graph), import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
        reader.read_execution_quanta()
        whole = reader.components
    types = {node.name: node.dataset_type for node in whole.pipeline_graph.dataset_types.values()}
    mocks = quantum_runner.register_mocks(kind.storageClass_name for kind in types.values())
    models = [*whole.init_quanta.root, *whole.quantum_datasets.values()]
    refs = [whole.make_dataset_ref(d) for model in models for row in model.outputs.values() for d in row]
    initial = {d.dataset_id for model in whole.init_quanta.root for row in model.outputs.values() for d in row}
    try:
        butler = QuantumBackedButler.from_predicted(
            repo, (), {ref.id for ref in refs}, whole.pipeline_graph.universe, {}, dataset_types=types
        )
    except FileNotFoundError as error:
        raise no_repository(repo, str(error)) from error
    with butler:
        places = butler.get_many_uris(refs, predict=True)
    return Prediction([_output(ref, places[ref], ref.id in initial) for ref in refs], whole.header.output_run, mocks)


def _output(ref: Any, place: Any, initial: bool) -> Output:
    if place.primaryURI is None or place.componentURIs:
        message = f"the repository would store '{ref.datasetType.name}' as several files, which is not supported"
        raise ToolError([Diagnostic("unsupported-composite", message)])
    name = quantum_runner.dataset_name(ref.datasetType.name, ref.dataId.required_values)
    return Output(name, ref, place.primaryURI.replace(fragment=""), initial)


def kept(out: Path) -> Callable[[str], bool]:
    """Whether a dataset of this name is a result, which was to be left where the outputs are."""
    folder = out / "pegasus"
    if not folder.is_dir():
        return lambda name: True
    from compiler.backends.pegasus.reading import read_workflow

    written = read_workflow(folder)
    results = set(written.outputs.item.tolist()) - set(written.passed_on.item.tolist())
    return lambda name: hash(name) in results


def some(names: Sequence[str]) -> str:
    """The first few of `names`."""
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
