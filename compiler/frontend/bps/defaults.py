"""What bps takes where a submit file says nothing: as much of it as means something here.

From ctrl_bps 30.2026.300: ``etc/bps_defaults.yaml``, and ``htcondor/etc/htcondor_defaults.yaml`` of ctrl_bps_htcondor,
which lies above it and gives the same ``memoryLimit``.
"""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    "defaultPreCmdOpts": "--long-log --log-level=VERBOSE",
    "initPreCmdOpts": "{defaultPreCmdOpts}",
    "runPreCmdOpts": "{defaultPreCmdOpts}",
    "payload": {"runInit": True, "output": "u/{operator}/{payloadName}", "outputRun": "{output}/{timestamp}"},
    # It has only a command there; what stands beside the labels therefore does not count for it.
    "pipetask": {"pipetaskInit": {}},
    "fileDistributionEndPoint": "",
    "preemptible": True,
    "requestMemory": 2048,
    "requestCpus": 1,
    "numberOfRetries": 5,
    "retryUnlessExit": [1, 2],
    "memoryMultiplier": 2,
    "memoryLimit": 491_520,
    "wmsServiceClass": "lsst.ctrl.bps.htcondor.HTCondorService",
    "clusterAlgorithm": "lsst.ctrl.bps.quantum_clustering_funcs.single_quantum_clustering",
    "finalJob": {
        "retryUnlessExit": 2,
        "updateOutputChain": "--update-output-chain",
        "whenRun": "ALWAYS",
        "concurrencyLimit": "db_limit",
        "requestCpus": 16,
        "requestMemory": 32_768,
    },
}

RETRIES_WITH_MORE_MEMORY = 5
"""Retries where memory grows with each and ``numberOfRetries`` is null (ctrl_bps, ``DEFAULT_MEM_RETRIES``)."""
