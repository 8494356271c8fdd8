"""Arguments reach the program through a real bash as they were, or are refused."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backends.pegasus.quoting import LONGEST_ARGUMENTS, job_ids, node_name, quote_arguments
from tests.backends.small import dark, loaded, lowered

HOSTILE = ["a b", "it's", 'say "hi"', "*", "?", "~", "a;b", "a&b", "a|b", "<x>", "(y)", "#no", "!x", "é 木", ""]
SHOW = shlex.join([sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"])


def through_pegasus_lite(line: str) -> list[str]:
    """The line as it stands in a job's script."""
    return _printed(f"set -e\n{SHOW} {line}\n")


def through_a_container(line: str) -> list[str]:
    """The line in a here-document without quotes, from which Pegasus makes the script that a container runs."""
    return _printed(f"set -e\ncat <<EOF2 > /dev/stdout | bash\n{SHOW} {line}\nEOF2\n")


def _printed(script: str) -> list[str]:
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"})
    words: list[str] = json.loads(done.stdout)
    return words


@pytest.mark.parametrize("through", [through_pegasus_lite, through_a_container])
def test_hostile_arguments_survive_the_shell(through: object) -> None:
    assert callable(through)
    assert through(" ".join(quote_arguments(HOSTILE))) == HOSTILE


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="$`\\")), max_size=8))
@settings(max_examples=25, deadline=None)
def test_any_other_text_survives_both_ways(words: list[str]) -> None:
    line = " ".join(quote_arguments(words))
    assert through_pegasus_lite(line) == words
    assert through_a_container(line) == words


@pytest.mark.parametrize("word", ["$HOME", "${HOME}", "`id`", "back\\slash", "new\nline", "tab\t", "nul\0"])
def test_what_no_quote_saves_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="would not reach"):
        quote_arguments([word])


def test_arguments_that_pegasus_would_split_at_spaces_are_refused() -> None:
    assert quote_arguments(["x" * LONGEST_ARGUMENTS])
    with pytest.raises(ValueError, match="are taken"):
        quote_arguments(["x" * (LONGEST_ARGUMENTS + 1)])


@pytest.mark.parametrize("instrument", ["My Cam", "it's", 'a"b', "Ünì", "a;rm -rf *", "(x)&", "a.b", "a+b"])
def test_a_hostile_data_id_survives_a_whole_lowering(tmp_path: Path, instrument: str) -> None:
    assert {each.code for each in lowered(tmp_path, dark(instrument=instrument))} == {"placeholder"}
    job = loaded(tmp_path, "workflow.yml")["jobs"][1]
    assert f"instrument={instrument}" in through_pegasus_lite(" ".join(job["arguments"]))


@pytest.mark.parametrize("instrument", ["$HOME", "a\nb", "a`id`", "a\\b"])
def test_a_data_id_that_cannot_survive_is_a_finding(tmp_path: Path, instrument: str) -> None:
    errors = [each for each in lowered(tmp_path, dark(instrument=instrument)) if each.severity == "error"]
    assert {each.code for each in errors} == {"unsafe-arguments"}
    assert [task for task in ("isr", "cp_dark", "combine") if not any(task in str(each) for each in errors)] == []


def test_ids_that_pegasus_would_make_one_stay_apart() -> None:
    names = ["isr-a.b", "isr-a+b", "isr-a_b", "isr-" + "x" * 300, "isr-" + "x" * 299 + "y", "isr-c"]
    ids = job_ids(["isr"] * len(names), names)
    nodes = {node_name("isr", id) for id in ids}
    assert len(nodes) == len(names)
    assert all(len(node) <= 200 for node in nodes)
    assert ids[-1] == "isr-c"
    assert job_ids(["isr"] * len(names), list(reversed(names))) == list(reversed(ids))
