"""Between an output folder and a repository: inputs are linked before a run, outputs put back after it.

Until delivery, outputs carry names of ours; only here are they given the repository's own paths, by the
middleware and the repository's own configuration, and registered by the middleware's final step.
"""

from compiler.delivery.from_folder import deliver
from compiler.delivery.predicted import OUTPUTS, Delivery
from compiler.delivery.repository import datastore_root, link_inputs, linked_repository, remote_root
from compiler.delivery.within_store import deliver_within_store

__all__ = [
    "OUTPUTS",
    "Delivery",
    "datastore_root",
    "deliver",
    "deliver_within_store",
    "link_inputs",
    "linked_repository",
    "remote_root",
]
