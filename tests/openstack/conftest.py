"""The real services, started once for all tests, and projects in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.openstack.account import Account, Front
from tests.openstack.services import Services, services
from tests.provisioning.faulty_server import served

ENVIRONMENT = Path(os.environ.get("RUBINCWL_OPENSTACK", Path(sys.prefix) / "openstack"))
"""Where OpenStack is installed; make test-openstack does it."""


@pytest.fixture(scope="session")
def openstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    if not (ENVIRONMENT / "bin/nova-manage").is_file():
        pytest.skip(f"no OpenStack in {ENVIRONMENT}: make test-openstack installs it")
    with services(ENVIRONMENT, tmp_path_factory.mktemp("openstack")) as running:
        print(f"\nOpenStack started in {running.started_s:.0f} s")
        yield running
        print(f"\nOpenStack took {running.memory_mib():.0f} MiB of memory")


@pytest.fixture(scope="session")
def front(openstack: Services) -> Iterator[Front]:
    made = Front(openstack)
    with served(made) as made.url:
        yield made


@pytest.fixture
def new_account(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Account]]:
    """Makes an empty project, of a user of its own, whose clouds.yaml is the one that is read."""
    made: list[Account] = []

    def new(**how: object) -> Account:
        made.append(front.account(tmp_path, **how))  # type: ignore[arg-type]
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(made[-1].clouds))
        return made[-1]

    yield new
    for each in made:
        each.clear()
