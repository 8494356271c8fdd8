"""The last step of a delivery: the repository's registry learns of the files, by the middleware's own command.

It needs the registry and the files of metadata and logs, and reads no other dataset.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compiler.delivery.predicted import GRAPH, Output, Prediction, some
from compiler.delivery.repository import registry_of
from compiler.delivery.staged import File
from compiler.diagnostics import Diagnostic, ToolError
from compiler.output_folder import whole_file

WRITTEN = Path("run") / "registration.json"
"""Where it is written what is to be registered, below the output folder."""
_BUTLER = "from lsst.daf.butler.cli.butler import main; main()"
# The middleware takes it from the metadata of a quantum what there is, and does not look. What was made and not kept
# stays known and has no file, as after 'butler prune-datasets --unstore'.
_UNSTORE = """
import json, sys, uuid
from lsst.daf.butler import Butler
repo, ids = json.load(sys.stdin)
with Butler.from_config(repo, writeable=True) as butler:
    found = butler.get_many_datasets(map(uuid.UUID, ids))
    butler.pruneDatasets(list(found), disassociate=False, unstore=True)
"""


@dataclass(frozen=True, slots=True)
class Registration:
    """What the registry is to learn."""

    out: Path
    repo: str
    whole: Prediction
    there: Sequence[Output]
    """Outputs whose files are in the repository."""
    lost: Sequence[Output]
    """Outputs that have no file anywhere, made or not."""
    incomplete: bool
    words: Sequence[str] = ()
    """Of the command line, what names the outputs."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables by which the middleware finds the store, beside those of this process."""

    @property
    def registry(self) -> str:
        return registry_of(self.repo)

    def carry_out(self, register: bool) -> str | None:
        """Register, or write what is to be registered and return the command."""
        if not register:
            return self.write()
        self.run()
        return None

    def run(self) -> None:
        """Register. Raises `ToolError` if the middleware refuses; a second try does nothing twice."""
        self._call([sys.executable, "-c", _BUTLER, *self._words()], "butler aggregate-graph")
        if self.lost:
            ids = json.dumps([self.repo, [str(each.ref.id) for each in self.lost]])
            self._call([sys.executable, "-c", _UNSTORE], "forgetting files that were not kept", ids)

    def write(self) -> str:
        """Write OUT/run/registration.json; returns the command that registers."""
        command = shlex.join(["rubincwl", "deliver", str(self.out), "--repo", self.repo, *self.words])
        about = {
            "format": "rubincwl registration 1",
            "repository": self.repo,
            "registry": self.registry,
            "run": self.whole.run,
            "graph": str(GRAPH),
            "complete": not self.incomplete,
            "command": command,
            "butler": shlex.join(["butler", *self._words()]),
            "datasets": [
                {
                    "id": str(each.ref.id),
                    "type": each.ref.datasetType.name,
                    "data_id": dict(each.ref.dataId.required),
                    "url": each.target.geturl(),
                }
                for each in self.there
            ],
            "without_file": [str(each.ref.id) for each in self.lost],
        }
        with whole_file(self.out / WRITTEN) as draft:
            draft.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return command

    def _words(self) -> list[str]:
        mocks = ["--mock-storage-classes"] if self.whole.mocks else []
        complete = "--incomplete" if self.incomplete else "--complete"
        words = ["aggregate-graph", str(self.out / GRAPH), self.repo, complete]
        return [*words, "--register-dataset-types", "--update-output-chain", *mocks]

    def _call(self, command: list[str], what: str, given: str = "") -> None:
        ran = subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, **os.environ},
        )
        if ran.returncode:
            said = "\n".join(f"    | {line}" for line in ran.stdout.splitlines()[-20:])
            message = f"'{what}' exited with {ran.returncode}: the files are in place, not registered\n{said}"
            help = f"the registry is {self.registry}; deliver again where it can be reached"
            raise ToolError([Diagnostic("registration-failed", message, help=help)])


def refuse_registered(outputs: Sequence[Output], repo: str, ask: bool) -> None:
    """Raise `ToolError` for outputs, of which the repository has other content, that are registered; of which nobody
    can be asked whether they are, if not `ask`."""
    from lsst.daf.butler import Butler

    if not outputs:
        return
    if not ask:
        names = some([each.name for each in outputs])
        message = f"the repository has files of other content, which may be registered: {names}"
        help = "deliver where the registry can be reached, which tells"
        raise ToolError([Diagnostic("already-delivered", message, help=help)])
    with Butler.from_config(repo) as butler:
        registered = [each.name for each in outputs if butler.get_dataset(each.ref.id) is not None]
    if registered:
        message = f"the repository holds these datasets already, with other content: {some(registered)}"
        help = "they were delivered from another run; remove that with 'butler remove-runs', or compile a new graph"
        raise ToolError([Diagnostic("already-delivered", message, help=help)])


def unregistered(files: Sequence[File], repo: str) -> list[File]:
    """Those of `files` that the registry does not know."""
    from lsst.daf.butler import Butler

    if not files:
        return []
    with Butler.from_config(repo) as butler:
        return [each for each in files if butler.get_dataset(each.output.ref.id) is None]
