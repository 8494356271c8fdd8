"""The certificate: evaluating the CWL gives back the quantum graph, and nothing more.

It shares no code with what writes the CWL nor with what expands it, so that a fault in those is not
repeated here.
"""

from compiler.certificate.certificate import Certificate, certify
from compiler.certificate.folder import read_folder
from compiler.certificate.javascript import find_node

__all__ = ["Certificate", "certify", "find_node", "read_folder"]
