"""Between an output folder and a repository: inputs are linked before a run, outputs put back after it.

Until delivery, outputs carry names of ours; only here are they given the repository's own paths, by the
middleware and the repository's own configuration, and registered by the middleware's final step.
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.diagnostics import CompileError, Diagnostic, Origin, ToolError
from compiler.runtime import quantum_runner

OUTPUTS = Path("run") / "outputs"
"""Where a run leaves its files, below the output folder."""
GRAPH = Path("runtime") / "graph.qg"
INPUTS = "inputs"
_NAMED_AT_MOST = 5
_AGGREGATE = "from lsst.daf.butler.cli.butler import main; main()"


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


@dataclass(frozen=True, slots=True)
class _Output:
    """A predicted output: its name in the workflow, its dataset and its place in the repository."""

    name: str
    ref: Any
    """lsst.daf.butler.DatasetRef"""
    target: Any
    """lsst.resources.ResourcePath"""


def deliver(out: Path | str, repo: Path | str | None = None, *, incomplete: bool = False) -> Delivery:
    """Put what a run made where the repository expects it, and register it there.

    `repo` may be left out where the folder's inputs are linked to a repository. A run that lacks outputs is refused
    unless `incomplete`, which delivers the quanta that succeeded. A second delivery does nothing twice. Raises
    `CompileError` for a folder that cannot be delivered, `ToolError` where the middleware is absent or fails.
    """
    out = Path(out)
    where = str(repo) if repo is not None else str(_linked(out))
    _require(out)
    try:
        outputs, run, mocks = _predicted(out / GRAPH, where)
    except ImportError as error:
        message = f"a package that the datasets need cannot be imported: {error}"
        raise ToolError([Diagnostic("no-middleware", message)]) from error
    found = {each.name for each in outputs if (out / OUTPUTS / each.name).is_file()}
    present = [each for each in outputs if each.name in found]
    absent = [each for each in present if quantum_runner.is_marker(out / OUTPUTS / each.name)]
    missing = [each.name for each in outputs if each.name not in found]
    if missing and not incomplete:
        message = f"the run is not complete: {len(missing)} of {len(outputs)} outputs are missing: {_some(missing)}"
        raise CompileError([Diagnostic("incomplete-run", message, Origin(str(out)), f"rubincwl run {out}")])
    marked = {each.name for each in absent}
    delivered, there = _put([each for each in present if each.name not in marked], out / OUTPUTS, where)
    _register(out / GRAPH, where, mocks, incomplete=bool(missing))
    return Delivery(where, run, delivered, there, len(absent), len(missing))


def _require(out: Path) -> None:
    """Raise unless there is something to deliver and the middleware to do it with."""
    for each in (GRAPH, OUTPUTS):
        if not (out / each).exists():
            message = f"there is no '{each}' in '{out}'"
            raise CompileError([Diagnostic("nothing-to-deliver", message, Origin(str(out)), f"rubincwl run {out}")])
    try:
        quantum_runner.check_environment()
    except quantum_runner.StopError as stop:
        help = "run 'rubincwl deliver' in a Python that has the middleware (extra 'lsst')"
        raise ToolError([Diagnostic("no-middleware", str(stop), help=help)]) from stop


def _predicted(graph: Path, repo: str) -> tuple[list[_Output], str, bool]:
    """Every output that the graph predicts, the RUN they belong to, and whether mock storage classes occur."""
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
    try:
        butler = QuantumBackedButler.from_predicted(
            repo, (), {ref.id for ref in refs}, whole.pipeline_graph.universe, {}, dataset_types=types
        )
    except FileNotFoundError as error:
        raise _no_repository(repo, str(error)) from error
    with butler:
        places = butler.get_many_uris(refs, predict=True)
    return [_output(ref, places[ref]) for ref in refs], whole.header.output_run, mocks


def _output(ref: Any, place: Any) -> _Output:
    if place.primaryURI is None or place.componentURIs:
        message = f"the repository would store '{ref.datasetType.name}' as several files, which is not supported"
        raise ToolError([Diagnostic("unsupported-composite", message)])
    name = quantum_runner.dataset_name(ref.datasetType.name, ref.dataId.required_values)
    return _Output(name, ref, place.primaryURI.replace(fragment=""))


def _put(outputs: Sequence[_Output], source: Path, repo: str) -> tuple[int, int]:
    """Copy files to their places; returns how many, and how many were there with equal content.

    A file of other content is replaced unless its dataset is registered: the registry's record would no longer hold.
    """
    todo: list[_Output] = []
    differing: list[_Output] = []
    for each in outputs:
        if not each.target.exists():
            todo.append(each)
        elif not _equal(source / each.name, each.target):
            differing.append(each)
    registered = _registered(differing, repo)
    if registered:
        message = f"the repository holds these datasets already, with other content: {_some(registered)}"
        help = "they were delivered from another run; remove that with 'butler remove-runs', or compile a new graph"
        raise ToolError([Diagnostic("already-delivered", message, help=help)])
    for each in todo + differing:
        _copy(source / each.name, each.target)
    return len(todo) + len(differing), len(outputs) - len(todo) - len(differing)


def _equal(file: Path, target: Any) -> bool:
    if target.isLocal:
        return filecmp.cmp(file, target.ospath, shallow=False)
    return bool(target.size() == file.stat().st_size)


def _copy(file: Path, target: Any) -> None:
    from lsst.resources import ResourcePath

    if not target.isLocal:
        target.transfer_from(ResourcePath(str(file.absolute())), transfer="copy", overwrite=True)
        return
    # A file is there whole or not at all, whenever the delivery is interrupted.
    final = Path(target.ospath)
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f".{final.name}.part")
    with file.open("rb") as reader, part.open("wb") as writer:
        while block := reader.read(1 << 20):
            writer.write(block)
    part.replace(final)


def _registered(outputs: Iterable[_Output], repo: str) -> list[str]:
    from lsst.daf.butler import Butler

    outputs = list(outputs)
    if not outputs:
        return []
    with Butler.from_config(repo) as butler:
        return [each.name for each in outputs if butler.get_dataset(each.ref.id) is not None]


def _register(graph: Path, repo: str, mocks: bool, incomplete: bool) -> None:
    command = ["aggregate-graph", str(graph), repo, "--incomplete" if incomplete else "--complete"]
    command += ["--register-dataset-types", "--update-output-chain", *(["--mock-storage-classes"] if mocks else [])]
    ran = subprocess.run(
        [sys.executable, "-c", _AGGREGATE, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if ran.returncode:
        said = "\n".join(f"    | {line}" for line in ran.stdout.splitlines()[-20:])
        message = (
            f"'butler aggregate-graph' exited with {ran.returncode}: the files are in place, not registered\n{said}"
        )
        help = f"when the cause is gone: rubincwl deliver OUT --repo {repo}"
        raise ToolError([Diagnostic("registration-failed", message + said, help=help)])


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


# Inputs.


def link_inputs(out: Path, repo: Path | str) -> Path:
    """Make OUT/inputs lead to the repository's datastore, whose files the job order names; returns its root.

    Raises `CompileError` where `repo` is no repository, or one whose files are not on this machine.
    """
    root = datastore_root(repo)
    link = out / INPUTS
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        message = f"'{link}' is there and is not a link"
        raise CompileError([Diagnostic("inputs-exist", message, Origin(str(out)))])
    link.symlink_to(root)
    return root


def datastore_root(repo: Path | str) -> Path:
    """The local folder in which the repository's file datastore keeps its files, read from its configuration."""
    import yaml

    folder = Path(repo)
    file = folder if folder.suffix in (".yaml", ".yml") and folder.is_file() else folder / "butler.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _no_repository(str(repo), str(error)) from error
    roots = list(dict.fromkeys(_roots(config.get("datastore") if isinstance(config, Mapping) else None)))
    if len(roots) > 1:
        message = f"the repository '{repo}' has several datastores ({', '.join(roots)}); one folder is needed"
        raise CompileError([Diagnostic("unsupported-datastore", message)])
    base = file.parent.absolute()
    root = (roots[0] if roots else "<butlerRoot>").replace("<butlerRoot>", str(base)).removeprefix("file://")
    if "://" in root:
        message = f"the repository's files are at '{root}', not on this machine"
        raise CompileError([Diagnostic("unsupported-datastore", message, help="rubincwl compile --inputs-at URL")])
    return Path(os.path.normpath(base / root))


def _roots(datastore: object) -> Iterator[str]:
    if isinstance(datastore, Mapping):
        if isinstance(datastore.get("root"), str):
            yield datastore["root"]
        for each in datastore.get("datastores") or ():
            yield from _roots(each.get("datastore", each) if isinstance(each, Mapping) else None)


def linked_repository(out: Path) -> Path | None:
    """The repository whose datastore OUT/inputs leads to, where that folder is a repository itself."""
    root = (out / INPUTS).resolve()
    return root if (root / "butler.yaml").is_file() else None


def _linked(out: Path) -> Path:
    found = linked_repository(out)
    if found is None:
        message = f"it is not known to which repository '{out}' is to be delivered"
        raise CompileError([Diagnostic("no-repository", message, Origin(str(out)), "say --repo REPO")])
    return found


def _no_repository(repo: str, why: str) -> CompileError:
    return CompileError([Diagnostic("no-repository", f"'{repo}' is no butler repository: {why}")])
