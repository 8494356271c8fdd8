"""The survey's pipeline from raw images to forced photometry on coadds, as it ran on the published data."""

from __future__ import annotations

from compiler.demo_data.tasks import (
    COADD,
    DETECTOR,
    EXPOSURE,
    FLAT,
    PATCH,
    VISIT,
    WARP,
    PipelineShape,
    Port,
    TaskShape,
    calibration,
    reads,
    reads_once,
    writes,
    writes_once,
)

_CATALOG = "SourceCatalog"
_SKY_MAP = reads("skyMap", "skyMap", ("skymap",), "SkyMap")
_COADD_IMAGE = reads("exposure", "deepCoadd_calexp", COADD)
_REFERENCES = Port("astromRefCat", "ps1_pv3_3m_20170110", "prerequisite", ("htm7",), "SimpleCatalog", multiple=True)

SINGLE_FRAME_LABELS = ("isr", "characterizeImage", "calibrate")

_SINGLE_FRAME = (
    TaskShape(
        "isr",
        "lsst.ip.isr.IsrTask",
        EXPOSURE,
        (
            reads("ccdExposure", "raw", EXPOSURE, "Exposure"),
            calibration("camera", ("instrument",), "Camera"),
            calibration("bias", DETECTOR),
            calibration("dark", DETECTOR),
            calibration("flat", FLAT),
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
            writes("sourceCat", "icSrc", VISIT, _CATALOG),
            writes("backgroundModel", "icExpBackground", VISIT, "Background"),
        ),
    ),
    TaskShape(
        "calibrate",
        "lsst.pipe.tasks.calibrate.CalibrateTask",
        VISIT,
        (
            reads_once("icSourceSchema", "icSrc_schema"),
            reads("exposure", "icExp", VISIT),
            reads("icSourceCat", "icSrc", VISIT, _CATALOG),
            reads("background", "icExpBackground", VISIT, "Background"),
            _REFERENCES,
            writes_once("outputSchema", "src_schema"),
            writes("outputExposure", "calexp", VISIT),
            writes("outputCat", "src", VISIT, _CATALOG),
            writes("outputBackground", "calexpBackground", VISIT, "Background"),
        ),
    ),
)

_COADDITION = (
    TaskShape(
        "makeWarp",
        "lsst.pipe.tasks.makeCoaddTempExp.MakeWarpTask",
        WARP,
        (
            reads("calExpList", "calexp", VISIT, multiple=True),
            reads("backgroundList", "calexpBackground", VISIT, "Background", multiple=True),
            _SKY_MAP,
            writes("direct", "deepCoadd_directWarp", WARP),
            writes("psfMatched", "deepCoadd_psfMatchedWarp", WARP),
        ),
    ),
    TaskShape(
        "assembleCoadd",
        "lsst.pipe.tasks.assembleCoadd.CompareWarpAssembleCoaddTask",
        COADD,
        (
            reads("inputWarps", "deepCoadd_directWarp", WARP, multiple=True),
            reads("psfMatchedWarps", "deepCoadd_psfMatchedWarp", WARP, multiple=True),
            _SKY_MAP,
            writes("coaddExposure", "deepCoadd", COADD),
            writes("nImage", "deepCoadd_nImage", COADD, "ImageU"),
        ),
    ),
)

_MULTIBAND = (
    TaskShape(
        "detection",
        "lsst.pipe.tasks.multiBand.DetectCoaddSourcesTask",
        COADD,
        (
            reads("exposure", "deepCoadd", COADD),
            writes_once("detectionSchema", "deepCoadd_det_schema"),
            writes("outputExposure", "deepCoadd_calexp", COADD),
            writes("outputSources", "deepCoadd_det", COADD, _CATALOG),
            writes("outputBackgrounds", "deepCoadd_calexp_background", COADD, "Background"),
        ),
    ),
    TaskShape(
        "mergeDetections",
        "lsst.pipe.tasks.mergeDetections.MergeDetectionsTask",
        PATCH,
        (
            reads_once("schema", "deepCoadd_det_schema"),
            reads("catalogs", "deepCoadd_det", COADD, _CATALOG, multiple=True),
            _SKY_MAP,
            writes_once("outputSchema", "deepCoadd_mergeDet_schema"),
            writes_once("outputPeakSchema", "deepCoadd_peak_schema"),
            writes("outputCatalog", "deepCoadd_mergeDet", PATCH, _CATALOG),
        ),
    ),
    TaskShape(
        "deblend",
        "lsst.pipe.tasks.deblendCoaddSourcesPipeline.DeblendCoaddSourcesSingleTask",
        COADD,
        (
            reads_once("inputSchema", "deepCoadd_mergeDet_schema"),
            reads_once("peakSchema", "deepCoadd_peak_schema"),
            reads("mergedDetections", "deepCoadd_mergeDet", PATCH, _CATALOG),
            _COADD_IMAGE,
            writes_once("outputSchema", "deepCoadd_deblendedFlux_schema"),
            writes("fluxCatalogs", "deepCoadd_deblendedFlux", COADD, _CATALOG),
        ),
    ),
    TaskShape(
        "measure",
        "lsst.pipe.tasks.multiBand.MeasureMergedCoaddSourcesTask",
        COADD,
        (
            reads_once("inputSchema", "deepCoadd_deblendedFlux_schema"),
            reads("inputCatalog", "deepCoadd_deblendedFlux", COADD, _CATALOG),
            # Flags of the single images' sources are carried over to the coadd's.
            reads("visitCatalogs", "src", VISIT, _CATALOG, multiple=True),
            _COADD_IMAGE,
            _SKY_MAP,
            writes_once("outputSchema", "deepCoadd_meas_schema"),
            writes("outputSources", "deepCoadd_meas", COADD, _CATALOG),
        ),
    ),
    TaskShape(
        "mergeMeasurements",
        "lsst.pipe.tasks.mergeMeasurements.MergeMeasurementsTask",
        PATCH,
        (
            reads_once("inputSchema", "deepCoadd_meas_schema"),
            reads("catalogs", "deepCoadd_meas", COADD, _CATALOG, multiple=True),
            writes_once("outputSchema", "deepCoadd_ref_schema"),
            writes("mergedCatalog", "deepCoadd_ref", PATCH, _CATALOG),
        ),
    ),
    TaskShape(
        "forcedPhotCoadd",
        "lsst.meas.base.forcedPhotCoadd.ForcedPhotCoaddTask",
        COADD,
        (
            reads_once("inputSchema", "deepCoadd_ref_schema"),
            _COADD_IMAGE,
            reads("refCat", "deepCoadd_ref", PATCH, _CATALOG),
            reads("refCatInBand", "deepCoadd_meas", COADD, _CATALOG),
            _SKY_MAP,
            writes_once("outputSchema", "deepCoadd_forced_src_schema"),
            writes("measCat", "deepCoadd_forced_src", COADD, _CATALOG),
        ),
    ),
)

SURVEY = PipelineShape(
    "data release production, from raw images to forced photometry on coadds",
    (*_SINGLE_FRAME, *_COADDITION, *_MULTIBAND),
    (
        ("singleFrame", SINGLE_FRAME_LABELS),
        ("coaddition", tuple(task.label for task in _COADDITION)),
        ("multiband", tuple(task.label for task in _MULTIBAND)),
    ),
)
SURVEY_SINGLE_FRAME = PipelineShape(
    "single-frame processing: instrument signature removal, characterization, calibration", _SINGLE_FRAME
)
