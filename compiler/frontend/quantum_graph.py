"""Read a quantum graph from whatever file holds one: the content says which reader, not the name."""

from __future__ import annotations

from pathlib import Path

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin
from compiler.frontend.consistency import check_graph
from compiler.frontend.interchange import read_interchange
from compiler.frontend.middleware_reader import OLD_FORMAT, read_documents
from compiler.frontend.predicted import assemble
from compiler.frontend.predicted_documents import Progress
from compiler.frontend.qg import read_qg
from compiler.rubin import QuantumGraph

_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK"


def read_quantum_graph(
    path: Path | str, findings: Findings | None = None, progress: Progress | None = None
) -> QuantumGraph:
    """The graph in a `.qg`, interchange or (where the middleware is) old `.qgraph` file, checked by `check_graph`.

    Raises `CompileError` if it cannot be read or if the check finds an error; warnings go to `findings`.
    """
    found = Findings() if findings is None else findings
    start = _first_bytes(Path(path))
    graph = _read(Path(path), start, found, progress)
    found.items.extend(check_graph(graph, planned=start.startswith((_ZIP, OLD_FORMAT))))
    found.raise_errors()
    return graph


def _read(path: Path, start: bytes, findings: Findings, progress: Progress | None) -> QuantumGraph:
    if not start:
        raise _unreadable(path, "empty-file", "the quantum graph is empty")
    if start.startswith(_ZIP):
        return read_qg(path, progress, findings)
    if start.startswith(_ZSTD) or start.lstrip().startswith(b"{"):
        return read_interchange(path, findings, progress)
    if start.startswith(OLD_FORMAT):
        try:
            return assemble(read_documents(path), findings, progress)
        except ImportError:
            help = "install the extra 'lsst', or write the graph again as .qg"
            message = "this is a graph in the old format (.qgraph), which only the Rubin middleware reads"
            raise _unreadable(path, "unknown-graph-version", message, help) from None
    help = "a .qg file of 'pipetask qgraph', or our interchange format (newline-delimited JSON, also with zstd)"
    raise _unreadable(path, "not-a-graph", "this is no quantum graph", help)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise _unreadable(path, "cannot-read", f"cannot read the quantum graph: {reason}") from None


def _unreadable(path: Path, code: str, message: str, help: str | None = None) -> CompileError:
    return CompileError([Diagnostic(code, message, Origin(str(path)), help)])
