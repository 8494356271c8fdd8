"""Read `.qg`, the file in which the Rubin middleware keeps a predicted quantum graph; no LSST package is needed.

It is a ZIP of zstd-compressed JSON: ``header``, ``pipeline_graph``, ``thin_graph`` and ``init_quanta`` (``.json.zst``),
``quantum_datasets.mb`` with one block a quantum behind its length, and from some hundred quanta up a
``compression_dict`` for all of them.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import zstandard

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin
from compiler.frontend.predicted import assemble
from compiler.frontend.predicted_documents import Documents, Header, Progress, broken, decode
from compiler.rubin import QuantumGraph

VERSION = 1
"""The version of the format that is read here; others are left to the middleware's own reader."""

_PAGE = 1 << 20
"""Bytes that are read at a time."""

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    zstandard.ZstdError,
    struct.error,
    EOFError,
    NotImplementedError,  # a compression method that zipfile does not know
    RuntimeError,  # an encrypted member
    MemoryError,  # an absurd length
    OverflowError,
    ValueError,
)


def read_qg(path: Path | str, progress: Progress | None = None, findings: Findings | None = None) -> QuantumGraph:
    """The graph in a `.qg` file; raises `CompileError` if it cannot be read, or contradicts itself.

    Members are read one after the other and never two at a time: some releases of Python's zipfile then lose their
    place.
    """
    source = str(path)
    findings = Findings() if findings is None else findings
    with ExitStack() as opened:
        with _whole(source):
            file = opened.enter_context(zipfile.ZipFile(path))
            wrong = file.testzip()
            if wrong is not None:
                raise broken(source, wrong, "its checksum is wrong")
            decompress = _decompressor(file)
            text = _document(file, "header", decompress)
        header = decode(text, Header, source, "header")
        if header.graph_type != "predicted":
            message = f"this is a graph of type '{header.graph_type}', not a predicted one"
            raise CompileError([Diagnostic("wrong-graph-type", message, Origin(source))])
        if header.version == VERSION:
            with _whole(source):
                documents = _documents(file, source, decompress, header.int_size)
            return assemble(documents, findings, progress)
    return _read_by_middleware(path, header.version, findings, progress)


@contextmanager
def _whole(source: str) -> Iterator[None]:
    """What the libraries below raise for a damaged file becomes a finding."""
    try:
        yield
    except OSError as error:
        message = f"cannot read the quantum graph: {error.strerror or error}"
        raise CompileError([Diagnostic("cannot-read", message, Origin(source))]) from None
    except KeyError as error:  # a member is not there; the text names it
        raise broken(source, "", str(error.args[0])) from None
    except _DAMAGE as error:
        raise broken(source, "", str(error) or type(error).__name__) from None


def _documents(
    file: zipfile.ZipFile, source: str, decompress: zstandard.ZstdDecompressor, length_size: int
) -> Documents:
    return Documents(
        source,
        header=_document(file, "header", decompress),
        pipeline_graph=_document(file, "pipeline_graph", decompress),
        thin_graph=_document(file, "thin_graph", decompress),
        init_quanta=_document(file, "init_quanta", decompress),
        quantum_datasets=_blocks(file, source, decompress, length_size),
    )


def _decompressor(file: zipfile.ZipFile) -> zstandard.ZstdDecompressor:
    if "compression_dict" not in file.namelist():
        return zstandard.ZstdDecompressor()
    return zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(file.read("compression_dict")))


def _document(file: zipfile.ZipFile, name: str, decompress: zstandard.ZstdDecompressor) -> bytes:
    return decompress.decompress(file.read(f"{name}.json.zst"))


def _blocks(
    file: zipfile.ZipFile, source: str, decompress: zstandard.ZstdDecompressor, length_size: int
) -> Iterator[bytes]:
    """The text of each quantum, without ever holding more than a page of the file."""
    name = "quantum_datasets.mb"
    with _whole(source), file.open(name) as member:
        if not 1 <= length_size <= 16:
            raise broken(source, "header", f"integers of {length_size} bytes")
        left = file.getinfo(name).file_size
        page = b""
        at = 0
        while left > 0:
            head = at + length_size
            if head > len(page):
                page, at, head = page[at:] + member.read(_PAGE), 0, length_size
            length = int.from_bytes(page[at:head], "big")
            left -= length_size + length
            if left < 0:
                raise broken(source, name, f"a block of {length} bytes is longer than the file")
            at = head + length
            if at > len(page):
                page, head, at = page[head:] + member.read(max(_PAGE, at - len(page))), 0, length
            yield decompress.decompress(page[head:at])


def _read_by_middleware(path: Path | str, version: int, findings: Findings, progress: Progress | None) -> QuantumGraph:
    from compiler.frontend.middleware_reader import read_documents

    try:
        documents = read_documents(path)
    except ImportError:
        message = f"version {version} of the format is not known here ({VERSION} is)"
        help = "install the extra 'lsst': where the Rubin middleware is, its own reader is used"
        raise CompileError([Diagnostic("unknown-graph-version", message, Origin(str(path)), help)]) from None
    return assemble(documents, findings, progress)
