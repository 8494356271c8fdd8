"""Rubin pipelines and quantum graphs become CWL, with a proof, and Pegasus workflows.

    >>> import rubincwl
    >>> "translate" in dir(rubincwl)
    True

Everything here is imported when it is first used: ``import rubincwl`` itself costs nothing. See docs/library.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compiler.backends.pegasus import Settings as PegasusSettings
    from compiler.backends.pegasus import lower
    from compiler.certificate import Certificate, certify, read_folder
    from compiler.delivery import Delivery, deliver, deliver_within_store
    from compiler.demo_data import make_demo_data
    from compiler.diagnostics import BugError, CompileError, Diagnostic, Findings, ToolError, render
    from compiler.driver import Choices, Compiled, check, compile_folder
    from compiler.engines import Run, run
    from compiler.expand import expand
    from compiler.frontend.config import Settings, target_settings
    from compiler.frontend.consistency import check_consistency
    from compiler.frontend.interchange import write_interchange
    from compiler.frontend.pipeline import read_pipeline
    from compiler.frontend.quantum_graph import read_quantum_graph
    from compiler.jobs import File, Job, JobGraph
    from compiler.rubin import Dataset, Pipeline, Quantum, QuantumGraph
    from compiler.translate import Workflow, translate
    from compiler.upload import Uploaded, upload
    from providers import Provider, load_provider

_HOME = {
    "BugError": "compiler.diagnostics",
    "Certificate": "compiler.certificate",
    "Choices": "compiler.driver",
    "CompileError": "compiler.diagnostics",
    "Compiled": "compiler.driver",
    "Dataset": "compiler.rubin",
    "Delivery": "compiler.delivery",
    "Diagnostic": "compiler.diagnostics",
    "File": "compiler.jobs",
    "Findings": "compiler.diagnostics",
    "Job": "compiler.jobs",
    "JobGraph": "compiler.jobs",
    "PegasusSettings": "compiler.backends.pegasus",
    "Pipeline": "compiler.rubin",
    "Provider": "providers",
    "Quantum": "compiler.rubin",
    "QuantumGraph": "compiler.rubin",
    "Run": "compiler.engines",
    "Settings": "compiler.frontend.config",
    "ToolError": "compiler.diagnostics",
    "Uploaded": "compiler.upload",
    "Workflow": "compiler.translate",
    "certify": "compiler.certificate",
    "check": "compiler.driver",
    "check_consistency": "compiler.frontend.consistency",
    "compile_folder": "compiler.driver",
    "deliver": "compiler.delivery",
    "deliver_within_store": "compiler.delivery",
    "expand": "compiler.expand",
    "load_provider": "providers",
    "lower": "compiler.backends.pegasus",
    "make_demo_data": "compiler.demo_data",
    "read_folder": "compiler.certificate",
    "read_pipeline": "compiler.frontend.pipeline",
    "read_quantum_graph": "compiler.frontend.quantum_graph",
    "render": "compiler.diagnostics",
    "run": "compiler.engines",
    "target_settings": "compiler.frontend.config",
    "translate": "compiler.translate",
    "upload": "compiler.upload",
    "write_interchange": "compiler.frontend.interchange",
}
_RENAMED = {"PegasusSettings": "Settings"}

__all__ = [
    "BugError",
    "Certificate",
    "Choices",
    "CompileError",
    "Compiled",
    "Dataset",
    "Delivery",
    "Diagnostic",
    "File",
    "Findings",
    "Job",
    "JobGraph",
    "PegasusSettings",
    "Pipeline",
    "Provider",
    "Quantum",
    "QuantumGraph",
    "Run",
    "Settings",
    "ToolError",
    "Uploaded",
    "Workflow",
    "certify",
    "check",
    "check_consistency",
    "compile_folder",
    "deliver",
    "deliver_within_store",
    "expand",
    "load_provider",
    "lower",
    "make_demo_data",
    "read_folder",
    "read_pipeline",
    "read_quantum_graph",
    "render",
    "run",
    "target_settings",
    "translate",
    "upload",
    "write_interchange",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rubincwl' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_HOME[name]), _RENAMED.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
