"""Plots of latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.render.plots import REFERENCE, ROW, Look, Spec, Values, base, by_variant, labels, quantity, tips

__all__ = ["latency_distribution", "latency_ratio", "operator_times", "sustained_load", "thread_scaling"]

_GOLDEN = 0.618034
"""Its multiples modulo 1 are a low-discrepancy sequence: heights that are even, and the same each time."""


def latency_distribution(
    samples_ms: Mapping[str, NDArray[np.float64]],
    medians: Sequence[Mapping[str, Any]],
    looks: Mapping[str, Look],
    *,
    title: str,
    about: str,
    relative: bool,
    most: int,
) -> Spec:
    """Samples as a cloud per variant, with the median and its interval above them.

    Args:
        samples_ms: By variant; the slowest hundredth is not drawn.
        medians: ``variant``, ``median``, ``low`` and ``high`` (or None), in the unit of the samples.
        relative: Whether samples and medians are shares of each variant's own median.
        most: Samples of each variant that are drawn.
    """
    cloud = _cloud(samples_ms, most)
    names = list(samples_ms)
    every = [entry["x"] for entry in cloud] + [entry["median"] for entry in medians]
    y = {"field": "variant", "type": "nominal", "sort": None, "axis": {"title": None}, "scale": {"domain": names}}

    def x(field: str) -> Spec:
        return quantity(field, title, every, wide=not relative)

    known = [entry for entry in medians if entry["low"] is not None]
    interval = {
        "data": {"values": known},
        "mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 4, "aria": False},
        "encoding": {"x": x("low"), "x2": {"field": "high"}},
    }
    return {
        **base(about, [], height=ROW * len(names)),
        "encoding": {"y": y},
        "layer": [
            {
                "data": {"values": cloud},
                "transform": [
                    {"window": [{"op": "row_number", "as": "number"}], "groupby": ["variant"]},
                    {"calculate": f"(datum.number * {_GOLDEN}) % 1", "as": "height"},
                ],
                "mark": {"type": "circle", "size": 14, "opacity": 0.4, "aria": False},
                "encoding": {
                    "x": x("x"),
                    "yOffset": {"field": "height", "type": "quantitative", "scale": {"domain": [-0.6, 1.3]}},
                    **by_variant("fill", looks, names),
                },
            },
            *([interval] if known else []),
            {
                "data": {"values": list(medians)},
                "mark": {"type": "tick", "thickness": 2, "size": 30, "fill": "var(--ink)", "yOffset": 4},
                "encoding": {"x": x("median"), "tooltip": {"field": "tooltip"}},
            },
            *labels(list(medians), x("median"), "median", every, offset=-19, wide=not relative),
        ],
    }


def _cloud(samples_ms: Mapping[str, NDArray[np.float64]], most: int) -> Values:
    cloud: Values = []
    for name, samples in samples_ms.items():
        kept = _thinned(np.sort(samples)[: max(1, int(np.ceil(samples.size * 0.99)))], most)
        cloud += [{"variant": name, "x": _short(x)} for x in kept]
    return cloud


def latency_ratio(values: Values, *, title: str, about: str) -> Spec:
    """Time relative to the baseline's with its interval; the line at 1 is the baseline.

    Args:
        values: ``variant``, ``ratio``, ``low``, ``high``, ``verdict``, ``label``, ``tooltip``.
    """
    bounds = [entry[name] for entry in values for name in ("low", "high")] + [1.0]
    names = [entry["variant"] for entry in values]
    verdicts = {"faster": "var(--good)", "slower": "var(--bad)", "tie": "var(--muted)"}
    color = {"scale": {"domain": list(verdicts), "range": list(verdicts.values())}, "legend": None}
    y = {"field": "variant", "type": "nominal", "sort": None, "axis": {"title": None}, "scale": {"domain": names}}
    one = {"x": {"datum": 1}, "y": {"value": 0}, "y2": {"value": "height"}}
    return {
        **base(about, values, height=ROW * len(names)),
        "encoding": {"y": y},
        "layer": [
            {"data": {"values": [{}]}, "mark": REFERENCE, "encoding": one},
            {
                "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.6, "aria": False},
                "encoding": {
                    "x": quantity("low", title, bounds),
                    "x2": {"field": "high"},
                    "stroke": {"field": "verdict"} | color,
                },
            },
            {
                "mark": {"type": "circle", "size": 90, "opacity": 1},
                "encoding": {
                    "x": quantity("ratio", title, bounds),
                    "fill": {"field": "verdict"} | color,
                    "tooltip": {"field": "tooltip"},
                },
            },
            *labels(values, quantity("ratio", title, bounds), "ratio", bounds, offset=-13),
        ],
    }


def thread_scaling(values: Values, looks: Mapping[str, Look], *, about: str) -> Spec:
    """How many times faster with more threads (``variant``, ``threads``, ``speedup``, ``tooltip``)."""
    return _lines(
        values,
        looks,
        x={"field": "threads", "type": "ordinal", "axis": {"title": "Threads", "labelAngle": 0}},
        y={
            "field": "speedup",
            "type": "quantitative",
            "axis": {"title": "Times as fast as with the fewest threads", "tickCount": 6},
        },
        about=about,
        points=True,
    )


def sustained_load(values: Values, looks: Mapping[str, Look], *, about: str) -> Spec:
    """Latency over minutes of load, relative to each variant's start (``variant``, ``minute``, ``change``)."""
    return _lines(
        values,
        looks,
        x={"field": "minute", "type": "quantitative", "axis": {"title": "Minutes of load", "tickCount": 6}},
        y={
            "field": "change",
            "type": "quantitative",
            "scale": {"zero": False},
            "axis": {"title": "Median, relative to the start", "tickCount": 6},
        },
        about=about,
        points=False,
    )


def operator_times(values: Values, *, about: str) -> Spec:
    """Time by operator (``operator``, ``time_us``, ``time``, ``share``), in the order given; names stand above bars."""
    y: Spec = {"field": "operator", "type": "nominal", "sort": None, "axis": None}
    y["scale"] = {"domain": [entry["operator"] for entry in values], "paddingInner": 0, "paddingOuter": 0}
    longest = max(entry["time_us"] for entry in values)
    x: Spec = {"field": "time_us", "type": "quantitative", "scale": {"domain": [0, longest * 1.12]}}
    x["axis"] = {"title": "Microseconds per inference", "tickCount": 5}
    return {
        **base(about, values, height=38 * len(values)),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "bar", "fill": "var(--accent)", "cornerRadiusEnd": 3, "height": 10, "yOffset": 9},
                "encoding": {"tooltip": tips({"operator": "Operator", "time": "Time", "share": "Share"})},
            },
            {
                "mark": {
                    "type": "text",
                    "align": "left",
                    "dx": 6,
                    "dy": 9,
                    "fontSize": 11,
                    "fill": "var(--muted)",
                    "aria": False,
                },
                "encoding": {"text": {"field": "share"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dy": -6, "limit": {"expr": "width"}, "aria": False},
                "encoding": {"x": {"value": 0}, "text": {"field": "operator"}},
            },
        ],
    }


def _lines(values: Values, looks: Mapping[str, Look], *, x: Spec, y: Spec, about: str, points: bool) -> Spec:
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    dots = {
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
        "encoding": {"tooltip": {"field": "tooltip"}}
        | by_variant("fill", looks, names)
        | by_variant("shape", looks, names),
    }
    line = {
        "mark": {"type": "line", "aria": False, "tooltip": False},
        "encoding": by_variant("stroke", looks, names),
    }
    one = {"y": {"datum": 1}, "x": {"value": 0}, "x2": {"value": "width"}}
    rule = {"data": {"values": [{}]}, "mark": REFERENCE, "encoding": one}
    return {
        **base(about, values, height=280),
        "encoding": {"x": x, "y": y},
        "layer": [rule, line, *([dots] if points else [])],
    }


def _thinned(ordered: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Returns at most ``count`` order statistics: the same distribution with fewer points."""
    if ordered.size <= count:
        return ordered
    places = np.linspace(0, ordered.size - 1, count).round().astype(np.intp)
    return np.take(ordered, places)


def _short(value: float) -> float:
    """Returns five significant digits: a third of the bytes, and more than an eye can see."""
    return float(f"{value:.5g}")
