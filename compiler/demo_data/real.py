"""Demonstration data that the Rubin middleware itself makes: repository, pipeline, quantum graph."""

from __future__ import annotations

from pathlib import Path

from compiler.demo_data.pipeline_text import Failure, stand_in_text
from compiler.demo_data.repository import INPUTS, INSTRUMENT, Observations, make_repository
from compiler.demo_data.tasks import PipelineShape
from compiler.diagnostics import CompileError, Diagnostic, ToolError

_TIME = "20260102T000000Z"
"""Names the output run; a fixed one, so that only the ids of two such graphs differ."""


def make_real(
    name: str, shape: PipelineShape, seen: Observations, out: Path, failure: Failure | None
) -> dict[str, int]:
    """Write ``pipeline.yaml``, ``graph.qg`` (with datastore records) and ``repo`` into `out`; quanta by task label.

    Raises `ToolError` where the middleware is not installed, `CompileError` for a failure that it cannot express.
    """
    _require_middleware()
    if failure is not None:
        _check(failure)
    from lsst.daf.butler import Butler
    from lsst.pipe.base import Pipeline
    from lsst.pipe.base.all_dimensions_quantum_graph_builder import AllDimensionsQuantumGraphBuilder

    out.mkdir(parents=True, exist_ok=True)
    text = out / "pipeline.yaml"
    text.write_text(stand_in_text(shape, failure), encoding="utf-8")
    root = out / "repo"
    calibrations = sorted({port.dataset_type for task in shape.tasks for port in task.ports if port.calibration})
    make_repository(root, seen, calibrations)
    output = f"u/demo/{name}"
    with Butler.from_config(str(root), writeable=True) as butler:
        builder = AllDimensionsQuantumGraphBuilder(
            Pipeline.fromFile(str(text)).to_graph(),
            butler,
            input_collections=[INPUTS],
            output_run=f"{output}/{_TIME}",
            where=f"instrument = '{INSTRUMENT}'",
        )
        # Without the datastore's records a quantum finds no inputs when it runs away from the registry.
        parts = builder.finish(output=output, attach_datastore_records=True)
        parts.write(str(out / "graph.qg"))
    return {str(label): int(count) for label, count in parts.header.n_task_quanta.items()}


def _require_middleware() -> None:
    try:
        import lsst.ctrl.mpexec
        import lsst.daf.butler
        import lsst.pipe.base  # noqa: F401
    except ImportError as error:
        finding = Diagnostic(
            "middleware-missing",
            f"real demonstration data needs the Rubin middleware, and importing it failed: {error}",
            help="pip install 'rubincwl[lsst]', or take the synthetic kinds dark-synthetic, single-frame-synthetic",
        )
        raise ToolError([finding]) from None


def _check(failure: Failure) -> None:
    from lsst.pipe.base.tests.mocks import DataIdMatch
    from lsst.utils.doImport import doImportType

    findings = []
    try:
        DataIdMatch(failure.condition)
    except Exception as error:  # the middleware's parser raises several kinds
        findings.append(
            Diagnostic(
                "bad-condition",
                f"cannot read the condition '{failure.condition}': {error}",
                help="write it like: exposure = 1001 AND detector = 2",
            )
        )
    try:
        doImportType(failure.exception)
    except (ImportError, TypeError) as error:
        findings.append(
            Diagnostic(
                "unknown-exception",
                f"no exception class '{failure.exception}': {error}",
                help="give its full name: builtins.ValueError, lsst.pipe.base.NoWorkFound",
            )
        )
    if findings:
        raise CompileError(findings)
