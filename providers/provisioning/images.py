"""Families of images, of which a cloud's newest is taken when a machine starts; no image has its id written here.

Sources: the owner's account and names on AWS, https://wiki.debian.org/Cloud/AmazonEC2Image; Google's public images,
https://cloud.google.com/compute/docs/images/os-details.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT = "debian-13"


@dataclass(frozen=True, slots=True)
class Family:
    """Where a cloud keeps the images of a system."""

    owner: str
    """An account of AWS, a project of Google."""
    pattern: str
    """Of the image's name on AWS, with ``*``; the family's name at Google."""


@dataclass(frozen=True, slots=True)
class Images:
    """What a cloud calls the families that we know."""

    known: Mapping[str, Family]

    def family(self, name: str) -> Family:
        """The family `name`, or ``owner/pattern`` as the user wrote it. Raises `KeyError` for any other name.

        >>> AWS_IMAGES.family("123456789012/science-*")
        Family(owner='123456789012', pattern='science-*')
        """
        owner, slash, pattern = name.partition("/")
        if slash and owner and pattern:
            return Family(owner, pattern)
        return self.known[name]


AWS_IMAGES = Images({DEFAULT: Family("136693071363", "debian-13-amd64-*")})
GCE_IMAGES = Images({DEFAULT: Family("debian-cloud", "debian-13")})
