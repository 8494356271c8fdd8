"""A butler repository of a make-believe camera: an SQLite registry, dimension records, real files."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTRUMENT = "MockCam"
INPUTS = "defaults"
"""The collection that a quantum graph is built from: the raws, then the calibrations."""
FIRST_EXPOSURE = 1000
_STORAGE_CLASS = "StructuredDataDict"
_PER_NIGHT = 1000
_DETECTOR_DEGREES = 0.2
_NIGHT = datetime.date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Observations:
    """What the camera saw."""

    exposures: int
    detectors: int
    images: int | None
    """Keep only so many (exposure, detector) pairs, in that order; None keeps all."""
    kind: str
    """The type of observation: ``dark`` or ``science``. Only science exposures become visits."""

    def pairs(self) -> list[tuple[int, int]]:
        """Exposure and detector of every image."""
        everything = [
            (FIRST_EXPOSURE + n, detector) for n in range(self.exposures) for detector in range(self.detectors)
        ]
        return everything if self.images is None else everything[: self.images]


def make_repository(root: Path, seen: Observations, calibrations: Iterable[str]) -> None:
    """Create the repository `root` with raws and one calibration of each name a detector, always valid."""
    from lsst.daf.butler import Butler, CollectionType, DatasetType, Timespan
    from lsst.pipe.base.tests.mocks import MockStorageClass

    config = Butler.makeRepo(str(root))
    with Butler.from_config(config, writeable=True) as butler:
        _insert_camera(butler, seen.detectors)
        _insert_exposures(butler, seen)
        for run in ("raw/all", "calib/run"):
            butler.collections.register(run)
        butler.collections.register("calib", CollectionType.CALIBRATION)
        storage = MockStorageClass.get_or_register_mock(_STORAGE_CLASS)
        per_image = butler.dimensions.conform(("instrument", "exposure", "detector"))
        raw = DatasetType("raw", per_image, storage)
        _ingest(butler, root, raw, "raw/all", [{"exposure": e, "detector": d} for e, d in seen.pairs()])
        per_detector = butler.dimensions.conform(("instrument", "detector"))
        for name in calibrations:
            kind = DatasetType(name, per_detector, storage, isCalibration=True)
            refs = _ingest(butler, root, kind, "calib/run", [{"detector": d} for d in range(seen.detectors)])
            butler.registry.certify("calib", refs, Timespan(None, None))
        butler.collections.register(INPUTS, CollectionType.CHAINED)
        butler.collections.redefine_chain(INPUTS, ["raw/all", "calib"])


def _insert(butler: Any, element: str, rows: Sequence[dict[str, Any]]) -> None:
    record = butler.dimensions[element].RecordClass
    butler.registry.insertDimensionData(element, *(record(instrument=INSTRUMENT, **row) for row in rows))


def _insert_camera(butler: Any, detectors: int) -> None:
    record = butler.dimensions["instrument"].RecordClass
    camera = record(
        name=INSTRUMENT,
        detector_max=detectors,
        exposure_max=10**9,
        visit_max=10**9,
        class_name="lsst.pipe.base.Instrument",
    )
    butler.registry.insertDimensionData("instrument", camera)
    _insert(butler, "physical_filter", [{"name": "Mock-r", "band": "r"}])
    names = [{"id": n, "full_name": f"det{n:03d}", "name_in_raft": f"{n:03d}"} for n in range(detectors)]
    _insert(butler, "detector", names)


def _insert_exposures(butler: Any, seen: Observations) -> None:
    exposures = [_exposure(n, seen.kind) for n in range(seen.exposures)]
    _insert(butler, "day_obs", [{"id": day} for day in sorted({row["day_obs"] for row in exposures})])
    _insert(butler, "group", [{"name": row["group"]} for row in exposures])
    _insert(butler, "exposure", exposures)
    if seen.kind != "science":
        return
    ids = [row["id"] for row in exposures]
    _insert(butler, "visit_system", [{"id": 0, "name": "one-to-one"}])
    _insert(butler, "visit", [_visit(row) for row in exposures])
    _insert(butler, "visit_definition", [{"visit": id, "exposure": id} for id in ids])
    _insert(butler, "visit_system_membership", [{"visit": id, "visit_system": 0} for id in ids])
    regions = {detector: _region(detector) for detector in range(seen.detectors)}
    for id in ids:
        _insert(
            butler,
            "visit_detector_region",
            [{"visit": id, "detector": d, "region": region} for d, region in regions.items()],
        )


def _exposure(number: int, kind: str) -> dict[str, Any]:
    from astropy.time import Time, TimeDelta
    from lsst.daf.butler import Timespan

    night, sequence = divmod(number, _PER_NIGHT)
    date = _NIGHT + datetime.timedelta(days=night)
    # The middle of the night in Chile is past midnight in TAI.
    begin = Time(f"{date.isoformat()}T03:00:00", scale="tai") + TimeDelta(sequence * 20.0, format="sec")
    id = FIRST_EXPOSURE + number
    return {
        "id": id,
        "physical_filter": "Mock-r",
        "day_obs": int(date.strftime("%Y%m%d")),
        "group": str(id),
        "obs_id": f"MC_{id}",
        "exposure_time": 15.0,
        "dark_time": 15.5,
        "observation_type": kind,
        "observation_reason": kind,
        "seq_num": sequence,
        "seq_start": sequence,
        "seq_end": sequence,
        "target_name": "none",
        "science_program": "demo",
        "azimuth": 0.0,
        "zenith_angle": 30.0,
        "has_simulated": True,
        "can_see_sky": kind == "science",
        "timespan": Timespan(begin, begin + TimeDelta(15.0, format="sec")),
    }


def _visit(exposure: dict[str, Any]) -> dict[str, Any]:
    same = (
        *("id", "physical_filter", "day_obs", "seq_num", "exposure_time", "target_name"),
        *("observation_reason", "science_program", "azimuth", "zenith_angle", "timespan"),
    )
    region = _box(10.0, 0.0, 20 * _DETECTOR_DEGREES)
    return {"name": f"v{exposure['id']}", "region": region, **{key: exposure[key] for key in same}}


def _region(detector: int) -> Any:
    row, column = divmod(detector, 20)
    return _box(10.0 + column * _DETECTOR_DEGREES, row * _DETECTOR_DEGREES, 0.9 * _DETECTOR_DEGREES)


def _box(ra: float, dec: float, side: float) -> Any:
    """A small square on the sky; `ra` and `dec` are its lower corner; all in degrees."""
    from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

    corners = [(ra, dec), (ra + side, dec), (ra + side, dec + side), (ra, dec + side)]
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(a, b)) for a, b in corners])


def _ingest(butler: Any, root: Path, kind: Any, run: str, data_ids: list[dict[str, Any]]) -> list[Any]:
    """Write one small file a data id inside the repository and register it there; the references."""
    from lsst.daf.butler import DatasetRef, FileDataset
    from lsst.pipe.base.tests.mocks import MockDataset

    butler.registry.registerDatasetType(kind)
    folder = root / run / kind.name
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for data_id in data_ids:
        ref = DatasetRef(kind, butler.registry.expandDataId(instrument=INSTRUMENT, **data_id), run=run)
        content = MockDataset(
            dataset_id=ref.id, dataset_type=kind.to_simple(), data_id=dict(ref.dataId.mapping), run=run
        )
        path = folder / ("_".join([kind.name, *map(str, ref.dataId.required_values)]) + ".json")
        path.write_text(content.model_dump_json(), encoding="utf-8")
        files.append(FileDataset(path=path.relative_to(root).as_posix(), refs=[ref]))
    butler.ingest(*files, transfer=None)
    return [each.refs[0] for each in files]
