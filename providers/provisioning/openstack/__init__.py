"""OpenStack: what makes, finds and removes the machines of a cluster in a cloud of one's own.

`make test-openstack` runs it against the real services, whose machines are make-believe.
"""

from providers.provisioning.openstack.cloud import OpenStack

__all__ = ["OpenStack"]
