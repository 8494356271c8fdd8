"""A small graph that holds the quanta of a call and looks into the private datastore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from .call import Staged
from .private_store import FILE_INFO, datastore_rows


def cut_shard(whole: Any, models: Sequence[Any], datasets: Mapping[UUID, Staged], store: str) -> Any:
    """A graph that holds these quanta only; with none it serves the init outputs of every task."""
    from lsst.daf.butler import DataCoordinate
    from lsst.daf.butler.dimensions import DimensionDataAttacher, DimensionDataExtractor
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraphComponents

    labels = {each.task_label for each in models} or set(whole.pipeline_graph.tasks)
    pipeline = whole.pipeline_graph
    if labels != set(pipeline.tasks):  # spares the import of tasks that do not run here
        pipeline = pipeline.copy()
        pipeline.remove_tasks([each for each in pipeline.tasks if each not in labels], drop_from_subsets=True)
        known = {node.name: node.dataset_type for node in whole.pipeline_graph.dataset_types.values()}
        pipeline.resolve(dimensions=whole.pipeline_graph.universe, dataset_types=known)
    shard = PredictedQuantumGraphComponents(header=whole.header.model_copy(deep=True), pipeline_graph=pipeline)
    shard.quantum_datasets = {each.quantum_id: _localised(each, datasets, store) for each in models}
    kept = [each for each in whole.init_quanta.root if not each.task_label or each.task_label in labels]
    shard.init_quanta = type(whole.init_quanta)([_localised(each, datasets, store) for each in kept])
    dimensions = whole.pipeline_graph.get_all_dimensions()
    extractor = DimensionDataExtractor.from_dimension_group(dimensions)
    for each in models:
        own = whole.pipeline_graph.tasks[each.task_label].dimensions
        data_id = DataCoordinate.from_full_values(own, tuple(each.data_coordinate))
        extractor.update(whole.dimension_data.attach(own, [data_id]))
        for dataset in chain(*each.inputs.values(), *each.outputs.values()):
            extractor.update([whole.make_dataset_ref(dataset).dataId])
    shard.dimension_data = DimensionDataAttacher(records=extractor.records.values(), dimensions=dimensions)
    shard.set_thin_graph()
    shard.set_header_counts()
    return shard


def _localised(model: Any, datasets: Mapping[UUID, Staged], store: str) -> Any:
    """A copy whose datastore records point at the private store; under another name they would be ignored."""
    from lsst.daf.butler.datastore.record_data import SerializedDatastoreRecordData

    rows = datastore_rows(model)
    records = {key.hex: {"file_datastore_records": [{**row, "path": datasets[key].path}]} for key, row in rows.items()}
    data = SerializedDatastoreRecordData(dataset_ids=list(rows), records={FILE_INFO: records})
    return model.model_copy(update={"datastore_records": {store: data} if rows else {}})
