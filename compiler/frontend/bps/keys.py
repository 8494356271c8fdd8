"""The keys of a submit file: what is read, and what is told and left, with what happens here instead.

Sources: ctrl_bps 30.2026.300 (``etc/bps_defaults.yaml``, ``GenericWorkflowJob``, its quickstart), and the defaults of
its plug-ins for HTCondor, PanDA and Parsl.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compiler.frontend.bps.amounts import AMOUNTS

SECTIONS = ("payload", "pipetask", "cluster", "site", "cloud", "finalJob")
"""Top-level mappings; ``pipetask``, ``cluster``, ``site`` and ``cloud`` hold a mapping for each name."""
NAMED = ("pipetask", "cluster", "site", "cloud")

OWN = ("targets", "rules", "profile", "records", "runTimes", "clustering", "keep", "partition")
"""Top-level keys that are ours (schemas/config.schema.json)."""

PAYLOAD = (
    "payloadName",
    "butlerConfig",
    "inCollection",
    "output",
    "outputRun",
    "dataQuery",
    "runInit",
    "pipelineYaml",
    "qgraphFile",
)
CLUSTER = (
    "pipetasks",
    "dimensions",
    "equalDimensions",
    "partitionDimensions",
    "partitionMaxClusters",
    "partitionMaxSize",
    "findDependencyMethod",
    "clusterTemplate",
)
READ = frozenset({*AMOUNTS, *PAYLOAD, "clusterAlgorithm", "includeConfigs"})
"""What means something at the top and in every section. (That runs are initialised, and where data are, the graph
says; ``payload`` is kept for who wants to know.)"""


@dataclass(frozen=True, slots=True)
class Left:
    """Why a key of bps changes nothing here."""

    instead: str
    severity: Literal["note", "warning"] = "note"
    """A warning where bps would run other jobs, or run them otherwise."""
    message: str = "changes nothing here"


_FILES = Left("a compile writes files of fixed names into the folder that -o names")
_GRAPH = Left("the quantum graph is made before, by 'pipetask qgraph'")
_COMMAND = Left("jobs run the quantum runner, which runs the same quanta on files that are staged to it", "warning")
_OPTIONS = Left("the quantum runner sets the options of the middleware's commands itself")
_SHARED = Left("jobs share no file system: each gets its files, and its part of the graph")
_LABELS = Left("nothing is reported under this name; it may stand in other values as a variable")
_PLACE = Left("it chooses settings under 'site' and 'cloud'; --target says where", message="decides no place here")
_PLUGIN = Left("Pegasus plans and submits; what only bps's plug-ins read is left")
_BATCH = Left("settings of a batch system stand with the target, under 'targets'", "warning")
_HTCONDOR = Left("it is for bps's HTCondor plug-in; Pegasus plans and submits here")
_PANDA = Left("it is for bps's PanDA plug-in; for a container write 'container' under 'targets'")
_PARSL = Left("it is for bps's Parsl plug-in")
_LIMIT = Left("no such limit is set; DAGMan's limits stand in pegasus.properties", "warning")
_STOP = Left("a job that fails never ends the others", "warning")
_MAIL = Left("nobody is written to; 'pegasus-status' tells how a run is")
_AROUND = Left("jobs run the quantum runner alone; set things up with 'setup_script' under 'targets'", "warning")
_DELIVER = Left("results are put into the repository by 'rubincwl deliver', where and when you call it")

LEFT: Mapping[str, Left] = {
    **dict.fromkeys(
        (
            "submitPath",
            "uniqProcName",
            "qgraphFileTemplate",
            "subDirTemplate",
            "subdirTemplate",
            "templateDataId",
            "useNodeIdInClusterName",
            "saveDot",
            "saveGenericWorkflow",
            "saveClusteredQgraph",
            "validateClusteredQgraph",
            "makeIdLink",
            "idLinkPath",
        ),
        _FILES,
    ),
    **dict.fromkeys(
        (
            "createQuantumGraph",
            "updateQuantumGraph",
            "qgraphPreCmdOpts",
            "updateQgraphPreCmdOpts",
            "extraQgraphOptions",
            "extraUpdateQgraphOptions",
            "pipetaskInput",
            "pipetaskOutput",
            "pipetaskDataQuery",
            "qgraphId",
        ),
        _GRAPH,
    ),
    **dict.fromkeys(("runQuantumCommand", "extraRunQuantumOptions", "extraInitOptions"), _COMMAND),
    **dict.fromkeys(("defaultPreCmdOpts", "initPreCmdOpts", "runPreCmdOpts"), _OPTIONS),
    **dict.fromkeys(
        (
            "bpsUseShared",
            "useBpsShared",
            "whenSaveJobQgraph",
            "useLazyCommands",
            "fileDistributionEndPoint",
            "fileDistributionEndPointDefault",
            "executionButler",
            "executionButlerTemplate",
        ),
        _SHARED,
    ),
    **dict.fromkeys(("project", "campaign", "operator"), _LABELS),
    **dict.fromkeys(("computeSite", "computeCloud"), _PLACE),
    "wmsServiceClass": _PLUGIN,
    **dict.fromkeys(("profile", "attrs"), _BATCH),
    **dict.fromkeys(
        (
            "executeMachinesPattern",
            "provisionResources",
            "provisioning",
            "wmsConfig",
            "releaseExpr",
            "overwriteJobFiles",
            "nodeset",
            "wmsAttemptNum",
        ),
        _HTCONDOR,
    ),
    **dict.fromkeys(
        (
            "placeholderParams",
            "prodSourceLabel",
            "maxJobsPerTask",
            "maxWmsJobWalltime",
            "payloadCommand",
            "payloadFolder",
            "runnerCommand",
            "iddsServer",
            "s3EndpointUrl",
            "setupLSSTEnv",
            "custom_lsst_setup",
            "jobInitDir",
            "jobLogDir",
            "jobContainer",
            "jobCleanup",
            "sw_image",
            "dockerImageLocation",
            "computingCloud",
            "remoteBuild",
        ),
        _PANDA,
    ),
    **dict.fromkeys(("parsl", "parslConfig"), _PARSL),
    **dict.fromkeys(("concurrencyLimit", "category"), _LIMIT),
    **dict.fromkeys(("abortOnValue", "abortReturnValue"), _STOP),
    **dict.fromkeys(("mailTo", "whenToMail"), _MAIL),
    **dict.fromkeys(("preCmdline", "postCmdline"), _AROUND),
    **dict.fromkeys(("finalJob", "extraAggregateOptions", "finalPreCmdOpts"), _DELIVER),
    "ordering": Left("jobs wait for what they read and for nothing else", "warning"),
    "customJob": Left("only quanta of the graph are run", "warning"),
    "bpsGenerateConfig": Left("it is Python code that only bps runs; write the settings that it makes", "warning"),
    "outCollection": Left("bps itself refuses it; 'outputRun' has taken its place"),
}
