"""The jobs representation: calls of tools, grouped into jobs, and the files between them."""

from compiler.jobs.graph import Batch, Calls, File, Files, Job, JobGraph, Port, QuantumKey, Rows, Tool
from compiler.jobs.grouping import group
from compiler.jobs.request import Request

__all__ = [
    "Batch",
    "Calls",
    "File",
    "Files",
    "Job",
    "JobGraph",
    "Port",
    "QuantumKey",
    "Request",
    "Rows",
    "Tool",
    "group",
]
