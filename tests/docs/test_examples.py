"""The commands of the examples do what their pages say."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```\n(.*?)^```$", re.M | re.S)
COMMANDS = {
    "dark": 3,  # those that follow run quanta: make demo
    "targets": 9,
}


@pytest.mark.parametrize(("example", "count"), COMMANDS.items())
def test_the_commands_of_an_example_end_well(example: str, count: int, tmp_path: Path) -> None:
    page = (ROOT / "examples" / example / "README.md").read_text(encoding="utf-8")
    commands = [line for block in BLOCK.findall(page) for line in block.splitlines()][:count]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    script = "set -eux\n" + "\n".join(commands) + "\n"
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_commands_of_every_example_are_tried() -> None:
    assert {each.name for each in (ROOT / "examples").iterdir() if each.is_dir()} == set(COMMANDS)
