"""The datastore of a job, which nothing else sees: its configuration, and where datasets stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from .call import Staged
from .environment import register_mocks
from .exit_codes import GRAPH, StopError
from .names import dataset_name

FILE_INFO = "lsst.daf.butler.datastore.stored_file_info.StoredFileInfo"
"""Under which name the middleware keeps records of file datastores."""


def butler_config() -> str:
    """The butler configuration of a job (YAML): a private file datastore beside the configuration, no registry.

    The packaged file templates stay in force; nothing is cached, as every job starts empty.
    """
    return (
        "datastore:\n"
        "  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore\n"
        "  name: staged\n"
        "  root: <butlerRoot>/store\n"
        "  cached:\n"
        "    expiry:\n"
        "      mode: disabled\n"
    )


def datastore_rows(model: Any) -> dict[UUID, dict[str, Any]]:
    """Datastore records (as JSON) of the inputs that exist before the workflow."""
    rows: dict[UUID, dict[str, Any]] = {}
    for data in model.datastore_records.values():
        for digits, tables in data.model_dump(mode="json")["records"].get(FILE_INFO, {}).items():
            found = [row for table in tables.values() for row in table]
            if len(found) != 1:
                raise StopError(GRAPH, f"dataset {digits} is a composite of {len(found)} files, which is not supported")
            rows[UUID(digits)] = found[0]
    return rows


def locate(whole: Any, models: Sequence[Any], work: Path, names: Mapping[str, str]) -> tuple[dict[UUID, Staged], str]:
    """Every dataset's file name and place in the private store, and the name of the job's datastore.

    A dataset with a datastore record existed before the workflow and gets a place of ours; the middleware tells
    where it looks for the rest. Raises `StopError` for an input that neither exists nor is made by the workflow.
    """
    existing = {k: v for each in models for k, v in datastore_rows(each).items()}
    staged: dict[UUID, Staged] = {}
    others: dict[UUID, Any] = {}
    for each in chain.from_iterable(chain(*m.inputs.values(), *m.outputs.values()) for m in models):
        node = whole.pipeline_graph.dataset_types.get(each.dataset_type_name)
        values = each.data_coordinate[: len(node.dataset_type.dimensions.required) if node is not None else 0]
        row = existing.get(each.dataset_id)
        name = names.get(str(each.dataset_id))
        if row is None:
            if each.run != whole.header.output_run:
                raise StopError(
                    GRAPH,
                    f"the graph holds no datastore record of {each.dataset_type_name} {values} in '{each.run}'; "
                    "build it with 'pipetask qgraph --qgraph-datastore-records'",
                )
            others[each.dataset_id] = each
            staged[each.dataset_id] = Staged(name or dataset_name(each.dataset_type_name, values), "")
        else:
            path, hash_sign, fragment = row["path"].partition("#")
            kept = "".join(Path(path).suffixes[-2 if path.endswith((".gz", ".fz")) else -1 :])
            staged[each.dataset_id] = Staged(
                name or dataset_name(each.dataset_type_name, values, each.dataset_id.hex),
                f"existing/{each.dataset_id}{kept}{hash_sign}{fragment}",
                row["file_size"] if row["file_size"] >= 0 else None,
            )
    store, paths = _predicted_paths(whole, others.values(), work)
    for dataset, path in paths.items():
        staged[dataset].path = path
    return staged, store


def _predicted_paths(whole: Any, models: Iterable[Any], root: Path) -> tuple[str, dict[UUID, str]]:
    """The name of the datastore below `root`, and where a quantum-backed butler puts datasets in it."""
    from lsst.daf.butler import QuantumBackedButler

    types = {node.name: node.dataset_type for node in whole.pipeline_graph.dataset_types.values()}
    register_mocks(kind.storageClass_name for kind in types.values())
    refs = [whole.make_dataset_ref(each) for each in models]
    butler = QuantumBackedButler.from_predicted(
        str(root), (), {ref.id for ref in refs}, whole.pipeline_graph.universe, {}, dataset_types=types
    )
    with butler:
        ((store, data),) = butler.export_predicted_datastore_records(refs).items()
    return store, {key: next(iter(tables.values()))[0].path for key, tables in data.records.items()}
