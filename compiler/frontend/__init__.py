"""Readers: pipelines, quantum graphs and settings become the rubin representation."""
