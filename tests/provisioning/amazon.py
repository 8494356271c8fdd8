"""moto's EC2, Parameter Store and IAM as accounts of Amazon, behind a server that is as strict as Amazon's.

What moto lets pass is refused here as AWS refuses it: a signature that botocore does not find right, user data over
16,384 bytes, a token used twice for different requests (used twice for the same one it gives the same machine), a
security group or volume that a machine still holds. Machines take a minute to end. moto's XML is put right: it lacks a
slash in the namespace, and its errors have one where Amazon's have none.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from providers.provisioning.base import Choice
from providers.provisioning.ec2 import EC2
from tests.provisioning.faulty_server import Faults, Manner, read_body, served

REGION = "eu-central-1"
SECRET, TOKEN = "not/a+secret", "not-a-token"
DEBIAN = "136693071363"
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g user@here"
ENDS_IN_S = 4.0
"""Of the test's own time, of which more passes than this before provisioning looks for the second time."""
_NAMESPACE = b'xmlns="http://ec2.amazonaws.com/doc/2016-11-15"'
_READS = re.compile("Describe|Get|List")

Start = Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """One call as it came over the wire."""

    service: str
    action: str
    params: dict[str, str]
    query: str = ""
    """What its URL held."""

    @property
    def changes(self) -> bool:
        return not _READS.match(self.action) and self.params.get("DryRun") != "true"


@dataclass
class Account:
    """An account that starts with Amazon's default network, Debian's images and a profile for machines."""

    number: int
    credentials: Path
    """The file of AWS's tools in which each account has a profile."""
    patience_s: tuple[float, ...] = ()
    """None: a call that fails once has failed for good."""
    faults: Faults = field(default_factory=Faults)
    recorded: list[Call] = field(default_factory=list)
    clock: float = 0.0
    full: set[tuple[str, str]] = field(default_factory=set)
    quotas: dict[str, float] = field(default_factory=dict)
    """vCPU by code, where it is not 1000."""
    refused: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Actions that are answered by an error: its status, code and message."""
    _tokens: dict[str, tuple[dict[str, str], bytes]] = field(default_factory=dict)
    _ending: dict[str, float] = field(default_factory=dict)

    # What a world is, as cloud_contract.World has it.
    def cloud(self, **settings: str) -> EC2:
        given = {"profile": self.profile, "region": REGION, **settings}
        return EC2(given, patience_s=self.patience_s, pause=self.sleep)

    def fail(self, nth: int, *, after_effect: bool) -> None:
        self.faults.fail(nth, after_effect=after_effect)

    def calls(self) -> int:
        return self.faults.calls

    def changes(self) -> int:
        return sum(call.changes for call in self.recorded)

    def left(self) -> list[str]:
        self._pass()
        return sorted(
            [
                *(f"node {_name(i)}" for i in self.instances() if i._state.name != "terminated"),
                *(f"volume {_name(v)}" for v in self.ec2.volumes.values()),
                *(f"firewall {g.name}" for each in self.ec2.groups.values() for g in each.values() if not g.is_default),
                *(f"key {name}" for name in self.ec2.key_pairs),
                *(f"address {address.allocation_id}" for address in self.ec2.addresses),
                *(f"secret {name}" for name in self.ssm._parameters),
                *(f"interface {e.id}" for e in self.ec2.enis.values() if e.instance is None),
            ]
        )

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def fill(self, choice: Choice) -> None:
        self.full.add((choice.machine.name, choice.market))

    def take_away(self, name: str) -> None:
        for each in self.instances():
            if _name(each) == name:
                each.terminate()
                each.state_reason.code = "Server.SpotInstanceTermination"

    # What tests look at.
    @property
    def profile(self) -> str:
        return f"account-{self.number}"

    @property
    def access_key(self) -> str:
        return f"AKIA{self.number:016}"

    @property
    def id(self) -> str:
        return f"{self.number:012}"

    @property
    def ec2(self) -> Any:
        from moto.ec2.models import ec2_backends

        return ec2_backends[self.id][REGION]

    @property
    def ssm(self) -> Any:
        from moto.ssm.models import ssm_backends

        return ssm_backends[self.id][REGION]

    @property
    def iam(self) -> Any:
        from moto.iam.models import iam_backends

        return iam_backends[self.id]["aws"]

    def instances(self) -> list[Any]:
        return [each for reservation in self.ec2.reservations.values() for each in reservation.instances]

    def groups(self) -> dict[str, Any]:
        """Security groups by name, without Amazon's own."""
        return {g.name: g for each in self.ec2.groups.values() for g in each.values() if not g.is_default}

    def of(self, action: str) -> list[dict[str, str]]:
        """Parameters of each call of an action that was more than a question."""
        return [c.params for c in self.recorded if c.action == action and c.params.get("DryRun") != "true"]

    def add_image(self, id: str, name: str, day: str, **facts: Any) -> None:
        from datetime import datetime

        from moto.ec2.models.amis import Ami

        about = {
            "owner_id": DEBIAN,
            "architecture": "x86_64",
            "virtualization_type": "hvm",
            "root_device_type": "ebs",
            "root_device_name": "/dev/xvda",
            "region_name": f"{REGION}a",
            "public": True,
        }
        made = datetime.fromisoformat(day)
        self.ec2.amis[id] = Ami(self.ec2, id, name=name, creation_date=made, **{**about, **facts})

    def furnish(self) -> None:
        """What is there before any cluster is."""
        section = f"[{self.profile}]\naws_access_key_id = {self.access_key}\naws_secret_access_key = {SECRET}\n"
        with self.credentials.open("a") as file:
            file.write(f"{section}aws_session_token = {TOKEN}\n")
        self.add_image("ami-00000001", "debian-13-amd64-20260601-2130", "2026-06-01")
        self.add_image("ami-00000002", "debian-13-amd64-20261001-2254", "2026-10-01")
        self.add_image("ami-00000003", "debian-13-arm64-20261101-2301", "2026-11-01", architecture="arm64")
        self.add_image("ami-00000004", "debian-13-amd64-20261111-evil", "2026-11-11", owner_id="666666666666")
        self.iam.create_instance_profile("rubincwl-node", "/", [])
        role = {"Version": "2012-10-17", "Statement": []}
        self.iam.create_role("rubincwl-node", json.dumps(role), "/", None, "", [], 3600)
        self.iam.add_role_to_instance_profile("rubincwl-node", "rubincwl-node")

    # What stands before moto.
    def serve(self, moto: Any, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        call = _call(environ)
        self.recorded.append(call)
        self._pass()
        refusal = self._refusal(call, environ)
        if refusal is not None:
            return _refuse(call, start, *refusal)
        token = call.params.get("ClientToken")
        if token in self._tokens:
            start("200 OK", [("Content-Type", "text/xml")])
            return [self._tokens[token][1]]
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.id
        if call.service == "servicequotas":
            return _answer(start, {"Quota": {"Value": self.quotas.get(call.params["QuotaCode"], 1000.0)}})
        return self._after(call, token, _repaired(moto, environ, start))

    def _refusal(self, call: Call, environ: dict[str, Any]) -> tuple[int, str, str] | None:
        if not _well_signed(environ):
            return 403, "SignatureDoesNotMatch", "The request signature we calculated does not match"
        if call.action in self.refused:
            return self.refused[call.action]
        if call.action == "RunInstances" and call.params.get("DryRun") != "true":
            return self._refused_machine(call.params)
        if call.action == "DeleteSecurityGroup" and self._holding(call.params["GroupId"]):
            return 400, "DependencyViolation", f"resource {call.params['GroupId']} has a dependent object"
        if call.action == "DeleteVolume":
            volume = self.ec2.volumes.get(call.params["VolumeId"])
            if volume is not None and volume.attachment is not None:
                return 400, "VolumeInUse", f"{volume.id} is currently attached"
        return None

    def _refused_machine(self, params: dict[str, str]) -> tuple[int, str, str] | None:
        market = params.get("InstanceMarketOptions.MarketType", "on-demand")
        if (params["InstanceType"], market) in self.full:
            words = f"We currently do not have sufficient {params['InstanceType']} capacity"
            return 500, "InsufficientInstanceCapacity", words
        if len(b64decode(params.get("UserData", ""))) > 16384:
            return 400, "InvalidUserData.Malformed", "User data is limited to 16384 bytes"
        before = self._tokens.get(params.get("ClientToken", ""))
        if before is not None and before[0] != params:
            return 400, "IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent"
        if before is not None and not any(
            i._state.name == "running" for i in self.instances() if i.id in str(before[1])
        ):
            return 400, "IdempotentInstanceTerminated", "The instance of this client token has been terminated"
        return None

    def _after(self, call: Call, token: str | None, answer: list[bytes]) -> list[bytes]:
        if token is not None and b"<Errors>" not in answer[0]:
            self._tokens[token] = call.params, answer[0]
        if call.action == "TerminateInstances":
            for id in (value for key, value in call.params.items() if key.startswith("InstanceId.")):
                instance = next((each for each in self.instances() if each.id == id), None)
                if instance is None:
                    continue
                instance._state.name, instance._state.code = "shutting-down", 32
                self._ending.setdefault(id, self.clock + ENDS_IN_S)
        return answer

    def _holding(self, group: str) -> list[Any]:
        there = [i for i in self.instances() if i._state.name != "terminated"]
        return [i for i in there if group in {g.id for g in i.security_groups}]

    def _pass(self) -> None:
        for instance in self.instances():
            if instance._state.name == "shutting-down" and self._ending[instance.id] <= self.clock:
                instance._state.name, instance._state.code = "terminated", 48


def _name(thing: Any) -> str:
    return next((tag["value"] for tag in thing.get_tags() if tag["key"] == "Name"), thing.id)


def _call(environ: dict[str, Any]) -> Call:
    body = read_body(environ)
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1] if scope else ""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return Call(service, target.partition(".")[2], json.loads(body or b"{}"))
    params = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return Call(service, params.pop("Action", ""), params, environ.get("QUERY_STRING", ""))


def _well_signed(environ: dict[str, Any]) -> bool:
    """Whether botocore, from the same secret, makes the same signature of what arrived."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials

    class AsSigned(SigV4Auth):
        def headers_to_sign(self, request: Any) -> Any:  # the sender's choice of headers, and not botocore's own
            return HTTPHeaders.from_dict(headers)

    given = environ.get("HTTP_AUTHORIZATION", "")
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)",
        given,
    )
    if found is None or environ.get("HTTP_X_AMZ_SECURITY_TOKEN") != TOKEN:
        return False
    signer = AsSigned(Credentials(found[1], SECRET, TOKEN), found[3], found[2])
    names = {name: name.upper().replace("-", "_") for name in found[4].split(";")}
    headers = {n: environ.get(f"HTTP_{v}") or environ.get(v) or "" for n, v in names.items()}
    url = f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}"
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers=headers, data=read_body(environ))
    request.context["timestamp"] = environ["HTTP_X_AMZ_DATE"]
    signed = signer.string_to_sign(request, signer.canonical_request(request))
    return bool(signer.signature(signed, request) == found[5])


def _repaired(moto: Any, environ: dict[str, Any], start: Start) -> list[bytes]:
    told: list[Any] = []

    def note(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        told[:] = [status, headers]
        return lambda data: None

    body = _with_threads(b"".join(moto(environ, note)))
    body = body.replace(b"<Response " + _NAMESPACE, b"<Response").replace(_NAMESPACE, _NAMESPACE[:-1] + b'/"')
    start(told[0], [(key, value) for key, value in told[1] if key.lower() != "content-length"])
    return [body]


def _with_threads(body: bytes) -> bytes:
    """moto does not tell the threads of machines; all that the tests start have two a core."""
    if b"<DescribeInstancesResponse" not in body:
        return body
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    def told(found: re.Match[bytes]) -> bytes:
        cores = INSTANCE_TYPES[found[1].decode()]["VCpuInfo"]["DefaultVCpus"] // 2
        options = f"<coreCount>{cores}</coreCount><threadsPerCore>2</threadsPerCore>"
        return found[0] + f"<cpuOptions>{options}</cpuOptions>".encode()

    return re.sub(rb"<instanceType>([^<]+)</instanceType>", told, body)


def _refuse(call: Call, start: Start, status: int, code: str, message: str) -> list[bytes]:
    if call.service == "ec2":
        start(f"{status} Refused", [("Content-Type", "text/xml")])
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return [f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()]
    if call.service == "iam":
        start(f"{status} Refused", [("Content-Type", "text/xml")])
        return [
            f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()
        ]
    return _answer(start, {"__type": code, "message": message}, f"{status} Refused")


def _answer(start: Start, answer: Any, status: str = "200 OK") -> list[bytes]:
    start(status, [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(answer).encode()]


@contextmanager
def amazon(credentials: Path) -> Iterator[tuple[str, Callable[..., Account]]]:
    """Run it; gives its URL, and what makes an empty account."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

    moto = DomainDispatcherApplication(create_backend_app)
    accounts: dict[str, Account] = {}

    def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        key = re.search("Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        account = accounts.get(key[1] if key else "")
        if account is None:
            return _refuse(_call(environ), start, 401, "AuthFailure", "AWS was not able to validate the credentials")
        read_body(environ)
        return account.faults.around(lambda e, s: account.serve(moto, e, s), environ, start)

    def new(patience_s: tuple[float, ...] = (), manner: Manner = "status 500") -> Account:
        account = Account(len(accounts) + 1, credentials, patience_s, Faults(manner))
        accounts[account.access_key] = account
        account.furnish()
        return account

    with served(application, MotoRequestHandler) as url:
        yield url, new


@pytest.fixture(scope="session")
def amazon_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Callable[..., Account]]]:
    pytest.importorskip("moto.ec2")
    import botocore.loaders
    import moto.kms.models

    folder = tmp_path_factory.mktemp("aws")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        # Each client of a user reads botocore's descriptions of services; here they are read once.
        patch.setattr(botocore.loaders, "create_loader", cache(botocore.loaders.create_loader))
        # Each account's first encrypted volume makes a key of its own, which takes long; one does for all.
        patch.setattr(moto.kms.models, "generate_private_key", cache(moto.kms.models.generate_private_key))
        with amazon(folder / "credentials") as (url, new):
            yield url, folder / "credentials", new


@pytest.fixture
def new_account(
    amazon_server: tuple[str, Path, Callable[..., Account]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Account]:
    """Makes empty accounts, with this process set up as a user's shell would be: an endpoint, a file of profiles."""
    url, credentials, new = amazon_server
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(credentials.with_name("config")))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return new


@pytest.fixture
def account(new_account: Callable[..., Account]) -> Account:
    return new_account()
