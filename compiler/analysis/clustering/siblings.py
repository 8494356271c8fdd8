"""Merge units whose roots are quanta of one task: no edge leads from one to another, not even by a detour.

`compiler.analysis.clustering.chains` tells why.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from compiler.analysis.clustering.chains import Units
from compiler.analysis.clustering.options import Options
from compiler.analysis.clustering.sharing import Members, best_order
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


def merge_siblings(graph: QuantumGraph, units: Units, classes: Ints, options: Options) -> Ints:
    """Shape (quanta,): of each quantum one that stands for its cluster."""
    roots = np.flatnonzero(units.root == np.arange(len(units.root)))
    kind = graph.quantum_task[roots].astype(np.int64) * (int(classes.max(initial=0)) + 1) + classes[roots]
    if bool((kind[1:] < kind[:-1]).any()):
        order = np.argsort(kind, kind="stable")
        roots, kind = roots[order], kind[order]
    members = Members.of(units.root)
    stands = np.arange(len(units.root), dtype=np.int32)
    for siblings in np.split(roots, np.flatnonzero(kind[1:] != kind[:-1]) + 1):
        # What lasts longer than a job should is a job.
        short = siblings[units.seconds[siblings] <= options.target_s]
        share = _share(units, short, options)
        jobs = _number_of_jobs(units.seconds[short], share, options)
        if jobs >= len(short):
            continue
        order = best_order(graph, members, short, jobs)
        share = _share(units, order, options)
        begins = _cut(share, jobs)
        _keep_below(begins, units.seconds[order], units.size[order], options)
        first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        stands[order] = order[first]
    return stands[units.root]


def _share(units: Units, roots: NDArray[np.intp], options: Options) -> NDArray[np.float64]:
    """Which part of a job each unit fills: one over how many units like it a job takes."""
    by_time = np.floor(options.target_s / np.maximum(units.seconds[roots], 1e-3))
    by_size = options.maximum_quanta // units.size[roots]
    return np.asarray(1.0 / np.minimum(by_time, by_size), dtype=np.float64)


def _number_of_jobs(seconds: NDArray[np.float64], share: NDArray[np.float64], options: Options) -> int:
    """As few as their length allows, but no fewer than keep the slots busy, unless those were too short."""
    fewest = math.ceil(float(share.sum()) - 1e-6)
    if not len(seconds):
        return 0
    mean = float(seconds.mean())
    together = max(1, round(options.minimum_s / mean)) if mean > 0 else len(seconds)
    return max(1, fewest, min(options.parallel, math.ceil(len(seconds) / together)))


def _cut(share: NDArray[np.float64], jobs: int) -> NDArray[np.bool_]:
    """Where jobs begin that all get an equal part of the shares."""
    behind = np.cumsum(share)
    job = ((behind - share / 2) * (jobs / behind[-1])).astype(np.int64)
    begins = np.ones(len(share), dtype=bool)
    begins[1:] = job[1:] != job[:-1]
    return begins


def _keep_below(
    begins: NDArray[np.bool_], seconds: NDArray[np.float64], size: NDArray[np.integer], options: Options
) -> None:
    """Cut those jobs once more that units of unequal length made too long."""
    first = np.flatnonzero(begins)
    ends = np.append(first[1:], len(begins))
    over = np.add.reduceat(seconds, first) > options.maximum_s
    over |= np.add.reduceat(size, first) > options.maximum_quanta
    for begin, end in zip(first[over].tolist(), ends[over].tolist(), strict=True):
        time, count = 0.0, 0
        for place in range(begin, end):
            if time + seconds[place] > options.maximum_s or count + size[place] > options.maximum_quanta:
                begins[place] = True
                time, count = 0.0, 0
            time += float(seconds[place])
            count += int(size[place])
