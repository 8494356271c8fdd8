"""The newest image of a family, looked up when it is needed."""

from __future__ import annotations

from dataclasses import dataclass

from providers.provisioning.base import CloudError
from providers.provisioning.ec2.form import filters
from providers.provisioning.ec2.wire import Wire
from providers.provisioning.images import AWS_IMAGES


@dataclass(frozen=True, slots=True)
class Image:
    """An image that machines can start from."""

    id: str
    name: str
    root: str
    """The device of its root volume, which other distributions name otherwise."""
    size_gib: int
    """The least that the root volume can have."""


def newest(wire: Wire, family: str) -> Image:
    """The newest x86-64 image of `family` (or of ``owner/pattern``). Raises `CloudError` if there is none."""
    try:
        wanted = AWS_IMAGES.family(family)
    except KeyError:
        known = ", ".join(sorted(AWS_IMAGES.known))
        raise CloudError(
            f"no family of images {family!r}: give {known}, or an account and a name as owner/name-*"
        ) from (None)
    asked = {
        "name": wanted.pattern,
        "state": "available",
        "architecture": "x86_64",
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
    }
    found = list(wire.items("DescribeImages", "imagesSet/item", {"Owner.1": wanted.owner, **filters(asked)}))
    if not found:
        raise CloudError(
            f"the account {wanted.owner} has no image {wanted.pattern!r} for x86-64 in {wire.account.region}"
        )
    latest = max(found, key=lambda image: image.findtext("creationDate", ""))
    root = latest.findtext("rootDeviceName", "")
    sizes = (
        device.findtext("ebs/volumeSize", "0")
        for device in latest.iterfind("blockDeviceMapping/item")
        if device.findtext("deviceName") == root
    )
    return Image(latest.findtext("imageId", ""), latest.findtext("name", ""), root, int(next(sizes, "0")))
