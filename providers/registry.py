"""Providers by name, loaded when they are asked for.

A package of somebody else adds one by the entry-point group ``rubincwl.providers``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from providers.base import Provider
from providers.provisioning.base import Cloud

GROUP = "rubincwl.providers"
BUILT_IN: Mapping[str, tuple[str, str]] = {
    "aws": ("providers.aws:AWS", "pip install 'rubincwl[aws,provision]'"),
    "gcp": ("providers.gcp:GCP", "pip install 'rubincwl[gcp,provision]'"),
    "onprem": ("providers.onprem:OnPrem", "pip install 'rubincwl[aws,provision]'"),
}
"""Module and class by name, and how to install what the module imports."""


class UnknownProviderError(LookupError):
    """No provider of this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no provider {name!r}; known are {', '.join(known)}")
        self.known = known
        self.closest = next(iter(difflib.get_close_matches(name, known, 1, 0.5)), None)


class ProviderUnavailableError(ImportError):
    """The provider is known but cannot be imported; the message says how to install it."""


def known_providers() -> tuple[str, ...]:
    """Names of all providers, sorted; none of them is imported."""
    return tuple(sorted({*BUILT_IN, *_plugins()}))


def provider_class(name: str) -> type[Provider]:
    """The provider `name` before it knows any settings; raises as `load_provider` does."""
    target, hint = BUILT_IN.get(name, ("", "install the package that brings it"))
    target = target or _plugins().get(name, "")
    if not target:
        raise UnknownProviderError(name, known_providers())
    module, _, attribute = target.partition(":")
    try:
        found: type[Provider] = getattr(import_module(module), attribute)
        if not isinstance(found, type) or not isinstance(getattr(found, "schema", None), Mapping):
            raise TypeError(f"{target} is no provider")
    except Exception as reason:  # a plugin may fail as it likes
        raise ProviderUnavailableError(f"provider {name!r} cannot be loaded ({reason}): {hint}") from reason
    return found


def load_provider(name: str, settings: Mapping[str, Any] | None = None) -> Provider:
    """The provider `name` with the user's settings for it.

    Raises `UnknownProviderError`, or `ProviderUnavailableError` if its module cannot be imported.
    """
    return provider_class(name)(settings or {})


def cloud_of(target: str, settings: Mapping[str, Any]) -> Cloud:
    """The `Cloud` that ``module:class`` names, made from the settings of a provider.

    Raises `ProviderUnavailableError` if a package that it needs is not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        made: Cloud = getattr(import_module(module), attribute)(settings)
    except ImportError as reason:
        hint = "pip install 'rubincwl[provision]'"
        raise ProviderUnavailableError(f"machines cannot be made ({reason}): {hint}") from reason
    return made


@cache
def _plugins() -> Mapping[str, str]:
    return {each.name: each.value for each in entry_points(group=GROUP)}
