"""cwltool whose input files may be in object stores: ``python -m compiler.engines.cwltool_stores ARGUMENTS``.

The arguments are cwltool's own. On standard input it reads a JSON object: the cache's folder, and for each bucket how
fsspec reaches it (there, so that it stands nowhere). A job's inputs are fetched when the job is prepared, side by side,
into the cache; in the job's folder they are links, like any input.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from compiler.engines.content_cache import ContentCache
from compiler.engines.stores import Stores, is_remote
from providers.base import Access
from providers.storage import StorageError

REFUSED = "rubincwl: cannot fetch "
"""How the line begins that tells of an input that a store does not give."""
_CREDENTIALS = ("AWS_", "S3_ENDPOINT", "GOOGLE_", "GCSFS_", "FSSPEC_")
"""How names of variables begin that only clients of stores read."""
FETCHED = "rubincwl: fetched "
"""How the line begins that tells, at the end, how many objects came from stores, and their bytes: ``[3, 1427]``."""


def main(arguments: list[str]) -> int:
    """Run cwltool; returns its exit code."""
    from cwltool.argparser import arg_parser
    from cwltool.context import RuntimeContext
    from cwltool.main import run

    setup = json.load(sys.stdin)
    access = {root: Access(*each) for root, each in setup["access"].items()}
    cache = ContentCache(Path(setup["cache"]), Stores(access.__getitem__))
    context = RuntimeContext(vars(arg_parser().parse_args(arguments)))
    # A job has no business in the stores. Credentials are also renewed from time to time, and the engine would forget
    # what an earlier run did, since it counts a job's environment as an input.
    context.preserve_entire_environment = False
    context.preserve_environment = [name for name in os.environ if not name.startswith(_CREDENTIALS)]
    context.make_fs_access = _file_access(cache)
    context.path_mapper = _path_mapper(cache)
    try:
        code = int(run(arguments, runtimeContext=context))
    finally:
        print(f"{FETCHED}{json.dumps([cache.fetched, cache.bytes])}", file=sys.stderr, flush=True)
    return code


def _local(cache: ContentCache, locations: list[str]) -> list[Path]:
    from cwltool.errors import WorkflowException

    try:
        return cache.files(locations)
    except StorageError as error:
        print(f"{REFUSED}{error}", file=sys.stderr, flush=True)
        raise WorkflowException(str(error)) from error


def _file_access(cache: ContentCache) -> Any:
    """cwltool's way to files, which wants a class."""
    from cwltool.stdfsaccess import StdFsAccess

    class StoreAccess(StdFsAccess):  # type: ignore[misc]
        """Objects are read from the cache; everything else is a file of this machine."""

        def open(self, fn: str, mode: str) -> IO[Any]:
            return super().open(str(_local(cache, [fn])[0]) if is_remote(fn) else fn, mode)  # type: ignore[no-any-return]

        def exists(self, fn: str) -> bool:
            return self.isfile(fn) if is_remote(fn) else bool(super().exists(fn))

        def isfile(self, fn: str) -> bool:
            if not is_remote(fn):
                return bool(super().isfile(fn))
            try:
                cache.look(fn)
            except StorageError as error:
                if error.absent:
                    return False
                raise
            return True

        def isdir(self, fn: str) -> bool:
            return False if is_remote(fn) else bool(super().isdir(fn))

        def size(self, fn: str) -> int:
            return cache.look(fn).size if is_remote(fn) else int(super().size(fn))

        def realpath(self, path: str) -> str:
            return path if is_remote(path) else str(super().realpath(path))

    return StoreAccess


def _path_mapper(cache: ContentCache) -> Any:
    """Where a job finds its inputs; cwltool wants a class."""
    from cwltool.pathmapper import MapperEnt, PathMapper

    class StoreMapper(PathMapper):  # type: ignore[misc]
        """Maps objects to what the cache has of them."""

        def setup(self, referenced_files: Any, basedir: str) -> None:
            remote = [each["location"] for each in referenced_files if is_remote(each.get("location", ""))]
            if remote:
                _local(cache, remote)
            super().setup(referenced_files, basedir)

        def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
            location = obj["location"]
            if not is_remote(location) or obj["class"] != "File":
                super().visit(obj, stagedir, basedir, copy, staged)
            elif location not in self._pathmap:
                (file,) = _local(cache, [location])
                target = f"{obj.get('dirname') or stagedir}/{obj['basename']}"
                self._pathmap[location] = MapperEnt(str(file), target, "WritableFile" if copy else "File", staged)

    return StoreMapper


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
