"""Where a workflow can run: facts about sites, stores and credentials, one module a place."""

from providers.base import Capability, MachineType, Object, Placeholder, Problem, Provider, Replica, Site, Store
from providers.registry import ProviderUnavailableError, UnknownProviderError, known_providers, load_provider

__all__ = [
    "Capability",
    "MachineType",
    "Object",
    "Placeholder",
    "Problem",
    "Provider",
    "ProviderUnavailableError",
    "Replica",
    "Site",
    "Store",
    "UnknownProviderError",
    "known_providers",
    "load_provider",
]
