"""Pieces of the graph for jobs to carry, so that none of them loads much more than it runs."""

from __future__ import annotations

import numpy as np

from compiler.analysis.requests import Clustering
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

ENOUGH = 32
"""Quanta: smaller shards would be more files, and the reader's start costs more than this many quanta."""


def shard(graph: QuantumGraph, clustering: Clustering | None, enough: int = ENOUGH) -> Ints:
    """Shape (quanta,): the shard that holds each quantum. A cluster stands in one shard, whole.

    Neighbouring clusters share a shard until it holds `enough` quanta. Shards are numbered densely from 0.
    """
    cluster = Clustering.single(graph).of if clustering is None else clustering.of
    sizes = np.bincount(cluster)
    before = np.cumsum(sizes) - sizes
    _, number = np.unique(before // enough, return_inverse=True)
    shards: Ints = number.astype(np.int32)[cluster]
    return shards
