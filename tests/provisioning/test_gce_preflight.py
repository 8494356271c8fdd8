"""What would go wrong on Compute Engine is told, in words, before anything is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.base import MachineType, Problem
from providers.provisioning.apply import RefusedError, apply
from providers.provisioning.base import Choice, CloudError, ClusterPlan, Limits

from . import fake_gce_shapes as shapes
from .fake_gce import ZONES, Answer, Google
from .fake_gce_server import gce_plan
from .fake_gce_shapes import PROJECT, refusal

PLAN = gce_plan()
HEAD, WORKERS = PLAN.groups


def told(google: Google, plan: ClusterPlan = PLAN, **settings: object) -> dict[str, Problem]:
    problems = google.cloud(**settings).preflight(plan)
    assert all(method == "GET" for method, _, _ in google.seen)
    return {each.code: each for each in problems}


def workers(count: int = 2, *choices: Choice) -> ClusterPlan:
    return replace(PLAN, groups=(HEAD, replace(WORKERS, count=count, choices=choices or WORKERS.choices)))


def choice(machine: str, zone: str | None = None) -> Choice:
    return Choice(MachineType(machine, 8, 32.0), "on-demand", zone)


def test_what_fits_is_well(google: Google) -> None:
    assert told(google) == {}


def test_a_quota_that_does_not_suffice_is_named_with_how_many_machines_fit(google: Google) -> None:
    google.quotas = {"N2_CPUS": (30.0, 20.0)}
    problem = told(google, workers(4))["quota-short"]
    assert "room for 2 of 4 machines of 'workers'" in problem.message
    assert "N2_CPUS" in problem.message
    assert problem.help is not None
    assert "quotas" in problem.help


def test_where_spot_has_a_quota_of_its_own_the_rest_falls_back_as_machines_do(google: Google) -> None:
    google.quotas = {"PREEMPTIBLE_CPUS": (8.0, 0.0), "N2_CPUS": (8.0, 0.0)}
    assert told(google, workers(4)) == {}
    problem = told(google, workers(5))["quota-short"]
    assert "4 of 5" in problem.message
    assert {"PREEMPTIBLE_CPUS", "N2_CPUS"} <= {word for word in problem.message.split() if word.isupper()}


@pytest.mark.parametrize(
    ("metric", "most"), [("INSTANCES", 2.0), ("IN_USE_ADDRESSES", 2.0), ("SSD_TOTAL_GB", 50.0), ("CPUS", 1.0)]
)
def test_quotas_that_all_machines_share_count_the_head_too(google: Google, metric: str, most: float) -> None:
    google.quotas = {"N2_CPUS": (64.0, 0.0), metric: (most, 0.0)}
    assert metric in told(google)["quota-short"].message


def test_the_quota_of_all_regions_together_is_held_against_machines_on_demand(google: Google) -> None:
    google.whole = {"CPUS_ALL_REGIONS": (12.0, 0.0)}
    google.quotas = {"N2_CPUS": (0.0, 0.0), "PREEMPTIBLE_CPUS": (64.0, 0.0)}
    assert told(google) == {}
    assert "CPUS_ALL_REGIONS" in told(google, workers(2, choice("c2-standard-8")))["quota-short"].message


def test_a_machine_type_that_the_region_lacks_is_named(google: Google) -> None:
    assert "x9-large" in told(google, workers(1, choice("x9-large")))["no-such-machine"].message


def test_a_machine_type_that_the_zones_given_lack_is_told_with_those_that_have_it(google: Google) -> None:
    plan = workers(1, choice("c2-standard-8"))
    assert told(google, plan) == {}
    problem = told(google, plan, zones=[ZONES[0]])["no-such-machine"]
    assert problem.help is not None
    assert ZONES[1] in problem.help


def test_one_offered_choice_of_a_group_is_enough(google: Google) -> None:
    choices = (choice("c2-standard-8", ZONES[0]), choice("c2-standard-8", ZONES[1]))
    assert told(google, workers(1, *choices)) == {}


def test_an_unknown_family_of_images_is_told(google: Google) -> None:
    assert told(google, replace(PLAN, image="plan9"))["unknown-image"].setting == "cluster.image"
    assert "no images of a family" in told(google, replace(PLAN, image="me-project/plan9"))["unknown-image"].message


def test_an_image_that_cannot_start_securely_or_does_not_fit_the_disk_is_told(google: Google) -> None:
    google.images["mine/old"] = shapes.image("mine", "old", guestOsFeatures=[], diskSizeGb="50")
    google.images["mine/arm"] = shapes.image("mine", "arm", architecture="ARM64")
    assert set(told(google, replace(PLAN, image="mine/old"))) == {"bad-image", "small-disk"}
    assert "ARM64" in told(google, replace(PLAN, image="mine/arm"))["bad-image"].message


def test_a_missing_network_or_subnetwork_is_told(google: Google) -> None:
    google.networks["own"] = google.networks["default"] | {"autoCreateSubnetworks": False}
    google.subnetworks["sky"] = shapes.recorded("regions_us-central1_subnetworks_subnet_1")
    assert "no network 'deep'" in told(google, replace(PLAN, network="deep"))["no-network"].message
    help = told(google, replace(PLAN, network="own"))["no-subnetwork"].help
    assert help == "name one: own/SUBNETWORK"
    assert "no subnetwork 'mud'" in told(google, replace(PLAN, network="own/mud"))["no-subnetwork"].message
    # The recorded one is of the network 'cf'.
    assert told(google, replace(PLAN, network="own/sky"))["no-subnetwork"].help == "say cf/sky"
    google.networks["cf"] = google.networks["own"]
    assert told(google, replace(PLAN, network="cf/sky")) == {}


def test_names_labels_and_lengths_that_google_refuses_are_told_all_at_once(google: Google) -> None:
    plan = replace(
        PLAN,
        name="Dark_Sky",
        labels={"Team": "me", "cost": "Night Sky"},
        limits=Limits(None, None, 121 * 86400, 1800),
        identity=None,
        ssh_from=("2001:db8::/48",),
    )
    problems = google.cloud().preflight(plan)
    assert {each.code for each in problems} == {"bad-name", "bad-label", "bad-lease", "no-identity", "ipv6-range"}
    assert [each.setting for each in problems if each.code == "bad-label"] == [
        "cluster.labels.Team",
        "cluster.labels.cost",
    ]


def test_metadata_that_is_too_long_with_all_that_is_added_is_told(google: Google) -> None:
    long = replace(PLAN, groups=(replace(HEAD, user_data="#" * 512 * 1024),))
    assert set(told(google, long)) == {"user-data-too-long"}


OFF = "Compute Engine API has not been used in project 4711 before or it is disabled."
REFUSALS = [
    (refusal(403, "accessNotConfigured", OFF, "PERMISSION_DENIED", "SERVICE_DISABLED"), "api-disabled"),
    (refusal(404, "notFound", f"The resource 'projects/{PROJECT}' was not found"), "unknown-project"),
    (
        refusal(403, "forbidden", "This API method requires billing to be enabled.", "", "BILLING_DISABLED"),
        "billing-disabled",
    ),
    (refusal(403, "forbidden", f"Required 'compute.regions.get' permission for 'projects/{PROJECT}'"), "not-permitted"),
    (refusal(401, "authError", "Invalid Credentials", "UNAUTHENTICATED"), "not-logged-in"),
]


@pytest.mark.parametrize(("answer", "code"), REFUSALS)
def test_a_project_that_cannot_be_used_is_told_once_with_a_way_out(google: Google, answer: Answer, code: str) -> None:
    google.refuse_all = {"compute": answer}
    [problem] = google.cloud().preflight(PLAN)
    assert problem.code == code
    assert problem.help
    # The same words where there is no preflight before.
    with pytest.raises(CloudError) as refused:
        google.cloud().find(PLAN.name)
    assert problem.message in str(refused.value)


def test_a_missing_permission_is_named(google: Google) -> None:
    google.rights = frozenset()
    [problem] = google.cloud().preflight(PLAN)
    assert "compute.regions.get" in problem.message


def test_without_secret_manager_there_is_no_secret_and_no_cluster(google: Google) -> None:
    words = "Secret Manager API (secretmanager.googleapis.com) has not been used in project 4711 before"
    google.refuse_all = {"secretmanager": refusal(403, "forbidden", words, "PERMISSION_DENIED", "SERVICE_DISABLED")}
    assert google.cloud().find(PLAN.name) == ()
    problem = told(google)["api-disabled"]
    assert problem.help == f"gcloud services enable secretmanager.googleapis.com --project {PROJECT}"


def test_another_region_is_told(google: Google) -> None:
    assert told(google, replace(PLAN, region="mars-north1"))["unknown-region"].setting == "region"


def test_nothing_is_made_where_the_preflight_refuses(google: Google) -> None:
    google.quotas = {"N2_CPUS": (0.0, 0.0)}
    with pytest.raises(RefusedError, match="quotas have room for 0 of 2"):
        apply(google.cloud(), PLAN, sleep=google.sleep)
    assert google.left() == []


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (
            "SERVICE_ACCOUNT_ACCESS_DENIED",
            "The user does not have access to service account 'nodes@…'",
            "serviceAccountUser",
        ),
        ("conditionNotMet", "Constraint constraints/compute.vmExternalIpAccess violated", "policy of the organization"),
        ("INTERNAL_ERROR", "Internal error. Please try again", "Internal error"),
    ],
)
def test_what_only_the_start_of_a_machine_shows_is_told_in_words(
    google: Google, code: str, message: str, words: str
) -> None:
    google.cannot = (403, code, message)
    done = apply(google.cloud(), PLAN, sleep=google.sleep)
    assert words in done.failures[0].message
