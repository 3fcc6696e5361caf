"""What a finished stage of training leaves on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.arrays import write_arrays
from tflitekit.engines.three_way import thin
from tflitekit.source.keras_export import export_model
from tflitekit.training.data.batches import read_rows
from tflitekit.training.data.store import Part, TrainingSet

__all__ = ["keep_outcome", "run_model"]

_REFERENCE_SAMPLES, _REFERENCE_BYTES = 1000, 128 << 20
_LAYER_SAMPLES = 4
_CHUNK = 64


def keep_outcome(
    finished: Any,
    original: Any,
    out: Path,
    data: TrainingSet,
    batch: int,
    input_shapes: Mapping[str, Sequence[int]],
    index: int,
    paths: Mapping[str, str],
    kind: str,
) -> None:
    """Writes the weights of a trained model, its outputs on held-out samples, and the SavedModel for the converter.

    Args:
        original: The float model that training began with.
        index: The output that has labels.
        paths: The user's layer for each layer of ``finished``.
        kind: 'class' or 'values': what the labels are.
    """
    write_arrays(out / "weights.npz", {"weights": [np.asarray(w) for w in finished.get_weights()]}, None)
    part: Part = "validation" if data.validation_samples else "train"
    row_bytes = sum(array.nbytes for array in read_rows(data, part, 1)[0])
    columns, labels = read_rows(data, part, max(50, min(_REFERENCE_SAMPLES, _REFERENCE_BYTES // row_bytes)))
    outputs = {"float": run_model(original, columns), "trained": run_model(finished, columns)}
    layers, names = _layer_outputs(finished, [column[:_LAYER_SAMPLES] for column in columns], paths)
    groups = outputs | {"inputs": columns, "labels": [np.asarray(labels)], "layers": layers}
    facts: dict[str, Any] = {
        "labels": kind,
        "inputs": [spec.name for spec in data.inputs],
        "layers": names,
        "part": part,
    }
    facts |= {"outputs": list(original.output_names), "index": index}
    write_arrays(out / "reference.npz", groups, facts)
    export_model(finished, out / "saved_model", batch=batch, input_shapes=input_shapes)


def _layer_outputs(model: Any, columns: Sequence[Any], paths: Mapping[str, str]) -> tuple[list[Any], list[list[str]]]:
    """Returns the outputs of the layers that quantize theirs, and for each its name and the user's."""
    import tf_keras

    layers = [layer for layer in model.layers if getattr(layer, "_output_quantizers", None)]
    if not layers:
        return [], []
    probe = tf_keras.Model(model.inputs, [layer.get_output_at(0) for layer in layers])
    found = probe(list(columns) if len(columns) > 1 else columns[0], training=False)
    found = found if isinstance(found, list | tuple) else [found]
    names = [layer.name for layer in layers]
    return [thin(np.asarray(values)) for values in found], [[n, paths.get(n.removeprefix("quant_"), n)] for n in names]


def run_model(model: Any, columns: Sequence[Any]) -> list[Any]:
    """Returns every output of a tf_keras model for all samples.

    Args:
        columns: One array ``(samples, ...)`` for each input.
    """
    chunks: list[list[Any]] = []
    for start in range(0, len(columns[0]), _CHUNK):
        inputs = [column[start : start + _CHUNK] for column in columns]
        found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
        chunks.append([np.asarray(values) for values in (found if isinstance(found, list | tuple) else [found])])
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
