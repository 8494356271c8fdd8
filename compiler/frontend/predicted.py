"""The documents inside a predicted quantum graph become columns."""

from __future__ import annotations

import msgspec

from compiler.collection import no_collection
from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin
from compiler.frontend.predicted_documents import (
    Documents,
    Header,
    PipelineDocument,
    Progress,
    QuantumDocument,
    ThinGraph,
    broken,
    decode,
)
from compiler.frontend.predicted_rows import Filler
from compiler.frontend.predicted_thin import check_thin
from compiler.rubin import GraphBuilder, QuantumGraph

_ENOUGH = 20
"""Findings of one kind of file fault after which reading stops: the rest says the same."""
_BATCH = 2_000
"""Quanta after which rows are put into columns: as many as a processor's cache holds."""


def assemble(documents: Documents, findings: Findings, progress: Progress | None = None) -> QuantumGraph:
    """The graph; raises `CompileError` where the documents contradict their format, or each other."""
    with no_collection():
        graph = _graph(documents, findings, progress)
        thin = decode(documents.thin_graph, ThinGraph, documents.source, "thin_graph")
        check_thin(graph, thin, findings)
    findings.raise_errors()
    return graph


def _graph(documents: Documents, findings: Findings, progress: Progress | None) -> QuantumGraph:
    source = documents.source
    header = decode(documents.header, Header, source, "header")
    builder = GraphBuilder(source, header.output_run)
    filler = Filler(builder, decode(documents.pipeline_graph, PipelineDocument, source, "pipeline_graph"), findings)
    for each in decode(documents.init_quanta, list[QuantumDocument], source, "init_quanta"):
        try:
            filler.add_init(each)
        except msgspec.MsgspecError as error:
            raise broken(source, "init_quanta", str(error)) from None
    read = msgspec.json.Decoder(QuantumDocument).decode
    for count, text in enumerate(documents.quantum_datasets):
        try:
            filler.add_quantum(read(text))
        except msgspec.MsgspecError as error:
            raise broken(source, f"quantum_datasets, block {count}", str(error)) from None
        if count % _BATCH == 0:
            filler.flush()
            if progress is not None:
                progress(count, header.n_quanta)
        if len(findings) and len(findings.errors) >= _ENOUGH:
            break
    filler.flush()
    findings.raise_errors()
    try:
        return builder.finish()
    except ValueError as error:
        raise CompileError([*findings, Diagnostic("circular-tasks", str(error), Origin(source))]) from None
