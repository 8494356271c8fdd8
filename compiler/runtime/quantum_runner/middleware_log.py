"""What the lines that the middleware prints say of quanta."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from .call import Quantum

_BEGIN_LINE = re.compile(r"Preparing execution of quantum for label=(.+?) dataId=(\{.*?\})")
_FAILED_LINE = re.compile(r"Execution of task '(.+?)' on quantum (\{.*?\}) failed\. Exception (.*)")
_COMMAND_LINE_ERROR = "lsst.daf.butler.cli.utils ERROR: Caught an exception"
_TAIL_LINES = 30


def find_begun(quanta: Iterable[Quantum], said: Iterable[str]) -> set[UUID]:
    """The quanta whose start the middleware tells."""
    starts = [(found[1], found[2]) for line in said if (found := _BEGIN_LINE.search(line))]
    return {each.id for each in quanta if any(_is_meant(each, *start) for start in starts)}


def find_reason(quantum: Quantum, said: Sequence[str]) -> str | None:
    """The exception that ended the quantum, from the middleware's own line about it."""
    for line in reversed(said):
        found = _FAILED_LINE.search(line)
        if found and _is_meant(quantum, found[1], found[2]):
            return found[3]
    return None


def _is_meant(quantum: Quantum, label: str, data_id: str) -> bool:
    """Whether the middleware's text of a data id is that of the quantum."""
    return label == quantum.label and all(
        re.search(rf"\b{k}: {re.escape(repr(v))}[,}}]", data_id) for k, v in quantum.data_id.items()
    )


def end_of(said: Sequence[str]) -> list[str]:
    """The end of a log, without the traceback of the middleware's command line behind that of the task."""
    ends = [n for n, line in enumerate(said) if _COMMAND_LINE_ERROR in line]
    if ends and any(line.startswith("Traceback") for line in said[: ends[-1]]):
        said = said[: ends[-1]]
    return list(said[-_TAIL_LINES:])
