"""From settings to a plan: what is chosen, what it costs, and what is refused before any cloud is asked."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import Problem, load_provider
from providers.prices import prices_of
from providers.provisioning.base import ClusterPlan
from providers.provisioning.documents import cluster_files, plan_document
from providers.provisioning.first_start import first_start
from providers.provisioning.guards import check_ssh_from
from providers.provisioning.plan import make_plan, unknowns
from providers.provisioning.settings import seconds
from schemas import schema

GOOD: dict[str, Any] = {
    "name": "dark",
    "head": {"type": "m5.large"},
    "workers": [
        {
            "name": "big",
            "types": ["m5.xlarge", "r5.xlarge"],
            "count": 4,
            "spot": True,
            "fallback": "on-demand",
            "zones": ["us-east-1a", "us-east-1b"],
        }
    ],
    "ssh_from": ["192.0.2.0/24"],
    "identity": "rubin-node",
    "limits": {"usd_hour": 5, "usd_total": 50},
}
WORKERS = GOOD["workers"][0]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHX5X48hl me@here\n"


def planned(given: Mapping[str, Any], provider: str = "aws", folder: Path | None = None) -> ClusterPlan:
    made = make_plan(load_provider(provider, {}), given, first_start, folder)
    assert isinstance(made, ClusterPlan), made
    return made


def refused(given: Mapping[str, Any], folder: Path | None = None, **target: Any) -> tuple[Problem, ...]:
    made = make_plan(load_provider("aws", target), given, first_start, folder)
    assert not isinstance(made, ClusterPlan)
    return made


def test_spot_comes_before_what_it_falls_back_on_and_types_in_their_order() -> None:
    head, big = planned(GOOD).groups
    assert [(c.machine.name, c.market, c.zone) for c in head.choices] == [("m5.large", "on-demand", None)]
    zones = ("us-east-1a", "us-east-1b")
    expected = [
        (machine, market, zone)
        for market in ("spot", "on-demand")
        for machine in ("m5.xlarge", "r5.xlarge")
        for zone in zones
    ]
    assert [(c.machine.name, c.market, c.zone) for c in big.choices] == expected


@settings(deadline=None)
@given(
    types=st.lists(st.sampled_from(["m5.large", "m5.xlarge", "r5.xlarge", "c6i.xlarge"]), min_size=1, unique=True),
    zones=st.lists(st.sampled_from(["us-east-1a", "us-east-1b", "us-east-1c"]), unique=True),
    spot=st.booleans(),
    fallback=st.booleans(),
    count=st.integers(1, 20),
)
def test_every_way_to_get_a_machine_is_tried_once_and_the_price_is_that_of_the_dearest(
    types: list[str], zones: list[str], spot: bool, fallback: bool, count: int
) -> None:
    workers = {
        "name": "w",
        "types": types,
        "count": count,
        "spot": spot,
        "fallback": "on-demand" if fallback else "none",
        **({"zones": zones} if zones else {}),
    }
    limits = {"usd_hour": 1e4, "usd_total": 1e6}
    plan = planned(GOOD | {"workers": [workers], "limits": limits})
    choices = [(c.machine.name, c.market, c.zone) for c in plan.groups[1].choices]
    markets = (["spot"] if spot else []) + (["on-demand"] if fallback or not spot else [])
    assert len(set(choices)) == len(choices)
    assert set(choices) == set(product(types, markets, zones or [None]))
    on_demand = {p.machine: p.usd_hour for p in prices_of("aws", "us-east-1") if p.market == "on-demand"}
    disks = 0.08 / 730 * (50 + 100 * count)
    assert plan.usd_hour == pytest.approx(on_demand["m5.large"] + count * max(on_demand[t] for t in types) + disks)


def test_the_same_settings_give_the_same_files_which_are_what_the_schema_says(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY)
    named = GOOD | {"ssh_key_file": "key.pub"}
    files, again = (cluster_files(planned(named, folder=tmp_path)) for _ in range(2))
    assert files == again
    assert set(files) == {"plan.json", "head.cloud-config", "worker.cloud-config"}
    jsonschema.validate(json.loads(files["plan.json"]), schema("cluster-plan"))
    assert KEY.strip() in files["head.cloud-config"]
    assert str(tmp_path) not in "".join(files.values())


def test_a_plan_says_what_its_price_leaves_out() -> None:
    told = " ".join(unknowns(planned(GOOD | {"workers": [WORKERS | {"types": ["m6i.xlarge"]}]})))
    assert "the usual spot price of m6i.xlarge" in told
    assert "traffic" in told
    assert "disks" not in told
    elsewhere = load_provider("aws", {"region": "eu-west-1"})
    plan = make_plan(elsewhere, GOOD | {"workers": [WORKERS | {"zones": ["eu-west-1a"]}]}, first_start)
    assert isinstance(plan, ClusterPlan)
    assert "what disks cost" in unknowns(plan)
    jsonschema.validate(plan_document(plan), schema("cluster-plan"))


def wrong(**changes: Any) -> dict[str, Any]:
    return GOOD | changes


@pytest.mark.parametrize(
    ("settings", "code", "setting"),
    [
        (wrong(ssh_from=["0.0.0.0/0"]), "open-to-everybody", "cluster.ssh_from.0"),
        (wrong(ssh_from=["192.0.2.1/32", "::/0"]), "open-to-everybody", "cluster.ssh_from.1"),
        (wrong(ssh_from=["10.0.0.0/7"]), "open-to-everybody", "cluster.ssh_from.0"),
        (wrong(ssh_from=["here"]), "bad-network", "cluster.ssh_from.0"),
        (wrong(ssh_from=[]), "bad-setting", "cluster.ssh_from"),
        ({key: value for key, value in GOOD.items() if key != "ssh_from"}, "bad-setting", "cluster"),
        (wrong(head={"type": "m5.lrage"}), "unknown-machine", "cluster.head.type"),
        (wrong(workers=[WORKERS | {"types": ["m5.xlarge", "moon"]}]), "unknown-machine", "cluster.workers.0.types.1"),
        (wrong(workers=[WORKERS | {"zones": ["eu-west-1a"]}]), "bad-zone", "cluster.workers.0.zones.0"),
        (wrong(workers=[WORKERS, WORKERS]), "group-twice", "cluster.workers.1.name"),
        (wrong(workers=[WORKERS | {"name": "head"}]), "group-twice", "cluster.workers.0.name"),
        (wrong(limits={"usd_hour": 5}), "no-limit", "cluster.limits"),
        (wrong(limits={"usd_hour": 0.5, "usd_total": 500}), "over-limit", "cluster.limits.usd_hour"),
        (wrong(limits={"usd_hour": 5, "usd_total": 12}), "over-limit", "cluster.limits.usd_total"),
        (wrong(lease="20h", idle="21h"), "idle-beyond-lease", "cluster.idle"),
        (wrong(lease="1 day"), "bad-setting", "cluster.lease"),
        (wrong(lease="5m", idle="1m"), "short-lease", "cluster.lease"),
        (wrong(identity=""), "bad-setting", "cluster.identity"),
        ({key: value for key, value in GOOD.items() if key != "identity"}, "no-identity", "cluster.identity"),
        (wrong(labels={"rubincwl-cluster": "mine"}), "bad-setting", "cluster.labels"),
        (wrong(ssh_key_file="nowhere.pub"), "unreadable-file", "cluster.ssh_key_file"),
        (wrong(colour="blue"), "bad-setting", "cluster"),
    ],
)
def test_what_is_wrong_is_told_with_the_setting_that_is_to_blame(
    settings: Mapping[str, Any], code: str, setting: str
) -> None:
    assert (code, setting) in [(each.code, each.setting) for each in refused(settings)]


def test_all_that_is_wrong_is_told_at_once() -> None:
    worse = wrong(ssh_from=["0.0.0.0/0"], head={"type": "moon"}, limits={"usd_hour": 1})
    assert {each.code for each in refused(worse)} == {"open-to-everybody", "unknown-machine", "no-limit"}


@settings(deadline=None)
@given(st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_a_network_may_reach_the_head_exactly_if_it_is_small_enough(length: int, address: int) -> None:
    network = ipaddress.ip_network((address, length), strict=False)
    assert (check_ssh_from([str(network)]) == ()) == (length >= 8)


def test_a_machine_without_a_known_price_is_refused_until_the_settings_give_one() -> None:
    settings = wrong(workers=[WORKERS | {"types": ["g5.12xlarge"], "spot": False, "count": 1}])
    (problem,) = refused(settings)
    assert (problem.code, problem.setting) == ("unknown-price", "cluster.prices")
    assert "g5.12xlarge" in problem.message
    priced = settings | {"prices": {"g5.12xlarge": {"on-demand": 3.5}}}
    assert planned(priced).usd_hour == pytest.approx(0.096 + 3.5 + 0.08 / 730 * 150)
    assert [each.code for each in refused(priced | {"limits": {"usd_hour": 3, "usd_total": 100}})] == ["over-limit"]


def test_a_spot_machine_counts_as_what_it_can_rise_to() -> None:
    plan = planned(wrong(workers=[WORKERS | {"fallback": "none", "types": ["m5.xlarge"]}]))
    choice = plan.groups[1].choices[0]
    assert choice.price is not None
    assert choice.price.usd_hour < 0.1 < choice.ceiling == 0.192


def test_a_private_key_is_refused_and_nothing_of_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n")
    (problem,) = refused(wrong(ssh_key_file="key"), tmp_path)
    assert problem.code == "private-key"
    assert "c2VjcmV0" not in repr(problem)
    (tmp_path / "key").write_text("two words\n")
    assert [each.code for each in refused(wrong(ssh_key_file="key"), tmp_path)] == ["bad-ssh-key"]


def test_user_data_beyond_the_limit_of_the_cloud_is_refused() -> None:
    provider = load_provider("aws", {})
    sizes = [len(group.user_data.encode()) for group in planned(GOOD).groups]
    assert isinstance(make_plan(provider, GOOD, first_start, None, max(sizes)), ClusterPlan)
    made = make_plan(provider, GOOD, first_start, None, max(sizes) - 1)
    assert not isinstance(made, ClusterPlan)
    assert [each.code for each in made] == ["user-data-too-long"]


def test_user_data_fits_what_amazon_and_google_take() -> None:
    google = load_provider("gcp", {"project": "survey-night"})
    workers = WORKERS | {"types": ["n2-standard-8"], "zones": ["us-central1-b"]}
    settings = GOOD | {"head": {"type": "e2-standard-2"}, "workers": [workers]}
    for provider, asked, limit in ((load_provider("aws", {}), GOOD, 16_384), (google, settings, 262_144)):
        assert isinstance(make_plan(provider, asked, first_start, None, limit), ClusterPlan)


def test_on_prem_machines_are_those_of_the_settings_and_need_no_limit_of_money() -> None:
    pool = {"machines": [{"name": "m1.large", "cores": 4, "memory_gib": 8}]}
    settings = {key: value for key, value in GOOD.items() if key not in ("limits", "identity")} | {
        "head": {"type": "m1.large"},
        "workers": [{"name": "w", "types": ["m1.large"], "count": 2}],
        "network_range": "10.20.0.0/24",
    }
    plan = make_plan(load_provider("onprem", pool), settings, first_start)
    assert isinstance(plan, ClusterPlan)
    assert plan.usd_hour is None
    unlisted = make_plan(load_provider("onprem", {}), settings, first_start)
    assert not isinstance(unlisted, ClusterPlan)
    assert unlisted[0].help == "list it under targets: onprem: machines"


@pytest.mark.parametrize(("said", "expected"), [("12h", 43_200), ("1d12h", 129_600), ("45s", 45), ("1h30m", 5_400)])
def test_durations_count_as_they_read(said: str, expected: int) -> None:
    assert seconds(said) == expected
