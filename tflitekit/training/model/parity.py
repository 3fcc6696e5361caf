"""Proves that two models compute the same, and says where they begin to differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflitekit.core.errors import ModelError
from tflitekit.options.general import SEED
from tflitekit.tflite.training_record import Parity
from tflitekit.training.model.walk import Call, flatten_tensors, run

__all__ = ["check_parity", "dtype_of", "edge_samples", "input_names", "inputs_of", "output_names", "random_samples"]

_RANDOM_SAMPLES = 4
_BEYOND = 4.0  # how far inputs go past what is usual, where activations saturate
_FREE_DIMENSION = 64  # for a dimension that the model leaves open, in random samples


def check_parity(
    reference: Any,
    model: Any,
    *,
    samples: Sequence[Any] | None = None,
    relative_tolerance: float = 1e-5,
    paths: Mapping[str, str] | None = None,
) -> Parity:
    """Compares the outputs of two models on the same inputs, and on some that reach the rare branches of layers.

    Of these only such count on which the reference gives numbers: a mean over nothing has no value.

    Args:
        samples: As for `rebuild`.
        relative_tolerance: Largest difference allowed, relative to the largest absolute output value.
        paths: The user's name of each layer of ``model``, to say where a difference starts.

    Raises:
        ModelError: They differ by more, or give values that are not finite.
    """
    given = samples is not None
    typical = [np.asarray(array) for array in samples] if samples is not None else random_samples(reference)
    wanted = _predict(reference, typical)
    if not all(np.isfinite(values).all() for values in wanted):
        raise ModelError(
            f"The model '{reference.name}' gives values that are not finite, on "
            + ("the samples." if given else "random samples."),
            fix="Check its weights, and give real samples with --data." if not given else "Check its weights.",
        )
    edges = edge_samples(reference, typical)
    beyond = _predict(reference, edges)
    finite = np.all([np.isfinite(values).reshape(len(values), -1).all(1) for values in beyond], axis=0)
    arrays = [np.concatenate([some, rare[finite]]) for some, rare in zip(typical, edges, strict=True)]
    wanted = [np.concatenate([some, rare[finite]]) for some, rare in zip(wanted, beyond, strict=True)]
    found = _predict(model, arrays)
    difference, largest = 0.0, 0.0
    for one, other in zip(wanted, found, strict=True):
        difference = max(difference, float(np.abs(one - other).max(initial=0.0)))
        largest = max(largest, float(np.abs(one).max(initial=0.0)))
    tolerance = relative_tolerance * largest
    if not difference <= tolerance:
        raise ModelError(
            f"The model '{reference.name}' computes something else after it was rebuilt: "
            f"an output differs by {difference:.3g}, and the limit is {tolerance:.3g}.",
            why=_first_difference(reference, model, arrays, relative_tolerance, paths or {}),
            fix="Replace that layer, or quantize the model after training (scheme int8).",
        )
    return Parity(
        max_abs_difference=difference,
        tolerance=tolerance,
        samples=len(typical[0]),
        origin="given" if given else "random",
    )


def _first_difference(
    reference: Any, model: Any, arrays: Sequence[Any], relative_tolerance: float, paths: Mapping[str, str]
) -> str:
    """Runs both models layer by layer and names the first layer that gives other values."""
    values: dict[str, list[Any]] = {}

    def remember(step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = step.layer(*args, **kwargs)
        values[paths.get(step.path, step.path)] = [np.asarray(v, np.float64) for v in _flat(result)]  # the last piece
        return result

    tensors = [_tensor(array) for array in arrays]
    run(model, tensors, remember)
    found, values = values, {}
    run(reference, tensors, remember)
    for path, wanted in values.items():
        for one, other in zip(wanted, found.get(path, ()), strict=False):
            if one.shape != other.shape:
                return f"It starts at the layer '{path}', whose output has a different shape."
            difference = float(np.abs(one - other).max(initial=0.0))
            if not difference <= relative_tolerance * float(np.abs(one).max(initial=0.0)):
                return f"It starts at the layer '{path}', whose output differs by {difference:.3g}."
    return "No single layer differs by more than rounding; the differences add up."


def _tensor(array: Any) -> Any:
    import tensorflow as tf

    return tf.convert_to_tensor(array)


def random_samples(model: Any, *, count: int = _RANDOM_SAMPLES, seed: int = SEED) -> list[Any]:
    """Returns seeded uniform inputs of a model, in the range that the layers behind each input suggest.

    0 to 255 before a scaling that shrinks (Rescaling, Normalization), else -1 to 1; indices of the table before an
    Embedding, 0 to 255 or 0 and 1 for other integers.
    """
    generator = np.random.default_rng(seed)
    return [_uniform(domain, count, generator) for domain in _domains(model)]


def edge_samples(model: Any, typical: Sequence[Any], *, seed: int = SEED) -> list[Any]:
    """Returns inputs that reach what layers do rarely: padding, zeros, repeated values, both ends and beyond them.

    Masks, clipping and comparisons have branches that uniform values never take.

    Args:
        typical: Inputs as the model usually sees them, one array ``(samples, ...)`` for each input.
    """
    generator = np.random.default_rng(seed)
    columns = []
    for domain, values in zip(_domains(model), typical, strict=True):
        one = np.asarray(values[0])
        low, high = (domain.low, domain.high) if domain.indices else (values.min(), values.max())
        length = one.shape[0] if one.ndim else 0
        padded, led, alternating = one.copy(), one.copy(), one.copy()
        padded[length - length // 2 :] = domain.padding
        led[: length // 2] = domain.padding
        alternating[::2] = domain.padding
        ends = generator.choice(np.array([low, high], one.dtype), one.shape)
        repeated = np.full_like(one, one.flat[0])
        rows = [padded, led, alternating, ends, repeated, np.full_like(one, domain.padding), np.zeros_like(one)]
        if one.dtype.kind == "f" and not domain.indices:
            rows += [_BEYOND * one, -_BEYOND * one]
        else:
            rows += [np.full_like(one, low), np.full_like(one, high)]
        columns.append(np.stack(rows).astype(one.dtype))
    return columns


@dataclass(frozen=True)
class _Domain:
    """The values that an input takes.

    Attributes:
        low: Smallest; ``high`` the largest.
        indices: Whether they count rows of a table.
        padding: What stands where nothing is.
    """

    shape: tuple[int, ...]
    dtype: Any
    low: float
    high: float
    indices: bool
    padding: float


def _domains(model: Any) -> list[_Domain]:
    """Looks at the layers that read each input, also through those that only move values or change their type."""
    origin = {id(tensor): index for index, tensor in enumerate(inputs_of(model))}
    readers: dict[int, list[Any]] = {index: [] for index in origin.values()}

    def follow(step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        sources = {origin[id(t)] for t in flatten_tensors((args, kwargs)) if id(t) in origin}
        for index in sources:
            readers[index].append(step.layer)
        if len(sources) == 1 and not getattr(step.layer, "weights", None) and type(step.layer).__name__ != "Rescaling":
            origin.update(dict.fromkeys(map(id, step.outputs), next(iter(sources))))
        return list(step.outputs)

    run(model, list(inputs_of(model)), follow)
    return [_domain(model, tensor, readers[index]) for index, tensor in enumerate(inputs_of(model))]


def _domain(model: Any, tensor: Any, readers: Sequence[Any]) -> _Domain:
    dtype = np.dtype(dtype_of(tensor))
    shape = tuple(_FREE_DIMENSION if d is None else int(d) for d in tuple(tensor.shape)[1:])
    rows = [int(layer.input_dim) for layer in readers if type(layer).__name__ == "Embedding"]
    if dtype.kind not in "iubf":
        raise ModelError(
            f"The model '{model.name}' has an input of type {dtype}, for which there are no random samples.",
            fix="Move the layers that turn text into numbers out of the model.",
        )
    if rows:
        return _Domain(shape, dtype, 0, min(rows) - 1, True, 0)
    if dtype.kind != "f":
        return _Domain(shape, dtype, 0, 255 if dtype.kind == "u" else 1, True, 0)
    padding = next((float(layer.mask_value) for layer in readers if type(layer).__name__ == "Masking"), 0.0)
    pixels = any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in readers)
    return _Domain(shape, dtype, *((0.0, 255.0) if pixels else (-1.0, 1.0)), False, padding)


def _uniform(domain: _Domain, count: int, generator: Any) -> Any:
    shape = (count, *domain.shape)
    if domain.indices:
        return generator.integers(domain.low, domain.high + 1, shape).astype(domain.dtype)
    return generator.uniform(domain.low, domain.high, shape).astype(domain.dtype)


def input_names(model: Any, keras3: bool) -> list[str]:
    """Returns the names of a model's inputs, in its own order."""
    return [str(t.name) for t in inputs_of(model)] if keras3 else [str(name) for name in model.input_names]


def output_names(model: Any, count: int) -> list[str]:
    """Returns the names of a model's outputs, in the order in which it returns them flat."""
    try:
        output = model.output
    except (AttributeError, ValueError):  # a Keras 3 Sequential model
        output = None
    names = list(getattr(model, "output_names", None) or [])
    if isinstance(output, dict):
        names = sorted(output)
    if len(names) != count:
        names = [str(model.layers[-1].name)] if count == 1 else [f"output_{i}" for i in range(count)]
    return [name if names.index(name) == i else f"{name}_{i}" for i, name in enumerate(map(str, names))]


def inputs_of(model: Any) -> Sequence[Any]:
    return list(getattr(model, "inputs", None) or ())


def dtype_of(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _predict(model: Any, arrays: Sequence[Any]) -> list[Any]:
    inputs: Any = list(arrays)
    if len(arrays) == 1:
        inputs = arrays[0]
    if isinstance(getattr(model, "_inputs_struct", None), dict):
        inputs = dict(zip(sorted(model._inputs_struct), arrays, strict=True))
    return [np.asarray(value, np.float64) for value in _flat(model(inputs, training=False))]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _flat(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in _flat(inner)]
    return [value]
