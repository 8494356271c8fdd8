"""What counts as a difference between two runs, and what does not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from compiler import comparison
from compiler.comparison import compare_runs


@dataclass(frozen=True)
class _Uri:
    content: bytes

    def read(self) -> bytes:
        return self.content


def _compare(
    monkeypatch: pytest.MonkeyPatch, one: Any, other: Any, kind: str = "StructuredDataDict"
) -> tuple[str, ...]:
    """Differences of two runs, ``run/1`` and ``run/2``, that hold one dataset each (or none)."""
    key = ("calexp", (("visit", "1"),))

    def datasets(repo: str, collection: str) -> tuple[Any, str]:
        content = one if repo == "a" else other
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        return ({} if content is None else {key: comparison._Found(_Uri(text), kind)}, collection)

    monkeypatch.setattr(comparison, "_datasets", datasets)
    return compare_runs("a", "b", "run/1", "run/2").differences


_ID, _OTHER_ID = "01a2041d-4cdd-7130-be28-3ca96072897b", "01a20436-ac5d-7d0b-8812-c5350334218e"


def test_ids_and_run_names_are_no_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = {"id": _ID, "run": "run/1", "x": [1]}, {"id": _OTHER_ID, "run": "run/2", "x": [1]}
    assert _compare(monkeypatch, one, other) == ()


def test_contents_that_differ_are_told_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = _compare(monkeypatch, {"x": [1, {"y": 2}]}, {"x": [1, {"y": 3}]})
    assert said == "calexp{visit: 1} differs: /x/1/y: '2' and '3'"


def test_a_dataset_of_one_run_only_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _compare(monkeypatch, {"x": 1}, None) == ("calexp{visit: 1} is only in a",)


def test_binary_contents_must_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _compare(monkeypatch, b"\xff1", b"\xff1") == ()
    assert _compare(monkeypatch, b"\xff1", b"\xff23") == ("calexp{visit: 1} differs: 2 bytes and 3 bytes",)


def test_of_metadata_times_do_not_count_but_caveats_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def metadata(caveats: int, seconds: float) -> dict[str, Any]:
        return {"metadata": {"quantum": {"scalars": {"caveats": caveats}, "arrays": {"endCpuTime": [seconds]}}}}

    assert _compare(monkeypatch, metadata(0, 1.0), metadata(0, 2.0), "TaskMetadata") == ()
    (said,) = _compare(monkeypatch, metadata(0, 1.0), metadata(7, 1.0), "TaskMetadata")
    assert "/metadata/quantum/scalars/caveats: '0' and '7'" in said


def test_of_logs_the_messages_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def log(message: str, when: str) -> dict[str, Any]:
        return {"records": [{"message": message, "asctime": when}]}

    one, other = log("took 1.5 seconds", "12:00"), log("took 2 seconds", "13:00")
    assert _compare(monkeypatch, one, other, "ButlerLogRecords") == ()
    assert _compare(monkeypatch, one, log("failed", "12:00"), "ButlerLogRecords") != ()


def test_the_order_of_a_set_in_a_message_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _compare(monkeypatch, {"m": "frozenset({'a', 'b'})"}, {"m": "frozenset({'b', 'a'})"}) == ()
