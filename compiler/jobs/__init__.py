"""The CWL with every scatter expanded: jobs, files, and the edges that follow from files."""

from compiler.jobs.graph import File, Job, JobGraph, QuantumKey

__all__ = ["File", "Job", "JobGraph", "QuantumKey"]
