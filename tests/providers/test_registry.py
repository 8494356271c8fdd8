"""Providers are found by name, loaded late, and missed helpfully."""

from __future__ import annotations

import subprocess
import sys

import pytest

from providers import ProviderUnavailableError, UnknownProviderError, known_providers, load_provider, registry


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownProviderError, match=r"no provider 'asw'; known are .*aws") as caught:
        load_provider("asw")
    assert caught.value.closest == "aws"


def test_listing_names_imports_no_provider() -> None:
    code = "import sys, providers; assert 'aws' in providers.known_providers(); print('providers.aws' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_what_cannot_be_imported_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILT_IN", {"aws": ("no_such_module:AWS", "pip install 'rubincwl[aws]'")})
    with pytest.raises(ProviderUnavailableError, match=r"rubincwl\[aws\]"):
        load_provider("aws")


def test_an_entry_point_adds_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_plugins", lambda: {"mine": "providers.aws:AWS"})
    assert known_providers() == ("aws", "gcp", "mine", "onprem")
    assert load_provider("mine").name == "aws"


def test_a_plug_in_that_fails_as_it_is_imported_is_unavailable_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry,
        "_plugins",
        lambda: {"odd": "antigravity_of_rubin:X", "none": "providers.aws:Azure", "other": "json:dumps"},
    )
    for name in ("odd", "none", "other"):
        with pytest.raises(ProviderUnavailableError, match="install the package that brings it"):
            load_provider(name)
    assert load_provider("aws").name == "aws"


def test_the_packages_entry_points_are_the_built_in_providers() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    listed = project["entry-points"]["rubincwl.providers"]
    assert listed == {name: target for name, (target, _) in registry.BUILT_IN.items()}
