"""Runs quanta in an empty folder, on a worker that knows nothing of this project.

It travels as one file, the zip application that `compiler.runtime.bundle` makes: every module imports its siblings,
Python's standard library and, inside functions, the middleware; none imports anything else of this project. Here
stands what the compiler shares with jobs: names above all, so that both call a file the same.
"""

from .environment import check_environment, register_mocks, zipfile_is_sound
from .exit_codes import (
    ENVIRONMENT,
    EXIT_CODES,
    GRAPH,
    INPUT_MISSING,
    OUTPUT_MISSING,
    SIGNAL,
    TASK_FAILED,
    USAGE,
    StopError,
)
from .markers import is_marker
from .names import LONGEST_NAME, dataset_name, quantum_text, record_name
from .private_store import butler_config
from .telling import RECORD_PREFIX

__all__ = [
    "ENVIRONMENT",
    "EXIT_CODES",
    "GRAPH",
    "INPUT_MISSING",
    "LONGEST_NAME",
    "OUTPUT_MISSING",
    "RECORD_PREFIX",
    "SIGNAL",
    "TASK_FAILED",
    "USAGE",
    "StopError",
    "butler_config",
    "check_environment",
    "dataset_name",
    "is_marker",
    "quantum_text",
    "record_name",
    "register_mocks",
    "zipfile_is_sound",
]
