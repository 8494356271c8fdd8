"""Stands in for the quantum runner where only the flow of files matters: what is staged goes into the record.

Every file that it makes holds the name of the record of its quantum, so that a consumer's record tells from which
quantum each staged file came. "--graph" is a JSON object: outputs and record by command line.
"""

import json
import sys
from pathlib import Path

arguments = sys.argv[1:]
table = json.loads(Path(arguments[arguments.index("--graph") + 1]).read_text())
known = ["--task", *sorted(arguments[arguments.index("--task") + 2 :])] if "--task" in arguments else ["init"]
label = arguments[arguments.index("--task") + 1] if "--task" in arguments else ""
quantum = table[json.dumps([label, *known[1:]])]
staged = {each.name: each.read_text() for each in sorted(Path().iterdir())}
for name in quantum["outputs"]:
    Path(name).write_text(quantum["record"] or "")
if quantum["record"]:
    Path(quantum["record"]).write_text(json.dumps(staged))
