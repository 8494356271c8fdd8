"""How a way of handing files over is said to Pegasus: its data configuration, and the sites that stage and keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from providers.base import COMPUTE, LOCAL, STAGING, Handover

OUT = "${RUBINCWL_OUT}"
"""The output folder: Pegasus replaces it when it plans, plan.sh sets it, so that the folder can be moved."""
STAGING_VARIABLE = "RUBINCWL_STAGING"
"""The site that stages and keeps results, as sub-workflows name it: their jobs stand in ``workflow.yml``, which is the
same for every target. plan.sh sets it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What Pegasus is told."""

    configuration: str
    """Its ``pegasus.data.configuration``."""
    staging: str
    """The site through whose scratch folder jobs hand files to each other; results stay there as well."""
    lite: bool
    """Whether jobs run under PegasusLite in a folder of their own; if not, all of them run in the scratch folder."""


_LAYOUTS: Mapping[Handover, Layout] = {
    "object-store": Layout("nonsharedfs", STAGING, lite=True),
    "shared-folder": Layout("sharedfs", COMPUTE, lite=False),
    "submit-host": Layout("condorio", LOCAL, lite=True),
}
"""Pegasus insists on the sites: with ``sharedfs`` files are staged where jobs run, with ``condorio`` on ``local``."""


def layout_of(handover: Handover, container: str | None) -> Layout:
    """With ``sharedfs`` Pegasus 5.1 leaves a container out in silence: jobs would run without it. So they run under
    PegasusLite then, in folders of their own, and copy from and to the shared one."""
    if handover == "shared-folder" and container is not None:
        return Layout("nonsharedfs", COMPUTE, lite=True)
    return _LAYOUTS[handover]
