"""Findings by code, the first of each in full and the rest as a number."""

from __future__ import annotations

from collections import Counter

from compiler.diagnostics import Diagnostic, Origin

LIMIT = 20
"""Findings told in full for each code."""


class Ledger:
    """Collects findings; a fault that hits every quantum does not fill the screen."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._told: list[Diagnostic] = []
        self._seen: set[Diagnostic] = set()

    def error(self, code: str, message: str, place: Origin | None = None, help: str | None = None) -> None:
        """Note a fault; one that is told already word for word is not told again."""
        if self.counts[code] >= LIMIT:
            self.counts[code] += 1
            return
        finding = Diagnostic(code, message, place, help)
        if finding not in self._seen:
            self.counts[code] += 1
            self._seen.add(finding)
            self._told.append(finding)

    def findings(self) -> tuple[Diagnostic, ...]:
        """Everything told, and behind it how many more there are of each code."""
        more = [
            Diagnostic(code, f"and {count - LIMIT} more findings of this kind")
            for code, count in sorted(self.counts.items())
            if count > LIMIT
        ]
        return (*self._told, *more)
