"""Three-way parity: the float model, the trained one and the finished file on the same validation samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.contract import Contract
from tflitekit.errors import ConversionError
from tflitekit.metrics import Metric
from tflitekit.metrics.classification import Classification
from tflitekit.metrics.regression import Regression
from tflitekit.runtime import Model, dequantize
from tflitekit.training.checkpoint import read_arrays
from tflitekit.training_record import Score, ThreeWay

__all__ = ["check_gap", "compare_three", "first_difference", "thin"]

_SIGNIFICANT = 0.01
_FAR = 0.1  # root mean square of the difference over that of the values; rounding to int8 stays far below in one layer
_MOST_VALUES = 4096

Array = NDArray[Any]


def compare_three(path: Path, contract: Contract, reference: Path, output: str) -> ThreeWay:
    """Runs a finished file on the samples of which training kept the outputs, and compares.

    Args:
        path: The ``.tflite`` file.
        reference: ``reference.npz`` of the training.
        output: Name of the output that has labels.
    """
    groups, facts = read_arrays(reference)
    labels = groups["labels"][0]
    found = _run(path, contract, groups["inputs"], output)
    metric: Metric
    if facts["labels"] == "class":
        metric, given = Classification(contract.labels, int(np.prod(found.shape[1:]))), [int(label) for label in labels]
    else:
        metric, given = Regression(int(np.prod(labels.shape[1:]))), list(labels)
    outputs = (groups["float"][0], groups["trained"][0], found)
    scored = [metric.score(np.asarray(o, np.float32), given, meaning=contract.output_meaning) for o in outputs]
    figures = [metric.summarize(scores)[0] for scores in scored]
    gap = metric.drop(scored[1], scored[2], None)
    agreement = None
    if "predicted" in scored[1]:
        agreement = float(np.mean(scored[1]["predicted"] == scored[2]["predicted"]))
    one, two, three = (Score(value=f.value, low=f.low, high=f.high) for f in figures)
    return ThreeWay(
        metric=figures[0].metric,
        samples=len(given),
        float_model=one,
        fake_quantized=two,
        tflite=three,
        gap=gap.value,
        gap_low=gap.low,
        gap_high=gap.high,
        p_value=gap.p_value,
        agreement=agreement,
    )


def check_gap(name: str, found: ThreeWay, path: Path, contract: Contract, reference: Path) -> None:
    """Fails a file that does worse than the model that was trained, and says at which layer they part.

    Raises:
        ConversionError: The gap is in the file's disfavour, its interval leaves zero out, and its p-value is below 0.01.
    """
    if found.gap <= 0 or found.gap_low is None or found.gap_low <= 0 or found.p_value >= _SIGNIFICANT:
        return
    layer = first_difference(path, contract, reference)

    def shown(value: float) -> str:
        return f"{value * 100:.1f} %" if found.metric == "top1" else f"{value:.4g}"

    raise ConversionError(
        f"{name}: the finished file does worse than the model that was trained: {found.metric} "
        f"{shown(found.fake_quantized.value)} when trained, {shown(found.tflite.value)} as .tflite "
        f"({found.samples:,} validation samples).",
        why=f"They begin to differ at the layer '{layer}'."
        if layer
        else "No single layer differs much: small differences add up.",
        fix="Replace that layer by one that 'tflitekit preflight' calls quantized, or use scheme int8."
        if layer
        else "Train longer, or use scheme int8.",
    )


def first_difference(path: Path, contract: Contract, reference: Path) -> str | None:
    """Returns the user's name of the first layer whose output in the file is far from the trained model's.

    The training keeps the outputs of its quantized layers on a few samples; the file is run with all tensors kept.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    groups, facts = read_arrays(reference)
    if "layers" not in groups:
        return None
    count = len(groups["layers"][0])
    model = Model(path)
    interpreter = Interpreter(
        model_path=str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    raise NotImplementedError((facts, count, model, interpreter, contract, dequantize))


def thin(values: Array) -> Array:
    """Returns at most 4,096 evenly spaced values of each sample, ``(samples, values)``: enough to compare."""
    flat = values.reshape(len(values), -1)
    step = -(-flat.shape[1] // _MOST_VALUES)
    return np.ascontiguousarray(flat[:, ::step])


def _run(path: Path, contract: Contract, columns: Sequence[Array], output: str) -> Array:
    """Returns one output of a ``.tflite`` file for all samples.

    Args:
        columns: One array ``(samples, ...)`` for each input, in the order of the trained model.
    """
    model = Model(path)
    position = {spec.name: index for index, spec in enumerate(contract.inputs)}
    order = [position.get(spec.name, index) for index, spec in enumerate(model.inputs)]
    outputs = [spec.name for spec in model.outputs]
    index = outputs.index(output) if output in outputs else 0
    batch, count, results = max(1, model.batch), len(columns[0]), []
    for start in range(0, count, batch):
        rows = [(start + i) % count for i in range(batch)]  # the last batch wraps around
        results.append(np.array(model.run([columns[i][rows] for i in order])[index]))
    return np.concatenate(results)[:count]
