"""See `narrowed`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.ranges import Range, computed_tensors, range_of
from tflitekit.engines.samples import runs

__all__ = ["Rule", "narrowed"]

Array = NDArray[Any]
Rule = Literal["percentile", "mse"]

_BINS = 2048
_OUTSIDE = 1e-4
"""Share of the values beyond each end with 'percentile'."""
_FACTORS = np.linspace(1.0, 0.2, 81)


def narrowed(
    content: bytes, samples: Iterable[Mapping[str, Array]], ranges: Mapping[str, Range], rule: Rule, bits: int
) -> dict[str, Range]:
    """Returns ranges that leave out rare extremes, so that the other values get finer steps.

    Args:
        ranges: From the smallest to the largest value of each tensor.
        rule: 'percentile' leaves out one in 10,000 values at each end; 'mse' takes the range with the smallest mean squared error of
            rounding and cutting off together.
        bits: Of the activations.
    """
    counts = _histograms(content, samples, ranges)
    found = dict(ranges)
    for name, histogram in counts.items():
        low, high = (float(ranges[name][end][0]) for end in ("min", "max"))
        edges = np.linspace(low, high, _BINS + 1)
        narrow = _by_percentile(histogram, edges) if rule == "percentile" else _by_error(histogram, edges, bits)
        found[name] = range_of(*narrow)
    return found


def _histograms(
    content: bytes, samples: Iterable[Mapping[str, Array]], ranges: Mapping[str, Range]
) -> dict[str, Array]:
    counts: dict[str, Array] = {}
    places = [(name, place) for name, place in computed_tensors(content) if name in ranges]
    for model in runs(content, samples):
        for name, place in places:
            low, high = (float(ranges[name][end][0]) for end in ("min", "max"))
            if not low < high:
                continue
            try:
                values = model.tensor(place.tensor, place.graph)
            except ValueError:  # no data, because nothing reads it
                continue
            found, _ = np.histogram(values[np.isfinite(values)], _BINS, (low, high))
            counts[name] = counts.get(name, 0) + found
    return counts


def _by_percentile(histogram: Array, edges: Array) -> tuple[float, float]:
    share = histogram.cumsum() / max(1, histogram.sum())
    first = int(np.searchsorted(share, _OUTSIDE))
    last = int(np.searchsorted(share, 1 - _OUTSIDE))
    return float(edges[first]), float(edges[min(last, _BINS - 1) + 1])


def _by_error(histogram: Array, edges: Array, bits: int) -> tuple[float, float]:
    """Tries both ends, nearer to zero by one factor after the other; the end at zero stays."""
    centers = (edges[:-1] + edges[1:]) / 2
    total = max(1, histogram.sum())
    best, least = (float(edges[0]), float(edges[-1])), np.inf
    for low_factor in _FACTORS if edges[0] < 0 else _FACTORS[:1]:
        for high_factor in _FACTORS if edges[-1] > 0 else _FACTORS[:1]:
            if edges[0] < 0 < edges[-1] and low_factor != high_factor and 1.0 not in (low_factor, high_factor):
                continue
            low, high = edges[0] * low_factor, edges[-1] * high_factor
            step = (max(high, 0.0) - min(low, 0.0)) / (2**bits - 1)
            beyond = np.maximum(centers - high, 0) + np.maximum(low - centers, 0)
            error = float((histogram * np.where(beyond > 0, beyond**2, step**2 / 12)).sum() / total)
            if error < least:
                best, least = (float(low), float(high)), error
    return best
