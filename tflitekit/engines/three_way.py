"""Three-way parity: the float model, the trained one and the finished file on the same validation samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Metric
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.custom import CustomMetric
from tflitekit.accuracy.metrics.multilabel import MultiLabel
from tflitekit.accuracy.metrics.regression import Regression
from tflitekit.core.arrays import read_arrays
from tflitekit.core.errors import ConversionError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import Contract
from tflitekit.results import Drop
from tflitekit.tasks.metric_words import is_share
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.training_record import OutputDrift, Score, ThreeWay

__all__ = ["check_gap", "compare_three", "first_difference", "layer_differences", "thin"]

_FAR = 0.1  # root mean square of the difference over that of the values; rounding to int8 stays far below in one layer
_STANDS_OUT = 3.0  # times the largest difference of the layers before
_STEPS = 16.0
_LOST = 0.5  # of the spread: int8 stays below a tenth, and then three quarters of the variance are still there
_ROUNDING = 1e-2  # of its size, by which an output that is constant may differ
_MOST_VALUES = 4096
_OF_FLOAT = ("boxes", "poses")  # labels that are compared with by the user's own loss, or by none

Array = NDArray[Any]
OutputMeaning = Literal["probabilities", "values"]


def compare_three(path: Path, contract: Contract, reference: Path, output: str) -> tuple[ThreeWay, Drop]:
    """Runs a finished file on the samples of which training kept the outputs, and compares.

    Returns:
        The comparison, and the paired drop from the float model to the trained one.

    Args:
        path: The ``.tflite`` file.
        reference: ``reference.npz`` of the training.
        output: Name of the output that has labels.
    """
    groups, facts = read_arrays(reference)
    labels = groups["labels"][0]
    file = _run(path, groups["inputs"], facts["inputs"])
    index = facts.get("index", 0)
    found, meaning = _output(file, output)
    outputs = (groups["float"][index], groups["trained"][index], found)
    metric, given = _metric(facts["labels"], labels, outputs[0], contract)
    scored = [metric.score(np.asarray(o, np.float32), given, meaning=meaning) for o in outputs]
    figures = [metric.summarize(scores)[0] for scores in scored]
    gap = metric.drop(scored[1], scored[2], None)
    of_float = facts["labels"] in _OF_FLOAT
    # Any rounding and any training leads away from the float model: only what is lost between training and file counts.
    sure = not of_float or _drift(outputs[1], outputs[2]) > _LOST
    agreement = None
    if "predicted" in scored[1]:
        agreement = float(np.mean(scored[1]["predicted"] == scored[2]["predicted"]))
    one, two, three = (Score(value=f.value, low=f.low, high=f.high) for f in figures)
    compared = ThreeWay(
        metric=figures[0].metric,
        samples=len(given),
        origin="training" if facts.get("part") == "train" else "validation",
        float_model=one,
        fake_quantized=two,
        tflite=three,
        gap=gap.value,
        gap_low=gap.low if sure else None,
        gap_high=gap.high,
        p_value=gap.p_value,
        agreement=agreement,
        others=tuple(
            OutputDrift(
                output=name,
                training=_drift(groups["float"][position], groups["trained"][position]),
                conversion=_drift(groups["trained"][position], _output(file, name)[0]),
            )
            for position, name in enumerate(facts.get("outputs", ()))
            if position != index
        ),
    )
    return compared, metric.drop(scored[0], scored[0 if of_float else 1], None)


def _metric(kind: str, labels: Array, reference: Array, contract: Contract) -> tuple[Metric, list[Any]]:
    """Returns what to score, and with which labels: those of the data, or, where no loss of the kit compares with them, the float
    model's outputs."""
    if kind == "class":
        return Classification(contract.labels, int(np.prod(reference.shape[1:]))), [int(label) for label in labels]
    if kind == "mask":
        return CustomMetric("pixel_accuracy", _pixel_accuracy), list(labels)
    if kind in _OF_FLOAT:
        return Regression(reference.shape[1:]), list(reference)
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.any() and bool(np.isin(labels, (0, 1)).all()):
        return MultiLabel(contract.labels), list(labels)
    return Regression(labels.shape[1:]), list(labels)


def _pixel_accuracy(output: Array, mask: Array) -> float:
    """Returns the share of the pixels of one sample that get their class, of those that count."""
    classes = (output[..., 0] >= 0.5).astype(int) if output.shape[-1] == 1 else output.argmax(axis=-1)
    rows, columns = (np.arange(n) * m // n for n, m in zip(classes.shape, mask.shape, strict=True))
    wanted = mask[np.ix_(rows, columns)]
    known = wanted >= 0
    return float((classes == wanted)[known].mean()) if known.any() else 1.0


def check_gap(name: str, found: ThreeWay, path: Path, reference: Path) -> None:
    """Fails a file that does worse than the model that was trained, and says at which layer they part.

    Raises:
        ConversionError: The gap is in the file's disfavour, its interval leaves zero out, and its p-value is below 0.01; or
            an output without labels has little to do with what was trained.
    """
    lost = next((other for other in found.others if other.conversion > _LOST), None)
    if not found.is_failure and lost is None:
        return
    layer = first_difference(path, reference)

    def shown(value: float) -> str:
        return f"{value * 100:.1f} %" if is_share(found.metric) else f"{value:.4g}"

    if not found.is_failure and lost is not None:
        raise ConversionError(
            f"{name}: the output '{lost.output}' of the finished file differs from the trained one by "
            f"{lost.conversion:.0%} of its spread ({found.samples:,} {found.origin} samples).",
            why=f"They start to differ at the layer '{layer}'." if layer else None,
            fix="Replace that layer by one that 'tflitekit preflight' calls quantized, or use scheme int8."
            if layer
            else "Give the parts of that output that differ in size outputs of their own, or use scheme int8.",
        )
    raise ConversionError(
        f"{name}: the finished file does worse than the model that was trained: {found.metric} "
        f"{shown(found.fake_quantized.value)} when trained, {shown(found.tflite.value)} as .tflite "
        f"({found.samples:,} {found.origin} samples).",
        why=f"They start to differ at the layer '{layer}'."
        if layer
        else "No single layer differs much; small differences add up.",
        fix="Replace that layer by one that 'tflitekit preflight' calls quantized, or use scheme int8."
        if layer
        else "Train longer, or use scheme int8.",
    )


def first_difference(path: Path, reference: Path) -> str | None:
    """Returns the user's name of the first layer whose output in the file is far from the trained model's.

    The training keeps the outputs of its quantized layers on a few samples; the file is run with all tensors kept. None
    where differences only add up from layer to layer: the first that is far must stand out from all before it.
    """
    largest = 0.0
    for name, difference in layer_differences(path, reference):
        if difference > max(_FAR, _STANDS_OUT * largest):
            return name
        largest = max(largest, difference)
    return None


def layer_differences(path: Path, reference: Path) -> list[tuple[str, float]]:
    """Returns for each layer that quantizes its output, in the trained model's order, how far the file's is from it.

    That is the root mean square of the difference over that of the trained model's values, or over 16 quantization steps
    where these are more: values near zero cannot be relatively exact.

    Args:
        path: The ``.tflite`` file.
        reference: ``reference.npz`` of the training.

    Returns:
        Pairs of the user's layer and the difference; layers that have no tensor of their own in the file are left out.
    """
    groups, facts = read_arrays(reference)
    wanted = groups.get("layers", [])
    if not wanted:
        return []
    tensors = _all_tensors(path, [column[: len(wanted[0])] for column in groups["inputs"]], facts["inputs"])
    found = []
    for (scope, name), values in zip(facts["layers"], wanted, strict=True):
        # Several tensors can carry a layer's name, as an output and its copy on another scale: the nearest is the one.
        scale = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
        differences = [
            float(np.sqrt(np.mean(np.square(tensor - values, dtype=np.float64)))) / max(scale, _STEPS * step, 1e-30)
            for scopes, tensor, step in tensors
            if scope in scopes and tensor.shape == values.shape
        ]
        if differences:
            found.append((name, min(differences)))
    return found


def _all_tensors(path: Path, columns: Sequence[Array], names: Sequence[str]) -> list[tuple[set[str], Array, float]]:
    """Runs a file with plain kernels on the samples one after the other.

    Returns:
        For each operator's output the scopes in its name, its thinned values ``(samples, values)``, and its step.
    """
    model = Model(path, kernels="builtin", keep_tensors=True)
    order = _input_order(model.inputs, names)
    details = {detail["index"]: detail for detail in model.tensor_details()}
    written = [op for op in model.op_details() if len(op["outputs"])]
    batch, count = model.batch, len(columns[0])
    values: list[list[Array]] = [[] for _ in written]
    for start in range(0, count, batch):
        rows = [(start + i) % count for i in range(batch)]
        model.run([columns[column][rows] for column in order], outputs=())
        for op, kept in zip(written, values, strict=True):
            index = int(op["outputs"][0])
            scale, zero_point = details[index]["quantization"]
            stored = model.tensor(index)
            real = (stored.astype(np.float32) - np.float32(zero_point)) * np.float32(scale) if scale else stored
            if stored.ndim and len(stored) == batch:
                kept.append(thin(real))
    found = []
    for op, kept in zip(written, values, strict=True):
        index = int(op["outputs"][0])
        if kept:
            inputs = [details[int(i)]["name"] for i in op["inputs"] if int(i) in details]
            scopes = _scopes(details[index]["name"]) or {scope for name in inputs[1:] for scope in _scopes(name)}
            found.append((scopes, np.concatenate(kept)[:count], float(details[index]["quantization"][0])))
    return found


def _scopes(name: str) -> set[str]:
    """Returns the parts of a tensor's name, such as those of ``model/quant_relu/Relu;model/quant_conv/Conv2D``; none
    where the name is that of the file's output."""
    return {scope for part in name.split(";") for scope in part.split("/")[1:]}


def _input_order(inputs: Sequence[TensorSpec], names: Sequence[str]) -> list[int]:
    """Returns for each input of a file which of the trained model's it is."""
    return [names.index(spec.name) if spec.name in names else index for index, spec in enumerate(inputs)]


def thin(values: Array) -> Array:
    """Returns at most 4,096 evenly spaced values of each sample, ``(samples, values)``: enough to compare."""
    flat = values.reshape(len(values), -1)
    step = -(-flat.shape[1] // _MOST_VALUES)
    return np.ascontiguousarray(flat[:, ::step])


def _drift(before: Array, after: Array) -> float:
    """Returns the root mean square of a difference over the deviation of the values; for classes and the like, the share that changed."""
    if before.dtype.kind != "f":
        return float(np.mean(before != after))
    before, after = before.astype(np.float64), after.astype(np.float64)
    spread = np.std(before) + _ROUNDING * np.sqrt(np.mean(np.square(before)))
    return float(np.sqrt(np.mean(np.square(after - before))) / max(spread, 1e-30))


def _output(found: Mapping[str, tuple[Array, OutputMeaning]], name: str) -> tuple[Array, OutputMeaning]:
    if name in found or len(found) == 1:
        return found.get(name) or next(iter(found.values()))
    raise ConversionError(f"The file has no output '{name}'; it has {', '.join(found)}.")


def _run(path: Path, columns: Sequence[Array], names: Sequence[str]) -> dict[str, tuple[Array, OutputMeaning]]:
    """Returns each output of a ``.tflite`` file for all samples, and what it holds.

    Args:
        columns: One array ``(samples, ...)`` for each input of the trained model; ``names`` are theirs.
    """
    model = Model(path)
    order = _input_order(model.inputs, names)
    batch, count = model.batch, len(columns[0])
    results: list[list[Array]] = []
    for start in range(0, count, batch):
        rows = [(start + i) % count for i in range(batch)]  # the last batch wraps around
        results.append([np.array(values) for values in model.run([columns[i][rows] for i in order])])
    columns_of = [np.concatenate(parts)[:count] for parts in zip(*results, strict=True)]
    outputs = [spec.name for spec in model.outputs]
    return dict(zip(outputs, zip(columns_of, model.graph.output_meanings, strict=True), strict=True))
