"""The plan as Terraform's JSON syntax (Terraform language, 'JSON Configuration Syntax').

What Terraform cannot say is left out and told in a comment of the document: it tries no second machine type when a
cloud has none of the first, and it asks for no token. User data stands in files of its own, which Terraform reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.provisioning.base import Choice, ClusterPlan, Group, node_name
from providers.provisioning.cloud_init import HEAD_METADATA
from providers.provisioning.gce import form as gce
from providers.provisioning.images import AWS_IMAGES, GCE_IMAGES

_POOL_PORT = 9618
_LEFT_OUT = "Only the first choice of each group stands here: Terraform does not fall back on other types or markets."

Block = dict[str, Any]


def terraform_files(plan: ClusterPlan) -> Mapping[str, str]:
    """``main.tf.json`` and the user data of each group."""
    document = {"//": _LEFT_OUT, **_PROVIDERS[plan.provider](plan)}
    texts = {_user_data(group): group.user_data for group in plan.groups}
    return {"main.tf.json": json.dumps(document, indent=2) + "\n", **texts}


def literal(text: str) -> str:
    """Text that Terraform takes as it stands.

    >>> literal("${file(1)} %{if}")
    '$${file(1)} %%{if}'
    """
    return text.replace("${", "$${").replace("%{", "%%{")


def _aws(plan: ClusterPlan) -> Block:
    ami = AWS_IMAGES.family(plan.image)
    network, vpc = _aws_network(plan)
    key = {"aws_key_pair": {"cluster": _key(plan, plan.tags())}} if plan.ssh_key else {}
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}}},
        "provider": {"aws": {"region": plan.region}},
        "data": {
            "aws_ami": {
                "image": {
                    "most_recent": True,
                    "owners": [ami.owner],
                    "filter": [{"name": "name", "values": [ami.pattern]}],
                }
            },
            **network,
        },
        "resource": {
            "aws_security_group": {
                "cluster": {
                    "name": plan.name,
                    "description": f"Nodes of {plan.name}",
                    "vpc_id": vpc,
                    "tags": _literals(plan.tags()),
                    "ingress": [_aws_rule(_POOL_PORT, "the pool", own=True)],
                    "egress": [_aws_rule(0, "anywhere", ranges=["0.0.0.0/0"], protocol="-1")],
                },
                "head": {
                    "name": f"{plan.name}-head",
                    "description": f"The way in to {plan.name}",
                    "vpc_id": vpc,
                    "tags": _literals(plan.tags()),
                    "ingress": [_aws_rule(22, "SSH", ranges=list(plan.ssh_from))],
                    "egress": [],
                },
            },
            **key,
            "aws_instance": {group.name: _aws_instance(plan, group) for group in plan.groups},
        },
    }


def _aws_network(plan: ClusterPlan) -> tuple[Block, str]:
    """What to look up, and where the VPC's id is then: the default VPC, or the VPC or subnet that the user names."""
    if plan.network is None:
        return {"aws_vpc": {"default": {"default": True}}}, "${data.aws_vpc.default.id}"
    named = literal(plan.network)
    if not plan.network.startswith("vpc-"):
        return {"aws_subnet": {"cluster": {"id": named}}}, "${data.aws_subnet.cluster.vpc_id}"
    in_vpc = {"name": "vpc-id", "values": [named]}
    subnets = {
        group.name: {"filter": [in_vpc, *({"name": "availability-zone", "values": [zone]} for zone in _zone(group))]}
        for group in plan.groups
    }
    return {"aws_vpc": {"cluster": {"id": named}}, "aws_subnets": subnets}, "${data.aws_vpc.cluster.id}"


def _zone(group: Group) -> list[str]:
    zone = group.choices[0].zone
    return [] if zone is None else [zone]


def _aws_instance(plan: ClusterPlan, group: Group) -> Block:
    choice = group.choices[0]
    groups = ["${aws_security_group.cluster.id}"] + (["${aws_security_group.head.id}"] if group.head else [])
    made: Block = {
        "count": group.count,
        "ami": "${data.aws_ami.image.id}",
        "instance_type": choice.machine.name,
        "vpc_security_group_ids": groups,
        "user_data": _file(group),
        "instance_initiated_shutdown_behavior": "terminate",
        "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1},
        "root_block_device": {
            "volume_size": group.disk_gib,
            "volume_type": "gp3",
            "encrypted": True,
            "delete_on_termination": True,
        },
        "tags": {**_literals(plan.tags(group)), "Name": _node_name(plan, group)},
        "volume_tags": _literals(plan.tags(group)),
    }
    if choice.zone is not None:
        made["availability_zone"] = choice.zone
    if plan.network is not None and plan.network.startswith("vpc-"):
        made["subnet_id"] = f"${{data.aws_subnets.{group.name}.ids[0]}}"
    elif plan.network is not None:
        made["subnet_id"] = "${data.aws_subnet.cluster.id}"
    if plan.identity is not None:
        made["iam_instance_profile"] = literal(plan.identity)
    if plan.ssh_key is not None and group.head:
        made["key_name"] = "${aws_key_pair.cluster.key_name}"
    if choice.market == "spot":
        options = {"spot_instance_type": "one-time", "instance_interruption_behavior": "terminate"}
        if choice.ceiling is not None:
            options["max_price"] = f"{choice.ceiling:.4f}"
        made["instance_market_options"] = {"market_type": "spot", "spot_options": options}
    return made


def _aws_rule(port: int, what: str, *, ranges: Sequence[str] = (), own: bool = False, protocol: str = "tcp") -> Block:
    """A rule within a group: in JSON Terraform wants all of its attributes."""
    return {
        "description": what,
        "from_port": port,
        "to_port": port,
        "protocol": protocol,
        "cidr_blocks": list(ranges),
        "ipv6_cidr_blocks": [],
        "prefix_list_ids": [],
        "security_groups": [],
        "self": own,
    }


def _gcp(plan: ClusterPlan) -> Block:
    image = GCE_IMAGES.family(plan.image)
    # Names are enough for Terraform, which looks for them in its own project.
    rules = {rule["name"].rpartition("-")[2]: _gcp_rule(plan, rule) for rule in gce.firewalls(plan, "")}
    return {
        "terraform": {"required_providers": {"google": {"source": "hashicorp/google", "version": ">= 5.0"}}},
        # The project comes from the environment (GOOGLE_PROJECT) or from gcloud's configuration.
        "provider": {"google": {"region": plan.region}},
        "data": {
            "google_client_config": {"here": {}},
            "google_compute_image": {"image": {"family": image.pattern, "project": image.owner}},
            "google_compute_zones": {"up": {"region": plan.region, "status": "UP"}},
        },
        "resource": {
            "google_compute_firewall": rules,
            "google_compute_instance": {group.name: _gcp_instance(plan, group) for group in plan.groups},
        },
    }


def _gcp_rule(plan: ClusterPlan, rule: Block) -> Block:
    """A rule as Google's own calls have it, in Terraform's words; `destroy` finds it by its description too."""
    same = {"name": "name", "description": "description", "priority": "priority", "direction": "direction"}
    lists = {"sourceRanges": "source_ranges", "sourceTags": "source_tags", "targetTags": "target_tags"}
    made: Block = {ours: rule[theirs] for theirs, ours in (same | lists).items() if theirs in rule}
    for theirs, ours in (("allowed", "allow"), ("denied", "deny")):
        if theirs in rule:
            made[ours] = [
                {"protocol": each["IPProtocol"], **({"ports": each["ports"]} if "ports" in each else {})}
                for each in rule[theirs]
            ]
    return {**made, "network": literal(gce.Network.of(plan).name)}


def _gcp_instance(plan: ClusterPlan, group: Group) -> Block:
    choice, network = group.choices[0], gce.Network.of(plan)
    told = {key: literal(text) for key, text in gce.metadata(plan, group).items() if key != "user-data"}
    place = {"subnetwork": literal(network.subnetwork)} if network.subnetwork else {"network": literal(network.name)}
    labels = _literals(plan.tags(group))
    made: Block = {
        "count": group.count,
        "name": _node_name(plan, group),
        "machine_type": choice.machine.name,
        "zone": choice.zone or "${data.google_compute_zones.up.names[0]}",
        "tags": [gce.node_tag(plan.name)] + ([gce.head_tag(plan.name)] if group.head else []),
        "labels": labels,
        "boot_disk": {
            "auto_delete": True,
            "initialize_params": {
                "image": "${data.google_compute_image.image.self_link}",
                "size": group.disk_gib,
                "type": gce.DISK_TYPE,
                "labels": labels,
            },
        },
        "network_interface": {**place, "access_config": {}},
        "metadata": {**told, "user-data": _file(group)},
        "scheduling": _gcp_scheduling(plan, choice),
        "shielded_instance_config": {
            "enable_secure_boot": True,
            "enable_vtpm": True,
            "enable_integrity_monitoring": True,
        },
    }
    if plan.identity is not None:
        project = "${data.google_client_config.here.project}"
        account = plan.identity if "@" in plan.identity else f"{plan.identity}@{project}.iam.gserviceaccount.com"
        made["service_account"] = {"email": account, "scopes": ["cloud-platform"]}
    return made


def _gcp_scheduling(plan: ClusterPlan, choice: Choice) -> Block:
    """A stopped machine still costs its disk, so the cloud deletes it when the lease is over."""
    made: Block = {
        "instance_termination_action": "DELETE",
        "max_run_duration": {"seconds": plan.limits.lease_s},
        "automatic_restart": False,
    }
    if choice.market == "spot":
        made |= {"provisioning_model": "SPOT", "preemptible": True}
    return made


def _openstack(plan: ClusterPlan) -> Block:
    key = {"openstack_compute_keypair_v2": {"cluster": _key(plan, None)}} if plan.ssh_key else {}
    group = "${openstack_networking_secgroup_v2.cluster.id}"
    rule: Block = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
    pool = {"port_range_min": _POOL_PORT, "port_range_max": _POOL_PORT, "remote_group_id": group}
    ssh = {
        f"ssh-{n}": {
            **rule,
            "port_range_min": 22,
            "port_range_max": 22,
            "remote_ip_prefix": network,
            "security_group_id": "${openstack_networking_secgroup_v2.head.id}",
        }
        for n, network in enumerate(plan.ssh_from)
    }
    source = "terraform-provider-openstack/openstack"
    return {
        "terraform": {"required_providers": {"openstack": {"source": source, "version": ">= 1.54"}}},
        # Credentials come from clouds.yaml or the environment (OS_CLOUD).
        "provider": {"openstack": {}},
        "data": {"openstack_images_image_v2": {"image": {"name": literal(plan.image), "most_recent": True}}},
        "resource": {
            "openstack_networking_secgroup_v2": {
                "cluster": {"name": plan.name, "description": f"Nodes of {plan.name}"},
                "head": {"name": f"{plan.name}-head", "description": f"The way in to {plan.name}"},
            },
            "openstack_networking_secgroup_rule_v2": {
                "pool": {**rule, **pool, "security_group_id": group},
                **ssh,
            },
            **key,
            "openstack_compute_instance_v2": {g.name: _openstack_instance(plan, g) for g in plan.groups},
        },
    }


def _openstack_instance(plan: ClusterPlan, group: Group) -> Block:
    choice = group.choices[0]
    groups = ["${openstack_networking_secgroup_v2.cluster.name}"]
    made: Block = {
        "count": group.count,
        "name": _node_name(plan, group),
        "image_id": "${data.openstack_images_image_v2.image.id}",
        "flavor_name": choice.machine.name,
        "security_groups": groups + (["${openstack_networking_secgroup_v2.head.name}"] if group.head else []),
        "user_data": _file(group),
        "metadata": _literals(plan.tags(group)),
    }
    if not group.head:
        made["metadata"][HEAD_METADATA] = "${openstack_compute_instance_v2.head[0].access_ip_v4}"
    if choice.zone is not None:
        made["availability_zone"] = choice.zone
    if plan.network is not None:
        made["network"] = [{"name": literal(plan.network)}]
    if plan.ssh_key is not None and group.head:
        made["key_pair"] = "${openstack_compute_keypair_v2.cluster.name}"
    return made


def _key(plan: ClusterPlan, tags: Mapping[str, str] | None) -> Block:
    named = {"name": plan.name} if tags is None else {"key_name": plan.name, "tags": _literals(tags)}
    return {**named, "public_key": literal(plan.ssh_key or "")}


def _node_name(plan: ClusterPlan, group: Group) -> str:
    return node_name(plan.name, group.name, 0).removesuffix("0") + "${count.index + 1}"


def _literals(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: literal(value) for key, value in tags.items()}


def _user_data(group: Group) -> str:
    return f"{group.name}.cloud-config"


def _file(group: Group) -> str:
    return f'${{file("${{path.module}}/{_user_data(group)}")}}'


_PROVIDERS: Mapping[str, Callable[[ClusterPlan], Block]] = {"aws": _aws, "gcp": _gcp, "onprem": _openstack}
