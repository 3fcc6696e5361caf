"""Where the time of a file goes, by operator and layer, with the runtime's own profiler (runs in a worker)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.results import OpTime, Profile
from tflitekit.targets.layers import layers_of
from tflitekit.targets.litert_profiler import Event, ProfiledModel
from tflitekit.targets.session import full_shapes, random_inputs
from tflitekit.targets.worker.timing import time_runs
from tflitekit.tflite.graph import Operator, read_graph
from tflitekit.tflite.runtime import Model

__all__ = ["align", "profile"]

_LEAST_RUNS, _MOST_RUNS = 20, 1000
_ABOUT_US = 400_000
_AT_ONCE = 100
_TRIM = 0.1

_METHOD = (
    "LiteRT's own profiler; for each operator the mean without the slowest and fastest tenth. XNNPACK reports whole "
    "microseconds, rounded down, without gaps between its operators: what that cut off is the difference to a whole "
    "inference, and is shared out equally among them, at most 1 us each."
)

# XNNPACK's words for what the file calls otherwise; the rest agrees word by word.
_WORDS = {
    "convolution": "CONV_2D DEPTHWISE_CONV_2D",
    "deconvolution": "TRANSPOSE_CONV",
    "multiply": "MUL",
    "subtract": "SUB",
    "divide": "DIV",
    "negate": "NEG",
    "sigmoid": "LOGISTIC",
    "fully connected": "FULLY_CONNECTED CONV_2D",
    "convert": "QUANTIZE DEQUANTIZE CAST",
    "clamp": "RELU RELU6 RELU_N1_TO_1",
    "copy": "RESHAPE SQUEEZE EXPAND_DIMS",
    "static reshape": "RESHAPE SQUEEZE EXPAND_DIMS",
    "reduce": "MEAN SUM REDUCE_MAX REDUCE_MIN",
    "mean": "MEAN",
    "global average pooling": "MEAN AVERAGE_POOL_2D",
    "average pooling": "AVERAGE_POOL_2D",
    "max pooling": "MAX_POOL_2D",
    "constant pad": "PAD PADV2",
    "resize bilinear": "RESIZE_BILINEAR",
    "static resize bilinear": "RESIZE_BILINEAR",
    "concatenate": "CONCATENATION",
    "batch matrix multiply": "BATCH_MATMUL",
    "hardswish": "HARD_SWISH",
    "square root": "SQRT",
    "reciprocal square root": "RSQRT",
}


def profile(*, path: str, threads: int, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Profiles one file.

    Args:
        shapes: As of `Target.open`.

    Returns:
        A `Profile` as JSON.

    Raises:
        ModelError: The runtime refuses the file or gives no access to its profiler.
    """
    graph = read_graph(path)
    model = Model(path, threads=threads, graph=graph)
    model.set_inputs(random_inputs(model, shapes))
    for _ in range(3):
        model.invoke()
    least = float(time_runs(model.invoke, 3, 0)[:-1].min()) / 1e3
    runs = int(np.clip(_ABOUT_US / max(least, 1), _LEAST_RUNS, _MOST_RUNS))
    profiled = ProfiledModel(
        Path(path), threads=threads, shapes=full_shapes(model, shapes) if graph.open_inputs else None
    )
    for _ in range(3):
        profiled.run()
    whole, inferences = [], []
    for start in range(0, runs, _AT_ONCE):  # alternating, so that both see the same machine
        count = min(_AT_ONCE, runs - start)
        whole.append(time_runs(model.invoke, count, 0)[:-1] / 1e3)
        inferences += profiled.profile(count)
    whole_us = float(np.median(np.concatenate(whole)))
    events, times = _means(inferences)
    rounding = _share_rounding(events, times, whole_us)
    names = layers_of(Path(path), graph)
    spent = np.zeros(len(graph.operators))
    for position, time_us in zip(align(events, graph.operators), times, strict=True):
        spent[position] += time_us
    total = float(spent.sum())
    return Profile(
        method=_METHOD,
        runs=len(inferences),
        rounding_us=rounding,
        whole_us=whole_us,
        sum_us=total,
        ops=tuple(
            OpTime(index=i, op=operator.name, layer=layer, time_us=float(us), share=float(us) / total if total else 0.0)
            for i, (operator, layer, us) in enumerate(zip(graph.operators, names, spent, strict=True))
        ),
    ).model_dump(mode="json")


def _means(inferences: Sequence[Sequence[Event]]) -> tuple[list[Event], NDArray[np.float64]]:
    """Returns the operators of one inference and their trimmed mean times, over the inferences that look alike."""
    from scipy.stats import trim_mean

    shapes = [tuple((event.tag, event.node) for event in events) for events in inferences]
    usual = max(dict.fromkeys(shapes), key=shapes.count)
    alike = [events for events, shape in zip(inferences, shapes, strict=True) if shape == usual]
    table = np.asarray([[event.microseconds for event in events] for events in alike], np.float64)
    return list(alike[0]), np.asarray(trim_mean(table, _TRIM, axis=0))


def _share_rounding(events: Sequence[Event], times: NDArray[np.float64], whole_us: float) -> float:
    """Adds to the delegate's operators what rounding down cut off; returns how much in all, in microseconds."""
    delegated = np.asarray([event.node is None for event in events])
    lost = whole_us - float(times.sum())
    if not delegated.any() or lost <= 0:
        return 0.0
    each = min(1.0, lost / int(delegated.sum()))
    times[delegated] += each
    return each * int(delegated.sum())


def align(events: Sequence[Event], operators: Sequence[Operator]) -> list[int]:
    """Finds the file's operator for each event of an inference, both in order.

    The alignment of two sequences with the most matches (S. B. Needleman and C. D. Wunsch, J. Mol. Biol. 48, 1970).
    What a delegate put in by itself goes to a neighbour: a conversion to the operator that follows, the rest (a fused
    activation) to the one before.
    """
    fits = np.asarray([[_fits(event, op, i) for i, op in enumerate(operators)] for event in events], np.float64)
    rows, columns = fits.shape
    best = np.zeros((rows + 1, columns + 1))
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            fit = fits[row - 1, column - 1]
            together = best[row - 1, column - 1] + fit if fit else -1.0
            best[row, column] = max(together, best[row - 1, column], best[row, column - 1])
    found: list[int | None] = [None] * rows
    row, column = rows, columns
    while row and column:
        if best[row, column] == best[row - 1, column]:
            row -= 1
        elif best[row, column] == best[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            found[row] = column
    return _to_neighbours(events, found)


def _to_neighbours(events: Sequence[Event], found: Sequence[int | None]) -> list[int]:
    placed: list[int] = []
    for index, (event, position) in enumerate(zip(events, found, strict=True)):
        following = next((p for p in found[index:] if p is not None), None)
        before = placed[-1] if placed else None
        if position is not None:
            placed.append(position)
        elif event.tag.lower().startswith("convert") and following is not None:
            placed.append(following)
        else:
            placed.append(before if before is not None else following or 0)
    return placed


def _fits(event: Event, operator: Operator, position: int) -> float:
    if event.node is not None:  # a kernel says which operator it is
        return 100.0 if event.node == position else 0.0
    words = re.sub(r"\(.*", "", event.tag).strip().lower()
    names = _WORDS.get(words, words.replace(" ", "_").upper()).split()
    if operator.name not in names:
        return 0.0
    if operator.name == "CONV_2D" and words == "fully connected":  # a convolution of one pixel
        return 0.7
    if "convolution" in words:  # both kinds have one word; 'DWConv' tells the depthwise one
        depthwise = "dwconv" in event.tag.lower()
        return 1.0 if depthwise == (operator.name == "DEPTHWISE_CONV_2D") else 0.5
    return 1.0
