"""Submit files of bps, the survey's submission system: read as they are, without any of its packages."""

from compiler.frontend.bps.check import check_labels, check_submit, used_variables
from compiler.frontend.bps.clusters import ClusterSpec
from compiler.frontend.bps.files import read_files
from compiler.frontend.bps.submit import INIT, BpsConfig, Setting

__all__ = [
    "INIT",
    "BpsConfig",
    "ClusterSpec",
    "Setting",
    "check_labels",
    "check_submit",
    "read_files",
    "used_variables",
]
