"""What EC2 is really asked for, and what a user is told when it refuses."""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import MachineType
from providers.provisioning.apply import apply
from providers.provisioning.base import TAG, CapacityError, Choice, CloudError, ClusterPlan, Resource
from providers.provisioning.destroy import destroy
from providers.provisioning.ec2 import EC2, USER_DATA_LIMIT
from tests.provisioning.amazon import REGION, SECRET, SSH_KEY, TOKEN, Account
from tests.provisioning.cloud_contract import small_plan


@pytest.fixture
def plan() -> ClusterPlan:
    planned = small_plan("aws", REGION, "m6i.xlarge", "r6i.2xlarge")
    return replace(planned, identity="rubincwl-node", ssh_key=SSH_KEY)


@pytest.fixture
def applied(account: Account, plan: ClusterPlan) -> Account:
    assert apply(account.cloud(), plan, sleep=account.sleep).complete
    return account


def started(account: Account, name: str) -> dict[str, str]:
    """What EC2 was asked for when the node `name` was started."""
    return next(call for call in account.of("RunInstances") if name in call.values())


def rules(account: Account, group: str) -> set[tuple[int, int, str]]:
    """First port, last port, and network or name of the group that may come in."""
    known = {each.id: name for name, each in account.groups().items()}
    return {
        (rule.from_port, rule.to_port, rule.ip_range.get("CidrIp") or rule.ip_range["CidrIpv6"])
        if rule.ip_range
        else (rule.from_port, rule.to_port, known[rule.source_group["GroupId"]])
        for rule in account.groups()[group].ingress_rules
    }


def codes(account: Account, plan: ClusterPlan, severity: str = "error", **settings: str) -> list[str]:
    return [each.code for each in account.cloud(**settings).preflight(plan) if each.severity == severity]


# What is made.


def test_only_the_head_is_reached_from_outside_and_only_by_ssh_from_the_networks_given(applied: Account) -> None:
    assert rules(applied, "rubincwl-dark-head") == {(22, 22, "192.0.2.0/24")}
    assert rules(applied, "rubincwl-dark-pool") == {(9618, 9618, "rubincwl-dark-pool")}
    groups = {name: started(applied, name) for name in ("dark-head-1", "dark-workers-1", "dark-workers-2")}
    assert "SecurityGroupId.2" in groups["dark-head-1"]
    for worker in ("dark-workers-1", "dark-workers-2"):
        assert "SecurityGroupId.2" not in groups[worker]
        assert groups[worker]["SecurityGroupId.1"] == applied.groups()["rubincwl-dark-pool"].id


def test_a_changed_ssh_range_is_taken_over_and_the_old_one_let_in_no_more(applied: Account, plan: ClusterPlan) -> None:
    moved = replace(plan, ssh_from=("198.51.100.7/32", "2001:db8::/48"))
    done = apply(applied.cloud(), moved, sleep=applied.sleep)
    assert done.complete
    assert {each.kind for each in done.made} == {"firewall"}
    assert rules(applied, "rubincwl-dark-head") == {(22, 22, "198.51.100.7/32"), (22, 22, "2001:db8::/48")}
    assert apply(applied.cloud(), moved, sleep=applied.sleep).standing.differences == ()


def test_machines_answer_for_metadata_with_a_token_only_and_end_when_they_shut_down(applied: Account) -> None:
    for instance in applied.instances():
        assert instance.metadata_options.http_tokens == "required"
        assert instance.instance_initiated_shutdown_behavior == "terminate"
    assert {call["MetadataOptions.HttpPutResponseHopLimit"] for call in applied.of("RunInstances")} == {"1"}


def test_everything_carries_the_clusters_name_from_its_first_moment(applied: Account, plan: ClusterPlan) -> None:
    # No call puts a tag on afterwards: what is made by a call whose answer is lost would go without.
    assert applied.of("CreateTags") == []
    things = [*applied.instances(), *applied.ec2.volumes.values(), *applied.groups().values()]
    for thing in [*things, *applied.ec2.key_pairs.values()]:
        tags = {tag["key"]: tag["value"] for tag in thing.get_tags()}
        assert tags[TAG] == "dark"
        assert tags["project"] == "night"


def test_disks_are_encrypted_of_the_size_asked_for_and_go_with_their_machine(applied: Account) -> None:
    volumes = list(applied.ec2.volumes.values())
    assert {(v.size, v.volume_type, v.encrypted) for v in volumes} == {(20, "gp3", True)}
    assert all(started(applied, v.get_tags()[0]["value"]) for v in volumes if v.get_tags()[0]["key"] == "Name")
    for call in applied.of("RunInstances"):
        assert call["BlockDeviceMapping.1.DeviceName"] == "/dev/xvda"
        assert call["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] == "true"


def test_spot_machines_are_for_once_and_never_dearer_than_the_plan_says(account: Account, plan: ClusterPlan) -> None:
    head, workers = plan.groups
    spot = replace(workers.choices[0], usd_hour_at_most=0.2)
    assert apply(account.cloud(), replace(plan, groups=(head, replace(workers, choices=(spot,))))).complete
    asked = started(account, "dark-workers-1")
    options = "InstanceMarketOptions.SpotOptions."
    assert asked["InstanceMarketOptions.MarketType"] == "spot"
    assert asked[f"{options}SpotInstanceType"] == "one-time"
    assert asked[f"{options}InstanceInterruptionBehavior"] == "terminate"
    assert float(asked[f"{options}MaxPrice"]) == 0.2
    assert "InstanceMarketOptions.MarketType" not in started(account, "dark-head-1")


def test_the_newest_image_of_debians_own_account_is_taken(applied: Account) -> None:
    assert {each.image_id for each in applied.instances()} == {"ami-00000002"}


def test_an_image_of_the_users_own_account_is_taken_by_name(account: Account, plan: ClusterPlan) -> None:
    facts = {"owner_id": "123456789012", "root_device_name": "/dev/sda1"}
    account.add_image("ami-0000000a", "science-1", "2026-01-01", **facts)
    account.add_image("ami-0000000b", "science-2", "2026-02-01", **facts)
    assert apply(account.cloud(), replace(plan, image="123456789012/science-*"), sleep=account.sleep).complete
    assert {each.image_id for each in account.instances()} == {"ami-0000000b"}
    assert started(account, "dark-head-1")["BlockDeviceMapping.1.DeviceName"] == "/dev/sda1"


def test_user_data_arrives_as_it_was_written(account: Account, plan: ClusterPlan) -> None:
    head, workers = plan.groups
    longest = "#cloud-config\n# ×\n".ljust(USER_DATA_LIMIT - 1, "#")  # one letter has two bytes
    assert len(longest.encode()) == USER_DATA_LIMIT
    full = replace(plan, groups=(replace(head, user_data=longest), workers))
    assert apply(account.cloud(), full, sleep=account.sleep).complete
    assert b64decode(started(account, "dark-head-1")["UserData"]).decode() == longest


def test_a_machine_without_its_security_groups_is_ended_and_told(
    account: Account, plan: ClusterPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = account.cloud()
    cloud.prepare(plan, ())
    serve = account.serve

    def forgetful(moto: Any, environ: dict[str, Any], start: Any) -> Any:
        answer = serve(moto, environ, start)
        for instance in account.instances():
            instance.security_groups = []
        return answer

    monkeypatch.setattr(account, "serve", forgetful)
    head = plan.groups[0]
    with pytest.raises(CloudError, match="security groups"):
        cloud.start(plan, head, head.choices[0], 1)
    assert [each._state.name for each in account.instances()] == ["shutting-down"]


def test_machines_go_where_the_plan_says(account: Account, plan: ClusterPlan) -> None:
    head, workers = plan.groups
    zoned = replace(plan, groups=(replace(head, choices=(replace(head.choices[0], zone=f"{REGION}b"),)), workers))
    assert apply(account.cloud(), zoned, sleep=account.sleep).complete
    assert {each.zone for each in account.cloud().find("dark") if each.role == "head"} == {f"{REGION}b"}


def test_a_subnet_of_the_user_takes_all_machines_and_both_groups(account: Account, plan: ClusterPlan) -> None:
    vpc = account.ec2.create_vpc("10.9.0.0/16")
    subnet = account.ec2.create_subnet(vpc.id, "10.9.1.0/24", f"{REGION}c")
    account.ec2.modify_subnet_attribute(subnet.id, "map_public_ip_on_launch", "false")
    cloud, own = account.cloud(), replace(plan, network=subnet.id)
    assert [each.code for each in cloud.preflight(own)] == ["no-public-address"]
    assert apply(cloud, own, sleep=account.sleep).complete
    assert {each.subnet_id for each in account.instances()} == {subnet.id}
    assert {each.vpc_id for each in account.groups().values()} == {vpc.id}


def test_a_name_may_be_used_again_and_again_though_amazon_remembers_each_request(
    applied: Account, plan: ClusterPlan
) -> None:
    seen = set()
    for _ in range(3):
        seen |= {
            each.id for each in applied.cloud().find("dark") if (each.kind, each.name) == ("node", "dark-workers-1")
        }
        applied.take_away("dark-workers-1")
        assert apply(applied.cloud(), plan, sleep=applied.sleep).complete
    assert len(seen) == 3


def test_two_who_apply_at_once_start_each_machine_once(account: Account, plan: ClusterPlan) -> None:
    one, other = account.cloud(), account.cloud()
    head = plan.groups[0]
    assert one.find("dark") == other.find("dark") == ()
    for cloud in (one, other):
        cloud.prepare(plan, ())
    assert one.start(plan, head, head.choices[0], 1).id == other.start(plan, head, head.choices[0], 1).id
    assert len(account.instances()) == 1


# What is found and removed.


def test_more_machines_than_one_answer_holds_are_all_found(account: Account, plan: ClusterPlan) -> None:
    many = {"instance": {TAG: "dark", "Name": "dark-workers"}}
    account.ec2.run_instances("ami-00000002", 1, None, [], instance_type="m6i.xlarge", is_instance_type_default=False)
    for _ in range(120):
        account.ec2.run_instances(
            "ami-00000002", 1, None, [], instance_type="m6i.xlarge", is_instance_type_default=False, tags=many
        )
    assert sum(each.kind == "node" for each in account.cloud().find("dark")) == 120


def test_secrets_addresses_and_waiting_spot_requests_are_found_by_name_and_removed(
    account: Account, plan: ClusterPlan
) -> None:
    for name in ("/rubincwl/dark/worker-token", "/rubincwl/dark-2/worker-token", "else"):
        account.ssm.put_parameter(name, "", "secret", "SecureString", "", "", False, [], "text", None, None)
    account.ec2.allocate_address("vpc", tags={TAG: "dark"})
    account.ec2.allocate_address("vpc", tags={TAG: "dark-2"})
    request = spot_request(account, "dark")
    found = account.cloud().find("dark")
    assert sorted((each.kind, each.state) for each in found) == [("address", ""), ("node", "pending"), ("secret", "")]
    assert destroy(account.cloud(), "dark", sleep=account.sleep).complete
    assert request.id not in account.ec2.spot_instance_requests
    assert [each for each in account.left() if each.startswith("secret")] == [
        "secret /rubincwl/dark-2/worker-token",
        "secret else",
    ]
    assert sum(each.startswith("address") for each in account.left()) == 1


def spot_request(account: Account, cluster: str) -> Any:
    """A request for a spot machine that still waits, as one made by other means can."""
    none: Any = None
    (request,) = account.ec2.request_spot_instances(
        *("0.1", "ami-00000002", 1, "one-time", none, none, none, none, none, [], none, "m6i.xlarge"),
        *(f"{REGION}a", none, none, False, none),
        tags={"spot-instances-request": {TAG: cluster}},
    )
    request.instance.terminate()
    account.ec2.reservations.popitem()
    request.state = "open"
    return request


def test_what_has_gone_already_is_no_error(account: Account) -> None:
    cloud = account.cloud()
    for kind, id in (
        ("node", "i-0123456789abcdef0"),
        ("volume", "vol-0123456789abcdef0"),
        ("firewall", "sg-0123456789abcdef0"),
        ("key", "rubincwl-dark-00000000"),
        ("address", "eipalloc-01234567"),
        ("secret", "/rubincwl/dark/worker-token"),
    ):
        cloud.destroy(Resource(kind, id, id))  # type: ignore[arg-type]


def test_a_group_of_somebody_else_with_the_same_name_is_left_alone_and_told(
    account: Account, plan: ClusterPlan
) -> None:
    account.ec2.create_security_group("rubincwl-dark-head", "mine", account.ec2.default_vpc.id)
    done = apply(account.cloud(), plan, sleep=account.sleep)
    assert not done.complete
    assert f"without the tag {TAG}=dark" in done.failures[0].message
    assert destroy(account.cloud(), "dark", sleep=account.sleep).complete
    assert account.left() == ["firewall rubincwl-dark-head"]


# What would fail.


def test_too_small_a_quota_is_told_beforehand_with_its_figures(account: Account, plan: ClusterPlan) -> None:
    account.quotas = {"L-1216C47A": 3, "L-34B43A08": 7}
    errors = [each for each in account.cloud().preflight(plan) if each.severity == "error"]
    assert [each.code for each in errors] == ["quota-too-small", "quota-too-small", "quota-too-small"]
    assert "is 3 vCPU, of which 0 are in use; 1 × m6i.xlarge need 4" in errors[0].message


def test_a_quota_that_only_the_first_choice_breaks_is_a_note(account: Account, plan: ClusterPlan) -> None:
    account.quotas = {"L-34B43A08": 7}
    assert codes(account, plan) == []
    assert codes(account, plan, "note") == ["quota-too-small"]


def test_machines_that_run_already_count_against_the_quota(account: Account, plan: ClusterPlan) -> None:
    account.quotas = {"L-1216C47A": 7}
    assert codes(account, plan) == []
    account.ec2.run_instances("ami-00000002", 1, None, [], instance_type="c6i.xlarge", is_instance_type_default=False)
    assert codes(account, plan) == ["quota-too-small"]


@pytest.mark.parametrize(
    ("action", "note"), [("GetServiceQuota", "quota-unknown"), ("GetInstanceProfile", "identity-unknown")]
)
def test_what_these_credentials_may_not_look_at_is_a_note(
    account: Account, plan: ClusterPlan, action: str, note: str
) -> None:
    account.refused[action] = 400, "AccessDeniedException", "User is not authorized"
    assert codes(account, plan) == []
    assert set(codes(account, plan, "note")) == {note}
    assert apply(account.cloud(), plan, sleep=account.sleep).complete


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"image": "debian-1"}, "no-image"),
        ({"image": "123456789012/none-*"}, "no-image"),
        ({"network": "subnet-0123456789abcdef0"}, "no-network"),
        ({"network": "my-network"}, "no-network"),
        ({"identity": "nobody"}, "no-instance-profile"),
        ({"ssh_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "bad-ssh-key"),
        ({"ssh_key": "ecdsa-sha2-nistp256 AAAA me"}, "bad-ssh-key"),
        ({"region": "eu-west-3"}, "region-differs"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_made(
    account: Account, plan: ClusterPlan, changed: dict[str, str], code: str
) -> None:
    assert codes(account, replace(plan, **changed)) == [code]
    assert account.changes() == 0


def test_all_that_is_wrong_is_told_at_once(account: Account, plan: ClusterPlan) -> None:
    wrong = replace(plan, image="debian-1", identity="nobody", ssh_key="nothing")
    assert set(codes(account, wrong)) == {"no-image", "no-instance-profile", "bad-ssh-key"}


def test_a_type_that_a_zone_does_not_have_is_told_with_the_zones_that_do(account: Account, plan: ClusterPlan) -> None:
    head, workers = plan.groups
    odd = (Choice(MachineType("m6i.enormous", 4, 16), "on-demand"),)
    far = (replace(head.choices[0], zone=f"{REGION}z"),)
    told = account.cloud().preflight(replace(plan, groups=(replace(head, choices=odd), replace(workers, choices=far))))
    messages = "\n".join(each.message for each in told)
    assert f"'head': {REGION} has no m6i.enormous" in messages
    assert f"zones with it: {REGION}a, {REGION}b, {REGION}c" in messages


def test_a_region_without_a_default_network_is_told_with_the_way_out(account: Account, plan: ClusterPlan) -> None:
    account.ec2.default_vpc.is_default = "false"
    told = account.cloud().preflight(plan)
    assert [each.code for each in told] == ["no-network"]
    assert "name a subnet" in told[0].message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AuthFailure", "does not take the credentials"),
        ("RequestExpired", "clock"),
        ("ExpiredToken", "log in again"),
        ("UnauthorizedOperation", "policy for whoever provisions"),
        ("OptInRequired", "enabled"),
    ],
)
def test_a_refusal_is_told_in_words(account: Account, code: str, words: str) -> None:
    account.refused["DescribeInstances"] = 403, code, f"No. Encoded authorization failure message: {'x' * 4000}"
    with pytest.raises(CloudError) as told:
        account.cloud().find("dark")
    assert words in str(told.value)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(
    "code", ["MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow", "VcpuLimitExceeded", "InstanceLimitExceeded"]
)
def test_limits_of_one_kind_of_machine_send_on_to_the_next_choice(
    account: Account, plan: ClusterPlan, code: str
) -> None:
    cloud = account.cloud()
    cloud.prepare(plan, ())
    account.refused["RunInstances"] = 400, code, "No."
    group = plan.groups[1]
    with pytest.raises(CapacityError):
        cloud.start(plan, group, group.choices[0], 1)


def test_calls_are_repeated_while_amazon_is_busy_and_given_up_in_words(new_account: Callable[..., Account]) -> None:
    account = new_account(patience_s=(1.0, 2.0))
    account.refused["DescribeInstances"] = 503, "RequestLimitExceeded", "Request limit exceeded."
    with pytest.raises(CloudError, match="no answer to DescribeInstances"):
        account.cloud().find("dark")
    assert account.calls() == 3
    assert account.clock >= 1.5


# Credentials.


def test_the_region_comes_from_the_settings_or_the_users_own_configuration_and_is_never_assumed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CloudError, match="no region"):
        EC2({"profile": account.profile}).find("dark")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert EC2({"profile": account.profile}).find("dark") == ()


def test_credentials_of_the_environment_serve_where_no_profile_is_named(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CloudError, match="no credentials"):
        EC2({"region": REGION}).find("dark")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    assert EC2({"region": REGION}).find("dark") == ()


def test_a_profile_that_is_not_there_is_told_by_its_name(account: Account) -> None:
    with pytest.raises(CloudError, match="nightly"):
        account.cloud(profile="nightly").find("dark")


def test_no_secret_is_in_messages_logs_or_urls(
    account: Account, plan: ClusterPlan, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    account.refused["RunInstances"] = 400, "InvalidParameterValue", f"{SECRET} and {TOKEN} are no parameters"
    done = account.cloud().preflight(plan)
    told += [each.message for each in done]
    account.refused.clear()
    assert apply(account.cloud(), plan, told.append, account.sleep).complete
    # botocore's own debug log of its signatures holds the token of a session: at DEBUG, which nothing of ours turns on.
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("botocore")]
    assert done
    for text in [*told, *ours]:
        assert SECRET not in text
        assert TOKEN not in text
    assert all(not call.query for call in account.recorded)


def test_regions_that_libcloud_does_not_list_are_reached(
    account: Account, plan: ClusterPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    connection = EC2({"profile": account.profile, "region": "mx-central-1"})._wire.account.connection()
    assert (connection.host, connection.secure) == ("ec2.mx-central-1.amazonaws.com", True)


def test_importing_a_provider_imports_no_cloud(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, providers.provisioning.ec2; print(sorted({'libcloud', 'botocore'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
