"""What the configuration may hold of each target: the settings of every target, the provider's own, and its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from compiler.diagnostics import Findings, Span
from compiler.frontend.placed import Placed, unplaced
from compiler.frontend.validation import validate

if TYPE_CHECKING:
    from providers import Provider

_BESIDE = frozenset({"$schema", "$id", "title", "description", "properties"})
"""Of a provider's schema, what does not restrict its settings, and what is put together here."""


def config_schema(targets: Mapping[str, Placed], findings: Findings) -> dict[str, Any]:
    """The JSON Schema of our keys, with the settings of those `targets` that the file has.

    A provider that cannot be loaded (it may be somebody else's) takes any settings, and is a warning.
    """
    from providers import known_providers
    from schemas import schema

    config = schema("config")
    properties = {
        name: _schema_of(name, findings, targets[name].key) if name in targets else True for name in known_providers()
    }
    config["properties"]["targets"] |= {"properties": properties, "additionalProperties": False}
    return config


def check_settings(target: str, values: Mapping[str, Any], findings: Findings) -> None:
    """Tell which of the `values`, which stand in no file, the provider `target` does not take."""
    validate(unplaced(dict(values)), _schema_of(target, findings), findings, f"the target {target}")


def target_schema(provider: type[Provider]) -> dict[str, Any]:
    """The JSON Schema of all that may stand under ``targets: NAME``."""
    from schemas import schema

    own = dict(provider.schema)
    properties = {**schema("target")["properties"], **own.get("properties", {})}
    if "provisioning" in provider.capabilities:
        properties["cluster"] = _cluster()
    rules = {key: value for key, value in own.items() if key not in _BESIDE}
    return {"additionalProperties": False, **rules, "type": "object", "properties": properties}


def _schema_of(name: str, findings: Findings, place: Span | None = None) -> Any:
    from jsonschema import Draft202012Validator, SchemaError

    from providers import ProviderUnavailableError, provider_class

    try:
        found = target_schema(provider_class(name))
        Draft202012Validator.check_schema(found)
    except (ProviderUnavailableError, AttributeError, TypeError, ValueError, SchemaError) as reason:
        findings.warning("provider-unavailable", f"settings of '{name}' are not checked: {reason}", place)
        return True
    return found


def _cluster() -> Any:
    from schemas import schema

    try:
        return schema("cluster")
    except FileNotFoundError:
        return True
