"""A sky of plain boxes: which image of which visit overlaps which patch.

All geometry is in whole arc seconds, so that it is the same on every machine. A patch, a detector and the pitch of
detectors have the sizes of Hyper Suprime-Cam's; pointings are dithered about the centre of their tract.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int64]
"""Shape (..., 4): lower x, lower y, upper x, upper y."""

_PATCH = 672
_DETECTOR = (344, 702)
_PITCH = (360, 720)
_SHARD = 2520
"""About the side of a triangle of the reference catalogues' pixelization."""
# Fractional parts of 1/p and 1/p² for p**3 = p + 1, times 2**32: an additive recurrence that fills a square evenly.
_DITHER = (3242174889, 2447445414)
_WORD = 1 << 32


@dataclass(frozen=True, slots=True)
class TractPlan:
    """What is observed and kept of a tract."""

    tract: int
    visits: int
    detectors: int
    patches: int
    bands: int
    dither: int
    """Pointings are at most so far from the tract's centre, in x and in y; arc seconds."""
    images: int | None = None
    """Keep so many images, those that overlap the tract most; None keeps all that overlap it."""
    warps: int | None = None
    """Keep so many (patch, visit) pairs: of every patch and band the best one, then those with most overlap."""


@dataclass(frozen=True, slots=True)
class TractView:
    """What of a tract is seen by whom."""

    images: tuple[tuple[int, int], ...]
    """(visit, detector), sorted; visits count from 0."""
    warps: tuple[tuple[int, int], ...]
    """(patch, visit), sorted."""
    members: dict[tuple[int, int], tuple[int, ...]]
    """Detectors of the visit that overlap the patch, for each warp."""
    shards: dict[tuple[int, int], tuple[int, ...]]
    """Reference catalogue shards that each image overlaps; shards count from 0."""


def spread(patches: int) -> int:
    """A dither with which visits fall on a tract of so many patches from all sides; arc seconds."""
    return int(np.ceil(np.sqrt(patches))) * _PATCH // 2


def view(plan: TractPlan) -> TractView:
    """What is seen; raises `ValueError` if the plan asks for more than overlaps."""
    patches = _patches(plan.patches)
    pointed = _detectors(plan.detectors)[None, :, :] + np.tile(_pointings(plan), 2)[:, None, :]
    area = _overlap(pointed, patches)
    kept = _most(area.sum(axis=2), plan.images, "images")
    area *= kept[:, :, None]
    covered = area.sum(axis=1)
    first = np.zeros_like(covered, dtype=bool)
    for band in range(plan.bands):
        visits = np.arange(band, plan.visits, plan.bands)
        if len(visits):
            first[visits[covered[visits].argmax(axis=0)], np.arange(plan.patches)] = True
    warped = _most(covered + first * (covered > 0) * covered.max(initial=0), plan.warps, "warps")
    images = [(int(v), int(d)) for v, d in np.argwhere(kept)]
    warps = sorted((int(p), int(v)) for v, p in np.argwhere(warped))
    return TractView(
        tuple(images),
        tuple(warps),
        {(p, v): tuple(np.flatnonzero(area[v, :, p]).tolist()) for p, v in warps},
        {image: _shards(pointed[image]) for image in images},
    )


def _patches(count: int) -> Boxes:
    """The patches of a square tract whose centre is at 0, 0; corners are left away where there are fewer."""
    side = int(np.ceil(np.sqrt(count)))
    row, column = np.divmod(np.arange(side * side), side)
    edge = abs(2 * row - side + 1) + abs(2 * column - side + 1)
    chosen = np.sort(np.argsort(edge, kind="stable")[:count])
    lower = np.stack([column[chosen], row[chosen]], axis=1) * _PATCH - side * _PATCH // 2
    return np.concatenate([lower, lower + _PATCH], axis=1).astype(np.int64)


def _detectors(count: int) -> Boxes:
    """The detectors of a round field of view whose centre is at 0, 0."""
    reach = int(np.ceil(np.sqrt(count))) + 1
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T * np.array(_PITCH)
    nearest = np.argsort((grid**2).sum(axis=1), kind="stable")[:count]
    lower = grid[np.sort(nearest)] - np.array(_DETECTOR) // 2
    return np.concatenate([lower, lower + np.array(_DETECTOR)], axis=1).astype(np.int64)


def _pointings(plan: TractPlan) -> Boxes:
    """Shape (visits, 2). Visits of one band follow each other in the recurrence."""
    visit = np.arange(plan.visits, dtype=np.int64)
    step = visit // plan.bands + (visit % plan.bands) * (plan.visits // plan.bands + 1) + plan.tract % 1000
    fraction = (step[:, None] * np.array(_DITHER, dtype=np.int64)) % _WORD
    return fraction * (2 * plan.dither) // _WORD - plan.dither


def _overlap(detectors: Boxes, patches: Boxes) -> NDArray[np.int64]:
    """Shape (visits, detectors, patches), square arc seconds."""
    upper = np.minimum(detectors[:, :, None, 2:], patches[None, None, :, 2:])
    lower = np.maximum(detectors[:, :, None, :2], patches[None, None, :, :2])
    width, height = np.moveaxis(np.maximum(upper - lower, 0), 3, 0)
    return np.asarray(width * height, dtype=np.int64)


def _most(score: NDArray[np.int64], count: int | None, what: str) -> NDArray[np.bool_]:
    """Where the `count` highest scores are, all above 0; ties by place, spread over the array."""
    flat = score.ravel()
    if count is None:
        return score > 0
    if int((flat > 0).sum()) < count:
        raise ValueError(f"only {int((flat > 0).sum())} {what} overlap, {count} are asked for")
    scattered = np.arange(len(flat), dtype=np.int64) * _DITHER[0] % _WORD
    chosen = np.zeros(len(flat), dtype=bool)
    chosen[np.lexsort((scattered, -flat))[:count]] = True
    return chosen.reshape(score.shape)


def _shards(box: Boxes) -> tuple[int, ...]:
    left, low, right, top = (box // _SHARD + 8).tolist()
    return tuple(16 * row + column for row in range(low, top + 1) for column in range(left, right + 1))
