"""Checks a finished file against the training that it came from (in the worker that built it)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflitekit.contract import Contract
from tflitekit.training.three_way import check_gap, compare_three
from tflitekit.training_record import Compression, TrainingRecord
from tflitekit.weights import check_compression, measure_weights

__all__ = ["verify"]


def verify(
    name: str,
    path: Path,
    contract: Contract,
    record: TrainingRecord,
    trained: Mapping[str, Any],
    runnable: bool,
) -> tuple[TrainingRecord, Compression | None, list[str]]:
    """Counts zeros and distinct weights in the file, and compares what it computes with the trained model.

    Args:
        trained: What `tflitekit.training.plan.Trained.for_build` gives.
        runnable: Whether the runtime can run the file.

    Returns:
        The record with the comparison in it, what was counted for schemes that prune or cluster, and what users should know.

    Raises:
        ConversionError: The file misses what the training made, or does worse than the trained model.
    """
    last = record.stages[-1]
    compression = None
    if last.sparsity is not None or last.clusters is not None:
        compression = measure_weights(
            path,
            layers=tuple(dict.fromkeys(trained["paths"].values())),
            compressed=trained["compressed"],
            target_sparsity=last.sparsity,
            target_clusters=last.clusters,
        )
        check_compression(compression, name)
    doubts = [f"Training: {stage.stopped}; the best epoch before was kept." for stage in record.stages
              if stage.stopped and stage.stopped.startswith("loss")]  # fmt: skip
    doubts += list(record.notes)
    if runnable:
        found = compare_three(path, contract, Path(trained["folder"]) / "reference.npz", trained["output"])
        if last.kind == "quantize":
            check_gap(name, found, path, Path(trained["folder"]) / "reference.npz")
        record = record.model_copy(update={"three_way": found})
    return record, compression, doubts
