"""CWL v1.2, the portable representation: builders on cwl-utils' classes, and its text."""

from compiler.cwl.text import dump_document, dump_job_order, plain

__all__ = ["dump_document", "dump_job_order", "plain"]
