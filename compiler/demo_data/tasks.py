"""The tasks of the demonstration pipelines: what they are called, run on, read and write."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.rubin import ConnectionKind

EXPOSURE = ("instrument", "detector", "exposure")
VISIT = ("instrument", "detector", "visit")
DETECTOR = ("instrument", "detector")
WARP = ("instrument", "skymap", "tract", "patch", "visit")
COADD = ("band", "skymap", "tract", "patch")
PATCH = ("skymap", "tract", "patch")
FLAT = ("instrument", "detector", "physical_filter")

_IMPLIED = {
    "exposure": ("band", "day_obs", "group", "physical_filter"),
    "visit": ("band", "day_obs", "physical_filter"),
}


@dataclass(frozen=True, slots=True)
class Port:
    """A connection of a task."""

    name: str
    dataset_type: str
    kind: ConnectionKind
    dimensions: tuple[str, ...] = ()
    storage_class: str = "ExposureF"
    multiple: bool = False
    """Whether a quantum may have more than one dataset here."""
    calibration: bool = False
    """Whether it is looked up by validity range."""


@dataclass(frozen=True, slots=True)
class TaskShape:
    """A task by label, with the class that the survey runs under that label."""

    label: str
    task_class: str
    dimensions: tuple[str, ...]
    """Required dimensions, in the order of the dimension universe."""
    ports: tuple[Port, ...]
    config: tuple[tuple[str, object], ...] = ()
    """Overrides as the survey's pipeline has them."""

    @property
    def implied(self) -> tuple[str, ...]:
        """Dimensions whose values follow from those of an exposure or a visit."""
        return next((_IMPLIED[d] for d in self.dimensions if d in _IMPLIED), ())


@dataclass(frozen=True, slots=True)
class PipelineShape:
    """A pipeline of such tasks."""

    description: str
    tasks: tuple[TaskShape, ...]
    subsets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    contracts: tuple[str, ...] = ()


def reads(
    name: str,
    dataset_type: str,
    dimensions: tuple[str, ...],
    storage_class: str = "ExposureF",
    *,
    multiple: bool = False,
) -> Port:
    """An input connection."""
    return Port(name, dataset_type, "input", dimensions, storage_class, multiple)


def writes(name: str, dataset_type: str, dimensions: tuple[str, ...], storage_class: str = "ExposureF") -> Port:
    """An output connection."""
    return Port(name, dataset_type, "output", dimensions, storage_class)


def calibration(name: str, dimensions: tuple[str, ...], storage_class: str = "ExposureF") -> Port:
    """A prerequisite that is looked up by validity range and named like its dataset type."""
    return Port(name, name, "prerequisite", dimensions, storage_class, calibration=True)


def reads_once(name: str, dataset_type: str) -> Port:
    """An init-input: a schema."""
    return Port(name, dataset_type, "init-input", (), "SourceCatalog")


def writes_once(name: str, dataset_type: str) -> Port:
    """An init-output: a schema."""
    return Port(name, dataset_type, "init-output", (), "SourceCatalog")


DARK = PipelineShape(
    "cp_pipe DARK calibration construction",
    (
        TaskShape(
            "isr",
            "lsst.ip.isr.isrTask.IsrTask",
            EXPOSURE,
            (
                reads("ccdExposure", "raw", EXPOSURE, "Exposure"),
                calibration("bias", DETECTOR),
                writes("outputExposure", "cpDarkIsr", EXPOSURE, "Exposure"),
            ),
            (
                ("connections.ccdExposure", "raw"),
                ("connections.outputExposure", "cpDarkIsr"),
                ("doBias", True),
                ("doDark", False),
                ("doFlat", False),
            ),
        ),
        TaskShape(
            "cpDark",
            "lsst.cp.pipe.cpDarkTask.CpDarkTask",
            EXPOSURE,
            (
                reads("inputExp", "cpDarkIsr", EXPOSURE, "Exposure"),
                writes("outputExp", "cpDarkProc", EXPOSURE, "Exposure"),
            ),
            (("connections.inputExp", "cpDarkIsr"), ("connections.outputExp", "cpDarkProc")),
        ),
        TaskShape(
            "cpCombine",
            "lsst.cp.pipe.cpCombine.CalibCombineTask",
            DETECTOR,
            (
                reads("inputExps", "cpDarkProc", EXPOSURE, "Exposure", multiple=True),
                writes("outputData", "dark", DETECTOR),
            ),
            (
                ("connections.inputExps", "cpDarkProc"),
                ("connections.outputData", "dark"),
                ("calibrationType", "dark"),
                ("exposureScaling", "DarkTime"),
            ),
        ),
    ),
    contracts=(
        "isr.doDark == False",
        'cpCombine.calibrationType == "dark"',
        'cpCombine.exposureScaling == "DarkTime"',
    ),
)

SINGLE_FRAME = PipelineShape(
    "single-frame processing: instrument signature removal, characterization, calibration",
    (
        TaskShape(
            "isr",
            "lsst.ip.isr.IsrTask",
            EXPOSURE,
            (
                reads("ccdExposure", "raw", EXPOSURE, "Exposure"),
                calibration("bias", DETECTOR),
                calibration("flat", DETECTOR),
                writes("outputExposure", "postISRCCD", EXPOSURE, "Exposure"),
            ),
        ),
        TaskShape(
            "characterizeImage",
            "lsst.pipe.tasks.characterizeImage.CharacterizeImageTask",
            VISIT,
            (
                reads("exposure", "postISRCCD", EXPOSURE, "Exposure"),
                writes_once("outputSchema", "icSrc_schema"),
                writes("characterized", "icExp", VISIT),
                writes("sourceCat", "icSrc", VISIT, "SourceCatalog"),
            ),
        ),
        TaskShape(
            "calibrate",
            "lsst.pipe.tasks.calibrate.CalibrateTask",
            VISIT,
            (
                reads_once("icSourceSchema", "icSrc_schema"),
                reads("exposure", "icExp", VISIT),
                reads("icSourceCat", "icSrc", VISIT, "SourceCatalog"),
                writes_once("outputSchema", "src_schema"),
                writes("outputExposure", "calexp", VISIT),
                writes("outputCat", "src", VISIT, "SourceCatalog"),
            ),
        ),
    ),
    subsets=(("singleFrame", ("isr", "characterizeImage", "calibrate")),),
)
