"""What we read from a pipeline is what the middleware's own reader makes of it."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from compiler.diagnostics import CompileError, Findings
from compiler.frontend.pipeline import read_pipeline
from compiler.rubin import Pipeline

middleware = pytest.importorskip("lsst.pipe.base.pipelineIR", reason="needs the Rubin middleware (extra lsst)")

TALK = Path(__file__).parents[1] / "data" / "talk_dark.yaml"

BASE = """
description: Single frames.
instrument: lsst.obs.lsst.LsstCam
parameters: {coaddName: deep, threshold: 5.0, bands: [g, r]}
tasks:
  isr:
    class: lsst.ip.isr.IsrTask
    config:
      connections.ccdExposure: raw
      doDark: yes
      bands: parameters.bands
      python: |
        config.mask.append("CR")
      file: $OBS_CONFIG_DIR/isr.py
  characterize:
    class: lsst.pipe.tasks.CharacterizeImageTask
    config:
      - threshold: parameters.threshold
        other: parameters.unheardOf
        psf.order: 0o17
        sexagesimal: 1:30
        date: 2026-11-05
        mapping: {1: a, b: [x, null, ~, .nan]}
      - file: [a.py, $OBS_CONFIG_DIR/b.py]
        threshold: 4
  calibrate: lsst.pipe.tasks.CalibrateTask
  flat: lsst.cp.pipe.FlatTask
  report: {class: lsst.Report, config: null}
subsets:
  step1: {subset: [isr, characterize, calibrate], description: Per detector.}
  calibs: [flat]
  nothing: []
steps:
  - {label: step1, dimensions: [visit, detector]}
  - {label: calibs, dimensions: []}
contracts:
  - isr.doDark == True
  - {contract: "flat.threshold == isr.threshold", msg: Thresholds differ.}
  - contract: calibrate.x.y and (characterize.z or True)
    msg: null
"""

CASES = {
    "nothing is imported": {"pipeline.yaml": BASE},
    "a base is imported whole": {
        "pipeline.yaml": "description: Top.\nimports: base.yaml",
        "base.yaml": BASE,
    },
    "an import without one task loses its contracts, subsets and steps": {
        "pipeline.yaml": "description: Top.\nimports:\n- {location: $PIPELINES_DIR/base.yaml, exclude: flat}",
        "base.yaml": BASE,
    },
    "an import without the tasks of a subset": {
        "pipeline.yaml": "description: Top.\nimports: {location: base.yaml, exclude: [step1, report]}",
        "base.yaml": BASE,
    },
    "an import of a subset and a task": {
        "pipeline.yaml": "description: Top.\nimports:\n- location: base.yaml\n  include: [calibs, isr]",
        "base.yaml": BASE,
    },
    "an import whose subsets are edited": {
        "pipeline.yaml": "description: Top.\nimports:\n- location: base.yaml\n  exclude: [isr, flat]\n"
        "  labeledSubsetModifyMode: EDIT",
        "base.yaml": BASE,
    },
    "an import without contracts, steps and instrument": {
        "pipeline.yaml": "description: Top.\nimports:\n- location: base.yaml\n  importContracts: no\n"
        "  importSteps: false\n  instrument: None",
        "base.yaml": BASE,
    },
    "an import with renamed tasks": {
        "pipeline.yaml": "description: Top.\nimports:\n- {location: base.yaml, exclude: flat, "
        "rename: {isr: isrTwo, flat: flatTwo}, instrument: a.B}",
        "base.yaml": BASE,
    },
    "overrides of imported tasks, parameters, subsets and steps": {
        "pipeline.yaml": """
description: Top.
parameters: {threshold: 7, coaddName: goodSeeing, more: x}
imports: [base.yaml]
tasks:
  extra: lsst.Extra
  characterize:
    class: lsst.pipe.tasks.CharacterizeImageTask
    config: {threshold: parameters.threshold}
  isr: {class: lsst.ip.isr.IsrTask, config: {doDark: false}}
  calibrate: {class: lsst.Other, config: {a: parameters.coaddName}}
  flat:
    class: lsst.cp.pipe.FlatTask
    config: [{a: 1}, {b: 2, a: 1}, {a: 2}, {python: x}, {c: 3}]
subsets:
  calibs: [flat, extra]
  more: [extra]
steps: [{label: more, dimensions: [tract]}, {label: calibs, dimensions: []}]
contracts: extra.x == isr.y
""",
        "base.yaml": BASE,
    },
    "configs that merge block by block through three files": {
        "pipeline.yaml": "description: Top.\nimports: middle.yaml\ntasks: {t: {class: a.B, config: {x: 1, z: 3}}}",
        "middle.yaml": "description: M.\nimports: low.yaml\n"
        "tasks: {t: {class: a.B, config: [{y: 2, x: true}, {x: 2}]}}",
        "low.yaml": "description: L.\ntasks: {t: {class: a.B, config: {x: 1.0, y: 2}}}",
    },
    "nested imports in folders, by the current folder and by a variable": {
        "pipeline.yaml": "description: Top.\nimports: [parts/one.yaml, {location: parts/two.yaml, include: b}]",
        "parts/one.yaml": "description: One.\nimports: {location: '${PIPELINES_DIR}/parts/three.yaml', exclude: []}\n"
        "tasks: {a: x.A}",
        "parts/two.yaml": "description: Two.\nimports: parts/three.yaml\ntasks: {b: x.B}\nsubsets: {s: [b]}",
        "parts/three.yaml": "description: Three.\ntasks: {c: x.C}\ncontracts: [c.x == 1, 'b.y or c.z']",
    },
    "merge keys and aliases": {
        "pipeline.yaml": "description: &d Aliases.\ntasks:\n  a: {class: x.A, config: &c {p: 1, q: [*d]}}\n"
        "  b: {class: x.B, config: {<<: *c, r: 2}}\n  c: {class: x.C, config: [*c, *c]}",
    },
}


def _theirs(path: Path) -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unknown parameters
        ir = middleware.PipelineIR.from_uri(str(path))
        tasks = []
        for label, task in ir.tasks.items():
            items: list[tuple[str, str, object]] = []
            for block in (each.formatted(ir.parameters) for each in task.config or []):
                # The order of PipelineTaskConfig.applyConfigOverrides.
                items += [("file", "", os.path.expandvars(file)) for file in block.file]
                items += [] if block.python is None else [("python", "", block.python)]
                items += [("field", key, value) for key, value in block.rest.items()]
            tasks.append((label, task.klass, items))
    return {
        "description": ir.description,
        "instrument": ir.instrument,
        "tasks": tasks,
        "subsets": [(label, sorted(each.subset), each.description) for label, each in ir.labeled_subsets.items()],
        "steps": [(each.label, list(each.dimensions)) for each in ir.steps],
        "contracts": [(each.contract, each.msg) for each in ir.contracts],
        "parameters": list(ir.parameters.mapping.items()),
    }


def _ours(pipeline: Pipeline) -> dict[str, object]:
    return {
        "description": pipeline.description,
        "instrument": pipeline.instrument,
        "tasks": [(t.label, t.task_class, [(c.kind, c.key, c.value) for c in t.config]) for t in pipeline.tasks],
        "subsets": [(each.label, sorted(each.tasks), each.description) for each in pipeline.subsets],
        "steps": [(each.label, list(each.dimensions)) for each in pipeline.steps],
        "contracts": [(each.expression, each.message) for each in pipeline.contracts],
        "parameters": list(pipeline.parameters),
    }


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder / "pipeline.yaml"


def test_the_pipeline_of_the_talk_is_read_as_the_middleware_reads_it():
    assert _ours(read_pipeline(TALK)) == _theirs(TALK)


@pytest.mark.parametrize("case", CASES)
def test_a_pipeline_is_read_as_the_middleware_reads_it(case, tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))
    monkeypatch.setenv("OBS_CONFIG_DIR", "/obs")
    monkeypatch.chdir(tmp_path)
    path = _write(tmp_path, CASES[case])
    ours, theirs = _ours(read_pipeline(path, Findings())), _theirs(path)
    for part in theirs:
        assert repr(ours[part]) == repr(theirs[part])  # as text: 1 is not True, and nan equals itself


LABELS = st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(["s", "t", "a"])
CONFIG = st.dictionaries(
    st.sampled_from(["x", "y", "z", "python", "file"]), st.sampled_from(["parameters.p", "1", "q"]), max_size=3
)
FILES = st.fixed_dictionaries(
    {
        "description": st.just("Drawn by lot."),
        "tasks": st.dictionaries(
            LABELS,
            st.sampled_from(["m.One", "m.Two"])
            | st.fixed_dictionaries({"class": st.just("m.One"), "config": CONFIG | st.lists(CONFIG, max_size=2)}),
            max_size=4,
        ),
    },
    optional={
        "instrument": st.sampled_from(["m.CamOne", "m.CamTwo", None]),
        "parameters": st.dictionaries(st.sampled_from(["p", "q"]), st.integers(0, 3), max_size=2),
        "subsets": st.dictionaries(NAMES, st.lists(LABELS, max_size=3), max_size=2),
        "steps": st.lists(
            st.fixed_dictionaries({"label": NAMES, "dimensions": st.sampled_from([["visit"], []])}), max_size=2
        ),
        "contracts": st.lists(st.sampled_from(["a.x == b.y", "c.z", "d.w or a.x", "bb.x"]), max_size=2),
    },
)
WORDS = st.lists(LABELS | NAMES, max_size=3) | LABELS
IMPORTS = st.fixed_dictionaries(
    {},
    optional={
        "importContracts": st.booleans(),
        "importSteps": st.booleans(),
        "labeledSubsetModifyMode": st.sampled_from(["DROP", "EDIT"]),
        "instrument": st.sampled_from(["None", None, "m.CamOne"]),
    },
)
# Not 'include' with 'rename': there the middleware drops labels by a slip of its own.
CHOICES = st.one_of(
    st.fixed_dictionaries({}, optional={"include": WORDS}),
    st.fixed_dictionaries(
        {}, optional={"exclude": WORDS, "rename": st.dictionaries(LABELS, st.sampled_from(["e", "f", "a"]), max_size=2)}
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.tuples(FILES, FILES, FILES), choices=st.lists(st.tuples(IMPORTS, CHOICES), min_size=3, max_size=3))
def test_pipelines_drawn_by_lot_are_read_or_refused_as_by_the_middleware(tmp_path, files, choices):
    low, side, top = files
    wishes = [{**common, **part} for common, part in choices]
    middle = {"description": "Between.", "imports": [{"location": str(tmp_path / "low.yaml"), **wishes[0]}]}
    top["imports"] = [
        {"location": str(tmp_path / "middle.yaml"), **wishes[1]},
        {"location": str(tmp_path / "side.yaml"), **wishes[2]},
    ]
    texts = {"low": low, "side": side, "middle": middle, "pipeline": top}
    path = _write(tmp_path, {f"{name}.yaml": json.dumps(each) for name, each in texts.items()})
    ours = _read(path)
    event("refused" if ours is None else "read")
    try:
        theirs = _theirs(path)
    except ValueError:
        theirs = None
    assert ours == theirs


def _read(path: Path) -> dict[str, object] | None:
    try:
        return _ours(read_pipeline(path, Findings()))
    except CompileError:
        return None
