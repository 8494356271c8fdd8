"""Short names for what we build of cwl-utils' classes, with the rules that every engine needs kept.

No linked port is optional or has a default: inside a scatter StreamFlow then pairs values by completion order.
JavaScript stands in the expression tool of a regroup and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import cwl_utils.parser.cwl_v1_2 as cwl

Type = Any
"""A CWL type: a name, or one of cwl-utils' schema objects."""

NAMESPACES = {"rubin": "urn:rubincwl:"}

_REGROUP = """${
  var files = [];
  function flatten(x) { if (Array.isArray(x)) { x.forEach(flatten); } else { files.push(x); } }
  function pick(i) { return Array.isArray(i) ? i.map(pick) : files[i]; }
  flatten(inputs.pool);
  return {"members": pick(inputs.index)};
}"""


class Names:
    """Hands out identifiers that every engine takes, `[A-Za-z_][A-Za-z0-9_]*`, each once.

    >>> names = Names("main")
    >>> names.unique("deblend-coadd"), names.unique("main")
    ('deblend_coadd', 'main_2')
    """

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def unique(self, wanted: str) -> str:
        base = name = identifier(wanted)
        number = 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


def identifier(text: str) -> str:
    """The text with every character that an engine may refuse replaced by an underscore."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"
    return name if not name[0].isdigit() else f"_{name}"


def array(items: Type, depth: int = 1) -> Type:
    """`items` nested in `depth` arrays; of depth 0, itself."""
    for _ in range(depth):
        items = cwl.CommandInputArraySchema(items=items, type_="array")
    return items


def record(fields: Mapping[str, Type]) -> Type:
    return cwl.CommandInputRecordSchema(
        type_="record",
        fields=[cwl.CommandInputRecordField(name=name, type_=kind) for name, kind in fields.items()],
    )


def regroup(pool: Type, index: Type, members: Type) -> cwl.ExpressionTool:
    """The one place with JavaScript: pick files from a pool, however nested, by an index list."""
    return cwl.ExpressionTool(
        requirements=[cwl.InlineJavascriptRequirement()],
        hints=[{"class": "rubin:Regroup"}],
        inputs=[
            cwl.WorkflowInputParameter(id="pool", type_=pool),
            cwl.WorkflowInputParameter(id="index", type_=index),
        ],
        outputs=[cwl.ExpressionToolOutputParameter(id="members", type_=members)],
        expression=_REGROUP,
    )


def step(
    id: str,
    run: str | cwl.ExpressionTool,
    sources: Mapping[str, str],
    out: Sequence[str],
    scatter: Sequence[str] = (),
) -> cwl.WorkflowStep:
    """A step whose inputs are each fed from one source; scattered ones go in step."""
    return cwl.WorkflowStep(
        id=id,
        run=run,
        in_=[cwl.WorkflowStepInput(id=port, source=source) for port, source in sources.items()],
        out=list(out),
        scatter=list(scatter) or None,
        scatterMethod="dotproduct" if scatter else None,
    )
