"""Clusters as a submit file describes them, for bps's algorithms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from compiler.diagnostics import Diagnostic, Findings, Span, closest
from compiler.frontend.bps.keys import CLUSTER
from compiler.frontend.bps.search import Resolver, Scope
from compiler.frontend.placed import Placed

Algorithm = Literal["single", "dimension"]
ALGORITHMS: Mapping[str, Algorithm] = {
    "lsst.ctrl.bps.quantum_clustering_funcs.single_quantum_clustering": "single",
    "lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering": "dimension",
}


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """An entry of ``cluster``."""

    name: str
    pipetasks: tuple[str, ...] = ()
    """Labels, in the order of the file. None: the entry only holds settings. (bps's `dimension_clustering` nevertheless
    makes one cluster of all quanta of a task whose label is the entry's name.)"""
    dimensions: tuple[str, ...] = ()
    equal_dimensions: tuple[tuple[str, str], ...] = ()
    """Pairs that mean the same, as visit and exposure."""
    partition_dimensions: tuple[str, ...] = ()
    partition_max_clusters: int | None = None
    partition_max_size: int | None = None
    find_dependency_method: Literal["source", "sink"] | None = None
    template: str | None = None
    """``clusterTemplate`` as it stands: bps puts quanta together whose names by this template are the same."""
    place: Span | None = None
    places: Mapping[str, Span | None] | None = None
    """Where the value of each key stands."""


def read_clusters(root: Placed, findings: Findings | None = None) -> tuple[ClusterSpec, ...]:
    """The entries of ``cluster`` in the order of the file; what is wrong with them is told."""
    told = findings if findings is not None else Findings()
    section = root.mapping.get("cluster")
    entries = section.mapping if section is not None else {}
    return tuple(_Entry(root, name, entry, told).spec() for name, entry in entries.items() if entry.is_mapping)


class _Entry:
    """Reads one entry. bps looks for the variables in it only in the entry itself, and takes others for nothing."""

    def __init__(self, root: Placed, name: str, entry: Placed, findings: Findings) -> None:
        self.name, self.entry, self.findings = name, entry, findings
        self.resolver = Resolver(root, Scope(cluster=name, first=entry, first_name=f"cluster.{name}"))

    def spec(self) -> ClusterSpec:
        spec = ClusterSpec(
            name=self.name,
            pipetasks=self.words("pipetasks"),
            dimensions=self.words("dimensions"),
            equal_dimensions=self.pairs("equalDimensions"),
            partition_dimensions=self.words("partitionDimensions"),
            partition_max_clusters=self.count("partitionMaxClusters"),
            partition_max_size=self.count("partitionMaxSize"),
            find_dependency_method=self.method(),
            template=self.template(),
            place=self.entry.key or self.entry.place,
            places={key: self.place(key) for key in CLUSTER if key in self.entry.mapping},
        )
        self.findings.items.extend(self.resolver.faults)
        self.partitions(spec)
        return spec

    def place(self, key: str) -> Span | None:
        found = self.entry.mapping.get(key)
        return found.place if found is not None else None

    def refuse(self, key: str, message: str, help: str, code: str = "wrong-value") -> None:
        self.findings.error(code, f"'{key}' of the cluster '{self.name}' {message}", self.place(key), help)

    def text(self, key: str) -> str | None:
        found = self.entry.mapping.get(key)
        if found is None or found.content is None:
            return None
        value = self.resolver.value(found, key)
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            self.refuse(key, "is a list", f"bps reads one text: '{', '.join(value)}'", "wrong-type")
        elif not isinstance(value, str):
            self.refuse(key, "is no text", "names with commas between them", "wrong-type")
        else:
            return value
        return None

    def words(self, key: str) -> tuple[str, ...]:
        """Names with commas between them."""
        words = [word.strip() for word in (self.text(key) or "").split(",")]
        if "" in words and len(words) > 1:
            self.refuse(key, "has nothing between two commas", "leave one of the commas out")
        named = [word for word in words if word]
        for word in sorted({each for each in named if named.count(each) > 1}):
            self.refuse(key, f"names '{word}' twice", "leave one of them out")
        return tuple(dict.fromkeys(named))

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        pairs = []
        for word in self.words(key):
            parts = tuple(part.strip() for part in word.split(":"))
            if len(parts) == 2 and all(parts):
                pairs.append((parts[0], parts[1]))
            else:
                self.refuse(key, f"has '{word}', which is no pair", "as in 'visit:exposure'")
        return tuple(pairs)

    def count(self, key: str) -> int | None:
        from compiler.analysis.resources.units import parse_count

        found = self.entry.mapping.get(key)
        if found is None or found.content is None:
            return None
        try:
            return parse_count(self.resolver.value(found, key), 1, 10**9)
        except ValueError as error:
            self.refuse(key, f"is wrong: {error}", "a whole number, 1 or more", "bad-amount")
            return None

    def method(self) -> Literal["source", "sink"] | None:
        key = "findDependencyMethod"
        text = self.text(key)
        if text is not None and text not in ("source", "sink"):
            like = closest(text, ("source", "sink"))
            self.refuse(key, f"is '{text}'", f"did you mean '{like}'?" if like else "known: source, sink")
            return None
        return cast('Literal["source", "sink"] | None', text)

    def template(self) -> str | None:
        found = self.entry.mapping.get("clusterTemplate")
        return found.content if found is not None and isinstance(found.content, str) else None

    def partitions(self, spec: ClusterSpec) -> None:
        """Tell of keys of a partition that lack each other or contradict each other."""
        sizes = [key for key in ("partitionMaxClusters", "partitionMaxSize") if key in (spec.places or {})]
        if len(sizes) == 2:
            self.refuse(sizes[1], "stands beside 'partitionMaxClusters'", "leave one of them out", "contradictory-keys")
        if spec.partition_dimensions and not sizes:
            help = "write 'partitionMaxClusters' or 'partitionMaxSize' beside it"
            self.refuse("partitionDimensions", "has no size", help, "missing-key")
        if sizes and not spec.partition_dimensions:
            help = "write 'partitionDimensions' beside it"
            message = f"'{sizes[0]}' of the cluster '{self.name}' has nothing to divide"
            self.findings.warning("missing-key", message, self.place(sizes[0]), help)


def read_algorithm(root: Placed, faults: list[Diagnostic] | None = None) -> Algorithm | None:
    """``clusterAlgorithm`` in a word; None, with a fault, for a function that is none of bps's."""
    resolver = Resolver(root, Scope())
    found = resolver.get("clusterAlgorithm")
    if found is None:
        return "single"
    placed, value = found
    known = ALGORITHMS.get(str(value))
    if known is None and faults is not None:
        like = closest(str(value), ALGORITHMS)
        help = f"did you mean '{like}'?" if like else "write clustering: {algorithm: auto}, or bps or none"
        message = f"'clusterAlgorithm' is '{value}', Python code that only bps runs"
        faults.append(Diagnostic("unknown-algorithm", message, placed.value.place, help))
    return known
