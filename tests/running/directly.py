"""What a workflow is held against: the same graph run by the middleware itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_directly(data: Path, repo: Path) -> None:
    """Run the graph in the folder `data` in the repository `repo`, without any workflow."""
    command = ["pipetask", "run", "-b", str(repo), "-g", str(data / "graph.qg"), "--register-dataset-types"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
