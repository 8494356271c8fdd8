"""Graphs that only the middleware's own reader understands: other versions of the format, and old `.qgraph` files."""

from __future__ import annotations

from pathlib import Path

from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.frontend.predicted_documents import Documents

OLD_FORMAT = b"qgraph4"
"""With what a `.qgraph` file begins (``lsst.pipe.base.graph.graph.MAGIC_BYTES``)."""


def read_documents(path: Path | str) -> Documents:
    """What the middleware reads, written as the documents of the version that we know.

    Raises `ImportError` where there is no middleware, `CompileError` if it cannot read the file either.
    """
    from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph

    try:
        graph = _components(str(path))
        return Documents(
            source=str(path),
            header=graph.header.model_dump_json().encode(),
            pipeline_graph=SerializedPipelineGraph.serialize(graph.pipeline_graph).model_dump_json().encode(),
            thin_graph=graph.thin_graph.model_dump_json().encode(),
            init_quanta=graph.init_quanta.model_dump_json().encode(),
            quantum_datasets=(each.model_dump_json().encode() for each in graph.quantum_datasets.values()),
        )
    except Exception as error:  # whatever a foreign reader raises says that it could not read
        message = f"the Rubin middleware cannot read this quantum graph: {type(error).__name__}: {error}"
        raise CompileError([Diagnostic("unreadable-graph", message, Origin(str(path)))]) from error


def _components(path: str):  # type: ignore[no-untyped-def]
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph, PredictedQuantumGraphComponents

    if path.endswith(".qgraph"):
        return PredictedQuantumGraphComponents.read_execution_quanta(path)
    with PredictedQuantumGraph.open(path, import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
        reader.read_thin_graph()
        reader.read_init_quanta()
        reader.read_quantum_datasets()
        return reader.components
