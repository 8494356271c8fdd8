"""The lines of the interchange format, as docs/interchange.md describes them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from compiler.rubin import ConnectionKind

FORMAT = "rubincwl-graph"
VERSION = 2
VERSIONS = (1, 2)
"""Those that are read; in version 1 each dataset and quantum has a line of its own."""
MOST_ROWS = 1 << 20
"""Of one block: a line of some bytes must not ask for gigabytes."""
MOST_EDGES = 1 << 24
"""Of one connection of a block."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_ROWS)]
Fan = Annotated[int, msgspec.Meta(ge=0, le=MOST_EDGES)]
Rows = dict[str, tuple[int, ...]]
"""Numbers of datasets by connection."""


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
    size: Natural | None = None
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
    inputs: Rows = {}
    outputs: Rows = {}
    id: UUID | None = None


class InitLine(_Record, tag="init"):
    task: str
    inputs: Rows = {}
    outputs: Rows = {}
    id: UUID | None = None


class Run(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """``first, first + step, …``, as many as there are rows."""

    first: int
    step: int = 1


Values = list[int | str] | int | str | Run
"""A column: one value a row, or the same for all, or a run."""
Numbers = list[int] | int | Run


class FileColumns(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Datastore's records of the datasets of a block."""

    paths: list[str | None]
    """None: this dataset has no record."""
    sizes: list[Natural | None] | Natural | None = None
    formatters: list[str] | str = ""
    checksums: list[str | None] | None = None


class DatasetsLine(_Record, tag="datasets"):
    """A block of datasets of one type."""

    count: Count
    type: str
    columns: dict[str, Values] = {}
    """By dimension."""
    run: list[str] | str | None = None
    """The graph's output run if absent."""
    ids: list[str | None] | None = None
    files: FileColumns | None = None


class EdgeColumn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the quanta of a block have on one connection."""

    datasets: Numbers
    """One quantum's after the other's."""
    counts: list[Fan] | Fan = 1
    """How many each quantum has."""


class QuantaLine(_Record, tag="quanta"):
    """A block of quanta of one task."""

    count: Count
    task: str
    columns: dict[str, Values] = {}
    """By dimension, required and implied."""
    inputs: dict[str, EdgeColumn] = {}
    outputs: dict[str, EdgeColumn] = {}
    ids: list[str | None] | None = None


Line = GraphLine | TypeLine | TaskLine | DatasetLine | QuantumLine | InitLine | DatasetsLine | QuantaLine


class FaultError(Exception):
    """Something is wrong in a line, at a word of it."""

    def __init__(self, code: str, message: str, word: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.word, self.help = code, word, help
