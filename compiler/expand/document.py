"""A CWL document as plain data, its list and map forms and its ids made alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from compiler.diagnostics import CompileError, Diagnostic, Findings, closest

Process = Mapping[str, Any]
_OUR_PREFIX = re.compile(r"^urn:rubincwl:")


class Processes:
    """The processes of a document by id; a process written in place of a `run` is found as well."""

    def __init__(self, document: Mapping[str, Any], findings: Findings) -> None:
        graph = document.get("$graph", [document])
        self.by_id: dict[str, Process] = {local_id(each.get("id", "main")): each for each in graph}
        if len(self.by_id) < len(graph):
            findings.error("duplicate-process", "two processes of this document have one id")

    def main(self) -> Process:
        """The process called ``main``, or the only one there is."""
        if "main" in self.by_id:
            return self.by_id["main"]
        if len(self.by_id) == 1:
            return next(iter(self.by_id.values()))
        raise CompileError([Diagnostic("no-main", "this document has several processes and none is called 'main'")])

    def find(self, run: Any) -> Process:
        """The process that a step's `run` names or holds; raises `CompileError` if there is none."""
        if isinstance(run, Mapping):
            return run
        name = local_id(str(run))
        if name in self.by_id:
            return self.by_id[name]
        near = closest(name, self.by_id)
        help = f"did you mean {near!r}?" if near else None
        raise CompileError([Diagnostic("unknown-process", f"no process {name!r} in this document", help=help)])


def local_id(id: str) -> str:
    """What stands behind the last ``#`` or ``/``.

    >>> local_id("file:///x.cwl#main/isr")
    'isr'
    """
    return id.rsplit("#", 1)[-1].rsplit("/", 1)[-1]


def source_of(reference: str, workflow: str) -> tuple[str, str]:
    """The step and its output that a link names, or an empty step and the workflow's input.

    >>> source_of("#main/isr/out", "main"), source_of("isr/out", "main"), source_of("#main/raws", "main")
    (('isr', 'out'), ('isr', 'out'), ('', 'raws'))
    """
    parts = reference.rsplit("#", 1)[-1].split("/")
    if len(parts) > 1 and parts[0] == workflow and ("#" in reference or len(parts) > 2):
        parts = parts[1:]
    return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[-1])


def items(field: Any, short: str = "type") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Id and body of each entry of a field that may be a list of bodies with ids, or a map by id.

    `short` is the key that a body stands for which is no mapping itself.
    """
    if field is None:
        return
    if isinstance(field, Mapping):
        for id, body in field.items():
            yield local_id(id), (body if isinstance(body, Mapping) else {short: body})
    else:
        for body in field:
            yield local_id(body["id"]), body


def classes(field: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Class and body of each entry of `hints` or `requirements`; a class of ours is always ``rubin:...``."""
    if isinstance(field, Mapping):
        field = [{"class": name, **(body or {})} for name, body in field.items()]
    for body in field or ():
        yield _OUR_PREFIX.sub("rubin:", body["class"]), body


def our_hint(process: Process, name: str) -> Mapping[str, Any] | None:
    """The process' hint ``rubin:<name>``, whether the prefix is still short or written out."""
    return next((body for found, body in classes(process.get("hints")) if found == f"rubin:{name}"), None)


def is_array(type: Any) -> bool:
    """Whether a port of this type holds a list.

    >>> is_array("File[]"), is_array(["null", {"type": "array", "items": "File"}]), is_array("File")
    (True, True, False)
    """
    if isinstance(type, list):
        return any(map(is_array, type))
    if isinstance(type, Mapping):
        return bool(type.get("type") == "array")
    return str(type).rstrip("?").endswith("[]")


def file_type(type: Any) -> bool:
    """Whether a port of this type holds files or lists of files and nothing else."""
    if isinstance(type, list):
        return all(file_type(each) for each in type if each != "null")
    if isinstance(type, Mapping):
        return type.get("type") == "array" and file_type(type["items"])
    return str(type).rstrip("?").removesuffix("[]") == "File"
