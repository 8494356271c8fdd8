"""Harbour, an S3-compatible store of somebody else, as a package of theirs brings it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from providers.s3 import S3Provider


class Harbour(S3Provider):
    """A store with an endpoint of its own."""

    name: ClassVar[str] = "harbour"
    account: ClassVar[str] = "rubin@harbour"
    region: ClassVar[str | None] = "north"
    endpoint: ClassVar[str | None] = "https://s3.harbour.example.org"
    schema: ClassVar[Mapping[str, Any]] = {
        "properties": {key: {"type": "string"} for key in ("bucket", "prefix", "credentials", "profile")},
    }
