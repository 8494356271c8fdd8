"""Submit files mean here what they mean to lsst-ctrl-bps: compared with its own searches and its own jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.diagnostics import Findings
from compiler.frontend.bps import INIT, BpsConfig, Setting, read_files
from compiler.frontend.bps.amounts import AMOUNTS
from compiler.frontend.bps.defaults import DEFAULTS, RETRIES_WITH_MORE_MEMORY
from compiler.frontend.bps.search import DEFINED_LATER, Resolver, Scope
from compiler.frontend.config import read_config

pytestmark = pytest.mark.real


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Reads a submit file as ``bps prepare`` does."""
    bps = pytest.importorskip("lsst.ctrl.bps", reason="needs lsst-ctrl-bps (pip install 'rubincwl[bps]')")
    monkeypatch.delenv("BPS_WMS_SERVICE_CLASS", raising=False)
    monkeypatch.setenv("BPS_TEST", "from {mine} outside")
    monkeypatch.delenv("BPS_UNSET", raising=False)
    return lambda path: bps.BpsConfig(str(path), search_order=bps.BPS_SEARCH_ORDER, defaults=bps.BPS_DEFAULTS)


def _ours(path: Path) -> BpsConfig:
    findings = Findings()
    tree = read_files(str(path), findings)
    assert tree is not None, list(findings)
    return BpsConfig(tree)


def test_defaults_are_those_of_bps(theirs: Callable[[Path], Any], tmp_path: Path) -> None:
    from lsst.ctrl.bps.constants import DEFAULT_MEM_RETRIES

    (tmp_path / "empty.yaml").write_text("{}")
    held = theirs(tmp_path / "empty.yaml").toDict()
    for key, value in DEFAULTS.items():
        if isinstance(value, dict):
            assert {name: held[key][name] for name in value if value[name] != {}} == {
                name: each for name, each in value.items() if each != {}
            }
            assert value.keys() <= held[key].keys()
        else:
            assert held[key] == value, key
    assert RETRIES_WITH_MORE_MEMORY == DEFAULT_MEM_RETRIES
    forgotten = (AMOUNTS.keys() & held.keys()) - DEFAULTS.keys()
    assert not forgotten, "bps has a default for what we read, and we have none"


LABELS = ("isr", "cpDark")
SITES = ("near", "far")
KEYS = ("requestMemory", "requestCpus", "queue", "mine", "yours", "computeSite", "outputRun")
TEXTS = st.sampled_from(
    [
        "plain",
        "{mine}",
        "{yours}/{mine}",
        "{nobody}",
        "{n:05}",
        "{curr_pipetask}.x",
        "<ENV:BPS_TEST>/{yours}",
        "${BPS_TEST}",
        "${BPS_UNSET}-{mine}",
        "{{braces}}",
        "{.site.near.queue}",
        "{mine!r}",
    ]
)
SCALARS = st.one_of(st.integers(1, 9999), TEXTS, st.booleans(), st.floats(0.5, 9, width=16))
VALUES = st.one_of(SCALARS, st.lists(st.integers(1, 5), max_size=2), st.just("near"), st.just("far"))
SECTION = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
FULL = st.fixed_dictionaries(dict.fromkeys(KEYS[:3], VALUES))


def _named(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Entries for some names, and keys that stand beside them."""
    entries = st.dictionaries(st.sampled_from(names), SECTION | FULL, max_size=3)
    beside = st.dictionaries(st.sampled_from(KEYS), SCALARS, max_size=1)
    return st.builds(lambda one, two: {**one, **two}, entries, beside)


SUBMITS = st.fixed_dictionaries(
    {
        "n": st.integers(0, 99),
        "payload": st.just({}) | SECTION,
        "pipetask": _named(LABELS),
        "cluster": _named(LABELS),
        "site": _named(SITES),
        "cloud": _named(("blue",)),
    },
    optional=dict.fromkeys(KEYS, VALUES),
)
SLOW_FILES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW_FILES
@given(submit=SUBMITS, key=st.sampled_from(KEYS), data=st.data())
def test_any_setting_is_found_where_bps_finds_it(
    theirs: Callable[[Path], Any], tmp_path: Path, submit: dict[str, Any], key: str, data: st.DataObject
) -> None:
    path = tmp_path / "submit.yaml"
    path.write_text(yaml.safe_dump(submit))
    scope = Scope(
        cluster=data.draw(st.sampled_from((None, *LABELS))),
        pipetask=data.draw(st.sampled_from((None, *LABELS))),
        site=data.draw(st.sampled_from((None, *SITES))),
        cloud=data.draw(st.sampled_from((None, "blue"))),
    )
    current = {
        f"curr_{name}": entry for name in ("cluster", "pipetask", "site", "cloud") if (entry := scope.entry(name))
    }
    resolver = Resolver(_ours(path).root, scope)
    ours = resolver.get(key)
    if any(each.code == "variable-circle" for each in resolver.faults):
        return  # bps recurses until Python stops it
    try:
        found, value = theirs(path).search(key, {"curvals": current})
    except (ValueError, TypeError):
        # A text where a number's form is asked for, or braces that do not close.
        assert "bad-variable" in [each.code for each in resolver.faults]
        return
    assert found == (ours is not None)
    if ours is not None:
        later = {f"{{{name}}}": "" for name in DEFINED_LATER}
        text = ours[1]
        for name, nothing in later.items():
            text = text.replace(name, nothing) if isinstance(text, str) else text
        assert text == value


INCLUDED = st.dictionaries(st.sampled_from(("a", "b", "c")), st.integers(0, 9) | st.dictionaries(
    st.sampled_from(("d", "e")), st.integers(0, 9), max_size=2), max_size=3)  # fmt: skip


@SLOW_FILES
@given(files=st.lists(INCLUDED, min_size=1, max_size=5), data=st.data())
def test_includes_lie_over_each_other_as_in_bps(
    theirs: Callable[[Path], Any], tmp_path: Path, files: list[dict[str, Any]], data: st.DataObject
) -> None:
    for number, held in enumerate(files):
        content: dict[str, Any] = dict(held)
        for holder in (content, *(each for each in content.values() if isinstance(each, dict))):
            others = [f"{n}.yaml" for n in range(number + 1, len(files))]
            chosen = data.draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
            if chosen:
                holder["includeConfigs"] = chosen if len(chosen) > 1 or data.draw(st.booleans()) else chosen[0]
        items = data.draw(st.permutations(list(content.items())))
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(dict(items), sort_keys=False))
    held = theirs(tmp_path / "0.yaml").toDict()
    ours = read_files(str(tmp_path / "0.yaml"), Findings())
    assert ours is not None
    assert ours.plain() == {key: value for key, value in held.items() if key in ours.mapping}
    assert {"a", "b", "c"} & held.keys() == {"a", "b", "c"} & ours.mapping.keys()


def test_a_tagged_include_is_what_the_other_file_holds(theirs: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "isr.yaml").write_text("requestMemory: 9\nqueue: !include deep.yaml\n")
    (tmp_path / "parts" / "deep.yaml").write_text("slow\n")
    path = tmp_path / "submit.yaml"
    path.write_text("pipetask:\n  isr: !include parts/isr.yaml\n")
    found = _ours(path).quantum_settings("isr")
    assert (found["requestMemory"].value, found["queue"].value) == (9, "slow")
    assert theirs(path).search("queue", {"curvals": {"curr_pipetask": "isr"}}) == (True, "slow")
    assert found["queue"].place is not None
    assert found["queue"].place.file.endswith("deep.yaml")


# Jobs of the generic workflow that ctrl_bps itself makes of a real graph.

SINGLE = """
requestMemory: 3000
requestDisk: 500
memoryLimit: 200000
priority: 7
computeSite: near
accountingGroup: nobody
mine: 12
environment: {WHO: "{mine}", WHERE: all}
pipetask:
  isr:
    requestMemory: 4096
    requestWalltime: 600
    retryUnlessExit: 3
    memoryMultiplier: 1
    environment: {OMP_NUM_THREADS: 2, WHO: "x{mine}"}
  cpDark: {requestCpus: 4, numberOfRetries: 0, preemptible: false, requestMemoryMax: 9000}
  cpCombine: {numberOfRetries: null, retryUnlessExit: null, memoryMultiplier: 1.5, queue: slow}
  pipetaskInit: {requestMemory: 1000, queue: start}
cluster:
  cpDark: {requestMemory: 5555, memoryMultiplier: 3}
  isr: {}
site:
  near: {queue: milano, requestDisk: 700, accountingUser: somebody}
  far: {queue: roma}
finalJob: {requestMemory: 8000, queue: final, numberOfRetries: 1}
"""
PAYLOAD_WINS = """
payload: {requestMemory: 1234, queue: first}
requestMemory: 4
pipetask: {isr: {requestMemory: 5, queue: second}, requestCpus: 3}
cloud: {blue: {requestDisk: 9}}
computeCloud: blue
"""
CLUSTERED = """
clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering
requestMemory: 3000
requestDisk: 10
requestWalltime: 60
numberOfRetries: 3
pipetask:
  isr: {requestMemory: 2500, requestCpus: 2}
  cpDark: {requestWalltime: 100, requestDisk: 30}
cluster:
  night: {pipetasks: "isr, cpDark", dimensions: detector, equalDimensions: "visit:exposure"}
"""
CLUSTER_SAYS = """
clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering
numberOfRetries: 3
requestDisk: 10
pipetask:
  isr: {requestMemory: 2500, requestWalltime: 50}
cluster:
  night:
    pipetasks: isr,cpDark
    dimensions: detector
    memoryMultiplier: 4
    requestWalltime: 777
    requestMemory: 8000
    computeSite: far
    environment: {N: 1}
site:
  far: {queue: roma, requestMemory: 6000, requestDisk: 20}
"""
RETRIES_OF_THE_LARGEST = CLUSTER_SAYS.replace("    requestMemory: 8000\n", "")
SUBMIT_FILES = {
    "single": SINGLE,
    "payload": PAYLOAD_WINS,
    "clustered": CLUSTERED,
    "cluster-says": CLUSTER_SAYS,
    "retries-of-the-largest": RETRIES_OF_THE_LARGEST,
}


@pytest.mark.parametrize("name", SUBMIT_FILES)
def test_jobs_ask_for_the_same_as_those_of_bps(
    theirs: Callable[[Path], Any], dark_demo: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "submit.yaml"
    path.write_text(SUBMIT_FILES[name] + _PLACES.format(demo=dark_demo, here=tmp_path))
    findings = Findings()
    config = read_config(path, findings).bps
    assert not findings.errors
    workflow = _generic_workflow(theirs(path), dark_demo, tmp_path)
    jobs = [workflow.get_job(each) for each in workflow]
    assert len(jobs) > 2
    assert {job.label for job in jobs} >= {INIT}
    for job in jobs:
        if job.label == INIT:
            expected = _amounts(config.quantum_settings(INIT))
        else:
            expected = _of_job(config, job.label, job.quanta_counts)
        assert _asked(job) == expected, job.name
    final = workflow.get_final()
    assert _asked(final) == _amounts(config.final_job)


_PLACES = """
project: p
campaign: c
operator: o
qgraphFile: {demo}/graph.qg
payloadName: test
butlerConfig: {demo}/repo
submitPath: {here}/submit
"""


def _generic_workflow(config: Any, demo: Path, out: Path) -> Any:
    from lsst.ctrl.bps.pre_transform import cluster_quanta
    from lsst.ctrl.bps.transform import create_generic_workflow
    from lsst.pipe.base.pipeline_graph import TaskImportMode
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    config[".bps_defined.timestamp"] = "20260101T000000Z"
    config[".bps_defined.runQgraphFile"] = str(demo / "graph.qg")
    with PredictedQuantumGraph.open(str(demo / "graph.qg"), import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
        reader.read_thin_graph()
        graph = reader.finish()
    return create_generic_workflow(config, cluster_quanta(config, graph, "test"), "test", str(out))


_ATTRIBUTES = {
    "requestCpus": "request_cpus",
    "requestMemory": "request_memory",
    "requestMemoryMax": "request_memory_max",
    "memoryMultiplier": "memory_multiplier",
    "requestDisk": "request_disk",
    "requestWalltime": "request_walltime",
    "numberOfRetries": "number_of_retries",
    "retryUnlessExit": "retry_unless_exit",
    "priority": "priority",
    "queue": "queue",
    "accountingGroup": "accounting_group",
    "accountingUser": "accounting_user",
    "preemptible": "preemptible",
    "environment": "environment",
}
_NONE = {"memoryMultiplier": 1.0, "retryUnlessExit": (), "environment": {}}
"""What we say where bps's job has nothing."""


def _asked(job: Any) -> dict[str, Any]:
    """What a job of bps asks for, in our words."""
    asked = {key: getattr(job, name) for key, name in _ATTRIBUTES.items()}
    codes = asked["retryUnlessExit"]
    asked["retryUnlessExit"] = tuple(codes) if isinstance(codes, list) else codes if codes is None else (codes,)
    return {key: _NONE.get(key) if value is None else value for key, value in asked.items()}


def _amounts(found: Mapping[str, Setting]) -> dict[str, Any]:
    return {key: found[key].value if key in found else _NONE.get(key) for key in _ATTRIBUTES}


def _of_job(config: BpsConfig, cluster: str, counts: Counter[str]) -> dict[str, Any]:
    """What a cluster's job asks for, from what its quanta and the cluster itself ask for: bps's rule in short."""
    quanta = {label: config.quantum_settings(label, cluster) for label in counts}
    asked = _amounts(next(iter(quanta.values())))
    for key in ("requestCpus", "requestMemory", "requestMemoryMax", "numberOfRetries", "memoryMultiplier"):
        asked[key] = max((s[key].value for s in quanta.values() if key in s), default=_NONE.get(key))
    for key in ("requestDisk", "requestWalltime"):
        amounts = [count * quanta[label][key].value for label, count in counts.items() if key in quanta[label]]
        asked[key] = sum(amounts) if amounts else None
    own = config.cluster_settings(cluster)
    said = {key: setting.value for key, setting in own.items()}
    if "requestMemory" not in own and "numberOfRetries" in own and own["numberOfRetries"].said is None:
        del said["numberOfRetries"]  # that is taken from the quantum with the most memory
    return {**asked, **said}
