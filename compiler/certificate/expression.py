"""ExpressionTools: their JavaScript is evaluated by an engine, never recognised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.certificate.conformance import Kinds
from compiler.certificate.document import MalformedError, Node, UnsupportedError, classes, only, ports
from compiler.certificate.javascript import ExpressionError, JavaScript, NoEngineError
from compiler.certificate.ledger import Ledger
from compiler.certificate.tools import PROCESS_FIELDS, input_kinds
from compiler.certificate.values import UNKNOWN, File, Record, describe, files_in, holds_unknown
from compiler.diagnostics import Origin


class Expression:
    """An ExpressionTool as one step runs it; raises `MalformedError` and `UnsupportedError`."""

    def __init__(
        self,
        step: str,
        node: Node,
        features: frozenset[str],
        kinds: Kinds,
        ledger: Ledger,
        javascript: JavaScript,
        unproved: list[str],
    ) -> None:
        only(node, PROCESS_FIELDS | {"expression"}, f"the expression of step {step!r}")
        self.step = step
        self._place = Origin("workflow.cwl", step)
        self._ledger = ledger
        self._javascript = javascript
        self._unproved = unproved
        requirements = classes(node.get("requirements"))
        strange = requirements.keys() - {"InlineJavascriptRequirement", "ResourceRequirement"}
        if strange:
            raise UnsupportedError(f"the requirement {', '.join(sorted(strange))} of an expression")
        if "InlineJavascriptRequirement" not in requirements.keys() | features:
            raise MalformedError("an expression without InlineJavascriptRequirement")
        hints = classes(node.get("hints"))
        if any(":" not in name for name in hints.keys() - {"ResourceRequirement"}):
            raise UnsupportedError(f"the hint {', '.join(sorted(hints))} of an expression")
        self.regroup = bool(hints.keys() & {"rubin:Regroup", "urn:rubincwl:Regroup"})
        library = requirements.get("InlineJavascriptRequirement", {}).get("expressionLib") or []
        text = node.get("expression")
        if not isinstance(text, str) or not text.strip().startswith(("${", "$(")):
            raise MalformedError("an expression that is neither ${...} nor $(...)")
        self.text = text
        self.library = tuple(library)
        self.inputs = input_kinds(node, kinds, f"the expression of step {step!r}")
        self.kinds = {}
        for name, each in ports(node, "outputs").items():
            only(each, {"id", "type", "label", "doc"}, f"output {name!r}")
            self.kinds[name] = kinds.of(each.get("type"))
        self.outputs = tuple(self.kinds)

    def __call__(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Outputs by port; `UNKNOWN` where an input is, or where there is no engine."""
        unknown = dict.fromkeys(self.outputs, UNKNOWN)
        for name, kind in self.inputs.items():
            if not kind.accepts(given[name]):
                self._fault("wrong-type", f"input {name!r}: {kind.why_not(given[name])}")
                return unknown
        if any(map(holds_unknown, given.values())):
            return unknown
        try:
            made = self._javascript.evaluate(self.text, self.library, dict(given))
        except NoEngineError:
            if self.step not in self._unproved:
                self._unproved.append(self.step)
            return unknown
        except ExpressionError as problem:
            self._fault("expression-failed", str(problem))
            return unknown
        if type(made) is not Record or made.keys() != self.kinds.keys():
            self._fault("wrong-type", f"the expression gives {describe(made)}, not {', '.join(self.outputs)}")
            return unknown
        for name, kind in self.kinds.items():
            if not kind.accepts(made[name]):
                self._fault("wrong-type", f"output {name!r}: {kind.why_not(made[name])}")
                return unknown
        if self.regroup and not _is_regroup(given, made):
            text = "the hint rubin:Regroup promises pool[index], the expression does another thing"
            self._fault("disagreeing-regroup", text)
            return unknown
        return made

    def _fault(self, code: str, message: str) -> None:
        self._ledger.error(code, message, self._place)


def _is_regroup(given: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Whether an expression did what its hint promises to readers that have no JavaScript engine.

    ``members`` is ``index`` with each number replaced by that file of ``pool``, whose files are counted depth first.
    """
    if given.keys() != {"pool", "index"} or made.keys() != {"members"}:
        return False
    return bool(_chosen(given["index"], files_in(given["pool"])) == made["members"])


def _chosen(index: Any, pool: list[File]) -> Any:
    if type(index) is list:
        return [_chosen(each, pool) for each in index]
    return pool[index] if type(index) is int and 0 <= index < len(pool) else None
