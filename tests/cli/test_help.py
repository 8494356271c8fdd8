"""Help and completion answer at once: nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiler.demo_data import KINDS
from rubincwl.cli import cli

HEAVY = {
    "Pegasus", "aiohttp", "boto3", "botocore", "cwl_utils", "cwltool", "fsspec", "gcsfs", "jsonschema", "libcloud",
    "lsst", "msgspec", "numpy", "requests", "rich", "ruamel", "s3fs", "schema_salad", "yaml", "zstandard",
}  # fmt: skip


def imported(statement: str) -> set[str]:
    """Top-level modules that are there after `statement` has run in a new interpreter."""
    program = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("verb", ["", *cli.commands])
def test_help_imports_nothing_heavy(verb: str) -> None:
    words = [each for each in (verb, "--help") if each]
    modules = imported(f"from rubincwl.cli import cli; cli({words!r}, prog_name='rubincwl')")
    assert modules & HEAVY == set()
    assert "click" in modules


def test_importing_the_library_imports_nothing_heavy() -> None:
    modules = imported("import rubincwl")
    assert modules & (HEAVY | {"click"}) == set()


def test_every_verb_has_help_and_the_common_options(capsys: pytest.CaptureFixture[str]) -> None:
    for name, verb in cli.commands.items():
        with pytest.raises(SystemExit):
            cli([name, "--help"], prog_name="rubincwl")
        text = capsys.readouterr().out
        assert len(text) > 200, name
        if name not in ("completion", "provision"):  # the second has verbs of its own
            assert all(option in text for option in ("--json", "--quiet", "--verbose", "--debug")), name
        assert verb.get_short_help_str(), name


def test_help_of_demo_data_names_every_kind() -> None:
    text = " ".join((cli.commands["demo-data"].help or "").split())
    assert [kind for kind in KINDS if kind not in text] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli(["completion", shell], prog_name="rubincwl")
    assert "_RUBINCWL_COMPLETE" in capsys.readouterr().out


def _on_path(tmp_path: Path) -> str:
    """PATH with a `rubincwl` of this interpreter."""
    import os

    script = tmp_path / "bin" / "rubincwl"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom rubincwl.cli import main\nmain()\n")
    script.chmod(0o755)
    return f"{script.parent}:{os.environ['PATH']}"


@pytest.mark.system("bash")
def test_bash_completes_verbs_and_targets(tmp_path: Path) -> None:
    ask = """
    eval "$(rubincwl completion bash)"
    ask() {
        COMPREPLY=() COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _rubincwl_completion rubincwl
        echo "${COMPREPLY[@]}"
    }
    ask rubincwl com
    ask rubincwl compile --target a
    """
    done = subprocess.run(
        ["bash", "-c", ask], capture_output=True, text=True, env={"PATH": _on_path(tmp_path), "PYTHONPATH": "."}
    )
    assert done.stdout.splitlines() == ["compile completion", "aws"], done.stderr


@pytest.mark.system("fish")
def test_fish_completes_verbs(tmp_path: Path) -> None:
    ask = "rubincwl completion fish | source; complete --do-complete 'rubincwl com'"
    env = {"PATH": _on_path(tmp_path), "PYTHONPATH": ".", "HOME": str(tmp_path)}
    done = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True, text=True, env=env)
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {"compile", "completion"}, done.stderr


@pytest.mark.system("zsh")
def test_zsh_reads_its_completion_script(tmp_path: Path) -> None:
    ask = 'autoload -Uz compinit; compinit -u; eval "$(rubincwl completion zsh)"; echo ${_comps[rubincwl]}'
    env = {"PATH": _on_path(tmp_path), "PYTHONPATH": ".", "HOME": str(tmp_path)}
    done = subprocess.run(["zsh", "-f", "-c", ask], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "_rubincwl_completion", done.stderr
