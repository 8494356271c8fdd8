"""Small graphs written as text, for tests of structure.

    isr(exposure, detector): raw[exposure, detector] -> post
    combine(detector): post -> dark

A quantum reads every dataset of a type that agrees with it on the dimensions they share; `overlap` narrows that.
A type that no task makes exists before the workflow. Each task also writes ``_metadata`` and ``_log``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from uuid import NAMESPACE_URL, uuid5

from compiler.rubin import Connection, DatasetType, GraphBuilder, QuantumGraph, StoredFile, Task
from compiler.rubin.graph import Value

DataId = Mapping[str, Value]
_LINE = re.compile(r"(?P<label>[\w-]+)\((?P<dims>[^)]*)\):(?P<reads>.*)->(?P<writes>.*)")
_PORT = re.compile(r"(\w+)(?:\[([^\]]*)\])?")


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _ports(text: str) -> list[tuple[str, tuple[str, ...] | None]]:
    return [(name, _split(dims) if dims else None) for name, dims in _PORT.findall(text)]


def shape(
    text: str,
    values: Mapping[str, Sequence[Value]],
    *,
    absent: Mapping[str, Collection[tuple[Value, ...]]] | None = None,
    implied: Mapping[str, Mapping[str, Callable[[Value], Value]]] | None = None,
    overlap: Callable[[str, DataId, DataId], bool] = lambda dataset_type, quantum, dataset: True,
) -> QuantumGraph:
    """The graph with a quantum for each data id that `values` allow, but for those `absent`."""
    lines = [found for found in map(_LINE.match, map(str.strip, text.strip().splitlines())) if found]
    implied, absent = implied or {}, absent or {}
    types: dict[str, tuple[str, ...]] = {}
    for line in lines:
        own = _split(line["dims"])
        types |= {name: dims if dims is not None else own for name, dims in _ports(line["writes"])}
        types |= {name: dims for name, dims in _ports(line["reads"]) if dims is not None}
        types |= {f"{line['label']}_{extra}": own for extra in ("metadata", "log")}
    builder = GraphBuilder("shape", "run")
    for name, dims in types.items():
        builder.add_dataset_type(DatasetType(name, dims))
    made: dict[str, list[tuple[DataId, int]]] = {}

    def dataset(name: str, data_id: DataId, exists: bool) -> int:
        key = tuple(data_id[d] for d in types[name])
        file = StoredFile(f"store/{name}/{'_'.join(map(str, key))}.json", 10) if exists else None
        return builder.add_dataset(
            name, key, "in" if exists else "run", uuid5(NAMESPACE_URL, f"{name}{key}").bytes, file
        )

    for line in lines:
        label, own = line["label"], _split(line["dims"])
        follow = [(d, extra, rule) for d in own for extra, rule in implied.get(d, {}).items()]
        reads = [name for name, _ in _ports(line["reads"])]
        writes = [(name, name) for name, _ in _ports(line["writes"])]
        writes += [("_metadata", f"{label}_metadata"), ("_log", f"{label}_log")]
        builder.add_task(
            Task(
                label,
                f"test.{label}",
                own,
                tuple(extra for _, extra, _ in follow),
                (
                    *(Connection(name, name, "input", types[name]) for name in reads),
                    *(Connection(name, kind, "output", types[kind]) for name, kind in writes),
                ),
            )
        )
        for key in product(*(values[d] for d in own)):
            if key in absent.get(label, ()):
                continue
            data_id: dict[str, Value] = dict(zip(own, key, strict=True))
            data_id |= {extra: rule(data_id[d]) for d, extra, rule in follow}
            inputs: dict[str, list[int]] = {}
            for name in reads:
                if name in made:
                    offered = made[name]
                else:
                    wide = product(*([data_id[d]] if d in data_id else values[d] for d in types[name]))
                    rows = [dict(zip(types[name], row, strict=True)) for row in wide]
                    offered = [(row, dataset(name, row, True)) for row in rows]
                inputs[name] = [
                    number
                    for row, number in offered
                    if all(data_id.get(d, v) == v for d, v in row.items()) and overlap(name, data_id, row)
                ]
            outputs: dict[str, list[int]] = {}
            for name, kind in writes:
                for row in product(*([data_id[d]] if d in data_id else values[d] for d in types[kind])):
                    one = dict(zip(types[kind], row, strict=True))
                    number = dataset(kind, one, False)
                    outputs.setdefault(name, []).append(number)
                    made.setdefault(kind, []).append(({**data_id, **one}, number))
            quantum_id = uuid5(NAMESPACE_URL, f"{label}{key}").bytes
            values_of = [data_id[d] for d in (*own, *(extra for _, extra, _ in follow))]
            builder.add_quantum(label, values_of, quantum_id, inputs, outputs)
    return builder.finish()


def dark(exposures: int = 3, detectors: int = 4, **options: object) -> QuantumGraph:
    """isr and cpDark for each exposure and detector, one combination for each detector."""
    return shape(
        """
        isr(exposure, detector): raw[exposure, detector], bias[detector] -> cpDarkIsr
        cpDark(exposure, detector): cpDarkIsr -> cpDarkProc
        cpCombine(detector): cpDarkProc -> dark
        """,
        {"exposure": range(1000, 1000 + exposures), "detector": range(detectors)},
        **options,  # type: ignore[arg-type]
    )


def single_frame(exposures: int = 2, detectors: int = 3, **options: object) -> QuantumGraph:
    """Three tasks for each image, the first by exposure and the others by visit, whose numbers are the same."""
    numbers = range(1000, 1000 + exposures)
    return shape(
        """
        isr(exposure, detector): raw[exposure, detector] -> postISRCCD
        characterizeImage(visit, detector): postISRCCD -> icExp, icSrc
        calibrate(visit, detector): icExp, icSrc -> calexp, src
        """,
        {"exposure": numbers, "visit": numbers, "detector": range(detectors)},
        overlap=lambda kind, quantum, dataset: kind != "postISRCCD" or quantum["visit"] == dataset["exposure"],
        **options,  # type: ignore[arg-type]
    )


def tract(visits: int = 4, detectors: int = 3, patches: int = 3, bands: int = 2, **options: object) -> QuantumGraph:
    """Images of visits overlap patches many to many; warps, coadds and merges for each patch."""

    def near(kind: str, quantum: DataId, dataset: DataId) -> bool:
        if kind != "calexp":
            return True
        return (int(dataset["detector"]) + int(dataset["visit"])) % patches in (
            int(quantum["patch"]),
            (int(quantum["patch"]) + 1) % patches,
        )

    return shape(
        """
        isr(visit, detector): raw[visit, detector] -> postISRCCD
        calibrate(visit, detector): postISRCCD -> calexp
        makeWarp(patch, visit): calexp -> warp
        assemble(patch, band): warp -> coadd
        detect(patch, band): coadd -> det
        mergeDetections(patch): det -> mergeDet
        measure(patch, band): mergeDet, coadd -> meas
        mergeMeasurements(patch): meas -> ref
        forced(patch, band): ref, coadd -> forced_src
        """,
        {"visit": range(visits), "detector": range(detectors), "patch": range(patches), "band": "grizy"[:bands]},
        implied={"visit": {"band": lambda v: "grizy"[int(v) % bands]}},
        overlap=near,
        **options,  # type: ignore[arg-type]
    )
