"""Synthetic graphs: counts, sky, ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.demo_data import KINDS, make_demo_data, workloads
from compiler.diagnostics import CompileError
from compiler.frontend.consistency import check_consistency
from compiler.frontend.pipeline import read_pipeline
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.rubin import QuantumGraph


@pytest.fixture(scope="module")
def tract(tmp_path_factory: pytest.TempPathFactory) -> QuantumGraph:
    out = tmp_path_factory.mktemp("demo") / "tract"
    return read_quantum_graph(str(make_demo_data("tract", out)["graph"]))


@pytest.mark.parametrize("kind", ["talk", "tract-9615", pytest.param("rc2", marks=pytest.mark.exhaustive)])
def test_a_published_workload_has_the_published_count_of_every_task(kind: str, tmp_path: Path) -> None:
    made = make_demo_data(kind, tmp_path / "demo")
    facts = workloads()[kind]
    pipeline = read_pipeline(str(made["pipeline"]))
    assert isinstance(made["quanta"], dict)
    counts = {task.task_class.rpartition(".")[2]: made["quanta"][task.label] for task in pipeline.tasks}
    assert counts == {name: task.count for name, task in facts.tasks.items()}
    assert made["n_quanta"] == facts.n_quanta


def test_the_published_counts_add_up_as_the_sources_say() -> None:
    totals = {name: workload.n_quanta for name, workload in workloads().items()}
    assert totals == {"talk": 20_361, "tract-9615": 27_074, "tract-9615-gcp": 26_688, "rc2": 117_388}
    assert workloads()["tract-9615"].init.mean_seconds == 1696.0


def test_every_plan_of_a_published_workload_asks_for_its_counts() -> None:
    from compiler.demo_data.make import _RC2

    facts = workloads()["rc2"].tasks
    assert sum(plan.images or 0 for plan in _RC2) == facts["IsrTask"].count
    assert sum(plan.warps or 0 for plan in _RC2) == facts["MakeWarpTask"].count
    assert sum(plan.patches for plan in _RC2) == facts["MergeDetectionsTask"].count


@pytest.mark.parametrize("kind", ["dark-synthetic", "single-frame-synthetic", "tract"])
def test_the_same_options_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_demo_data(kind, tmp_path / name, exposures=5, detectors=4)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["graph.ndjson.zst", "pipeline.yaml"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


@pytest.mark.parametrize("kind", ["dark-synthetic", "single-frame-synthetic", "tract"])
def test_pipeline_and_graph_agree(kind: str, tmp_path: Path) -> None:
    made = make_demo_data(kind, tmp_path / "demo")
    pipeline, graph = read_pipeline(str(made["pipeline"])), read_quantum_graph(str(made["graph"]))
    assert check_consistency(pipeline, graph) == []


def test_the_pipeline_of_the_example_agrees_with_the_synthetic_dark_graph(tmp_path: Path) -> None:
    made = make_demo_data("dark-synthetic", tmp_path / "demo")
    example = read_pipeline(Path(__file__).parents[2] / "examples" / "dark" / "pipeline.yaml")
    assert check_consistency(example, read_quantum_graph(str(made["graph"]))) == []
    assert [contract.expression for contract in example.contracts] == [
        contract.expression for contract in read_pipeline(str(made["pipeline"])).contracts
    ]


def test_warps_and_images_overlap_many_to_many_and_unevenly(tract: QuantumGraph) -> None:
    label = tract.task_number("makeWarp")
    warps = [tract.quantum(number) for number in tract.quanta_of(label)]
    members = [quantum.inputs["calExpList"] for quantum in warps]
    assert len({len(row) for row in members}) > 1
    served = np.bincount(np.concatenate([np.array(row) for row in members]))
    assert served.max() > 1
    for quantum in warps:
        assert {tract.dataset(d).data_id["visit"] for d in quantum.inputs["calExpList"]} == {quantum.data_id["visit"]}
    patches = {quantum.data_id["patch"] for quantum in warps}
    visits = {quantum.data_id["visit"] for quantum in warps}
    assert len(warps) < len(patches) * len(visits), "some visits miss some patches"


def test_a_coadd_gathers_the_warps_of_its_patch_and_band(tract: QuantumGraph) -> None:
    bands = {}
    task = tract.tasks[tract.task_number("makeWarp")]
    codes = tract.quantum_codes[tract.task_number("makeWarp")]
    for row in codes:
        values = {d: tract.vocabulary[d][code] for d, code in zip(task.all_dimensions, row, strict=True)}
        bands[values["patch"], values["visit"]] = values["band"]
    for number in tract.quanta_of(tract.task_number("assembleCoadd")):
        coadd = tract.quantum(number)
        read = {tuple(tract.dataset(d).data_id[k] for k in ("patch", "visit")) for d in coadd.inputs["inputWarps"]}
        patch, band = coadd.data_id["patch"], coadd.data_id["band"]
        assert read == {key for key, value in bands.items() if key[0] == patch and value == band}


def test_inputs_that_exist_have_stored_files_and_nothing_else_has(tract: QuantumGraph) -> None:
    kinds = {tract.dataset(number).type for number in range(tract.n_datasets) if tract.exists_before(number)}
    assert kinds == {"raw", "camera", "bias", "dark", "flat", "skyMap", "ps1_pv3_3m_20170110"}
    assert all((number in tract.files) == tract.exists_before(number) for number in range(tract.n_datasets))
    assert all(file.size for file in tract.files.values())


def test_options_that_do_not_fit_are_all_told_and_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    with pytest.raises(CompileError) as told:
        make_demo_data("talk", out, exposures=3, bands=9)
    assert [finding.code for finding in told.value.findings] == ["unfit-option"] * 3
    with pytest.raises(CompileError, match="synthetic"):
        make_demo_data("tract", out, fail="visit = 1")
    with pytest.raises(CompileError, match="no task 'irs'"):
        make_demo_data("dark", out, fail="exposure = 1000", fail_task="irs")
    with pytest.raises(CompileError, match="at least 1"):
        make_demo_data("dark", out, images=0)
    with pytest.raises(CompileError) as told:
        make_demo_data("drak", out)
    assert told.value.findings[0].help == "did you mean 'dark'?"
    assert not out.exists()


def test_every_kind_says_what_it_is() -> None:
    assert all(kind.what.startswith(("real: ", "synthetic: ", "synthetic, published: ")) for kind in KINDS.values())
