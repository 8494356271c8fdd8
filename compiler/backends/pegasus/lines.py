"""Jobs as lines of JSON: what many have in common is encoded once, and a job's line is joined from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.backends.pegasus.arguments import length_of
from compiler.backends.pegasus.collecting import COLLECT, Gathering
from compiler.backends.pegasus.labels import labels_of
from compiler.backends.pegasus.levels import lists_of
from compiler.backends.pegasus.profiles import profiles_of
from compiler.backends.pegasus.program import NAMESPACE
from compiler.backends.pegasus.quoting import LONGEST_ARGUMENTS, json_string
from compiler.backends.pegasus.workflow import CHECKPOINT, Abstract, unsafe_arguments
from compiler.diagnostics import Findings
from compiler.jobs import Request, Rows
from compiler.jobs.graph import Ints

_INPUT = '","type":"input"}'
_RESULT = '","type":"output","stageOut":true,"registerReplica":false}'
_PASSED_ON = '","type":"output","stageOut":false,"registerReplica":false}'
_TASK = '"--task",'
_KEPT = '","type":"checkpoint","stageOut":false,"registerReplica":false}'


class JobLines:
    """The jobs of a workflow as Pegasus.api would say them, each in one line."""

    def __init__(self, plan: Abstract) -> None:
        jobs = plan.jobs
        self._plan = plan
        self._inputs, self._outputs = _without(jobs.inputs, plan.hidden), _without(jobs.outputs, plan.hidden)
        self._batches = jobs.calls.batch[plan.heads].tolist()
        self._firsts = [batch.first for batch in jobs.calls.batches]
        self._labels = labels_of(jobs, plan.heads)
        self._profiles = [_json(profiles_of(request)) for request in jobs.requests]
        self._request, self._recorded = jobs.request.tolist(), plan.recorded.tolist()

    def of(self, numbers: Ints, findings: Findings) -> Iterator[str]:
        """The jobs `numbers`; a command that is too long is a finding."""
        plan, names, own = self._plan, self._plan.file_names, self._plan.arguments.own
        rows = (lists_of(each, numbers) for each in (self._inputs, self._outputs, plan.jobs.members))
        for job, inputs, outputs, calls in zip(numbers.tolist(), *rows, strict=True):
            uses = [_uses([names[file] for file in inputs], _INPUT), _uses([names[file] for file in outputs], _RESULT)]
            id, batch = plan.ids[job], self._batches[job]
            words = [plan.arguments.shared_by(calls[0], batch, self._firsts[batch])]
            if self._recorded[job]:
                words.append(f'"--records","{plan.records(job)}"')
                uses.append(_uses([plan.records(job)], _PASSED_ON))
                if len(calls) > 1:
                    words.append(f'"--checkpoint","{id}{CHECKPOINT}"')
                    uses.append(_uses([f"{id}{CHECKPOINT}"], _KEPT))
            said = [own[call] for call in calls]
            arguments = ",".join(filter(None, [*words, *said]))
            if (length := length_of(arguments)) > LONGEST_ARGUMENTS:
                unsafe_arguments(plan.jobs.ids[job], f"they are {length} characters long", findings)
            tool, profiles = plan.names[plan.tools[job]], self._profiles[self._request[job]]
            yield _line(tool, id, self._labels[job], arguments, uses, profiles + _metadata(said))


def gathering_lines(made: Iterable[Gathering], like: Request) -> Iterator[str]:
    """The jobs that gather records, each in one line; accounts and queue are those of the request `like`."""
    profiles = _json(
        profiles_of(
            Request(
                queue=like.queue,
                accounting_group=like.accounting_group,
                accounting_user=like.accounting_user,
                environment=like.environment,
            )
        )
    )
    for each in made:
        # By name: where jobs share a folder, or HTCondor puts its own files beside, there are others like them.
        gathered = '","'.join(file for _, file in each.sources)
        arguments = f'"collect","--output","{each.output}","{gathered}"'
        uses = [
            _uses([file for _, file in each.sources], _INPUT),
            _uses([each.output], _RESULT if each.is_last else _PASSED_ON),
        ]
        yield _line(COLLECT, each.id, '"gathers records"', arguments, uses, profiles)


def subworkflow_line(
    id: str, file: str, label: str, arguments: Sequence[str], inputs: Sequence[str], outputs: Sequence[str]
) -> str:
    """A job that plans and runs the workflow in `file`, which stages its results out itself."""
    document = f'{{"lfn":"{file}","forPlanning":true,"type":"input"}}'
    uses = ",".join(filter(None, [document, _uses(inputs, _INPUT), _uses(outputs, _PASSED_ON)]))
    return (
        f'{{"type":"pegasusWorkflow","file":"{file}","id":"{id}","nodeLabel":{json_string(label)},'
        f'"arguments":{_json(arguments)},"uses":[{uses}]}}'
    )


def parent_line(id: str, children: Sequence[str]) -> str:
    """A job with those that wait for it."""
    told = '","'.join(children)
    return f'{{"id":"{id}","children":["{told}"]}}'


def _line(name: str, id: str, label: str, arguments: str, uses: Iterable[str], profiles: str) -> str:
    """`label`, `arguments` and `profiles` are JSON already; names and ids hold nothing that it would escape."""
    return (
        f'{{"type":"job","namespace":"{NAMESPACE}","name":"{name}","id":"{id}","nodeLabel":{label},'
        f'"arguments":[{arguments}],"uses":[{",".join(filter(None, uses))}],"profiles":{profiles}}}'
    )


def _metadata(said: Sequence[str]) -> str:
    """The quanta of a job for Pegasus' database: one entry for each, since a value has room for 255 characters.

    `said`: arguments of the calls. A job that runs no quanta has no metadata.
    """
    if not said[0].startswith(_TASK):
        return ""
    quanta = [f'"quantum.{place}":"{_words(each)}"' for place, each in enumerate(said)]
    return f',"metadata":{{"quanta":"{len(said)}",{",".join(quanta)}}}'


def _words(arguments: str) -> str:
    """The words behind ``--task`` in one JSON string."""
    return arguments[len(_TASK) + 1 : -1].replace('","', " ")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _uses(names: Sequence[str], end: str) -> str:
    """Files of one kind. No sizes: the planner has no use for them, and its schema does not allow numbers."""
    between = end + ',{"lfn":"'
    return f'{{"lfn":"{between.join(names)}{end}' if names else ""


def _without(rows: Rows, hidden: NDArray[np.bool_]) -> Rows:
    """The rows without the files that are `hidden`."""
    kept = ~hidden[rows.item]
    start = np.zeros(len(rows.start), dtype=np.int64)
    np.cumsum(np.bincount(rows.row[kept], minlength=len(rows)), out=start[1:])
    return Rows(start, rows.item[kept])
