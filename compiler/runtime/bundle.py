"""Makes the quantum runner one file: a zip application, which ``python3 quantum_runner.pyz`` or a shell starts."""

from __future__ import annotations

import io
import zipfile
from importlib import resources
from pathlib import Path

PACKAGE = "quantum_runner"
_SHEBANG = b"#!/usr/bin/env python3\n"
_START = f"""\
import sys

from {PACKAGE}.command_line import main

sys.exit(main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can tell
_UNIX = 3


def runner_bytes() -> bytes:
    """The runner's sources as they stand, as a zip application; same sources, same bytes.

    Nothing is compressed: what zlib makes depends on its version, and the sources are small.
    """
    sources = {
        f"{PACKAGE}/{each.name}": each.read_text(encoding="utf-8")
        for each in resources.files(__package__).joinpath(PACKAGE).iterdir()
        if each.name.endswith(".py")
    }
    made = io.BytesIO()
    made.write(_SHEBANG)
    with zipfile.ZipFile(made, "a") as archive:
        for name, text in sorted({"__main__.py": _START, **sources}.items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system, member.external_attr = _UNIX, 0o644 << 16
            archive.writestr(member, text)
    return made.getvalue()


def write_runner(file: Path) -> Path:
    """Put the runner there, executable; returns `file`."""
    file.write_bytes(runner_bytes())
    file.chmod(0o755)
    return file
