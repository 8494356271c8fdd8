"""How this machine reaches a URL where no provider's settings say it: by the client's own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from providers.base import Access, Problem

_INSTALL: Mapping[str, str] = {
    "s3": "pip install 'rubincwl[aws]'",
    "gs": "pip install 'rubincwl[gcp]'",
    "http": "pip install 'fsspec[http]'",
    "https": "pip install 'fsspec[http]'",
    "file": "pip install fsspec",
}
_EXAMPLE = "for instance s3://bucket/prefix, gs://bucket/prefix, https://host/folder or file:///folder"


def default_access(url: str) -> Access | Problem:
    """Credentials are those that the store's client finds by itself: profiles, variables, roles of the machine."""
    scheme = urlsplit(url).scheme
    if scheme not in _INSTALL or not url.startswith(f"{scheme}:/"):
        return Problem("bad-url", f"{url!r} is no URL of a store", _EXAMPLE)
    if scheme in ("s3", "gs") and not url.removeprefix(f"{scheme}://").partition("/")[0]:
        return Problem("bad-url", f"{url!r} names no bucket", _EXAMPLE)
    return Access(scheme, {}, _INSTALL[scheme])
