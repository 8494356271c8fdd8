"""Datastore records as columns read like a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import builds, dictionaries, integers, none, sampled_from, text

from compiler.rubin import Files, StoredFile

records = dictionaries(
    integers(0, 50),
    builds(
        StoredFile, text(max_size=3), none() | integers(0, 2**40), sampled_from(["", "fits", "json"]), none() | text()
    ),
    max_size=6,
)


@given(known=records, other=records)
def test_columns_hold_what_a_dictionary_would(known: dict[int, StoredFile], other: dict[int, StoredFile]) -> None:
    files = Files.of(known)
    assert dict(files) == known == files
    assert list(files) == sorted(known)
    assert all((number in files) == (number in known) for number in range(-1, 52))
    assert files.get(51) is None
    assert (files == Files.of(other)) == (known == other)
    assert files == Files.of(dict(reversed(known.items())))


def test_no_file_has_fewer_bytes_than_none() -> None:
    with pytest.raises(ValueError, match="a file of -1 bytes"):
        Files.of({0: StoredFile("a", -1)})
