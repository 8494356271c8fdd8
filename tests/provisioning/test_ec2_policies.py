"""The policies for AWS allow what is called, and nothing that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from providers.provisioning.apply import apply
from providers.provisioning.base import TAG
from providers.provisioning.destroy import destroy
from tests.provisioning.amazon import REGION, SSH_KEY, Account
from tests.provisioning.cloud_contract import small_plan
from tests.provisioning.test_ec2 import spot_request

NAMES = ("aws-submitter", "aws-nodes", "aws-staging")
WITHOUT_A_CALL_OF_THEIR_OWN = {
    "ec2:CreateTags": "RunInstances, CreateSecurityGroup and ImportKeyPair tag what they make",
    "iam:PassRole": "RunInstances gives machines their role",
    "iam:CreateServiceLinkedRole": "RunInstances makes the account's role for spot machines, once",
}
HELD_TO_THE_TAG = {
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CancelSpotInstanceRequests",
    "ec2:DeleteKeyPair",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteVolume",
    "ec2:ReleaseAddress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:TerminateInstances",
}


def statements(name: str) -> list[dict[str, Any]]:
    text = files("providers.provisioning.policies").joinpath(f"{name}.json").read_text()
    return list(json.loads(text)["Statement"])


def actions(statement: dict[str, Any]) -> set[str]:
    listed = statement["Action"]
    return {listed} if isinstance(listed, str) else set(listed)


def allowed(name: str) -> set[str]:
    return set().union(*(actions(each) for each in statements(name)))


@pytest.fixture(scope="module")
def all_calls() -> Callable[[Account], set[str]]:
    """Does all that provisioning does, and gives the actions that came over the wire."""

    def do(account: Account) -> set[str]:
        plan = replace(
            small_plan("aws", REGION, "m6i.xlarge", "r6i.2xlarge"), identity="rubincwl-node", ssh_key=SSH_KEY
        )
        assert apply(account.cloud(), plan, sleep=account.sleep).complete
        moved = replace(plan, ssh_from=("198.51.100.7/32",))
        assert apply(account.cloud(), moved, sleep=account.sleep).complete
        account.ssm.put_parameter(
            *("/rubincwl/dark/worker-token", "", "secret", "SecureString", "", ""), False, [], "text", None, None
        )
        account.ec2.allocate_address("vpc", tags={TAG: "dark"})
        account.ec2.create_volume(size=1, zone_name=f"{REGION}a").add_tags({TAG: "dark"})
        spot_request(account, "dark")
        assert destroy(account.cloud(), "dark", sleep=account.sleep).complete
        assert account.left() == []
        return {f"{call.service}:{call.action}" for call in account.recorded}

    return do


def test_who_provisions_may_do_what_provisioning_calls_and_nothing_else(
    new_account: Callable[..., Account], all_calls: Callable[[Account], set[str]]
) -> None:
    called = all_calls(new_account())
    assert called - allowed("aws-submitter") == set()
    assert allowed("aws-submitter") - called == set(WITHOUT_A_CALL_OF_THEIR_OWN) - called


def test_what_removes_or_opens_is_held_to_the_tag() -> None:
    for statement in statements("aws-submitter"):
        for action in actions(statement) & HELD_TO_THE_TAG:
            tag = statement["Condition"]["StringLike"]
            assert tag == {f"ec2:ResourceTag/{TAG}": "?*"}, action
    assert allowed("aws-submitter") >= HELD_TO_THE_TAG


def test_machines_start_with_the_tag_and_guarded_metadata_only() -> None:
    for statement in statements("aws-submitter"):
        if "ec2:RunInstances" in actions(statement) and "instance/*" in str(statement["Resource"]):
            assert statement["Condition"]["StringLike"] == {f"aws:RequestTag/{TAG}": "?*"}
            assert statement["Condition"]["StringEquals"] == {"ec2:MetadataHttpTokens": "required"}
            return
    pytest.fail("nothing allows machines")


def test_nothing_is_allowed_by_a_wildcard_action() -> None:
    for name in NAMES:
        assert all("*" not in action for action in allowed(name))


@pytest.mark.parametrize("name", NAMES)
def test_iam_takes_the_policy(name: str) -> None:
    validation = pytest.importorskip("moto.iam.policy_validation")
    text = files("providers.provisioning.policies").joinpath(f"{name}.json").read_text()
    validation.IAMPolicyDocumentValidator(text).validate()
    assert len("".join(text.split())) <= 6144, "IAM takes no longer one"


def test_nodes_reach_secrets_below_their_path_only() -> None:
    assert allowed("aws-nodes") == {"ssm:PutParameter", "ssm:AddTagsToResource", "ssm:GetParameter"}
    for statement in statements("aws-nodes"):
        assert statement["Resource"] == "arn:aws:ssm:*:*:parameter/rubincwl/*"
