"""Does what ``bps prepare`` does for a graph that exists already, for HTCondor, and tells how much of it was what.

    python bps_prepare.py FOLDER SUBMIT

FOLDER is demonstration data (pipeline.yaml, graph.qg, repo), SUBMIT the submit folder to make. It prints a JSON object.
No HTCondor daemon is needed: `lsst.ctrl.bps` talks to one only when it submits.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path


def settings(data: Path, submit: Path) -> dict[str, object]:
    """What a user of bps would write: where things are, and bps' own defaults for the rest (a job a quantum)."""
    return {
        "pipelineYaml": str(data / "pipeline.yaml"),
        "qgraphFile": str(data / "graph.qg"),
        "operator": "benchmark",
        "project": "benchmark",
        "campaign": "benchmark",
        "computeSite": "local",
        "submitPath": str(submit),
        "wmsServiceClass": "lsst.ctrl.bps.htcondor.HTCondorService",
        "payload": {
            "payloadName": "benchmark",
            "butlerConfig": str(data / "repo"),
            "inCollection": "defaults",
            "output": "u/benchmark/out",
            "outputRun": "u/benchmark/out/20260102T000000Z",
        },
    }


def main(data: Path, submit: Path) -> None:
    """Prepare and print: jobs, files and bytes written, CPU seconds of the commands that bps started."""
    # Where the middleware's build system would have set up its packages; bps' defaults start programs below these.
    os.environ |= {"CTRL_MPEXEC_DIR": sys.prefix, "DAF_BUTLER_DIR": sys.prefix}
    from lsst.ctrl.bps.drivers import prepare_driver

    # JSON is YAML.
    config = submit.with_suffix(".yaml")
    config.write_text(json.dumps(settings(data, submit)))
    prepare_driver(str(config))
    files = [each for each in submit.rglob("*") if each.is_file()]
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "files": len(files),
        "bytes": sum(each.stat().st_size for each in files),
        "children_cpu_s": started.ru_utime + started.ru_stime,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
