"""Findings: a stable code, a sentence, a place and a way out, and how they print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

_WIDE = 400
"""Characters of a line that are shown."""

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text file; lines and columns count from 1."""

    file: str
    line: int
    column: int
    end_column: int | None = None
    """Column behind the last marked character, where the culprit is known to end on the same line."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a quantum graph, which has no lines: a file, and a quantum or dataset in it."""

    file: str
    what: str = ""
    """For instance ``isr{exposure: 1000, detector: 3}``."""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" if self.what else self.file


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    >>> print(Diagnostic("unknown-task", "no task 'irs' in this pipeline", Span("p.yaml", 6, 11)))
    p.yaml:6:11: error[unknown-task]: no task 'irs' in this pipeline
    """

    code: str
    """Stable, lower case with hyphens: what a user searches the documentation for."""
    message: str
    """Lower case, no full stop, says what is true and quotes the thing's name."""
    place: Span | Origin | None = None
    help: str | None = None
    """The way out, one line."""
    severity: Severity = "error"
    setting: str | None = None
    """The setting of a target that is to blame, with dots for those inside others, for who knows where it stands."""

    def __str__(self) -> str:
        head = f"{self.place}: " if self.place is not None else ""
        return f"{head}{self.severity}[{self.code}]: {self.message}"


class CompileError(Exception):
    """A stage found at least one error; it holds every finding of that stage, warnings included."""

    def __init__(self, findings: Iterable[Diagnostic]) -> None:
        self.findings: tuple[Diagnostic, ...] = tuple(findings)
        super().__init__("\n".join(str(each) for each in self.findings))


class ToolError(Exception):
    """A program or service that we called failed (exit code 3); the findings say which, and why."""

    def __init__(self, findings: Iterable[Diagnostic]) -> None:
        self.findings: tuple[Diagnostic, ...] = tuple(findings)
        super().__init__("\n".join(str(each) for each in self.findings))


class BugError(Exception):
    """What we made does not hold (exit code 70): a fault of ours, never of the input; the findings say what."""

    def __init__(self, message: str, findings: Iterable[Diagnostic] = ()) -> None:
        self.findings: tuple[Diagnostic, ...] = tuple(findings)
        super().__init__(f"{message}; this is a bug in rubincwl")


@dataclass(slots=True)
class Findings:
    """Collects what a stage finds, so that all of it is told at once."""

    items: list[Diagnostic] = field(default_factory=list)

    def error(
        self,
        code: str,
        message: str,
        place: Span | Origin | None = None,
        help: str | None = None,
        setting: str | None = None,
    ) -> None:
        self.items.append(Diagnostic(code, message, place, help, setting=setting))

    def warning(self, code: str, message: str, place: Span | Origin | None = None, help: str | None = None) -> None:
        self.items.append(Diagnostic(code, message, place, help, "warning"))

    def note(self, code: str, message: str, place: Span | Origin | None = None, help: str | None = None) -> None:
        self.items.append(Diagnostic(code, message, place, help, "note"))

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for each in self.items if each.severity == "error"]

    def raise_errors(self) -> None:
        """Raise `CompileError` with everything found so far if any of it is an error."""
        if self.errors:
            raise CompileError(self.items)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def render(finding: Diagnostic) -> str:
    """The finding as a user sees it: the sentence, the line with carets, the way out."""
    parts = [str(finding)]
    if isinstance(finding.place, Span):
        parts.extend(_excerpt(finding.place))
    if finding.help:
        parts.append(f"  help: {finding.help}")
    return "\n".join(parts)


def _excerpt(span: Span) -> list[str]:
    try:
        with Path(span.file).open(encoding="utf-8") as file:
            line = next(islice(file, span.line - 1, None), None)
    except (OSError, UnicodeDecodeError):
        return []
    if line is None or span.line < 1:
        return []
    # Of a long line, such as a block of a graph, the neighbourhood says enough.
    cut = max(0, span.column - 1 - _WIDE // 2) if len(line) > _WIDE else 0
    text = line.rstrip("\n").replace("\t", " ")[cut : cut + _WIDE]
    column = span.column - cut
    width = max(1, (span.end_column or span.column + 1) - span.column)
    margin = f"{span.line:4} | "
    return [
        margin + text,
        " " * (len(margin) + column - 1) + "^" * min(width, max(1, len(text) - column + 1)),
    ]


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, for a way out.

    >>> closest("irs", ["isr", "calibrate"])
    'isr'
    """
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), 1, 0.5)), None)
