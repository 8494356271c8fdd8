"""What ``make demo`` does: the whole road on real quanta, with every command shown, and the results compared."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

TARGETS = ("aws", "gcp", "onprem")
CONFIG = Path("examples", "targets", "rubincwl.yaml")


def main(folder: str) -> int:
    """Make, compile, run and deliver a DARK pipeline in `folder`, run it directly too, and compare; then compile it for
    three targets and plan a cluster at each. 0 if results are equal, and workflows the same to the byte."""
    start = time.monotonic()
    here = Path(folder)
    shutil.rmtree(here, ignore_errors=True)
    data, direct, out = here / "data", here / "direct", here / "out"

    _tell("A butler repository and the quantum graph of a DARK pipeline, made by the Rubin middleware")
    _run("rubincwl", "demo-data", "dark", "-o", data)
    _tell("A copy of the repository, for a run without us")
    _run("cp", "-r", data / "repo", direct)
    _tell("Compile: CWL and its certificate")
    _run("rubincwl", "compile", data / "pipeline.yaml", data / "graph.qg", "--target", "cwl",
         "--repo", data / "repo", "-o", out)  # fmt: skip
    _tell("Run the CWL: every quantum in an empty folder of its own; then deliver and register the results")
    _run("rubincwl", "run", out, "--engine", "cwltool", "--repo", data / "repo")
    _tell("The same graph by the middleware alone, in the copy")
    log = here / "direct.log"
    _run("pipetask", "run", "-b", direct, "-g", data / "graph.qg", "--register-dataset-types", log=log)
    _tell("Compare, by data id; contents without ids, run names and times")
    equal = _compare(data, direct)
    _tell("Three targets from one configuration: Pegasus' files, and the cluster to run on")
    same = _three_targets(data, here)
    _tell(
        f"{'The results are equal' if equal else 'THE RESULTS DIFFER'}, "
        f"{'the workflows of all targets are the same' if same else 'THE WORKFLOWS OF THE TARGETS DIFFER'}; "
        f"{time.monotonic() - start:.0f} s in all"
    )
    return 0 if equal and same else 1


def _three_targets(data: Path, here: Path) -> bool:
    for target in TARGETS:
        chosen = ("--target", target, "--config", CONFIG)
        _run("rubincwl", "compile", "-q", data / "pipeline.yaml", data / "graph.qg", *chosen, "-o", here / target)
        _run("rubincwl", "provision", "plan", *chosen)
    texts = {(here / target / "pegasus" / "workflow.yml").read_bytes() for target in TARGETS}
    return len(texts) == 1


def _compare(data: Path, direct: Path) -> bool:
    from compiler.comparison import compare_runs
    from compiler.frontend.quantum_graph import read_quantum_graph

    run = read_quantum_graph(data / "graph.qg").output_run
    found = compare_runs(str(data / "repo"), str(direct), run)
    for kind, count in sorted(found.equal.items()):
        print(f"  {count:>4} {kind} equal")
    for each in found.differences:
        print(f"  {each}")
    return not found.differences and found.datasets > 0


def _tell(sentence: str) -> None:
    print(f"\n== {sentence}", flush=True)


def _run(*words: str | Path, log: Path | None = None) -> None:
    """Show a command and run it; stop the demo if it fails. With `log`, what it says goes there unless it fails."""
    command = [str(each) for each in words]
    print(f"$ {shlex.join(command)}", flush=True)
    if log is None:
        code = subprocess.run(command).returncode
    else:
        with log.open("w") as stream:
            code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT).returncode
        if code:
            sys.stderr.write(log.read_text())
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "demo"))
