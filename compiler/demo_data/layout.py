"""The data of a synthetic graph: data ids by dimensions, and who belongs to whom where dimensions do not tell."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compiler.demo_data.sky import TractPlan, TractView, view
from compiler.demo_data.tasks import COADD, DETECTOR, EXPOSURE, PATCH, VISIT, WARP

Value = int | str
Row = Mapping[str, Value]
Key = tuple[Value, ...]
Dimensions = tuple[str, ...]
Joins = dict[tuple[Dimensions, Dimensions], dict[Key, list[Key]]]

SKYMAP = "hsc_rings_v1"
SKY_BANDS = "grizy"
_FIRST_VISIT = 1000
_VISITS_A_TRACT = 2000
_PER_NIGHT = 20
_IMPLIED_BY_VISIT = ("band", "day_obs", "physical_filter")
_NIGHT = datetime.date(2026, 1, 1)
_SHARD = 140_000
_SHARDS_A_TRACT = 256


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that tasks run on."""

    rows: Mapping[Dimensions, Sequence[Row]]
    """By required dimensions: the data ids that exist, with implied values."""
    joins: Joins
    """By dimensions of a dataset type and of a task: the data ids of the datasets, by that of the quantum."""


def camera_layout(instrument: str, images: Iterable[tuple[int, int]]) -> Layout:
    """One night of one filter; `images` are (exposure, detector)."""
    rows = [
        _image(instrument, exposure, detector, exposure - _FIRST_VISIT, "r", "Mock-r") for exposure, detector in images
    ]
    detectors: dict[Key, list[Key]] = {}
    for row in rows:
        detectors.setdefault(_key(row, DETECTOR), []).append(_key(row, EXPOSURE))
    per_detector = [dict(zip(DETECTOR, key, strict=True)) for key in sorted(detectors)]
    return Layout({EXPOSURE: rows, VISIT: rows, DETECTOR: per_detector}, {(EXPOSURE, DETECTOR): detectors})


def survey_layout(plans: Sequence[TractPlan]) -> Layout:
    """Visits of several tracts; each visit belongs to one of them."""
    rows: dict[Dimensions, list[Row]] = {VISIT: [], WARP: [], COADD: [], PATCH: []}
    joins: Joins = {
        each: {} for each in ((VISIT, WARP), (WARP, COADD), (VISIT, COADD), (COADD, PATCH), (("htm7",), VISIT))
    }
    for number, plan in enumerate(plans):
        seen = view(plan)
        visits = _add_images(number, plan, seen, rows, joins)
        _add_warps(visits, plan.tract, seen, rows, joins)
    _gather_warps(rows, joins)
    return Layout({**rows, EXPOSURE: rows[VISIT]}, joins)


def _add_images(
    number: int, plan: TractPlan, seen: TractView, rows: dict[Dimensions, list[Row]], joins: Joins
) -> dict[int, Row]:
    """Add the images of the tract with this number; a row of each visit, by its place in the plan."""
    visits: dict[int, Row] = {}
    for visit, detector in seen.images:
        band = SKY_BANDS[visit % plan.bands]
        # Hyper Suprime-Cam numbers its exposures by twos.
        exposure = _FIRST_VISIT + number * _VISITS_A_TRACT + 2 * visit
        row = _image("HSC", exposure, detector, number * plan.visits + visit, band, f"HSC-{band.upper()}")
        rows[VISIT].append(row)
        visits[visit] = row
        shards = seen.shards[visit, detector]
        joins[("htm7",), VISIT][_key(row, VISIT)] = [(_SHARD + number * _SHARDS_A_TRACT + each,) for each in shards]
    return visits


def _add_warps(
    visits: Mapping[int, Row], tract: int, seen: TractView, rows: dict[Dimensions, list[Row]], joins: Joins
) -> None:
    for patch, visit in seen.warps:
        facts = {name: visits[visit][name] for name in ("instrument", "visit", *_IMPLIED_BY_VISIT)}
        warp: Row = {**facts, "skymap": SKYMAP, "tract": tract, "patch": patch}
        rows[WARP].append(warp)
        images = [(facts["instrument"], detector, facts["visit"]) for detector in seen.members[patch, visit]]
        joins[VISIT, WARP][_key(warp, WARP)] = list(images)


def _gather_warps(rows: dict[Dimensions, list[Row]], joins: Joins) -> None:
    """Coadds are where warps are, and patches are where coadds are."""
    images: dict[Key, set[Key]] = {}
    for warp in rows[WARP]:
        coadd = _key(warp, COADD)
        joins[WARP, COADD].setdefault(coadd, []).append(_key(warp, WARP))
        images.setdefault(coadd, set()).update(joins[VISIT, WARP][_key(warp, WARP)])
    for coadd in sorted(images):
        joins[VISIT, COADD][coadd] = sorted(images[coadd])
        rows[COADD].append(dict(zip(COADD, coadd, strict=True)))
        joins[COADD, PATCH].setdefault(_key(rows[COADD][-1], PATCH), []).append(coadd)
    rows[PATCH] = [dict(zip(PATCH, patch, strict=True)) for patch in sorted(joins[COADD, PATCH])]


def _image(instrument: str, exposure: int, detector: int, place: int, band: str, physical_filter: str) -> Row:
    """`place` is that of the exposure among all, for its night. A visit is one exposure, with its number."""
    night = _NIGHT + datetime.timedelta(days=place // _PER_NIGHT)
    return {
        "instrument": instrument,
        "detector": detector,
        "exposure": exposure,
        "visit": exposure,
        "band": band,
        "day_obs": int(night.strftime("%Y%m%d")),
        "group": str(exposure),
        "physical_filter": physical_filter,
    }


def _key(row: Row, dimensions: Dimensions) -> Key:
    return tuple(row[dimension] for dimension in dimensions)
