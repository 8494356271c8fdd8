"""One function for every kind of demonstration data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.demo_data.layout import SKY_BANDS, Layout, camera_layout, survey_layout
from compiler.demo_data.pipeline_text import Failure, published_text
from compiler.demo_data.real import make_real
from compiler.demo_data.repository import INSTRUMENT, Observations
from compiler.demo_data.sky import TractPlan, spread
from compiler.demo_data.survey import SURVEY, SURVEY_SINGLE_FRAME
from compiler.demo_data.synthetic import synthetic_graph
from compiler.demo_data.tasks import DARK, SINGLE_FRAME, PipelineShape
from compiler.diagnostics import CompileError, Findings, closest
from compiler.output_folder import whole_folder

GRAPH_NAME = "graph.ndjson.zst"
"""The file name of a synthetic graph; a real one is ``graph.qg``."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much of a kind to make; None takes the kind's own."""

    exposures: int | None = None
    detectors: int | None = None
    images: int | None = None
    """Keep only so many (exposure, detector) pairs, in that order."""
    patches: int | None = None
    bands: int | None = None
    failure: Failure | None = None

    def or_else(self, **usual: int) -> dict[str, int]:
        return {name: value if getattr(self, name) is None else getattr(self, name) for name, value in usual.items()}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of demonstration data."""

    what: str
    """One line for the list of kinds."""
    shape: PipelineShape
    usual: Mapping[str, int]
    """Its sizes where no option says otherwise; a published workload has none: its counts are facts."""
    layout: Callable[[Options], Layout] | None = None
    """What a synthetic graph is made of; None where the middleware makes it."""
    observation_type: str = "science"


def _camera(usual: Mapping[str, int]) -> Callable[[Options], Layout]:
    return lambda options: camera_layout(INSTRUMENT, _observations(options, usual, "science").pairs())


def _tract(options: Options) -> Layout:
    sizes = options.or_else(**_TRACT)
    plan = TractPlan(
        tract=9615,
        visits=sizes["exposures"],
        detectors=sizes["detectors"],
        patches=sizes["patches"],
        bands=sizes["bands"],
        dither=spread(sizes["patches"]),
    )
    return survey_layout([plan])


def _published(*plans: TractPlan) -> Callable[[Options], Layout]:
    return lambda _: survey_layout(plans)


_DARK = {"exposures": 3, "detectors": 4}
_SINGLE_FRAME = {"exposures": 2, "detectors": 3}
_TRACT = {"exposures": 6, "detectors": 9, "patches": 4, "bands": 2}
# Published are the counts of images, warps and patches. How the 117,388 quanta fall on the three tracts, how many
# visits those have, and how far pointings are dithered is ours.
_TRACT_9615 = TractPlan(9615, 112, 104, 79, 5, dither=3300, images=6787, warps=4580)
_RC2 = (
    TractPlan(9615, 144, 104, 79, 5, dither=2700, images=10093, warps=6728),
    TractPlan(9697, 144, 104, 79, 5, dither=2700, images=10093, warps=6727),
    TractPlan(9813, 144, 104, 78, 5, dither=2700, images=10092, warps=6727),
)

KINDS: Mapping[str, Kind] = {
    "dark": Kind(
        "real: isr and cpDark per exposure and detector, one combine per detector; 28 quanta",
        DARK,
        _DARK,
        observation_type="dark",
    ),
    "single-frame": Kind(
        "real: isr, characterizeImage, calibrate per image, schemas between tasks; 18 quanta",
        SINGLE_FRAME,
        _SINGLE_FRAME,
    ),
    "dark-synthetic": Kind("synthetic: the same as dark, without the middleware", DARK, _DARK, _camera(_DARK)),
    "single-frame-synthetic": Kind(
        "synthetic: the same as single-frame, without the middleware",
        SINGLE_FRAME,
        _SINGLE_FRAME,
        _camera(_SINGLE_FRAME),
    ),
    "tract": Kind("synthetic: the survey's eleven tasks on a small tract, from raw to coadds", SURVEY, _TRACT, _tract),
    "talk": Kind(
        "synthetic, published: single-frame processing of tract 9615; 20,361 quanta",
        SURVEY_SINGLE_FRAME,
        {},
        _published(_TRACT_9615),
    ),
    "tract-9615": Kind(
        "synthetic, published: tract 9615 of HSC-RC2 up to coadds; 27,074 quanta", SURVEY, {}, _published(_TRACT_9615)
    ),
    "rc2": Kind("synthetic, published: the full HSC-RC2; 117,388 quanta", SURVEY, {}, _published(*_RC2)),
}


def make_demo_data(
    kind: str,
    out: Path | str,
    *,
    exposures: int | None = None,
    detectors: int | None = None,
    images: int | None = None,
    patches: int | None = None,
    bands: int | None = None,
    fail: str | None = None,
    fail_exception: str | None = None,
    fail_task: str | None = None,
) -> dict[str, object]:
    """Write demonstration data of `kind` into the new folder `out` and tell what was written.

    `out` gets ``pipeline.yaml``, the graph (``graph.qg`` or ``graph.ndjson.zst``) and, for real kinds, the butler
    repository ``repo``. `fail` is a condition on data ids, such as ``exposure = 1001 AND detector = 2``: quanta of the
    task `fail_task` (the first, if not given) that meet it raise `fail_exception` when they run.

    Raises `CompileError` for options that do not fit and for a folder that holds something, `ToolError` where a real
    kind lacks the middleware.
    """
    out = Path(out)
    chosen = _kind(kind)
    options = Options(exposures, detectors, images, patches, bands, _failure(chosen, fail, fail_exception, fail_task))
    _check(kind, chosen, options)
    with whole_folder(out) as folder:
        if chosen.layout is None:
            seen = _observations(options, chosen.usual, chosen.observation_type)
            quanta = make_real(kind, chosen.shape, seen, folder, options.failure)
        else:
            quanta = _make_synthetic(kind, chosen.shape, chosen.layout(options), folder)
    written = {"pipeline": "pipeline.yaml", "graph": "graph.qg" if chosen.layout is None else GRAPH_NAME}
    if chosen.layout is None:
        written["repo"] = "repo"
    paths = {name: str(out / path) for name, path in written.items()}
    return {"kind": kind, "n_quanta": sum(quanta.values()), "quanta": quanta, **paths}


def _make_synthetic(name: str, shape: PipelineShape, layout: Layout, out: Path) -> dict[str, int]:
    from compiler.frontend.interchange import write_interchange

    graph = synthetic_graph(name, shape, layout)
    (out / "pipeline.yaml").write_text(published_text(shape), encoding="utf-8")
    write_interchange(graph, out / GRAPH_NAME)
    return {task.label: len(graph.quanta_of(number)) for number, task in enumerate(graph.tasks)}


def _observations(options: Options, usual: Mapping[str, int], kind: str) -> Observations:
    sizes = options.or_else(**usual)
    return Observations(sizes["exposures"], sizes["detectors"], options.images, kind)


def _kind(name: str) -> Kind:
    if name not in KINDS:
        findings = Findings()
        near = closest(name, KINDS)
        way_out = f"did you mean '{near}'?" if near else f"kinds: {', '.join(KINDS)}"
        findings.error("unknown-kind", f"no demonstration data of kind '{name}'", help=way_out)
        raise CompileError(findings)
    return KINDS[name]


def _failure(kind: Kind, condition: str | None, exception: str | None, task: str | None) -> Failure | None:
    if condition is None:
        if exception is not None or task is not None:
            findings = Findings()
            findings.error("unfit-option", "an exception or a task to fail needs a condition", help="give fail, too")
            raise CompileError(findings)
        return None
    chosen = Failure(task or kind.shape.tasks[0].label, condition)
    return chosen if exception is None else Failure(chosen.task, condition, exception)


def _check(name: str, kind: Kind, options: Options) -> None:
    """Raise `CompileError` with every option that does not fit the kind."""
    findings = Findings()
    takes = {*kind.usual, *(["images"] if "patches" not in kind.usual and kind.usual else [])}
    for option in ("exposures", "detectors", "images", "patches", "bands"):
        value = getattr(options, option)
        if value is None:
            continue
        if option not in takes:
            way_out = f"options of this kind: {', '.join(sorted(takes))}" if takes else "its counts are published facts"
            findings.error("unfit-option", f"the kind '{name}' takes no number of {option}", help=way_out)
        elif value < 1:
            findings.error("unfit-option", f"the number of {option} is {value}, and must be at least 1")
    if options.bands is not None and options.bands > len(SKY_BANDS):
        findings.error("unfit-option", f"{options.bands} bands are asked for, and there are {len(SKY_BANDS)}")
    if options.failure is not None:
        labels = [task.label for task in kind.shape.tasks]
        if kind.layout is not None:
            findings.error("unfit-option", f"the kind '{name}' is synthetic: its quanta cannot run, nor fail")
        elif options.failure.task not in labels:
            message = f"no task '{options.failure.task}' in the kind '{name}'"
            findings.error("unknown-task", message, help=f"tasks here: {', '.join(labels)}")
    findings.raise_errors()
