"""Output that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from compiler.diagnostics import CompileError, Diagnostic, Origin

MARK = "rubincwl.lock"
"""The file by which a folder is known as one of ours."""
RESULTS = "run"
"""The sub-folder in which a run keeps its results."""


def refuse_foreign(out: Path, overwrite: bool = False) -> None:
    """Raise `CompileError` if writing to `out` would lose what is not ours, or results of a run without `overwrite`."""
    place = Origin(str(out))
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise CompileError([Diagnostic("output-exists", f"'{out}' is there and is no folder", place)])
    if not any(out.iterdir()):
        return
    if not (out / MARK).is_file():
        message = f"the folder '{out}' holds files that rubincwl did not write"
        raise CompileError([Diagnostic("output-exists", message, place, "name another folder")])
    if (out / RESULTS).exists() and not overwrite:
        message = f"the folder '{out}' holds the results of a run"
        raise CompileError([Diagnostic("output-exists", message, place, "name another folder, or say --overwrite")])


@contextmanager
def whole_folder(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place when the block ends well, and goes if it does not.

    Raises `CompileError` as `refuse_foreign` does.
    """
    refuse_foreign(out, overwrite)
    missing = [each for each in out.parents if not each.exists()]
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield draft
        # mkdtemp makes folders that only their owner may enter; the usual mask shall hold.
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o777 & ~mask)
        refuse_foreign(out, overwrite)
        _replace(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        for each in missing:  # stays if it is no longer empty
            with suppress(OSError):
                each.rmdir()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, of the same suffixes, that takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _replace(draft: Path, out: Path) -> None:
    if not os.path.lexists(out):
        draft.rename(out)
        return
    # A folder cannot be renamed onto one that is not empty: the old one steps aside first, and back if need be.
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    former = aside / "former"
    out.rename(former)
    try:
        draft.rename(out)
    except OSError:
        former.rename(out)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
