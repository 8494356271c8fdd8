"""What stores hold: files listed and asked for through fsspec, and what went wrong told in words."""

from providers.storage.access import default_access
from providers.storage.client import ABSENT, SHA256_KEY, UNKNOWN, Client, Entry, open_client
from providers.storage.faults import StorageError
from providers.storage.listing import Listing, Observe, list_files
from providers.storage.search import Survey, probe, survey

__all__ = [
    "ABSENT",
    "SHA256_KEY",
    "UNKNOWN",
    "Client",
    "Entry",
    "Listing",
    "Observe",
    "StorageError",
    "Survey",
    "default_access",
    "list_files",
    "open_client",
    "probe",
    "survey",
]
