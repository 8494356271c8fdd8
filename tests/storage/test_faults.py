"""What is wrong with a store is told apart in words, each cause as it really happens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from providers.base import Access, Problem
from providers.storage import StorageError, default_access, list_files, open_client, survey
from providers.storage.faults import explain
from tests.storage.answers import NO_PAGE, PAGE, Answer, google, s3, server
from tests.stores import Store

pytest.importorskip("s3fs")
pytest.importorskip("gcsfs")

KEYS = {"key": "k", "secret": "s", "client_kwargs": {"region_name": "us-east-1"}}
LIST_DENIED = (
    "node@survey-1.iam.gserviceaccount.com does not have storage.objects.list access to the Google Cloud Storage "
    "bucket. Permission 'storage.objects.list' denied on resource (or it may not exist)."
)


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No credentials but those of the test, and no question to a cloud's metadata server."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return


def told(url: str, access: Access) -> Problem:
    with pytest.raises(StorageError) as caught:
        list_files(url, access)
    return caught.value.problem


def of(store: Store) -> Access:
    return Access(store.scheme, store.options)


def at(endpoint: str, scheme: str = "s3", **options: Any) -> Access:
    own = KEYS if scheme == "s3" else {"token": "anon", "project": "p"}
    return Access(scheme, {**own, "endpoint_url": endpoint, **options})


def test_a_bucket_that_is_not_there_is_named(object_store: Store) -> None:
    problem = told(f"{object_store.scheme}://no-such-bucket/raw", of(object_store))
    assert (problem.code, problem.message) == ("no-bucket", "there is no bucket 'no-such-bucket'")


def test_a_few_files_of_a_bucket_that_is_not_there_are_no_missing_files(object_store: Store) -> None:
    client = open_client(f"{object_store.scheme}://no-such-bucket/raw", of(object_store))
    with pytest.raises(StorageError, match="no bucket"):
        survey(client, ["a.fits"])


@pytest.mark.parametrize(
    ("user", "doing", "code", "right"),
    [
        ("fetcher", "list", "no-permission", "s3:ListBucket"),
        ("nobody", "list", "no-permission", "s3:ListBucket"),
        ("lister", "read", "no-permission", "s3:GetObject"),
        ("reader", "write", "no-permission", "s3:PutObject"),
    ],
)
def test_a_missing_right_is_named(
    seaweed_store: Store, tmp_path: Path, user: str, doing: str, code: str, right: str
) -> None:
    store = seaweed_store.fresh()
    store.put({"raw/a.fits": b"1"})
    client = open_client(store.url, of(store.as_user(user)))
    (tmp_path / "file").write_bytes(b"2")
    do = {
        "list": lambda: list(client.pages()),
        "read": lambda: client.read_a_byte("raw/a.fits"),
        "write": lambda: client.put(tmp_path / "file", "raw/b.fits", "0" * 64),
    }
    with pytest.raises(StorageError) as caught:
        do[doing]()
    assert caught.value.problem.code == code
    assert right in (caught.value.problem.help or "")


def test_a_right_to_list_that_is_missing_costs_questions_only(seaweed_store: Store) -> None:
    store = seaweed_store.fresh()
    wanted = [f"raw/{n}.fits" for n in range(30)]
    store.put(dict.fromkeys(wanted[:-1], b"12"))
    found = survey(open_client(store.url, of(store.as_user("fetcher"))), wanted)
    assert found.sizes.tolist() == [2] * 29 + [-2]
    assert found.unlisted is not None
    assert found.unlisted.code == "no-permission"


def test_who_may_neither_list_nor_read_is_told_so(seaweed_store: Store) -> None:
    with pytest.raises(StorageError) as caught:
        survey(open_client(seaweed_store.url, of(seaweed_store.as_user("nobody"))), ["a", "b"])
    assert caught.value.problem.code == "no-permission"


def test_keys_that_the_store_does_not_take_are_told_for_a_few_files_too(seaweed_store: Store) -> None:
    with pytest.raises(StorageError) as caught:
        survey(open_client(seaweed_store.url, of(seaweed_store.as_user("somebody"))), ["a", "b"])
    assert caught.value.problem.code == "wrong-credentials"


def test_a_session_that_expired_is_told_for_a_few_files_too() -> None:
    with server(s3(400, "ExpiredToken", "The provided token has expired.")) as endpoint:
        options = {"key": "a", "secret": "b", "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}
        with pytest.raises(StorageError) as caught:
            survey(open_client("s3://survey", Access("s3", options)), ["a", "b"])
    assert caught.value.problem.code == "expired-credentials"


@pytest.mark.parametrize(("user", "secret"), [("admin", "another"), ("somebody", "not-a-secret")])
def test_keys_that_the_store_does_not_take_are_wrong_credentials(seaweed_store: Store, user: str, secret: str) -> None:
    assert told(seaweed_store.url, of(seaweed_store.as_user(user, secret))).code == "wrong-credentials"


def test_no_credentials_at_all_are_told(seaweed_store: Store) -> None:
    options = {"endpoint_url": seaweed_store.endpoint, "client_kwargs": {"region_name": "us-east-1"}, "anon": False}
    problem = told(seaweed_store.url, Access("s3", options))
    assert problem.code == "no-credentials"
    assert "AWS_PROFILE" in (problem.help or "")


def test_a_profile_that_is_not_there_is_told(seaweed_store: Store) -> None:
    access = Access("s3", {"endpoint_url": seaweed_store.endpoint, "profile": "survey"})
    problem = told(seaweed_store.url, access)
    assert problem.code == "no-credentials"
    assert "survey" in problem.message


def test_credentials_of_google_that_are_not_there_are_told(gcs_store: Store, tmp_path: Path) -> None:
    for token in ("google_default", str(tmp_path / "key.json")):
        access = Access("gs", {"token": token, "project": "p", "endpoint_url": gcs_store.endpoint})
        assert told(gcs_store.url, access).code == "no-credentials"


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_endpoint_that_nobody_serves_is_unreachable_at_once(scheme: str) -> None:
    refused = told(f"{scheme}://survey", at("http://127.0.0.1:1", scheme))
    assert (refused.code, "refused" in refused.message) == ("unreachable-store", True)
    unknown = told(f"{scheme}://survey", at("http://store.invalid", scheme))
    assert (unknown.code, "not known" in unknown.message) == ("unreachable-store", True)


def test_what_is_no_address_is_told() -> None:
    assert told("s3://survey", at("store.example.org")).code == "bad-endpoint"


def test_what_speaks_no_http_is_no_store() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            connection.close()

        Thread(target=greet, daemon=True).start()
        problem = told("s3://survey", at(f"http://127.0.0.1:{listening.getsockname()[1]}"))
    assert problem.code == "not-a-store"


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_web_page_is_no_store(scheme: str) -> None:
    with server(PAGE) as endpoint:
        assert told(f"{scheme}://survey", at(endpoint, scheme)).code == "not-a-store"


def test_a_web_server_without_such_a_page_is_no_store() -> None:
    with server(NO_PAGE) as endpoint:
        assert told("s3://survey", at(endpoint)).code == "not-a-store"


REGION = "x_amz_bucket_region"
S3_ANSWERS = [
    (
        s3(
            301,
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint.",
            "<Endpoint>survey.s3.eu-west-1.amazonaws.com</Endpoint><Bucket>survey</Bucket>",
            **{REGION: "eu-west-1"},
        ),
        "wrong-region",
        "eu-west-1",
    ),
    (
        s3(
            400,
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
            "<Region>eu-west-1</Region>",
        ),
        "wrong-region",
        "eu-west-1",
    ),
    (
        s3(
            403,
            "AccessDenied",
            "User: arn:aws:iam::123456789012:user/a is not authorized to perform: s3:ListBucket on resource: "
            '"arn:aws:s3:::survey" because no identity-based policy allows the s3:ListBucket action',
        ),
        "no-permission",
        "no identity-based policy",
    ),
    (s3(400, "ExpiredToken", "The provided token has expired."), "expired-credentials", "has expired"),
    (
        s3(400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        "wrong-credentials",
        "malformed",
    ),
    (
        s3(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        "wrong-clock",
        "clock",
    ),
    (s3(418, "SomethingNew", "The kettle is on."), "store-refused", "The kettle is on."),
]


@pytest.mark.parametrize(
    ("answer", "code", "word"), S3_ANSWERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_answers_of_s3_are_told_apart(answer: Answer, code: str, word: str) -> None:
    with server(answer) as endpoint:
        problem = told("s3://survey/raw", at(endpoint))
    assert problem.code == code
    assert word in problem.message


def test_another_region_is_told_where_only_a_few_files_are_asked_for() -> None:
    with server(Answer(400, "", {"x-amz-bucket-region": "eu-west-1"})) as endpoint:
        client = open_client("s3://survey/raw", at(endpoint))
        with pytest.raises(StorageError) as caught:
            client.about("a.fits")
    assert caught.value.problem.code == "wrong-region"
    assert "eu-west-1" in (caught.value.problem.help or "")


GOOGLE_ANSWERS = [
    (google(403, LIST_DENIED, "forbidden"), "no-permission", "storage.objects.list"),
    (
        google(401, LIST_DENIED.replace("node@survey-1.iam.gserviceaccount.com", "Anonymous caller"), "required"),
        "no-credentials",
        "not public",
    ),
    (google(404, "The specified bucket does not exist.", "notFound"), "no-bucket", "survey"),
    (google(400, "User project specified in the request is invalid.", "invalid"), "wrong-project", "invalid"),
    (
        google(400, "Bucket is a requester pays bucket but no user project provided.", "required"),
        "wrong-project",
        "requester pays",
    ),
    (
        google(
            403,
            "Cloud Storage JSON API has not been used in project 1234 before or it is disabled.",
            "accessNotConfigured",
        ),
        "wrong-project",
        "project 1234",
    ),
    (
        google(403, "The billing account for the owning project is disabled in state absent", "accountDisabled"),
        "wrong-project",
        "billing account",
    ),
    (s3(403, "AccessDenied", "Access Denied."), "not-a-store", "S3's words"),
]


@pytest.mark.parametrize(
    ("answer", "code", "word"), GOOGLE_ANSWERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_answers_of_google_are_told_apart(answer: Answer, code: str, word: str) -> None:
    with server(answer) as endpoint:
        problem = told("gs://survey/raw", at(endpoint, "gs"))
    assert problem.code == code
    assert word in problem.message


def test_what_the_clients_try_for_long_is_told_by_its_exception() -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError, UnauthorizedSSOTokenError
    from gcsfs.retry import HttpError
    from google.auth.exceptions import RefreshError

    def code(error: Exception, url: str = "s3://survey") -> str:
        return explain(error, url, "list").code

    busy = ClientError({"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate."}}, "ListObjectsV2")
    assert code(busy) == "store-busy"
    assert code(EndpointConnectionError(endpoint_url="https://s3.us-east-9.amazonaws.com")) == "unreachable-store"
    assert code(UnauthorizedSSOTokenError()) == "expired-credentials"
    assert code(RefreshError("Reauthentication is needed."), "gs://survey") == "expired-credentials"
    assert code(HttpError({"code": 401, "message": "Invalid Credentials"}), "gs://survey") == "expired-credentials"
    assert code(RuntimeError("whatever")) == "store-refused"


def test_a_client_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(StorageError) as caught:
        open_client("abfs://survey", Access("abfs", {}, "pip install adlfs"))
    assert (caught.value.problem.code, caught.value.problem.help) == ("no-client", "pip install adlfs")


@pytest.mark.parametrize("url", ["survey/raw", "nonsense://survey", "s3://", "/repo"])
def test_what_is_no_url_of_a_store_is_told(url: str) -> None:
    found = default_access(url)
    assert isinstance(found, Problem)
    assert found.code == "bad-url"


def test_a_web_server_that_refuses_is_told_and_a_missing_page_is_a_missing_file() -> None:
    with server(Answer(403, "no")) as endpoint:
        client = open_client(f"{endpoint}/repo", Access("http"))
        with pytest.raises(StorageError) as caught:
            client.about("raw/a.fits")
        assert caught.value.problem.code == "no-permission"
    with server(NO_PAGE) as endpoint:
        assert open_client(f"{endpoint}/repo", Access("http")).about("raw/a.fits") is None
