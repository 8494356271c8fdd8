"""What a user says about a cluster, with bps's keys."""

from __future__ import annotations

from typing import Protocol

from compiler.diagnostics import Origin, Span


class ClusterSpec(Protocol):
    """The section ``cluster.<name>`` of a submit file."""

    @property
    def name(self) -> str: ...
    @property
    def pipetasks(self) -> tuple[str, ...]:
        """Labels of the tasks whose quanta it clusters; without any, the task that has its name."""
        ...

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Quanta that agree on these run together."""
        ...

    @property
    def equal_dimensions(self) -> tuple[tuple[str, str], ...]:
        """Pairs of dimensions one of which stands for the other where a data id has not both."""
        ...

    @property
    def partition_dimensions(self) -> tuple[str, ...]:
        """Dimensions whose values are dealt out, in sorted order, to the parts of each cluster."""
        ...

    @property
    def partition_max_clusters(self) -> int | None:
        """How many clusters there may be in all."""
        ...

    @property
    def partition_max_size(self) -> int | None:
        """How many values of the partition dimensions a part may have."""
        ...

    @property
    def find_dependency_method(self) -> str | None:
        """``source`` or ``sink``: from which end of the cluster's tasks data ids are passed along edges."""
        ...

    @property
    def template(self) -> str | None:
        """How clusters are called, with dimensions in braces; quanta whose names are the same run together."""
        ...

    @property
    def place(self) -> Span | Origin | None: ...
