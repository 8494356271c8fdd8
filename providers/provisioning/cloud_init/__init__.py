"""What a machine does at its first start: user data for cloud-init.

``user_data(node)`` is the whole text; it is the same for the same node, and holds no secret.
"""

from providers.provisioning.cloud_init.node import HEAD_METADATA, AptSource, Node, problems, secret_name
from providers.provisioning.cloud_init.text import google_startup, user_data

__all__ = ["HEAD_METADATA", "AptSource", "Node", "google_startup", "problems", "secret_name", "user_data"]
