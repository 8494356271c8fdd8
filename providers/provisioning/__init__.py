"""Clusters: planned, made, found again and taken down."""
