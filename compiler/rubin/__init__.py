"""What the survey says: a pipeline, and the quantum graph planned from it."""

from compiler.rubin.build import GraphBuilder
from compiler.rubin.files import Files, StoredFile
from compiler.rubin.graph import (
    Connection,
    ConnectionKind,
    Dataset,
    DatasetType,
    Edges,
    InitQuantum,
    Quantum,
    QuantumGraph,
    Task,
    format_quantum,
)
from compiler.rubin.pipeline import ConfigItem, Contract, Pipeline, PipelineTask, Steps, Subset

__all__ = [
    "ConfigItem",
    "Connection",
    "ConnectionKind",
    "Contract",
    "Dataset",
    "DatasetType",
    "Edges",
    "Files",
    "GraphBuilder",
    "InitQuantum",
    "Pipeline",
    "PipelineTask",
    "Quantum",
    "QuantumGraph",
    "Steps",
    "StoredFile",
    "Subset",
    "Task",
    "format_quantum",
]
