"""The verbs of provision: what they show and ask, and how they end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import jsonschema
import pytest

from providers.provisioning.base import CloudError, Resource
from rubincwl.cli.provisioning import provision
from schemas import schema
from tests.cli.conftest import Outcome, Rubincwl
from tests.provisioning.memory_cloud import Memory, MemoryCloud

CONFIG = """
targets:
  aws:
    cluster:
      name: dark
      head: {type: m5.large}
      workers:
        - {name: big, types: [m5.xlarge], count: 2, spot: true, fallback: on-demand}
      ssh_from: [192.0.2.0/24]
      identity: rubin-node
      limits: {usd_hour: 5, usd_total: 50}
"""
WHOLE = ["firewall dark-firewall", "key dark-key", "node dark-big-1", "node dark-big-2", "node dark-head-1"]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """An account in memory in the place of Amazon's; nobody waits."""
    memory = Memory()
    monkeypatch.setattr("providers.registry.cloud_of", lambda *named: memory.cloud())
    clock = SimpleNamespace(sleep=memory.sleep, time=lambda: memory.clock)
    monkeypatch.setattr("rubincwl.cli.provisioning.time", clock)
    return memory


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def call(config: Path) -> Any:
    rubincwl = Rubincwl()

    def call(verb: str, *words: str) -> Outcome:
        return rubincwl("provision", verb, "--target", "aws", "--config", config, *words)

    return call


def test_plan_shows_machines_prices_and_limits_and_asks_no_cloud(call: Any, memory: Memory) -> None:
    done = call("plan")
    assert done.code == 0
    text = " ".join(done.out.split())
    for told in (
        "cluster 'dark' on aws us-east-1, image debian-13",
        "m5.xlarge (4 cores, 16 GiB) spot",
        "m5.xlarge (4 cores, 16 GiB) on-demand",
        "at most 0.51 USD an hour (limit 5.00), 6.09 USD in a lease (limit 50.00)",
        "end themselves 12 h after they start, or 30 min without a job",
        "SSH to the head from 192.0.2.0/24",
        "not counted: traffic",
    ):
        assert told in text
    assert memory.calls() == 0


def test_the_plan_for_programs_is_what_its_schema_says(call: Any, memory: Memory) -> None:
    done = call("plan", "--json")
    plan = done.json["result"]["plan"]
    jsonschema.validate(plan, schema("cluster-plan"))
    assert plan["at_most"]["usd_hour"] == pytest.approx(0.5074, abs=0.001)


def test_plan_asks_the_cloud_only_if_told_to(call: Any, memory: Memory) -> None:
    memory.quota = 2
    done = call("plan", "--ask-cloud")
    assert done.code == 1
    assert "error[quota]: 3 machines are wanted, 2 are left" in done.err
    assert memory.changes() == 0


def test_what_is_wrong_with_the_cluster_is_told_at_its_line(call: Any, config: Path, memory: Memory) -> None:
    config.write_text(CONFIG.replace("192.0.2.0/24", "0.0.0.0/0"))
    done = call("apply", "--yes")
    assert done.code == 1
    assert f"{config}:9:18: error[open-to-everybody]" in done.err
    assert memory.calls() == 0


def test_a_word_that_the_schema_does_not_know_is_told_at_its_line(call: Any, config: Path) -> None:
    config.write_text(CONFIG.replace("identity:", "identiti:"))
    done = call("plan")
    assert done.code == 1
    assert f"{config}:10:7: error[unknown-key]" in done.err
    assert "identity" in done.err


def test_with_nobody_to_ask_nothing_is_made_or_removed_without_yes(call: Any, memory: Memory) -> None:
    done = call("apply")
    assert done.code == 2
    assert "--yes" in done.err
    assert memory.changes() == 0
    call("apply", "--yes")
    assert call("destroy").code == 2
    assert call("destroy", "--json").code == 2
    assert memory.left() == WHOLE


@pytest.mark.parametrize(("answer", "expected"), [("y\n", WHOLE), ("n\n", [])])
def test_on_a_terminal_apply_asks(
    answer: str, expected: list[str], config: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rubincwl.cli.provisioning._somebody_there", lambda: True)
    from click.testing import CliRunner

    words = ["apply", "--target", "aws", "--config", str(config)]
    done = CliRunner().invoke(provision, words, input=answer)
    assert "Start 3 machines on aws?" in done.stderr
    assert (done.exit_code == 0) == (answer == "y\n")
    assert memory.left() == expected


def test_apply_then_again_then_status_then_destroy(call: Any, memory: Memory) -> None:
    first = call("apply", "--yes")
    assert first.code == 0
    assert "started dark-big-2: m5.xlarge spot" in first.err
    assert "'dark' is complete" in first.out
    assert "the head is at 192.0.2.1" in first.out
    again = call("apply")  # nothing is to be asked
    assert again.code == 0
    assert "was complete; nothing was changed" in again.out
    memory.sleep(3600)
    shown = call("status")
    assert shown.code == 0
    assert "11 h 00 min" in shown.out
    assert "0.24 USD an hour now" in shown.out
    status = call("status", "--json").json["result"]
    assert [each["name"] for each in status["nodes"]] == ["dark-head-1", "dark-big-1", "dark-big-2"]
    assert status["nodes"][0]["cloud_left_s"] == status["nodes"][0]["lease_left_s"] == 11 * 3600
    gone = call("destroy", "--yes")
    assert gone.code == 0
    assert "nothing of 'dark' is left on aws; 5 things were removed" in gone.out
    assert memory.left() == []
    assert "nothing of 'dark' is there" in call("status").out
    assert call("destroy", "--yes").code == 0


def test_status_names_what_has_stopped_and_still_holds_something(memory: Memory, call: Any) -> None:
    call("apply", "--yes")
    assert "stopped" not in call("status").out
    memory.take_away("dark-big-2")
    assert "stopped, and still holding what they were given: dark-big-2;" in call("status").out


def test_destroy_and_status_need_no_configuration_but_the_name(memory: Memory, call: Any) -> None:
    call("apply", "--yes")
    rubincwl = Rubincwl()
    assert "dark-head-1" in rubincwl("provision", "status", "--target", "aws", "--name", "dark").out
    assert rubincwl("provision", "destroy", "--target", "aws", "--name", "dark", "--yes").code == 0
    assert memory.left() == []
    assert rubincwl("provision", "status", "--target", "aws").code == 2


def test_another_name_is_another_cluster_with_the_same_settings(memory: Memory, call: Any) -> None:
    call("apply", "--yes")
    assert call("apply", "--yes", "--name", "night").code == 0
    assert len(memory.left()) == 2 * len(WHOLE)
    assert call("destroy", "--yes", "--name", "night").code == 0
    assert memory.left() == WHOLE


def test_a_cloud_that_fails_is_exit_code_3_with_a_way_on(memory: Memory, call: Any) -> None:
    memory.fail(1, after_effect=False)
    done = call("status")
    assert done.code == 3
    assert "error[cloud-failed]: find: the connection was refused" in done.err
    memory.fail(8, after_effect=False)
    half = call("apply", "--yes")
    assert half.code == 3
    assert "apply again to finish, or destroy to remove" in half.err
    assert call("apply", "--yes").code == 0
    assert memory.left() == WHOLE


def test_a_quota_too_small_is_exit_code_1_and_nothing_is_made(memory: Memory, call: Any) -> None:
    memory.quota = 2
    done = call("apply", "--yes")
    assert done.code == 1
    assert "error[quota]" in done.err
    assert memory.left() == []


def test_what_differs_from_the_plan_is_a_warning(memory: Memory, call: Any, config: Path) -> None:
    call("apply", "--yes")
    config.write_text(CONFIG.replace("limits:", "lease: 10h\n      limits:"))
    done = call("apply")
    assert done.code == 0
    assert "warning[differs-from-plan]: 'dark-head-1' was set up otherwise" in done.err


def test_who_may_come_in_is_changed_after_asking(memory: Memory, call: Any, config: Path) -> None:
    call("apply", "--yes")
    config.write_text(CONFIG.replace("192.0.2.0/24", "198.51.100.0/24"))
    assert call("apply").code == 2
    done = call("apply", "--yes")
    assert done.code == 0
    assert "changed the firewall dark-firewall" in done.err


def test_destroy_names_what_is_left(memory: Memory, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("apply", "--yes")

    def refuse(cloud: MemoryCloud, resource: Resource) -> None:
        raise CloudError("you may not")

    monkeypatch.setattr(MemoryCloud, "destroy", refuse)
    done = call("destroy", "--yes")
    assert done.code == 3
    assert "removing the key dark-key: you may not" in done.err
    assert "left: " in done.err


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("terraform", {"main.tf.json", "head.cloud-config", "big.cloud-config"}),
        ("packer", {"node.pkr.hcl", "plugins.pkr.hcl"}),
        ("policies", {"nodes.json", "staging.json", "submitter.json"}),
    ],
)
def test_the_plan_is_exported_and_no_cloud_is_asked(
    call: Any, memory: Memory, tmp_path: Path, form: str, files: set[str]
) -> None:
    done = call("export", "--format", form, "-o", str(tmp_path / "out"))
    assert done.code == 0, done.err
    assert {each.name for each in (tmp_path / "out").iterdir()} == files
    assert all(str(tmp_path / "out" / each) in done.out for each in files)
    assert memory.made == 0


def test_the_portable_target_has_no_machines() -> None:
    done = Rubincwl()("provision", "plan", "--target", "cwl")
    assert done.code == 2


def test_every_verb_has_help_and_the_common_options() -> None:
    assert {"plan", "apply", "status", "destroy"} <= set(provision.commands)
    for name, verb in provision.commands.items():
        text = verb.get_help(click.Context(verb, info_name=name))
        assert all(option in text for option in ("--json", "--quiet", "--target")), name


def test_a_compile_writes_the_cluster_that_the_settings_ask_for(tmp_path: Path, config: Path) -> None:
    from compiler.demo_data import make_demo_data

    rubincwl = Rubincwl()
    made = make_demo_data("dark-synthetic", tmp_path / "data", exposures=1, detectors=2)
    target = "  aws:\n    bucket: night\n    inputs_at: s3://survey/repo\n    container: docker://science/stack\n"
    config.write_text(CONFIG.replace("  aws:\n", target))
    words = ["compile", made["pipeline"], made["graph"], "--target", "aws", "--config", config, "-o"]
    texts = []
    for out in (tmp_path / "one", tmp_path / "two"):
        done = rubincwl(*words, out)
        assert done.code == 0, done.err
        texts.append({path.name: path.read_text() for path in sorted((out / "cluster").iterdir())})
    assert list(texts[0]) == ["head.cloud-config", "plan.json", "worker.cloud-config"]
    assert texts[0] == texts[1]
    config.write_text(config.read_text().replace("usd_hour: 5", "usd_hour: 0.1"))
    done = rubincwl(*words, tmp_path / "three")
    assert done.code == 1
    assert "error[over-limit]" in done.err
    assert not (tmp_path / "three").exists()
