"""What a submit file says of tasks, clusters and sites, where it stands, and our own keys beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.analysis.clustering.options import Options
from compiler.diagnostics import CompileError, Findings
from compiler.frontend.bps import BpsConfig, check_labels
from compiler.frontend.config import Configuration, read_config, target_settings


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a text as a configuration that has no errors; further files are given by name."""
    monkeypatch.chdir(tmp_path)

    def read(text: str, **others: str) -> Configuration:
        for name, content in others.items():
            Path(f"{name}.yaml").write_text(content)
        Path("submit.yaml").write_text(text)
        findings = Findings()
        configuration = read_config(Path("submit.yaml"), findings)
        assert findings.errors == []
        return configuration

    return read


def _values(settings, *keys):
    return [settings[key].value if key in settings else None for key in keys]


def test_without_a_file_everything_is_a_default_of_bps():
    settings = read_config(None, Findings()).bps.quantum_settings("isr")
    assert all(setting.is_default for setting in settings.values())
    keys = ("requestMemory", "requestCpus", "numberOfRetries", "retryUnlessExit", "memoryMultiplier", "memoryLimit")
    assert _values(settings, *keys) == [2048, 1, 5, (1, 2), 2.0, 491_520]
    assert _values(settings, "requestDisk", "requestWalltime", "queue") == [None, None, None]


SECTIONS = ("payload", "cluster.night", "pipetask.isr", "site.s", "cloud.c", "")
"""From the one that wins to the one that only counts where no other says anything."""


@pytest.mark.parametrize("first", range(len(SECTIONS)))
def test_the_first_of_payload_cluster_task_site_cloud_and_top_wins(read, first):
    lines = ["computeSite: s", "computeCloud: c"]
    for number, section in enumerate(SECTIONS[first:], first):
        opened = "".join(f"{name}: {{" for name in section.split(".") if name)
        lines.append(f"{opened}requestMemory: {1000 + number}{'}' * opened.count('{')}")
    setting = read("\n".join(lines)).bps.quantum_settings("isr", "night")["requestMemory"]
    assert (setting.value, setting.section) == (1000 + first, SECTIONS[first])


def test_a_value_keeps_the_place_where_it_stands_and_what_was_written(read):
    bps = read("includeConfigs: more.yaml\nmine: 28\n", more='requestMemory: "{mine} GiB"\n').bps
    setting = bps.quantum_settings("isr")["requestMemory"]
    assert (setting.value, setting.said, str(setting.place)) == (28 * 1024, "28 GiB", "more.yaml:1:16")
    assert not setting.is_default


def test_what_includes_lies_over_what_it_includes_and_later_files_over_earlier(read):
    bps = read(
        "includeConfigs: [one.yaml, two.yaml]\nqueue: own\n",
        one="queue: one\npriority: 1\nrequestDisk: 1\n",
        two="includeConfigs: three.yaml\npriority: 2\n",
        three="priority: 3\nrequestDisk: 3\n",
    ).bps
    assert _values(bps.quantum_settings("isr"), "queue", "priority", "requestDisk") == ["own", 2, 3]


def test_an_include_is_looked_for_in_the_current_folder_and_then_beside_the_file(tmp_path, monkeypatch):
    for folder, number in (("here", 1), ("there", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "both.yaml").write_text(f"priority: {number}\n")
    (tmp_path / "there" / "deep").mkdir()
    (tmp_path / "there" / "deep" / "only.yaml").write_text("requestDisk: 4\n")
    (tmp_path / "there" / "submit.yaml").write_text("includeConfigs: [both.yaml, deep/only.yaml]\n")
    monkeypatch.chdir(tmp_path / "here")
    findings = Findings()
    bps = read_config(Path("../there/submit.yaml"), findings).bps
    assert _values(bps.quantum_settings("isr"), "priority", "requestDisk") == [1, 4]
    assert [(each.code, each.severity) for each in findings] == [("ambiguous-include", "warning")]


def test_variables_of_the_environment_are_replaced_when_the_file_is_read(read, monkeypatch):
    monkeypatch.setenv("DISK", "77")
    bps = read("requestDisk: <ENV:DISK>\nenvironment: {D: '${DISK}/{n}', n: 3}\n").bps
    settings = bps.quantum_settings("isr")
    assert settings["requestDisk"].value == 77
    assert settings["environment"].value == {"D": "77/3", "n": "3"}


def test_what_bps_fills_in_later_stays_as_it_is(read):
    payload = read("payload: {payloadName: night, inCollection: 'raw,calib'}\n").bps.payload
    assert payload["outputRun"].value == "u/{operator}/night/{timestamp}"
    assert payload["inCollection"].value == "raw,calib"


@pytest.mark.parametrize(
    ("text", "retries"),
    [
        ("numberOfRetries: null", 5),
        ("numberOfRetries: null\nmemoryMultiplier: 1", 0),
        ("numberOfRetries: null\nmemoryMultiplier: null", 0),
        ("numberOfRetries: 0", 0),
    ],
)
def test_no_number_of_retries_is_five_where_memory_grows_and_else_none(read, text, retries):
    assert read(text).bps.quantum_settings("isr")["numberOfRetries"].value == retries


def test_null_says_nothing_and_hides_what_lies_below(read):
    settings = read("queue: slow\nretryUnlessExit: null\npipetask: {isr: {queue: null}}\n").bps.quantum_settings("isr")
    assert "queue" not in settings
    assert settings["retryUnlessExit"].value == ()


@pytest.mark.parametrize(
    ("service", "seconds"),
    [("lsst.ctrl.bps.parsl.ParslService", 5400), ("lsst.ctrl.bps.panda.PanDAService", 90)],
)
def test_wall_times_are_minutes_to_the_plug_in_for_parsl_and_seconds_to_others(read, service, seconds):
    text = f"wmsServiceClass: {service}\nrequestWalltime: 90\npipetask: {{isr: {{requestWalltime: 2h}}}}\n"
    bps = read(text).bps
    assert bps.quantum_settings("cpDark")["requestWalltime"].value == seconds
    assert bps.quantum_settings("isr")["requestWalltime"].value == 7200, "with a unit there is nothing to guess"


def test_the_limit_of_memory_is_that_of_the_site(read):
    text = "computeSite: small\nsite: {small: {memoryLimit: 4096}, large: {memoryLimit: 8192}}\n"
    bps = read(text).bps
    assert bps.quantum_settings("isr")["memoryLimit"].value == 4096
    assert bps.quantum_settings("isr", site="large")["memoryLimit"].value == 8192


def test_a_cluster_may_run_at_another_site(read):
    text = "computeSite: a\nsite: {a: {queue: qa}, b: {queue: qb}}\ncluster: {night: {computeSite: b}}\n"
    bps = read(text).bps
    assert bps.quantum_settings("isr")["queue"].value == "qa"
    assert bps.quantum_settings("isr", "night")["queue"].value == "qb"


def test_clusters_are_read_with_all_that_bps_knows_of_them(read):
    bps = read(
        "clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering\n"
        "cluster:\n"
        "  night:\n"
        "    pipetasks: isr, cpDark\n"
        "    dimensions: '{which}, instrument'\n"
        "    which: detector\n"
        "    equalDimensions: visit:exposure, day:day_obs\n"
        "    partitionDimensions: exposure\n"
        "    partitionMaxClusters: 100\n"
        "    findDependencyMethod: sink\n"
        "    clusterTemplate: 'n_{detector}'\n"
        "  isr: {requestMemory: 3000}\n"
    ).bps
    assert bps.cluster_algorithm == "dimension"
    night, only_settings = bps.clusters()
    assert (night.name, night.pipetasks, night.dimensions) == ("night", ("isr", "cpDark"), ("detector", "instrument"))
    assert night.equal_dimensions == (("visit", "exposure"), ("day", "day_obs"))
    assert (night.partition_dimensions, night.partition_max_clusters) == (("exposure",), 100)
    assert (night.partition_max_size, night.find_dependency_method) == (None, "sink")
    assert night.template == "n_{detector}"
    assert str(night.place) == "submit.yaml:3:3"
    assert (only_settings.name, only_settings.pipetasks) == ("isr", ())


def test_what_a_cluster_says_itself_is_apart_from_what_its_quanta_ask_for(read):
    bps = read("payload: {requestDisk: 1}\ncluster: {night: {requestDisk: 9, requestWalltime: 60}}\n").bps
    assert {key: each.value for key, each in bps.cluster_settings("night").items()} == {
        "requestDisk": 9,
        "requestWalltime": 60,
    }
    assert bps.quantum_settings("isr", "night")["requestDisk"].value == 1, "bps looks into payload first"
    assert bps.cluster_settings("day") == {}


def test_a_key_that_stands_twice_counts_where_it_stands_last(read):
    bps = read("pipetask:\n  isr: {queue: a}\n  isr: {queue: b}\n").bps
    assert bps.quantum_settings("isr")["queue"].value == "b"


def test_merge_keys_are_followed(read):
    bps = read("x: &x {queue: a, priority: 1}\npipetask:\n  isr: {<<: *x, queue: b}\n").bps
    assert _values(bps.quantum_settings("isr"), "queue", "priority") == ["b", 1]


def test_labels_are_looked_at_when_the_pipeline_is_known(read):
    text = 'requestMemory: "{large}"\nqueue: slow\npipetask:\n  isr: {large: 4 GiB}\n  cpdark: {large: 5 GiB}\n'
    bps = read(text).bps
    findings = Findings()
    check_labels(bps, ["isr"], findings)
    assert findings.items == []
    check_labels(bps, ["isr", "cpDark"], findings)
    told = [(each.code, each.severity, each.help) for each in findings]
    assert ("unknown-label", "note", "did you mean 'cpDark'?") in told
    assert ("undefined-variable", "error", "write 'large: ...' at the top level") in told


def test_our_own_keys_stand_beside_those_of_bps(read):
    own = read(
        "requestMemory: 4096\n"
        "targets: {aws: {bucket: survey}}\n"
        "rules:\n"
        "  - when: {label: isr}\n"
        "    memory: 4 GiB\n"
        "profile: talk\n"
        "records: before/run\n"
        "runTimes: {isr: 90m, lsst.cp.pipe.CpDark: 5}\n"
        "keep: [postISRCCD]\n"
        "partition: {maximumJobs: 1000}\n"
    ).own
    assert own.rules == ({"when": {"label": "isr"}, "memory": "4 GiB"},)
    assert (own.profile, own.records, own.keep) == ("talk", "before/run", ("postISRCCD",))
    assert own.run_times == {"isr": 5400.0, "lsst.cp.pipe.CpDark": 5.0}
    assert own.partition == {"maximumJobs": 1000}
    assert own.file("records") == Path("before/run")
    places = [("rules", 0, "when.label"), ("rules", 0, "memory"), ("rules", 0), ("runTimes", "lsst.cp.pipe.CpDark")]
    assert [str(own.place(*path)) for path in places] == [
        "submit.yaml:4:19",
        "submit.yaml:5:13",
        "submit.yaml:4:5",
        "submit.yaml:8:43",
    ]
    assert own.place("rules", 0, "disk") is None
    assert own.place("rules", 7) is None


def test_records_are_found_beside_the_file_that_names_them(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "submit.yaml").write_text("records: run\n")
    monkeypatch.chdir(tmp_path)
    assert read_config(Path("conf/submit.yaml"), Findings()).own.file("records") == Path("conf/run")


def test_a_profile_that_is_a_mapping_is_the_one_of_bps(read):
    assert read("profile: {condor: {+Walltime: 3}}\n").own.profile is None
    assert read("profile: talk\n").own.profile == "talk"


def test_settings_of_a_target_are_those_given_then_those_of_the_file(tmp_path):
    path = tmp_path / "submit.yaml"
    path.write_text("requestMemory: 1 GiB\ntargets:\n  aws: {bucket: file, prefix: p}\n")
    settings = target_settings(path, "aws", {"bucket": "given"})
    assert settings.values == {"bucket": "given", "prefix": "p"}
    assert {key: str(place) for key, place in settings.places.items()} == {"prefix": f"{path}:3:31"}
    path.write_text("requestMemory: -1\n")
    with pytest.raises(CompileError):
        target_settings(path, "aws", {})


DIMENSION = "clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering\n"
SINGLE = "clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.single_quantum_clustering\n"


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        ("priority: 1\n", "auto"),
        (DIMENSION, "bps"),
        (SINGLE, "none"),
        (SINGLE + "clustering: {algorithm: auto}\n", "auto"),
        (DIMENSION + "clustering: {algorithm: none}\n", "none"),
        ("clustering: {algorithm: bps}\n", "bps"),
        ("clusterAlgorithm: my.own.function\nclustering: {algorithm: auto}\n", "auto"),
    ],
)
def test_clustering_is_ours_then_that_of_bps_then_auto(read, text, algorithm):
    findings = Findings()
    assert read(text).clustering(findings)[0] == algorithm
    assert findings.items == []


def test_clusters_that_group_nothing_are_told(read):
    findings = Findings()
    read("cluster: {night: {pipetasks: isr}}\n").clustering(findings)
    assert [(each.code, str(each.place)) for each in findings] == [("unused-clusters", "submit.yaml:1:11")]


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ("", (120.0, 3600.0, 7200.0)),
        ("targetSeconds: 60", (60, 60, 7200.0)),
        ("targetSeconds: 9000", (120.0, 9000, 18000)),
        ("maximumSeconds: 100", (100, 100, 100)),
        ("minimumSeconds: 5000", (5000, 5000, 7200.0)),
    ],
)
def test_one_bound_of_clusters_moves_the_others_out_of_its_way(read, keys, seconds):
    _, options = read(f"clustering: {{{keys}}}\n").clustering(Findings())
    assert (options.minimum_s, options.target_s, options.maximum_s) == seconds
    findings = Findings()
    options.check(findings)
    assert findings.items == []


def test_other_bounds_of_clusters_are_taken_as_they_are(read):
    text = "clustering: {unknownSeconds: 7, maximumQuanta: 8, parallelJobs: 9, minimumSeconds: 1, targetSeconds: 2}\n"
    expected = Options(minimum_s=1, target_s=2, maximum_s=7200.0, unknown_s=7, maximum_quanta=8, parallel=9)
    assert read(text).clustering(Findings())[1] == expected


def test_settings_are_looked_up_once_a_task(read):
    bps = read("queue: q\n").bps
    assert bps.quantum_settings("isr") is bps.quantum_settings("isr")
    assert BpsConfig().quantum_settings("isr") == BpsConfig().quantum_settings("isr")
