"""The documents inside a predicted quantum graph.

Their layout is that of format version 1 of ``lsst.pipe.base.quantum_graph`` (``_predicted.py``, ``_common.py``) and of
``lsst.pipe.base.pipeline_graph.io``; keys that we do not need are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.frontend.universe import Element
from compiler.rubin import ConnectionKind

Progress = Callable[[int, int], None]
"""Called with the number of quanta read so far, and how many there are."""

_T = TypeVar("_T")
NO_VALUES = msgspec.Raw(b"[]")
"""A data id is left as text at first: few are different."""


@dataclass
class Documents:
    """The JSON texts of a graph, however they were stored."""

    source: str
    """The file, as it was named."""
    header: bytes
    pipeline_graph: bytes
    thin_graph: bytes
    init_quanta: bytes
    quantum_datasets: Iterable[bytes]
    """One text a quantum."""


class Header(msgspec.Struct):
    """What a graph says about itself."""

    version: int
    graph_type: str
    output_run: str = ""
    int_size: int = 8
    n_quanta: int = 0


class EdgeDocument(msgspec.Struct):
    dataset_type_name: str
    """With the component, if a component is read: ``calexp.wcs``."""
    storage_class: str = ""


class TaskInitDocument(msgspec.Struct):
    inputs: dict[str, EdgeDocument]
    outputs: dict[str, EdgeDocument]
    config_output: EdgeDocument


class TaskDocument(msgspec.Struct):
    task_class: str
    init: TaskInitDocument
    inputs: dict[str, EdgeDocument]
    prerequisite_inputs: dict[str, EdgeDocument]
    outputs: dict[str, EdgeDocument]
    metadata_output: EdgeDocument
    dimensions: list[str]
    log_output: EdgeDocument | None = None

    def connections(self) -> list[tuple[ConnectionKind, str, EdgeDocument]]:
        found: list[tuple[ConnectionKind, str, EdgeDocument]] = [
            ("output", "_metadata", self.metadata_output),
            ("init-output", "_config", self.init.config_output),
        ]
        if self.log_output is not None:
            found.append(("output", "_log", self.log_output))
        named: list[tuple[ConnectionKind, dict[str, EdgeDocument]]] = [
            ("input", self.inputs),
            ("prerequisite", self.prerequisite_inputs),
            ("output", self.outputs),
            ("init-input", self.init.inputs),
            ("init-output", self.init.outputs),
        ]
        return found + [(kind, name, edge) for kind, edges in named for name, edge in edges.items()]


class DatasetTypeDocument(msgspec.Struct):
    dimensions: list[str] | None = None
    storage_class: str | None = None
    is_calibration: bool = False


class Dimensions(msgspec.Struct):
    elements: dict[str, Element]
    skypix: dict[str, Any] = {}


class PipelineDocument(msgspec.Struct):
    tasks: dict[str, TaskDocument]
    dataset_types: dict[str, DatasetTypeDocument]
    dimensions: Dimensions


class ThinQuantum(msgspec.Struct, gc=False):
    quantum_id: str
    data_coordinate: tuple[int | str, ...] = ()


class ThinGraph(msgspec.Struct):
    quanta: dict[str, list[ThinQuantum]]
    edges: msgspec.Raw
    """Pairs of ids of quanta, as they stand in the file: there are more of them than of anything else."""


class DatasetDocument(msgspec.Struct, gc=False):
    dataset_id: str
    dataset_type_name: str
    run: str
    data_coordinate: msgspec.Raw = NO_VALUES


class RecordDocument(msgspec.Struct, gc=False):
    """A row of a datastore's table; other datastores than those of files have other rows."""

    path: str | None = None
    formatter: str = ""
    file_size: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    checksum: str | None = None


class RecordsDocument(msgspec.Struct):
    records: dict[str, dict[str, dict[str, list[RecordDocument]]]]
    """By the records' class, the dataset's id, the table."""


class QuantumDocument(msgspec.Struct):
    quantum_id: str
    task_label: str
    data_coordinate: msgspec.Raw = NO_VALUES
    inputs: dict[str, list[DatasetDocument]] = {}
    outputs: dict[str, list[DatasetDocument]] = {}
    datastore_records: dict[str, RecordsDocument] = {}


def broken(source: str, what: str, reason: str) -> CompileError:
    """A file that is not what it says."""
    help = "make the graph again, or copy it again: the file may be cut short"
    return CompileError(
        [Diagnostic("broken-graph", f"the quantum graph is broken: {reason}", Origin(source, what), help)]
    )


def decode(text: bytes, kind: type[_T], source: str, what: str) -> _T:
    """One document as `kind`; raises `CompileError` if it is not one."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise broken(source, what, str(error)) from None


decode_values = msgspec.json.Decoder(tuple[int | str, ...]).decode
"""A data id's values; raises `msgspec.MsgspecError`."""
