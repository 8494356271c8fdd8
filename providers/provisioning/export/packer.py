"""The plan as Packer's HCL2: an image that has what nodes would otherwise install at every start."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from providers.provisioning.base import ClusterPlan, Group
from providers.provisioning.export.terraform import literal
from providers.provisioning.images import AWS_IMAGES, GCE_IMAGES, Images

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class _Builder:
    name: str
    plugin: str
    images: Images | None
    """None where the family is the image's own name."""


_BUILDERS: Mapping[str, _Builder] = {
    "aws": _Builder("amazon-ebs", "amazon", AWS_IMAGES),
    "gcp": _Builder("googlecompute", "googlecompute", GCE_IMAGES),
    "onprem": _Builder("openstack", "openstack", None),
}


def packer_files(plan: ClusterPlan) -> Mapping[str, str]:
    """``node.pkr.hcl``, which any Packer with HCL2 reads (1.5), and ``plugins.pkr.hcl``, which is for 1.7 and later.

    Images are made on the first type of worker.
    """
    builder = _BUILDERS[plan.provider]
    workers = next((group for group in plan.groups if not group.head), plan.groups[0])
    first = workers.choices[0]
    network, _, subnetwork = (plan.network or "").partition("/")
    facts: dict[str, Any] = {
        "plan": plan,
        "builder": builder.name,
        "plugin": builder.plugin,
        "machine": first.machine.name,
        "zone": first.zone or f"{plan.region}-b",
        "image": builder.images.family(plan.image) if builder.images is not None else None,
        "tags": plan.tags(),
        "network": network,
        "subnetwork": subnetwork,
        "sources": _sources(workers),
        "install": "sudo apt-get install -y --no-install-recommends " + " ".join(_packages(plan, workers)),
    }
    templates = _templates()
    text = "".join(templates.get_template(each).render(facts) for each in (f"{plan.provider}.pkr.hcl.j2", _BUILD))
    return {"node.pkr.hcl": text, "plugins.pkr.hcl": templates.get_template("plugins.pkr.hcl.j2").render(facts)}


def _packages(plan: ClusterPlan, group: Group) -> list[str]:
    """What the group's machines install at their first start; Google's Debian lacks cloud-init itself."""
    import yaml

    found = list(yaml.safe_load(group.user_data).get("packages", ()))
    return ["cloud-init", *found] if plan.provider == "gcp" else found


def _sources(group: Group) -> list[str]:
    """Commands that add the repositories of packages beside Debian's, each with the key that signs it."""
    import yaml

    found = []
    for name, each in (yaml.safe_load(group.user_data).get("apt", {}).get("sources") or {}).items():
        key_file = f"/etc/apt/keyrings/{name.removesuffix('.list')}.asc"
        line = each["source"].replace("$KEY_FILE", key_file)
        found += [_write(each["key"], key_file), _write(f"{line}\n", f"/etc/apt/sources.list.d/{name}")]
    return found


def _write(text: str, file: str) -> str:
    return f"echo {b64encode(text.encode()).decode()} | base64 -d | sudo tee {file} >/dev/null"


_BUILD = "build.pkr.hcl.j2"


def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("providers.provisioning.export"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters["hcl"] = _hcl
    return made


def _hcl(value: Any) -> str:
    """Strings, lists and mappings of strings: HCL takes JSON's syntax for them, but interpolates.

    >>> _hcl({"a": "${b}"})
    '{"a": "$${b}"}'
    """
    return literal(json.dumps(value))
