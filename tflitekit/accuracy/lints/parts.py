"""What a variant keeps of every part of every output: a part that breaks hides in the average of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Pairs
from tflitekit.core.tensor import TensorSpec
from tflitekit.results import ColumnFidelity, Finding, OutputFidelity, PartLoss
from tflitekit.schemes import Request
from tflitekit.schemes.advice import more_accurate
from tflitekit.tflite.graph import Graph

__all__ = ["lint_parts", "outputs_beside"]

Cause = Literal["not-finite", "constant", "coarse", "saturated", "apart"]

# Fewer values may agree or disagree by chance.
_ENOUGH = 20
# Of the baseline's variance healthy files explain nearly all: float16 and dynamic range above 0.999, int8 of small and of large
# networks 0.97 to 0.999 in the median and rarely less than 0.9 in the worst column. Steps as wide as three standard deviations
# leave a quarter. Below 0.8 something is wrong, and a file with less than half is no stand-in for the other.
_DAMAGED = 0.8
_BROKEN = 0.5
# Shares of equal values, for outputs that number something (argmax): a healthy int8 file answers 90 % and more as the float
# file does, also where many answers of both are wrong.
_DIFFERENT = 0.7
# The variance of a column has to rest on so many values, or one sample that flips looks like a broken column: n * variance /
# range^2 is k where k of n values stand out. Sixty values of a normal distribution have about 3.
_CARRIED = 2.5
# What varies by less than this share of a column's own largest value is nothing to lose.
_NEGLIGIBLE = 1 / 5000
# So is what varies by less than the rounding of float32 in the largest value of the output. It may well be little beside that:
# a rate from 0 to 1 is one beside an income.
_NOISE = 1e-6
# Among values from 0 to 1 that includes the classes of a softmax which are never likely: they vary by a few hundredths.
_NEGLIGIBLE_SHARE = 0.1
# Of many columns some rest on few samples; where so small a share of them is off, the others speak for the file. Chance explains
# less where the cause is how values are stored, or where little is left of a column that many samples carry.
_FEW = 0.05
_FEW_CERTAIN = 0.01
_CERTAIN = 10.0
# Outputs in the order of a score: two that are nearly equal change places, and all values beside them with them.
_SORTING = ("TOPK_V2", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "TFLite_Detection_PostProcess", "UNIQUE")
_LISTED = 16
_MIXED = 50
"""Columns whose ranges differ by this factor cannot share the 256 steps of one scale."""


class _Column(NamedTuple):
    """What is wrong with one column, and how much of it is left."""

    number: int
    cause: Cause
    left: float
    certain: bool


def outputs_beside(
    graph: Graph, scored: Collection[int] | None, sums: Mapping[int, Pairs], *, other_weights: bool
) -> tuple[OutputFidelity, ...]:
    """Judges every output of a variant by its sums beside the baseline.

    Args:
        graph: The variant's.
        scored: The outputs that the metric looks at; None where it looks at all.
        other_weights: Whether its weights are not the baseline's, because it was trained further or is another model. What is
            scored may then differ, for the better too: only what quantizing does to it (constant, coarse, cut off) counts,
            and the metric says the rest.
    """
    sorting = any(op.name in _SORTING for op in graph.operators)
    found = []
    for index, pairs in sorted(sums.items()):
        looked_at = scored is None or index in scored
        apart = not sorting and not (other_weights and looked_at)
        found.append(_output(graph, index, pairs, scored=looked_at, apart=apart))
    return tuple(found)


def lint_parts(found: Sequence[OutputFidelity], request: Request | None = None) -> list[Finding]:
    """Returns what is damaged, as warnings; ``request`` is what the variant was made with."""
    return [
        Finding(
            kind="broken-part" if loss.broken else "damaged-part",
            message=f"{loss.text[0].upper()}{loss.text[1:]}.",
            advice=_advice(loss, request),
        )
        for output in found
        for loss in output.losses
    ]


def _advice(loss: PartLoss, request: Request | None) -> str:
    if loss.cause == "not-finite":
        return "Look for overflow in float16, or for data that the model was not built for."
    if "mixes ranges" in loss.text:
        return (
            "One scale serves the whole output: make these parts separate outputs of the model, or scale them to one "
            "range, or take a scheme with float activations (dynamic_range, float16)."
        )
    return more_accurate(request)


def _output(graph: Graph, index: int, pairs: Pairs, *, scored: bool, apart: bool) -> OutputFidelity:
    spec, inner = graph.outputs[index], graph.inner_outputs[index]
    counts = spec.quantization is None and not spec.dtype.startswith("float")
    worth = _worth(pairs, counts)
    if counts:
        left, half, limits = pairs.same, pairs.same_half, (_DIFFERENT, _BROKEN)
    else:
        left, half, limits = pairs.explained, pairs.explained_half, (_DAMAGED, _BROKEN)
    judged, low, high = left[worth], (left - half)[worth], np.minimum(1, left + half)[worth]
    carried = _carried(pairs)
    columns = [
        _Column(
            number,
            cause,
            float(left[number]) if np.isfinite(left[number]) else -np.inf,
            certain=cause != "apart" or bool(left[number] < limits[1] and carried[number] >= _CERTAIN),
        )
        for number in range(left.size)
        if (cause := _cause(pairs, number, inner, left[number], limits[0] if worth[number] else None, apart=apart))
    ]
    losses = []
    for cause in ("not-finite", "constant", "saturated", "coarse", "apart"):
        same = [column for column in columns if column.cause == cause]
        certain = sum(column.certain for column in same)
        many = len(same) > _FEW * len(judged) or certain > _FEW_CERTAIN * len(judged)
        if same and (many or cause == "not-finite"):
            losses.append(_loss(spec, inner, pairs, same, scored=scored, counts=counts, bound=limits[1]))
    losses.sort(key=lambda loss: (not loss.broken, -loss.count))
    return OutputFidelity(
        output=spec.name,
        scored=scored,
        values=int(pairs.values.max(initial=0)),
        columns=left.size,
        compared=int(np.count_nonzero(worth)),
        explained=_rounded(float(np.median(judged))) if judged.size else None,
        lowest=_rounded(float(judged.min())) if judged.size else None,
        mean=_rounded(float(np.clip(judged, 0, 1).mean())) if judged.size else None,
        low=_known(np.clip(low, 0, 1).mean()) if judged.size else None,
        high=_known(np.clip(high, 0, 1).mean()) if judged.size else None,
        worst=tuple(
            ColumnFidelity(
                column=int(np.flatnonzero(worth)[i]),
                explained=_rounded(float(judged[i])),
                low=_known(low[i]),
                high=_known(high[i]),
            )
            for i in sorted(np.argsort(judged, kind="stable")[:_LISTED].tolist())
        ),
        losses=tuple(losses),
    )


def _worth(pairs: Pairs, counts: bool) -> NDArray[np.bool_]:
    """Tells which columns vary enough in the baseline, and by enough values, for a judgement."""
    low, high = pairs.low[0], pairs.high[0]
    spread = np.where(pairs.values > 0, high - low, 0.0)
    enough: NDArray[np.bool_] = (pairs.values >= _ENOUGH) & (spread > 0)
    if counts or not enough.any():
        return enough
    own = np.where(enough, np.maximum(np.abs(low), np.abs(high)), 0.0)
    share = low[enough].min() >= 0 and high[enough].max() <= 1
    floor = own.max() * _NEGLIGIBLE_SHARE if share else np.maximum(own * _NEGLIGIBLE, own.max() * _NOISE)
    worth: NDArray[np.bool_] = enough & (spread >= floor) & (_carried(pairs) >= _CARRIED)
    return worth


def _carried(pairs: Pairs) -> NDArray[np.float64]:
    """Returns for each column by about how many of the baseline's values its variance is carried."""
    spread = np.where(pairs.values > 0, pairs.high[0] - pairs.low[0], 0.0)
    carried: NDArray[np.float64] = np.divide(
        pairs.deviation[0], np.square(spread), out=np.zeros(spread.shape), where=spread > 0
    )
    return carried


def _cause(
    pairs: Pairs, number: int, inner: TensorSpec, left: float, limit: float | None, *, apart: bool
) -> Cause | None:
    """Names what is wrong with a column; nothing where it is well, or (``limit`` is None) where it cannot be told."""
    if pairs.lost[number] > 0:
        return "not-finite"
    if limit is None or not left < limit:
        return None
    low, high = float(pairs.low[1, number]), float(pairs.high[1, number])
    if low == high:
        return "constant"
    stored = _stored(inner)
    if stored is not None:
        least, most, step = stored
        beyond = step + 0.05 * (most - least)
        cut_above = high >= most - step and float(pairs.high[0, number]) > most + beyond
        cut_below = low <= least + step and float(pairs.low[0, number]) < least - beyond
        if cut_above or cut_below:
            return "saturated"
        # Rounding to a step alone has the variance step^2 / 12; half of what is lost is enough to name it.
        if step**2 / 12 > (1 - left) / 2 * float(pairs.deviation[0, number]) / float(pairs.values[number]):
            return "coarse"
    return "apart" if apart else None


def _stored(inner: TensorSpec) -> tuple[float, float, float] | None:
    """Returns the smallest and largest real value of an integer tensor, and its step."""
    if inner.quantization is None or inner.dtype not in ("int8", "uint8", "int16"):
        return None
    scale, zero = inner.quantization.scale[0], inner.quantization.zero_point[0]
    limits = np.iinfo(inner.dtype)
    return scale * (int(limits.min) - zero), scale * (int(limits.max) - zero), scale


def _loss(
    spec: TensorSpec,
    inner: TensorSpec,
    pairs: Pairs,
    columns: Sequence[_Column],
    *,
    scored: bool,
    counts: bool,
    bound: float,
) -> PartLoss:
    numbers = [column.number for column in columns]
    cause, left = columns[0].cause, min(column.left for column in columns)
    which = _ranges(numbers)
    place = f"the output '{spec.name}'" + ("" if scored else ", which is not scored")
    if pairs.values.size > 1:
        every = len(numbers) == pairs.values.size
        plural = "s" if len(numbers) > 1 else ""
        place = f"all {len(numbers)} columns of {place}" if every else f"column{plural} {which} of {place}"
    before = _span(pairs, 0, numbers)
    if cause == "not-finite":
        problem = f"NaN or infinite in {int(pairs.lost[numbers].sum()):,} values that the baseline has"
    elif cause == "constant":
        problem = f"constant ({_span(pairs, 1, numbers)}), where the baseline goes from {before}"
    elif cause == "saturated":
        problem = f"cut off (from {_span(pairs, 1, numbers)}), where the baseline goes from {before}"
    elif cause == "coarse":
        stored = _stored(inner)
        problem = f"in steps of {stored[2] if stored else 0:.3g}, where the baseline goes from {before}"
    elif counts:
        problem = f"the same as the baseline in only {left:.0%} of the values"
    else:
        problem = f"only {max(0.0, left):.0%} of the baseline's variation is left (it goes from {before})"
    largest = float(np.abs(pairs.low[0]).max(initial=0)), float(np.abs(pairs.high[0]).max(initial=0))
    if cause in ("constant", "coarse") and max(largest) > _MIXED * float((pairs.high[0] - pairs.low[0])[numbers].max()):
        problem += f"; the output mixes ranges, up to {max(largest):.4g} in other columns"
    return PartLoss(
        columns=which,
        count=len(numbers),
        cause=cause,
        broken=cause == "not-finite" or left < bound,
        explained=_rounded(left) if np.isfinite(left) else None,
        text=f"{place}: {problem}",
    )


def _span(pairs: Pairs, row: int, numbers: Sequence[int]) -> str:
    low, high = float(pairs.low[row, list(numbers)].min()), float(pairs.high[row, list(numbers)].max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _ranges(numbers: Sequence[int]) -> str:
    """Returns '4 to 6, 9'; the first few of many."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    said = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    return ", ".join(said) if len(said) <= 6 else f"{', '.join(said[:5])} and others, {len(numbers)} in all"


def _known(value: np.floating[Any]) -> float | None:
    return _rounded(float(value)) if np.isfinite(value) else None


def _rounded(value: float) -> float:
    """Rounds to what does not depend on the order in which processes finished."""
    return float(f"{value:.5g}")
