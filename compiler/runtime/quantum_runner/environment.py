"""Whether this Python can run quanta, and what the middleware must be told before it does."""

from __future__ import annotations

import io
import platform
import sys
import zipfile
from collections.abc import Iterable

from .exit_codes import ENVIRONMENT, StopError


def check_environment() -> None:
    """Raise `StopError` unless this Python reads graphs rightly and the middleware can be imported."""
    if not zipfile_is_sound():
        version = platform.python_version()
        raise StopError(
            ENVIRONMENT,
            f"the zipfile module of Python {version} reads quantum graphs wrongly (known of 3.12.1 and 3.13.0); "
            "use another patch release",
        )
    try:
        import lsst.ctrl.mpexec.cli.pipetask
        import lsst.pipe.base.quantum_graph  # noqa: F401
    except ImportError as error:
        raise StopError(ENVIRONMENT, f"no science environment at {sys.executable}: {error}") from error


def zipfile_is_sound() -> bool:
    """Whether two open members of a stored archive can be read at random: 3.12.1 and 3.13.0 mix them up."""
    content = bytes(range(256)) * 4
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name in ("a", "b"):
            writer.writestr(name, content)
    try:
        with zipfile.ZipFile(archive) as reader, reader.open("a") as first, reader.open("b") as second:
            second.read(100)
            first.seek(300)
            return first.read(1) == content[300:301]
    except (EOFError, zipfile.BadZipFile):
        return False


def register_mocks(storage_classes: Iterable[str]) -> bool:
    """Make the storage classes of the middleware's own mock tasks known; whether there were any."""
    mocks = [each for each in storage_classes if each.startswith("_mock_")]
    if mocks:
        from lsst.pipe.base.tests.mocks import MockStorageClass

        for each in mocks:
            MockStorageClass.get_or_register_mock(each.removeprefix("_mock_"))
    return bool(mocks)
