"""Zeros and distinct values among the weights of a finished ``.tflite`` file, for each of the user's layers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import ConversionError
from tflitekit.tflite.flatbuffer import Reader, name_of, read_with
from tflitekit.tflite.graph import Operator
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.training_record import CompressedLayer, Compression

__all__ = ["check_compression", "measure_weights"]

# By operator: which input are its weights, and on which axis its output channels lie (None: a table with one scale).
_WEIGHTS: dict[str, tuple[int, int | None]] = {
    "CONV_2D": (1, 0), "DEPTHWISE_CONV_2D": (1, 3), "FULLY_CONNECTED": (1, 0), "TRANSPOSE_CONV": (1, 0), "CONV_3D": (1, 4),
    "GATHER": (0, None), "EMBEDDING_LOOKUP": (1, None),
}  # fmt: skip
_QUANTIZED_NAME = "quant_"  # tensorflow-model-optimization puts it before the names of layers


@dataclass(frozen=True)
class _Weights:
    kind: str
    names: tuple[str, ...]  # of what was fused into the operator, and of its weights
    buffer: int
    channels: np.ndarray[Any, Any]  # (channels, weights of each), as stored
    zero_point: int


def measure_weights(
    path: str | Path,
    *,
    layers: Mapping[str, str] | Sequence[str],
    compressed: Collection[str],
    target_sparsity: float | None = None,
    target_clusters: int | None = None,
) -> Compression:
    """Counts zeros and distinct values in the weights of convolutions, Dense and Embedding layers.

    Args:
        path: A file with weights in float32, float16 or int8.
        layers: The user's name of each layer of the converted model, or just its layer names. The names that quantizing
            gives them (``quant_conv1``) are known.
        compressed: The layers that were to be compressed, in the user's names.
        target_sparsity: What was asked for; kept in the result, as is ``target_clusters``.

    Raises:
        ModelError: The file cannot be read.
        ConversionError: A compressed layer is not in the file: nothing can be said of it.
    """
    names = layers if isinstance(layers, Mapping) else {name: name for name in layers}
    weights = read_with(Path(path), lambda reader: list(_weights(reader)))
    found: dict[tuple[int, str], tuple[str, _Weights]] = {}
    for name, each in zip(_user_names(weights, names, compressed), weights, strict=True):
        found.setdefault((each.buffer, name), (name, each))
    missing = sorted(set(compressed) - {name for name, _ in found.values()})
    if missing:
        raise ConversionError(
            f"The weights of {', '.join(repr(name) for name in missing)} were not found in {Path(path).name}.",
            why="Whether they were pruned or clustered cannot be verified.",
            fix="Give these layers unique names.",
        )
    # A separable layer is two operators; its depthwise kernel is never compressed.
    whole = {name for name, each in found.values() if each.kind != "DEPTHWISE_CONV_2D"}
    rows, zeros, total, most = [], 0, 0, 0
    for name, each in found.values():
        row_zeros = int(np.count_nonzero(each.channels == each.zero_point))
        ordered = np.sort(each.channels, axis=1)
        distinct = 1 + int(np.count_nonzero(np.diff(ordered, axis=1), axis=1).max())
        counts = name in compressed and (each.kind != "DEPTHWISE_CONV_2D" or name not in whole)
        if counts:
            zeros, total, most = zeros + row_zeros, total + each.channels.size, max(most, distinct)
        size = each.channels.size
        rows.append(
            CompressedLayer(layer=name, weights=size, sparsity=row_zeros / size, clusters=distinct, compressed=counts)
        )
    return Compression(
        target_sparsity=target_sparsity,
        target_clusters=target_clusters,
        sparsity=zeros / total if total else 0.0,
        clusters=most,
        layers=tuple(rows),
    )


def check_compression(found: Compression, name: str) -> None:
    """Compares what was counted with what was asked for.

    Args:
        name: Of the variant.

    Raises:
        ConversionError: A compressed layer has fewer zeros or more distinct values.
    """
    for row in found.layers:
        if not row.compressed:
            continue
        if found.target_sparsity is not None:
            # The number of zeros is rounded to a whole one, in float32.
            rounding = (1 + 1e-6 * row.weights) / row.weights
            if row.sparsity < found.target_sparsity - rounding:
                raise ConversionError(
                    f"{name}: {row.sparsity:.1%} of the weights of the layer '{row.layer}' are zero in the finished file, "
                    f"but {found.target_sparsity:.1%} were asked for.",
                    why="Training ended before it was reached, or the weights changed afterwards.",
                    fix="Train for more steps.",
                )
        if found.target_clusters is not None and row.clusters > found.target_clusters:
            raise ConversionError(
                f"{name}: the layer '{row.layer}' has up to {row.clusters} distinct weights in a channel of the finished "
                f"file, but {found.target_clusters} were asked for.",
                why="The converter multiplied its weights by factors that differ from input to input, as those of a "
                "normalization right before the layer, or the weights changed after they were clustered.",
                fix="Put an activation between them, or use pruned or qat instead of clusters.",
            )


def _weights(reader: Reader) -> Iterator[_Weights]:
    main = reader.subgraphs[0]
    operators = [main.Operators(i) for i in range(main.OperatorsLength())]
    sources = reader.packed_constants(main)
    for operator in operators:
        kind = reader.operator_name(operator)
        if kind not in _WEIGHTS:
            continue
        position, axis = _WEIGHTS[kind]
        index = sources.get(operator.Inputs(position), operator.Inputs(position))
        tensor = main.Tensors(index)
        if not reader.buffer_bytes[tensor.Buffer()] or tensor.ShapeLength() < 2:
            continue
        values = reader.constant(tensor)
        if kind == "GATHER" and values.dtype.itemsize > 2 and values.dtype.kind != "f":
            continue  # a table of integers
        channels = (
            values.reshape(1, -1) if axis is None else np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        )
        parameters = tensor.Quantization()
        quantized = parameters is not None and parameters.ZeroPointLength()
        tensors = [tensor, *(main.Tensors(operator.Outputs(i)) for i in range(operator.OutputsLength()))]
        yield _Weights(
            kind,
            tuple(part for each in tensors for part in name_of(each).split(";")),
            tensor.Buffer(),
            channels,
            int(parameters.ZeroPoint(0)) if quantized else 0,
        )


def _user_names(weights: Sequence[_Weights], names: Mapping[str, str], compressed: Collection[str]) -> list[str]:
    """Names the layer whose weights they are.

    What is fused has the names of several layers, of which one has weights: the compressed one, where there is one.
    """
    known = [*names, *(_QUANTIZED_NAME + name for name in names)]
    parts = [Operator(each.kind, (), (part,)) for each in weights for part in each.names]
    scopes = iter(layer_names(parts, known))
    found = []
    for each in weights:
        scoped = [next(scopes) for _ in each.names]
        users = [names.get(scope) or names.get(scope.removeprefix(_QUANTIZED_NAME)) for scope in scoped]
        candidates = [name for name in users if name]
        found.append(next((name for name in candidates if name in compressed), (*candidates, each.names[-1])[0]))
    return found
