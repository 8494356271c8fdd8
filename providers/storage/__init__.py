"""What stores hold: files listed and asked for through fsspec, and what went wrong told in words."""

from providers.storage.access import plain_access
from providers.storage.client import ABSENT, SHA256_KEY, UNKNOWN, Client, Entry, open_client
from providers.storage.faults import StorageError
from providers.storage.listing import Listing, list_files
from providers.storage.survey import Survey, survey

__all__ = [
    "ABSENT",
    "SHA256_KEY",
    "UNKNOWN",
    "Client",
    "Entry",
    "Listing",
    "StorageError",
    "Survey",
    "list_files",
    "open_client",
    "plain_access",
    "survey",
]
