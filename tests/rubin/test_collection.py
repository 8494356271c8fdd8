"""The garbage collector is held only as long as asked, and only if it ran."""

from __future__ import annotations

import gc

import pytest

from compiler.collection import no_collection


def test_the_collector_runs_again_behind_nested_and_broken_work() -> None:
    assert gc.isenabled()
    with no_collection():
        with pytest.raises(KeyError), no_collection():
            raise KeyError
        assert not gc.isenabled()
    assert gc.isenabled()
