"""Stand-ins of clouds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .amazon import account, amazon_server, new_account
from .fake_gce import Google
from .fake_gce_server import Server

__all__ = ["account", "amazon_server", "new_account"]


@pytest.fixture(scope="module")
def google_server() -> Iterator[Server]:
    """Google on 127.0.0.1."""
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture
def google_token(monkeypatch: pytest.MonkeyPatch) -> str:
    """An access token in the environment."""
    token = "ya29.of-the-test"
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", token)
    return token


@pytest.fixture
def google(google_server: Server, google_token: str) -> Google:
    """An empty account."""
    return google_server.new()
