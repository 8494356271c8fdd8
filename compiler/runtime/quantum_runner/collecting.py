"""Gathers records and metadata of many calls in one file."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from .exit_codes import INPUT_MISSING, USAGE, StopError
from .tar import add_member


@dataclass(slots=True)
class Piece:
    """One record or metadata document among files to be collected."""

    file: Path
    start: int
    """Where it begins, in bytes."""
    size: int
    line: bool
    """Whether it stands in a line ``{"name": ..., "content": ...}``."""

    def content(self) -> bytes:
        """Its bytes; JSON out of a line is laid out anew."""
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            data = stream.read(self.size)
        return json.dumps(json.loads(data)["content"], indent=1).encode() + b"\n" if self.line else data


def pieces(file: Path) -> Iterator[tuple[str, Piece]]:
    """What a file brings: itself, or what a collection (.jsonl, .tar) of an earlier call holds. Raises `StopError`."""
    try:
        if file.suffix == ".jsonl":
            start = 0
            with file.open("rb") as stream:
                for line in stream:
                    yield json.loads(line)["name"], Piece(file, start, len(line), line=True)
                    start += len(line)
        elif file.suffix == ".tar":
            with tarfile.open(file) as tar:
                for member in tar:
                    yield member.name, Piece(file, member.offset_data, member.size, line=False)
        else:
            yield file.name, Piece(file, 0, file.stat().st_size, line=False)
    except (ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise StopError(INPUT_MISSING, f"{file} is no collection: {type(error).__name__}: {error}") from error


def collect(args: argparse.Namespace) -> int:
    """Put records and metadata, not payload, into one file: JSON lines or tar; same input, same bytes.

    Collections among the files are merged, so that a tree of calls gathers what one could not fetch.
    """
    target, here = Path(args.output), Path.cwd()
    found = sorted({each for end in ("*_record*", "*_metadata*", "_collect*") for each in here.glob(end)})
    files = [Path(each) for each in args.files] or [each for each in found if each != here / target]
    if lost := [str(each) for each in files if not each.is_file()]:
        raise StopError(INPUT_MISSING, f"to be collected but missing: {', '.join(lost)}")
    rows: dict[str, Piece] = {}
    for name, piece in chain.from_iterable(map(pieces, files)):
        if name in rows and json.loads(rows[name].content()) != json.loads(piece.content()):
            raise StopError(USAGE, f"{rows[name].file} and {piece.file} hold different {name}")
        rows.setdefault(name, piece)
    if target.suffix == ".jsonl":
        with target.open("w") as stream:
            for name, piece in sorted(rows.items()):
                stream.write(json.dumps({"name": name, "content": json.loads(piece.content())}) + "\n")
        return 0
    with tarfile.open(target, "w") as tar:
        for name, piece in sorted(rows.items()):
            add_member(tar, name, io.BytesIO(content := piece.content()), len(content))
    return 0
