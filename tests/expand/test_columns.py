"""Columns: whatever holds the values of a batch, they are those of its rows one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.diagnostics import Findings
from compiler.expand.columns import Column, Plain, Same, column_of, merged, repeated
from compiler.expand.files import FileTable, StagedFile
from compiler.expand.ledger import file_rows
from compiler.expand.references import Scope, UnsupportedError, compile_text

SCALARS = st.integers(-5, 5) | st.sampled_from(["", "a", "b%s", "MockCam"]) | st.none() | st.booleans()
FILES = st.builds(
    lambda n, size: {"class": "File", "location": f"inputs/{n}", "basename": f"f{n}.fits", **size},
    st.integers(0, 4),
    st.sampled_from([{}, {"size": 7}]),
)
NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    SCALARS | FILES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


@st.composite
def batches(draw: st.DrawFn) -> list[Any]:
    """Values of one port: as alike as those of a job order, or anything."""
    leaf = draw(st.sampled_from([SCALARS, FILES, st.integers(), VALUES]))
    alike = draw(
        st.sampled_from(
            [
                leaf,
                st.lists(leaf, max_size=3),
                st.lists(st.lists(leaf, max_size=2), max_size=2),
                st.fixed_dictionaries({"a": leaf, "b": leaf}),
                st.fixed_dictionaries({"a": leaf, "b": st.integers(0, 3), "c": st.lists(leaf, max_size=2)}),
            ]
        )
    )
    return draw(st.lists(alike, min_size=1, max_size=5))


def table() -> FileTable:
    return FileTable(Findings())


def plain(value: Any) -> Any:
    """A value with every file as its name."""
    if isinstance(value, StagedFile):
        return {"file": value.lfn}
    if isinstance(value, dict):
        if value.get("class") == "File":
            return {"file": value["basename"]}
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def names_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if isinstance(value, dict):
        return {value["basename"]} if value.get("class") == "File" else names_in(list(value.values()))
    return set()


@given(batches())
def test_a_column_holds_the_values_it_was_made_of(values: list[Any]) -> None:
    assert plain(column_of(values, table()).values(len(values))) == plain(values)


@given(batches(), st.data())
def test_rows_are_taken_in_any_order_and_repeated(values: list[Any], data: st.DataObject) -> None:
    rows = len(values)
    column = column_of(values, table())
    index = data.draw(st.lists(st.integers(0, rows - 1), max_size=6))
    taken = column.take(np.array(index, dtype=np.int64))
    assert plain(taken.values(len(index))) == [plain(values[n]) for n in index]
    times = data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    again = repeated(column, np.array(times, dtype=np.int64)).values(sum(times))
    assert plain(again) == [plain(value) for value, n in zip(values, times, strict=True) for _ in range(n)]


@given(batches())
def test_the_files_of_each_row_are_found_once_and_sorted(values: list[Any]) -> None:
    files = table()
    column = column_of(values, files)
    for each in (column, Plain(column.values(len(values)))):
        rows = file_rows(list(each.files(len(values))), len(values))
        found = [rows.of(n).tolist() for n in range(len(values))]
        assert [{files.names[n] for n in row} for row in found] == list(map(names_in, values))
        assert all(row == sorted(set(row)) for row in found)


def said(column: Column, rows: int, text: str) -> list[Any] | str:
    try:
        return [plain(each) for each in Scope(rows, {"x": column}).evaluate(compile_text(text)).values(rows)]
    except UnsupportedError as reason:
        return str(reason)


@given(
    batches(),
    st.sampled_from(["", ".a", ".a.b", "[0]", "[1]", "[0].basename", ".length", ".c[0]", ".nameroot", ".a.size", ".b"]),
    st.booleans(),
)
def test_a_reference_finds_the_same_in_narrow_columns_and_row_by_row(
    values: list[Any], path: str, inside: bool
) -> None:
    text = f"<$(inputs.x{path})%>" if inside else f"$(inputs.x{path})"
    rows = len(values)
    column = column_of(values, table())
    staged = column.values(rows)
    one_by_one = [said(Same(Plain([value])), 1, text) for value in staged]
    failed = [each for each in one_by_one if isinstance(each, str)]
    # Where several rows fail, any of them may be told.
    expected: list[Any] = failed or [[each[0] for each in one_by_one]]
    assert said(column, rows, text) in expected
    assert said(Plain(staged), rows, text) in expected


@given(batches(), batches(), st.booleans())
def test_merged_links_are_lists_of_what_each_brings(left: list[Any], right: list[Any], flatten: bool) -> None:
    files = table()
    rows = min(len(left), len(right))
    columns = [column_of(each[:rows], files) for each in (left, right)]
    found = merged(columns, rows, flatten, files).values(rows)
    expected = [
        [x for each in row for x in (each if flatten and isinstance(each, list) else [each])]
        for row in zip(left, right, strict=False)
    ]
    assert plain(found) == plain(expected)


def test_a_file_is_one_however_its_object_is_written() -> None:
    files = table()
    short = {"class": "File", "path": "inputs/a%20b"}
    long = {"class": "File", "location": "inputs/a%20b", "basename": "a b", "size": 3}
    column = column_of([short, long, long], files)
    assert {each.number for each in column.values(3)} == {0}
    assert files.names == ["a b"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("basename", "x.tar.gz"),
        ("nameroot", "x.tar"),
        ("nameext", ".gz"),
        ("size", 3),
        ("location", "in/x"),
        ("class", "File"),
    ],
)
def test_a_file_has_the_fields_of_the_specification(member: str, value: Any) -> None:
    column = column_of([{"class": "File", "location": "in/x", "basename": "x.tar.gz", "size": 3}], table())
    assert said(column, 1, f"$(inputs.x.{member})") == [value]
