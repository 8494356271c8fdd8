"""What Google's refusals mean for the user, in words.

Sources: https://cloud.google.com/compute/docs/resource-error, https://cloud.google.com/apis/design/errors,
https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation.
"""

from __future__ import annotations

import re

from providers.base import Problem

BUSY = frozenset(("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "backendError", "internalError"))
"""Come back later."""
THERE = frozenset(("alreadyExists", "RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"))
GONE = frozenset(("notFound", "RESOURCE_NOT_FOUND", "NOT_FOUND"))
DISABLED = frozenset(("accessNotConfigured", "SERVICE_DISABLED"))

_EXHAUSTED = frozenset(
    (
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
        "RESOURCE_POOL_EXHAUSTED",
        "STOCKOUT",
        "UNSUPPORTED_OPERATION",
    )
)
_QUOTA = frozenset(("QUOTA_EXCEEDED", "quotaExceeded"))
# Of one kind of machine or of spot machines; others are shared by all, so that another choice would fail too.
_NARROW_QUOTA = re.compile(r"\b(PREEMPTIBLE_[A-Z0-9_]+|[A-Z0-9]+_CPUS|(NVIDIA|COMMITTED)_[A-Z0-9_]+_GPUS)\b")
_MACHINE_TYPE = re.compile(r"machineTypes?\b")
_PERMISSION = re.compile(r"[Pp]ermission '?([a-zA-Z]+\.[a-zA-Z]+\.[a-zA-Z]+)|'([a-zA-Z]+\.[a-zA-Z]+\.[a-zA-Z]+)'")
_PROJECT_ONLY = re.compile(r"'projects/[^/']+'")
_SERVICES = {"secretmanager": "Secret Manager", "compute": "Compute Engine"}


def no_capacity(codes: frozenset[str], message: str) -> bool:
    """Whether another type, market or zone may be had where this one was refused."""
    if codes & _EXHAUSTED:
        return True
    if codes & _QUOTA:
        return bool(_NARROW_QUOTA.search(message))
    # A type that the zone does not have: 404 or 400, by how it was named.
    return bool(codes & (GONE | {"invalid"}) and _MACHINE_TYPE.search(message))


def explained(call: str, status: int, codes: frozenset[str], message: str, project: str) -> Problem:
    """What a refused call means: a finding with a way out."""
    if "conditionNotMet" in codes and "constraint" in message.lower():
        return Problem(
            "forbidden-by-policy", f"a policy of the organization forbids it: {message}", "ask its administrator"
        )
    known = _of_project(status, codes, message, project) or _of_rights(codes, status, message)
    if known is not None:
        return known
    if codes & _QUOTA:
        help = "ask for more at https://console.cloud.google.com/iam-admin/quotas, or take fewer or other machines"
        return Problem("quota-exceeded", f"{project} has no quota left: {message}", help)
    if codes & GONE:
        return Problem("not-found", f"Google knows nothing of this name: {message}")
    return Problem("cloud-failed", f"Google refused {call}: {message or status}")


def _of_project(status: int, codes: frozenset[str], message: str, project: str) -> Problem | None:
    if codes & DISABLED:
        service = next((each for each in _SERVICES if each in message.lower()), "compute")
        help = f"gcloud services enable {service}.googleapis.com --project {project}"
        return Problem("api-disabled", f"the API of {_SERVICES[service]} is not enabled in {project}", help)
    if "BILLING_DISABLED" in codes or (status in (400, 403) and "billing" in message.lower()):
        help = f"link a billing account: https://console.cloud.google.com/billing/linkedaccount?project={project}"
        return Problem("billing-disabled", f"the project {project} has no billing account", help)
    if (
        "CONSUMER_INVALID" in codes
        or "USER_PROJECT_DENIED" in codes
        or (codes & GONE and _PROJECT_ONLY.search(message))
    ):
        help = "'project' takes the project's id, not its name; gcloud projects list shows those that you can use"
        return Problem("unknown-project", f"there is no project {project}, or you may not use it", help, "project")
    return None


def _of_rights(codes: frozenset[str], status: int, message: str) -> Problem | None:
    if status == 401:
        help = "gcloud auth application-default login, or a key file that is still valid"
        return Problem(
            "not-logged-in", "Google does not take the credentials: they are wrong, expired or revoked", help
        )
    if "SERVICE_ACCOUNT_ACCESS_DENIED" in codes or "actAs" in message:
        help = "let an administrator give you roles/iam.serviceAccountUser on that service account"
        text = f"you may not let machines act as their service account, or it does not exist: {message}"
        return Problem("may-not-act-as", text, help, "cluster.identity")
    if status == 403 and not codes & _QUOTA:
        found = _PERMISSION.search(message)
        what = (found[1] or found[2]) if found else None
        help = "let an administrator give you the role of providers/provisioning/policies/gcp-submitter.yaml"
        text = f"you lack the permission {what}" if what else f"Google does not permit it: {message}"
        return Problem("not-permitted", text, help)
    return None
