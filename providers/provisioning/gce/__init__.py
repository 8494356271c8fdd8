"""Google Compute Engine: what makes, finds and removes the machines of a cluster there.

It was never run against Google itself: its tests speak to a stand-in on this machine that answers in the shapes that
libcloud has recorded.
"""

from providers.provisioning.gce.cloud import GCE

__all__ = ["GCE"]
