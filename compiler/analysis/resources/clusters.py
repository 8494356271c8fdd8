"""What bps lets users ask for a whole cluster, beside what its quanta ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from compiler.analysis.resources.fields import BY_KEY
from compiler.analysis.resources.settings import Setting, bps_values
from compiler.diagnostics import Findings
from compiler.jobs.request import Request

Overrides = Mapping[str, Any]
"""Values by attribute of `Request`."""


def cluster_overrides(
    names: Iterable[str], settings: Callable[[str], Mapping[str, Setting]], findings: Findings
) -> Mapping[str, Overrides]:
    """What stands in ``cluster.<name>`` itself, by name; clusters of which nothing is said are left out.

    `settings` gives what stands there and nowhere above: bps takes that for the job, and only what is missing from the
    cluster's quanta: the largest memory, cores and retries, the sum of disk and wall time (ctrl_bps, ``transform.py``).
    """
    found = {name: bps_values(settings(name), findings) for name in sorted(set(names))}
    return {
        name: {BY_KEY[key].attribute: value for key, (value, _) in values.items()}
        for name, values in found.items()
        if values
    }


def overridden(request: Request, overrides: Overrides | None) -> Request:
    """What a cluster's job asks for, whose quanta together ask for `request`.

    >>> overridden(Request(memory_mib=4096, cores=2), {"memory_mib": 3000}).memory_mib
    3000
    """
    return replace(request, **overrides) if overrides else request
