"""Clusters by expected run time: long enough to be worth a start, short enough to lose little and keep slots busy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.analysis.clustering.chains import grow_units
from compiler.analysis.clustering.edges import numbered, quantum_edges
from compiler.analysis.clustering.options import Options
from compiler.analysis.clustering.siblings import merge_siblings
from compiler.analysis.requests import Request, Requests
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


def auto_clusters(graph: QuantumGraph, requests: Requests, options: Options) -> Ints:
    """Shape (quanta,): the number of each quantum's cluster.

    First what feeds each other, then neighbours; quanta of one cluster have one class (`classes`), and no cycle can
    come about: see `compiler.analysis.clustering.chains`. Time and memory grow linearly with quanta and edges.
    """
    kinds = classes(requests)
    units = grow_units(graph, quantum_edges(graph), kinds, run_times(requests, options), options)
    return numbered(merge_siblings(graph, units, kinds, options))


def classes(requests: Requests) -> Ints:
    """Shape (quanta,): numbers of classes. Quanta are of one class if all that they ask for is the same, but for times.

    Memory is what matters most: a job of mixed quanta would hold the memory of the largest for the time of all. But
    cores, disk, accelerators, retries, queue, account and environment belong to a job as a whole, too.
    """
    known: dict[Request, int] = {}
    timeless = [replace(kind, run_time_s=None, walltime_s=None) for kind in requests.kinds]
    return np.array([known.setdefault(each, len(known)) for each in timeless], dtype=np.int32)[requests.of]


def run_times(requests: Requests, options: Options) -> NDArray[np.float64]:
    """Shape (quanta,): expected seconds; where nobody knows, those of the options, or the time limit if less."""
    seconds = [
        kind.run_time_s if kind.run_time_s is not None else min(options.unknown_s, kind.walltime_s or options.unknown_s)
        for kind in requests.kinds
    ]
    return np.array(seconds, dtype=np.float64)[requests.of]
