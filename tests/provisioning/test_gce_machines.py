"""What is made on Compute Engine: machines that cost no more than planned, and doors that are closed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from providers.base import MachineType, Market
from providers.provisioning.apply import apply
from providers.provisioning.base import CapacityError, Choice, CloudError, ClusterPlan, Group, Limits
from providers.provisioning.destroy import destroy

from .fake_gce import ZONES, Google
from .fake_gce_server import gce_plan
from .fake_gce_shapes import Json

PLAN = gce_plan()
HEAD, WORKERS = PLAN.groups
SPOT, ON_DEMAND = WORKERS.choices


def choice(machine: str, market: Market = "on-demand", zone: str | None = None, gpus: int = 0) -> Choice:
    return Choice(MachineType(machine, 8, 32.0, gpus=gpus), market, zone)


def started(google: Google, group: Group = WORKERS, what: Choice = SPOT, plan: ClusterPlan = PLAN) -> Json:
    """The machine as Google has it."""
    google.cloud().start(plan, group, what, 1)
    return google.machine(f"{plan.name}-{group.name}-1")[1]


def rules(google: Google, plan: ClusterPlan = PLAN) -> dict[str, Json]:
    google.cloud().prepare(plan, ())
    return {path.rpartition("-")[2]: each for path, each in google.things.items() if "firewalls" in path}


def metadata(machine: Json) -> dict[str, str]:
    return {each["key"]: each["value"] for each in machine["metadata"]["items"]}


def test_a_spot_machine_is_deleted_when_it_is_taken_away_and_never_restarts(google: Google) -> None:
    scheduling = started(google)["scheduling"]
    assert scheduling["provisioningModel"] == "SPOT"
    assert scheduling["instanceTerminationAction"] == "DELETE"
    assert scheduling["automaticRestart"] is False


@pytest.mark.parametrize("what", [SPOT, ON_DEMAND])
def test_google_itself_deletes_every_machine_at_the_end_of_its_lease(google: Google, what: Choice) -> None:
    scheduling = started(google, what=what)["scheduling"]
    assert scheduling["maxRunDuration"] == {"seconds": str(PLAN.limits.lease_s)}
    assert scheduling["instanceTerminationAction"] == "DELETE"


def test_after_the_lease_nothing_is_left_that_costs_by_the_hour(google: Google) -> None:
    apply(google.cloud(), PLAN, sleep=google.sleep)
    google.sleep(PLAN.limits.lease_s + 60)
    google.sleep(60)
    assert {each.kind for each in google.cloud().find(PLAN.name)} == {"firewall", "secret"}
    assert not [each for each in google.left() if each.startswith(("instances/", "disks/"))]


def test_what_is_left_of_the_lease_is_told(google: Google) -> None:
    begin = google.clock
    apply(google.cloud(), PLAN, sleep=google.sleep)
    ends = {each.ends_at for each in google.cloud().find(PLAN.name) if each.kind == "node"}
    assert all(end is not None and 0 <= end - begin - PLAN.limits.lease_s < 60 for end in ends)


def test_a_machine_that_has_shut_itself_down_is_stopped_and_without_an_end(google: Google) -> None:
    apply(google.cloud(), PLAN, sleep=google.sleep)
    google.shut_down("dark-workers-1")
    stopped = next(each for each in google.cloud().find(PLAN.name) if each.name == "dark-workers-1")
    assert (stopped.state, stopped.ends_at) == ("stopped", None)


def test_a_stopped_machine_makes_way_for_a_new_one_of_its_name(google: Google) -> None:
    started(google)
    google.shut_down("dark-workers-1")
    old = google.machine("dark-workers-1")[1]["id"]
    machine = started(google)
    assert machine["id"] != old
    assert [each for each in google.left() if each.startswith("instances")] == ["instances/dark-workers-1"]


def test_a_stopped_machine_in_another_zone_goes_too(google: Google) -> None:
    started(google, what=replace(SPOT, zone=ZONES[1]))
    google.shut_down("dark-workers-1")
    started(google, what=replace(SPOT, zone=ZONES[0]))
    assert google.left() == ["disks/dark-workers-1", "instances/dark-workers-1"]


def test_a_second_start_gives_back_the_machine_that_is_there(google: Google) -> None:
    first = google.cloud().start(PLAN, WORKERS, replace(SPOT, zone=ZONES[1]), 1)
    again = google.cloud().start(PLAN, WORKERS, SPOT, 1)
    assert first.id == again.id
    assert google.left() == ["disks/dark-workers-1", "instances/dark-workers-1"]


def test_the_machine_and_its_disk_carry_the_labels_from_their_first_moment(google: Google) -> None:
    machine = started(google)
    assert machine["labels"] == PLAN.tags(WORKERS)
    posted = next(body for method, _, body in google.seen if method == "POST")
    disk = posted["disks"][0]
    assert disk["autoDelete"] is True
    assert disk["initializeParams"]["labels"] == PLAN.tags(WORKERS)
    assert disk["initializeParams"]["diskSizeGb"] == str(WORKERS.disk_gib)


def test_the_newest_image_of_the_family_is_taken(google: Google) -> None:
    started(google)
    posted = next(body for method, _, body in google.seen if method == "POST")
    source = posted["disks"][0]["initializeParams"]["sourceImage"]
    assert source == "projects/debian-cloud/global/images/family/debian-13"


def test_machines_start_securely_and_keys_of_the_project_open_nothing(google: Google) -> None:
    machine = started(google)
    assert all(machine["shieldedInstanceConfig"].values())
    told = metadata(machine)
    assert told["block-project-ssh-keys"] == "TRUE"
    assert told["serial-port-enable"] == "FALSE"
    assert told["enable-oslogin"] == "TRUE"


def test_with_a_key_of_the_user_os_login_is_off_and_the_key_is_left_to_cloud_init(google: Google) -> None:
    told = metadata(started(google, plan=replace(PLAN, ssh_key="ssh-ed25519 AAAA me")))
    assert told["enable-oslogin"] == "FALSE"
    assert "ssh-keys" not in told


def test_user_data_is_given_as_it_is_with_what_images_without_cloud_init_need(google: Google) -> None:
    told = metadata(started(google))
    assert told["user-data"] == WORKERS.user_data
    assert "install cloud-init" in told["startup-script"]
    assert str(PLAN.limits.lease_s) in told["startup-script"]


def test_machines_act_as_the_service_account_of_the_settings_and_else_as_none(google: Google) -> None:
    [account] = started(google)["serviceAccounts"]
    assert account["email"] == "nodes@survey-123.iam.gserviceaccount.com"
    given = replace(PLAN, name="other", identity="me@example.iam.gserviceaccount.com")
    assert started(google, plan=given)["serviceAccounts"][0]["email"] == given.identity
    assert started(google, plan=replace(PLAN, name="none", identity=None))["serviceAccounts"] == []


def test_a_machine_with_gpus_is_not_moved_to_another_host(google: Google) -> None:
    assert started(google, what=choice("g2-standard-4", gpus=1))["scheduling"]["onHostMaintenance"] == "TERMINATE"


def test_a_subnetwork_of_the_settings_is_used(google: Google) -> None:
    google.networks["deep"] = google.networks["default"]
    started(google, plan=replace(PLAN, network="deep/sky"))
    posted = next(body for method, _, body in google.seen if method == "POST")
    assert posted["networkInterfaces"][0]["subnetwork"].endswith("/regions/us-central1/subnetworks/sky")
    assert posted["networkInterfaces"][0]["network"].endswith("/global/networks/deep")


def test_ssh_reaches_the_head_only_and_only_from_the_networks_given(google: Google) -> None:
    ssh = rules(google)["ssh"]
    assert ssh["sourceRanges"] == ["192.0.2.0/24"]
    assert ssh["allowed"] == [{"IPProtocol": "tcp", "ports": ["22"]}]
    assert set(ssh["targetTags"]) <= set(started(google, HEAD, HEAD.choices[0])["tags"]["items"])
    assert not set(ssh["targetTags"]) & set(started(google)["tags"]["items"])


def test_the_pool_is_open_to_its_own_machines_only(google: Google) -> None:
    pool = rules(google)["pool"]
    assert "sourceRanges" not in pool
    assert pool["sourceTags"] == pool["targetTags"]
    assert pool["allowed"] == [{"IPProtocol": "tcp", "ports": ["9618"]}]
    assert set(pool["targetTags"]) <= set(started(google)["tags"]["items"])


def test_what_the_network_lets_in_by_itself_is_shut_out(google: Google) -> None:
    # Google's network 'default' has default-allow-ssh, from 0.0.0.0/0, at the priority 65534.
    found = rules(google)
    closed = found["closed"]
    assert closed["denied"] == [{"IPProtocol": "all"}]
    assert closed["sourceRanges"] == ["0.0.0.0/0"]
    assert set(closed["targetTags"]) <= set(started(google, HEAD, HEAD.choices[0])["tags"]["items"])
    assert max(found["ssh"]["priority"], found["pool"]["priority"]) < closed["priority"] < 1000


def test_without_a_network_given_nobody_can_log_in(google: Google) -> None:
    # Google takes a rule without a source for one that lets everybody in.
    found = rules(google, replace(PLAN, ssh_from=()))
    assert set(found) == {"closed", "pool"}
    assert not any(each.get("allowed") and "0.0.0.0/0" in each.get("sourceRanges", ()) for each in found.values())


def test_another_range_replaces_the_one_before(google: Google) -> None:
    rules(google)
    google.cloud().prepare(replace(PLAN, ssh_from=("198.51.100.7/32",)), google.cloud().find(PLAN.name))
    assert google.things["global/firewalls/rubincwl-dark-ssh"]["sourceRanges"] == ["198.51.100.7/32"]


def test_a_running_cluster_is_not_moved_to_another_network(google: Google) -> None:
    rules(google)
    google.networks["own"] = google.networks["default"]
    with pytest.raises(CloudError, match="stands in the network 'default'"):
        google.cloud().prepare(replace(PLAN, network="own"), google.cloud().find(PLAN.name))


def test_tags_of_one_cluster_are_not_those_of_another(google: Google) -> None:
    tags = [
        set(started(google, HEAD, HEAD.choices[0], replace(PLAN, name=name))["tags"]["items"])
        for name in ("a", "a-head")
    ]
    assert tags[0].isdisjoint(tags[1])


def test_a_full_zone_is_followed_by_the_next_one_of_the_region(google: Google) -> None:
    google.fill(replace(SPOT, zone=ZONES[0]))
    assert started(google)["zone"].endswith(ZONES[1])


def test_zones_of_the_settings_are_the_only_ones(google: Google) -> None:
    google.fill(replace(SPOT, zone=ZONES[1]))
    with pytest.raises(CapacityError, match=ZONES[1]):
        google.cloud(zones=[ZONES[1]]).start(PLAN, WORKERS, SPOT, 1)
    assert google.left() == []


def test_a_zone_without_the_machine_type_is_passed_over(google: Google) -> None:
    assert started(google, what=choice("c2-standard-8"))["zone"].endswith(ZONES[1])
    with pytest.raises(CapacityError):
        google.cloud().start(PLAN, HEAD, choice("c2-standard-8", zone=ZONES[0]), 1)


@pytest.mark.parametrize("code", ["ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"])
def test_an_exhausted_region_is_told_as_missing_capacity(google: Google, code: str) -> None:
    google.exhausted = code
    google.fill(SPOT)
    with pytest.raises(CapacityError, match="enough resources"):
        google.cloud().start(PLAN, WORKERS, SPOT, 1)


def test_a_quota_of_spot_machines_or_of_their_family_is_missing_capacity(google: Google) -> None:
    google.quotas = {"PREEMPTIBLE_CPUS": (8.0, 8.0), "N2_CPUS": (4.0, 0.0)}
    for what in (SPOT, ON_DEMAND):
        with pytest.raises(CapacityError, match="CPUS"):
            google.cloud().start(PLAN, WORKERS, what, 1)


def test_a_quota_that_all_machines_share_is_an_error_in_words(google: Google) -> None:
    google.quotas = {"N2_CPUS": (4.0, 0.0)}
    google.cannot = (403, "QUOTA_EXCEEDED", "Quota 'IN_USE_ADDRESSES' exceeded.  Limit: 4.0 in region us-central1.")
    with pytest.raises(CloudError, match=r"no quota left.*IN_USE_ADDRESSES.*quotas"):
        google.cloud().start(PLAN, WORKERS, SPOT, 1)


def test_somebody_elses_machine_of_the_name_is_left_alone(google: Google) -> None:
    machine = started(google)
    machine["labels"] = {"mine": "not-yours"}
    with pytest.raises(CloudError, match="not the cluster's"):
        google.cloud().start(PLAN, WORKERS, SPOT, 1)
    assert google.cloud().find(PLAN.name) == ()
    assert google.left() == ["disks/dark-workers-1", "instances/dark-workers-1"]


def test_somebody_elses_firewall_rule_of_the_name_is_left_alone(google: Google) -> None:
    rules(google)
    for path, each in google.things.items():
        if path.endswith("-pool"):
            each["description"] = "by hand"
    with pytest.raises(CloudError, match="rubincwl-dark-pool"):
        google.cloud().prepare(PLAN, ())
    assert destroy(google.cloud(), PLAN.name, sleep=google.sleep).complete
    assert google.left() == ["global/firewalls/rubincwl-dark-pool"]


def test_a_disk_that_has_outlived_its_machine_is_found_and_removed(google: Google) -> None:
    machine = started(google)
    machine["disks"][0]["autoDelete"] = False
    google.cloud().destroy(next(iter(google.cloud().find(PLAN.name))))
    google.sleep(60)
    assert [each.kind for each in google.cloud().find(PLAN.name)] == ["volume"]
    assert destroy(google.cloud(), PLAN.name, sleep=google.sleep).complete
    assert google.left() == []


def test_the_workers_token_is_found_and_destroyed_unread(google: Google) -> None:
    apply(google.cloud(), PLAN, sleep=google.sleep)
    assert "rubincwl-dark-worker-token" in {
        each.name for each in google.cloud().find(PLAN.name) if each.kind == "secret"
    }
    destroy(google.cloud(), PLAN.name, sleep=google.sleep)
    assert not [path for _, path, _ in google.seen if ":access" in path]


def test_lists_are_read_to_their_last_page(google: Google) -> None:
    google.page = 1
    many = replace(PLAN, groups=(HEAD, replace(WORKERS, count=5)), limits=Limits(None, None, 3600, 1800))
    assert apply(google.cloud(), many, sleep=google.sleep).complete
    assert len([each for each in google.cloud().find(PLAN.name) if each.kind == "node"]) == 6
    assert destroy(google.cloud(), PLAN.name, sleep=google.sleep).complete
    assert google.left() == []


def test_a_zone_that_cannot_be_asked_is_not_taken_for_an_empty_one(google: Google) -> None:
    google.unreachable = ZONES[0]
    with pytest.raises(CloudError, match=f"cannot say what is in zones/{ZONES[0]}"):
        google.cloud().find(PLAN.name)


def test_no_request_but_its_header_holds_the_token(google: Google, google_token: str) -> None:
    apply(google.cloud(), PLAN, sleep=google.sleep)
    assert google_token not in json.dumps(google.seen)
    assert {each["authorization"] for each in google.headers} == {f"Bearer {google_token}"}
