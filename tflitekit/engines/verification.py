"""Checks a finished file against the training that it came from (in the worker that built it)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflitekit.data.contract import Contract
from tflitekit.engines.three_way import check_gap, compare_three
from tflitekit.tasks.metric_words import is_share
from tflitekit.tflite.training_record import SIGNIFICANT, Compression, ThreeWay, TrainingRecord
from tflitekit.tflite.weights import check_compression, measure_weights

__all__ = ["verify"]

_MOVED = 0.2  # of the spread of an output: int8 alone stays below a tenth


def drop_text(value: float, found: ThreeWay) -> str:
    """Returns how much worse, in points for shares."""
    return f"by {value * 100:.1f} points" if is_share(found.metric) else f"by {value:.4g} ({found.metric})"


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
        trained: What `tflitekit.training.run.plan.Trained.for_variant` gives.
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
        found, drop = compare_three(path, contract, Path(trained["folder"]) / "reference.npz", trained["output"])
        if last.kind == "quantize":
            check_gap(name, found, path, Path(trained["folder"]) / "reference.npz")
        elif found.is_failure:
            doubts.append(
                f"The file does worse than the trained model, {drop_text(found.gap, found)} on {found.samples:,} {found.origin} "
                "samples: that is the cost of quantizing after training. A scheme that trains with the rounding (qat, "
                "pruned_qat, clustered_qat), or then=float16, may keep more."
            )
        if drop.value > 0 and drop.low is not None and drop.low > 0 and drop.p_value < SIGNIFICANT:
            doubts.append(
                f"Training made the model worse, {drop_text(drop.value, found)} on {found.samples:,} {found.origin} samples, "
                "before it became a file: train longer, at another rate (--learning-rate), or compress less."
            )
        doubts += [
            f"Training changed the output '{other.output}', which has no labels, by {other.training:.0%} of its spread: train "
            "at a lower rate (--learning-rate), or give labels for that output in a training of your own (--train-function)."
            for other in found.others
            if other.training > _MOVED and other.output not in trained.get("labelled", ())
        ]
        record = record.model_copy(update={"three_way": found})
    return record, compression, doubts
