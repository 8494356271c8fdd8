"""The roles for Google give what is needed and nothing more, as the calls show that are made with them."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from providers.provisioning.apply import RefusedError, apply
from providers.provisioning.base import TAG, CloudError, ClusterPlan
from providers.provisioning.cloud_init import Node, user_data
from providers.provisioning.destroy import destroy

from . import fake_gce_shapes as shapes
from .fake_gce import Google
from .fake_gce_rights import required
from .fake_gce_server import Server, gce_plan
from .fake_gce_shapes import PROJECT


def role(name: str) -> dict[str, object]:
    text = resources.files("providers.provisioning").joinpath("policies", f"gcp-{name}.yaml").read_text()
    found: dict[str, object] = yaml.safe_load(text)
    return found


def permissions(name: str) -> list[str]:
    found = role(name)["includedPermissions"]
    assert isinstance(found, list)
    return found


def asked(google: Google) -> set[str]:
    """Permissions that the calls so far needed."""
    return {each for method, path, body in google.seen for each in required(method, path, body)}


class BrokenError(Exception):
    """A verb did not do its work."""


def whole_life(google: Google) -> None:
    """All that provisioning ever asks: also the ways out after answers that were lost, and what has gone astray."""
    google.networks["own"] = google.networks["default"]
    google.subnetworks["sky"] = shapes.recorded("regions_us-central1_subnetworks_subnet_1") | {"network": "own"}
    plan = gce_plan_on("own/sky")
    google.how = "dropped"
    made = google.cloud().prepare(plan, ())
    for each in made:
        google.cloud().destroy(each)
    google.fail(1, after_effect=True)  # the first rule is there, and nobody was told
    google.cloud().prepare(plan, ())
    head = plan.groups[0]
    google.fail(3, after_effect=True)  # the machine is there, and nobody was told
    google.cloud().start(plan, head, head.choices[0], 1)
    google.machine("dark-head-1")[1]["disks"][0]["autoDelete"] = False
    if not apply(google.cloud(), plan, sleep=google.sleep).complete:
        raise BrokenError
    google.cloud().prepare(replace(plan, ssh_from=("198.51.100.7/32",)), google.cloud().find(plan.name))
    if not destroy(google.cloud(), plan.name, sleep=google.sleep).complete or google.left():
        raise BrokenError


def gce_plan_on(network: str) -> ClusterPlan:
    return replace(gce_plan(), network=network)


def test_roles_are_what_gcloud_reads() -> None:
    for name in ("submitter", "nodes"):
        assert set(role(name)) == {"title", "description", "stage", "includedPermissions"}
        assert len(permissions(name)) == len(set(permissions(name)))


@pytest.mark.parametrize("name", ["submitter", "nodes"])
def test_each_permission_says_for_which_call_it_is(name: str) -> None:
    text = resources.files("providers.provisioning").joinpath("policies", f"gcp-{name}.yaml").read_text()
    for permission in permissions(name):
        assert re.search(rf"- {re.escape(permission)}  # \w+\.\w+", text), permission


def test_the_submitters_role_holds_the_permissions_of_its_calls_and_no_other(google: Google) -> None:
    google.rights = frozenset(permissions("submitter"))
    whole_life(google)
    assert asked(google) == set(permissions("submitter"))


@pytest.mark.usefixtures("google_token")
@pytest.mark.parametrize("missing", permissions("submitter"))
def test_without_any_one_permission_something_fails(google_server: Server, missing: str) -> None:
    google = google_server.new(rights=frozenset(permissions("submitter")) - {missing})
    with pytest.raises((CloudError, RefusedError, BrokenError)):
        whole_life(google)


@pytest.fixture
def metadata_server() -> Iterator[str]:
    """What a machine asks for the token of its service account."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers["Metadata-Flavor"] == "Google" else 403)
            self.end_headers()
            self.wfile.write(b'{"access_token": "ya29.of-the-machine"}')

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def store(google: Google, metadata_server: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The very module that user data puts on a machine."""
    monkeypatch.setenv("GCE_METADATA_HOST", metadata_server)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", f"{google.url}/")
    node = Node("worker", "dark", "gcp", "us-central1", 3600, 1800, project=PROJECT)
    written = yaml.safe_load(user_data(node))["write_files"]
    text = next(each["content"] for each in written if Path(each["path"]).name == "secret_store.py")
    module = ModuleType("secret_store")
    exec(text, module.__dict__)
    return module


def test_the_nodes_role_holds_the_permissions_of_their_calls_and_no_other(google: Google, store: ModuleType) -> None:
    google.rights = frozenset(permissions("nodes"))
    node = {
        "project": PROJECT,
        "secret": "rubincwl-dark-worker-token",
        "tag": TAG,
        "cluster": "dark",
        "secret_ttl": "9s",
    }
    for text in ("first", "second"):
        store.write(node, json.dumps(text))
        assert json.loads(store.read(node)) == text
    assert asked(google) == set(permissions("nodes"))
    kept = google.things["secrets/rubincwl-dark-worker-token"]["_versions"]
    assert [base64.b64decode(each).decode() for each in kept.values() if each] == ['"second"']


def test_what_the_head_publishes_is_found_and_destroyed_by_the_submitter(google: Google, store: ModuleType) -> None:
    node = {
        "project": PROJECT,
        "secret": "rubincwl-dark-worker-token",
        "tag": TAG,
        "cluster": "dark",
        "secret_ttl": "9s",
    }
    store.write(node, "text")
    assert [each.kind for each in google.cloud().find("dark")] == ["secret"]
    assert destroy(google.cloud(), "dark", sleep=google.sleep).complete
    assert google.left() == []
