"""A small `.qg` file written by hand: two exposures and detectors, flattened, then combined."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import zstandard

Json = Any


def uid(number: int) -> str:
    return str(UUID(int=number + 0xABC000))


def edge(dataset_type: str) -> Json:
    return {"dataset_type_name": dataset_type, "storage_class": "Data", "raw_dimensions": [], "is_calibration": False}


def dataset(number: int, kind: str, *values: int | str, run: str = "out/run") -> Json:
    return {"dataset_id": uid(number), "dataset_type_name": kind, "data_coordinate": list(values), "run": run}


def record(*numbers: int) -> Json:
    table = [
        {
            "formatter": "json.F",
            "path": "raw/{}.json",
            "component": "__NULL_STRING__",
            "checksum": None,
            "file_size": 50,
        }
    ]
    rows = {UUID(uid(n)).hex: {"file_datastore_records": [{**table[0], "path": f"raw/{n}.json"}]} for n in numbers}
    return {"FileDatastore@<butlerRoot>": {"dataset_ids": [uid(n) for n in numbers], "records": {"Info": rows}}}


_IMAGES = [(d, e) for d in (0, 1) for e in (10, 11)]
_BY_IMAGE = ["instrument", "detector", "exposure"]


def _pipeline() -> Json:
    def task(label: str, dimensions: list[str], inputs: dict[str, str], outputs: dict[str, str]) -> Json:
        return {
            "task_class": f"my.{label.title()}Task",
            "init": {"inputs": {}, "outputs": {}, "config_output": edge(f"{label}_config")},
            "inputs": {name: edge(kind) for name, kind in inputs.items()},
            "prerequisite_inputs": {},
            "outputs": {name: edge(kind) for name, kind in outputs.items()},
            "metadata_output": edge(f"{label}_metadata"),
            "log_output": None,
            "dimensions": dimensions,
            "config_str": "skipped",
        }

    image = [*_BY_IMAGE, "band"]
    dimensions = {
        "raw": image, "flat": image, "mean": ["instrument", "detector"], "flatten_metadata": image,
        "combine_metadata": ["instrument", "detector"], "flatten_config": [], "combine_config": [],
    }  # fmt: skip
    return {
        "tasks": {
            "flatten": task("flatten", _BY_IMAGE, {"raw": "raw"}, {"out": "flat"}),
            "combine": task("combine", ["detector"], {"flats": "flat.image"}, {"out": "mean"}),
        },
        "dataset_types": {n: {"dimensions": d, "storage_class": "Data"} for n, d in dimensions.items()},
        "dimensions": {
            "elements": {
                "instrument": {"keys": [{"name": "name"}], "governor": True},
                "band": {"keys": [{"name": "name"}]},
                "detector": {"requires": ["instrument"]},
                "exposure": {"requires": ["instrument"], "implies": ["band"]},
            },
            "skypix": {"common": "htm7", "htm": {"class": "x"}},
        },
    }


def _flatten(number: int, detector: int, exposure: int) -> Json:
    values = ("Cam", detector, exposure, "g")
    return {
        "quantum_id": uid(100 + number),
        "task_label": "flatten",
        "data_coordinate": list(values),
        "inputs": {"raw": [dataset(number, "raw", *values, run="raw/all")]},
        "outputs": {
            "out": [dataset(10 + number, "flat", *values)],
            "_metadata": [dataset(20 + number, "flatten_metadata", *values)],
        },
        "datastore_records": record(number),
    }


def _combine(detector: int) -> Json:
    members = [(n, image) for n, image in enumerate(_IMAGES) if image[0] == detector]
    return {
        "quantum_id": uid(200 + detector),
        "task_label": "combine",
        "data_coordinate": ["Cam", detector],
        "inputs": {"flats": [dataset(10 + n, "flat", "Cam", *image, "g") for n, image in members]},
        "outputs": {
            "out": [dataset(30 + detector, "mean", "Cam", detector)],
            "_metadata": [dataset(40 + detector, "combine_metadata", "Cam", detector)],
        },
        "datastore_records": {},
    }


def _init(number: int, label: str, name: str, kind: str) -> Json:
    outputs = {name: [dataset(60 + number, kind)]}
    return {"quantum_id": uid(300 + number), "task_label": label, "inputs": {}, "outputs": outputs}


@dataclass
class QgFile:
    """The documents of a graph, to be changed before they are written."""

    header: Json = field(
        default_factory=lambda: {
            "version": 1, "graph_type": "predicted", "output_run": "out/run", "int_size": 8, "n_quanta": 6, "user": "x",
        }
    )  # fmt: skip
    pipeline: Json = field(default_factory=_pipeline)
    quanta: list[Json] = field(
        default_factory=lambda: [*(_flatten(n, *image) for n, image in enumerate(_IMAGES)), _combine(0), _combine(1)]
    )
    init: list[Json] = field(
        default_factory=lambda: [
            _init(0, "", "packages", "packages"),
            _init(1, "flatten", "_config", "flatten_config"),
            _init(2, "combine", "_config", "combine_config"),
        ]
    )
    thin: Json = field(
        default_factory=lambda: {
            "quanta": {
                "flatten": [
                    {"quantum_id": uid(100 + n), "data_coordinate": ["Cam", *image, "g"]}
                    for n, image in enumerate(_IMAGES)
                ],
                "combine": [{"quantum_id": uid(200 + d), "data_coordinate": ["Cam", d]} for d in (0, 1)],
            },
            "edges": [[uid(100 + n), uid(200 + image[0])] for n, image in enumerate(_IMAGES)],
        }
    )
    left_out: str = ""
    """A member that is not written."""
    dictionary: bytes | None = None
    length_size: int = 8
    """Bytes of the length before each block; the header tells it too."""

    def write(self, path: Path) -> Path:
        known = None if self.dictionary is None else zstandard.ZstdCompressionDict(self.dictionary)
        pack = zstandard.ZstdCompressor(dict_data=known).compress
        blocks = [pack(msgspec.json.encode(each)) for each in self.quanta]
        members = {
            "compression_dict": self.dictionary,
            "header.json.zst": pack(msgspec.json.encode(self.header)),
            "pipeline_graph.json.zst": pack(msgspec.json.encode(self.pipeline)),
            "thin_graph.json.zst": pack(msgspec.json.encode(self.thin)),
            "dimension_data.json.zst": pack(b"{}"),
            "init_quanta.json.zst": pack(msgspec.json.encode(self.init)),
            "quantum_datasets.mb": b"".join(len(b).to_bytes(self.length_size, "big") + b for b in blocks),
            "quanta.addr": b"\0" * 40,
        }
        with zipfile.ZipFile(path, "w") as file:
            for name, data in members.items():
                if data is not None and name != self.left_out:
                    file.writestr(zipfile.ZipInfo(name), data)
        return path
