"""Vega-Lite specifications, one function per plot: plain dicts, values inline, colors as CSS variables of the page.

Colors are CSS variables so that light, dark and paper need no second drawing. Names from files stand in values only, never
in expressions or field names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONFIG",
    "SHAPES",
    "Look",
    "Point",
    "class_recall",
    "confusion",
    "confusion_change",
    "latency_distribution",
    "latency_ratio",
    "operator_times",
    "reliability",
    "sustained_load",
    "thread_scaling",
    "tradeoff",
]

Spec = dict[str, Any]
Values = list[dict[str, Any]]

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")

_WIDE_RANGE = 8.0
"""Positive values that span more than this factor get a logarithmic axis."""

_ROW = 54
"""Height of a variant's row where variants stand below each other: figures side by side then line up."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CONFIG: Spec = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--edge)",
        "tickColor": "var(--edge)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelPadding": 6,
        "labelLimit": 150,
    },
    "axisY": {"domain": False, "ticks": False},
    "text": {"fill": "var(--ink)", "fontSize": 12},
    "rule": {"strokeWidth": 1.5},
    "line": {"strokeWidth": 2},
}


class Look(NamedTuple):
    """How a variant is drawn everywhere: a CSS color and a symbol."""

    color: str
    shape: str


class Point(NamedTuple):
    """One variant in a plane of a cost (x) and a gain (y), with intervals where they are known."""

    name: str
    x: float
    y: float
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None
    front: bool
    chosen: bool
    tooltip: Mapping[str, str]


def tradeoff(points: Sequence[Point], looks: Mapping[str, Look], *, x_title: str, y_title: str, about: str) -> Spec:
    """Cost against gain: intervals as crosses, the front as a step line, dominated variants hollow, the chosen ringed."""
    ordered = sorted(points, key=lambda point: point.chosen)  # the chosen one is drawn last, above those that it hides
    values: Values = []
    for point in ordered:
        x_low, x_high = point.x_range or (None, None)
        y_low, y_high = point.y_range or (None, None)
        values.append(
            {"variant": point.name, "x": point.x, "y": point.y, "x_low": x_low, "x_high": x_high, "y_low": y_low}
            | {"y_high": y_high, "front": point.front, "tooltip": dict(point.tooltip)}
        )
    names = [point.name for point in ordered]
    costs = [cost for point in points for cost in (point.x, *(point.x_range or ()))]
    x = _quantity("x", x_title, costs)
    y = {"field": "y", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": y_title, "tickCount": 6}}
    stroke = _by_variant("stroke", looks, names)
    fade = {"opacity": {"condition": {"param": "touched", "value": 1, "empty": True}, "value": 0.25}}
    intervals = [
        {
            "mark": {"type": "rule", "aria": False},
            "transform": [{"filter": f"datum.{axis}_low !== null"}],
            "encoding": {axis: {"field": f"{axis}_low", "type": "quantitative"}, f"{axis}2": {"field": f"{axis}_high"}}
            | stroke
            | fade,
        }
        for axis in ("y", "x")
        if any(entry[f"{axis}_low"] is not None for entry in values)
    ]
    chosen = [entry for entry in values if entry["variant"] in {point.name for point in points if point.chosen}]
    right = bool(chosen) and chosen[0]["x"] > _middle(costs)
    label = {"type": "text", "align": "right" if right else "left", "dx": -15 if right else 15, "dy": -13}
    return {
        **_base(about, values, height=330),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "line", "interpolate": "step-after", "stroke": "var(--edge)", "strokeDash": [5, 4]},
                "transform": [{"filter": "datum.front"}],
                "encoding": {"order": {"field": "x", "type": "quantitative"}},
            },
            *intervals,
            {
                "params": [
                    {
                        "name": "touched",
                        "select": {"type": "point", "fields": ["variant"], "on": "pointerover", "clear": "pointerout"},
                    }
                ],
                "mark": {"type": "point", "size": 130, "strokeWidth": 2, "opacity": 1},
                "encoding": {
                    **stroke,
                    **_by_variant("fill", looks, names),
                    **_by_variant("shape", looks, names),
                    "fillOpacity": {"condition": {"test": "datum.front", "value": 1}, "value": 0},
                    "tooltip": {"field": "tooltip"},
                    **fade,
                },
            },
            *(
                {"data": {"values": chosen}, "mark": mark | {"aria": False}, "encoding": encoding}
                for mark, encoding in (
                    ({"type": "point", "size": 520, "stroke": "var(--accent)", "strokeWidth": 2}, {}),
                    (label | {"fontWeight": "bold", "stroke": None}, {"text": {"field": "variant"}}),
                )
                if chosen
            ),
        ],
    }


def latency_distribution(
    samples_ms: Mapping[str, NDArray[np.float64]],
    medians: Sequence[Mapping[str, Any]],
    looks: Mapping[str, Look],
    *,
    title: str,
    about: str,
    relative: bool,
) -> Spec:
    """Samples as a cloud per variant, with the median and its interval above them.

    Args:
        samples_ms: By variant; the slowest hundredth is not drawn.
        medians: ``variant``, ``median``, ``low`` and ``high`` (or None), in the unit of the samples.
        relative: Whether samples and medians are shares of each variant's own median.
    """
    cloud: Values = []
    for name, samples in samples_ms.items():
        kept = _thinned(np.sort(samples)[: max(1, int(np.ceil(samples.size * 0.99)))], 160)
        heights = (np.arange(kept.size) * 0.618034) % 1  # a low-discrepancy sequence: even, and the same each time
        cloud += [
            {"variant": name, "x": _short(x), "height": round(float(y), 3)} for x, y in zip(kept, heights, strict=True)
        ]
    names = list(samples_ms)
    every = [entry["x"] for entry in cloud] + [entry["median"] for entry in medians]
    y = {"field": "variant", "type": "nominal", "sort": None, "axis": {"title": None}, "scale": {"domain": names}}

    def x(field: str) -> Spec:
        return _quantity(field, title, every, wide=not relative)

    known = [entry for entry in medians if entry["low"] is not None]
    interval = {
        "data": {"values": known},
        "mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 4, "aria": False},
        "encoding": {"x": x("low"), "x2": {"field": "high"}},
    }
    return {
        **_base(about, [], height=_ROW * len(names)),
        "encoding": {"y": y},
        "layer": [
            {
                "data": {"values": cloud},
                "mark": {"type": "circle", "size": 14, "opacity": 0.4, "aria": False},
                "encoding": {
                    "x": x("x"),
                    "yOffset": {"field": "height", "type": "quantitative", "scale": {"domain": [-0.6, 1.3]}},
                    **_by_variant("fill", looks, names),
                },
            },
            *([interval] if known else []),
            {
                "data": {"values": list(medians)},
                "mark": {"type": "tick", "thickness": 2, "size": 30, "fill": "var(--ink)", "yOffset": 4},
                "encoding": {"x": x("median"), "tooltip": {"field": "tooltip"}},
            },
            *_labels(list(medians), x("median"), "median", every, offset=-19, wide=not relative),
        ],
    }


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
        **_base(about, values, height=_ROW * len(names)),
        "encoding": {"y": y},
        "layer": [
            {"data": {"values": [{}]}, "mark": _REFERENCE, "encoding": one},
            {
                "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.6, "aria": False},
                "encoding": {"x": _quantity("low", title, bounds), "x2": {"field": "high"}, "stroke": {"field": "verdict"} | color},
            },
            {
                "mark": {"type": "circle", "size": 90, "opacity": 1},
                "encoding": {
                    "x": _quantity("ratio", title, bounds),
                    "fill": {"field": "verdict"} | color,
                    "tooltip": {"field": "tooltip"},
                },
            },
            *_labels(values, _quantity("ratio", title, bounds), "ratio", bounds, offset=-13),
        ],
    }


def thread_scaling(values: Values, looks: Mapping[str, Look], *, about: str) -> Spec:
    """How many times faster with more threads (``variant``, ``threads``, ``speedup``, ``tooltip``)."""
    return _lines(
        values,
        looks,
        x={"field": "threads", "type": "ordinal", "axis": {"title": "Threads", "labelAngle": 0}},
        y={"field": "speedup", "type": "quantitative", "axis": {"title": "Times as fast as with the fewest threads", "tickCount": 6}},
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
    """Time by operator (``operator``, ``time_us``, ``share``, ``tooltip``), in the order given; names stand above bars."""
    y = {"field": "operator", "type": "nominal", "sort": None, "axis": None}
    y["scale"] = {"domain": [entry["operator"] for entry in values], "paddingInner": 0, "paddingOuter": 0}
    longest = max(entry["time_us"] for entry in values)
    x = {"field": "time_us", "type": "quantitative", "scale": {"domain": [0, longest * 1.12]}}
    x["axis"] = {"title": "Microseconds per inference", "tickCount": 5}
    return {
        **_base(about, values, height=38 * len(values)),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "bar", "fill": "var(--accent)", "cornerRadiusEnd": 3, "height": 10, "yOffset": 9},
                "encoding": {"tooltip": {"field": "tooltip"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "dy": 9, "fontSize": 11, "fill": "var(--muted)", "aria": False},
                "encoding": {"text": {"field": "share"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dy": -6, "limit": {"expr": "width"}, "aria": False},
                "encoding": {"x": {"value": 0}, "text": {"field": "operator"}},
            },
        ],
    }


def class_recall(values: Values, classes: Sequence[str], looks: Mapping[str, Look], *, about: str) -> Spec:
    """Recall by class of two variants, one below the other (``label``, ``variant``, ``value``, ``low``, ``high``)."""
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    axis = {"title": "Recall, %", "tickCount": 6}
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": axis}
    return {
        **_base(about, values, height=34 * len(classes)),
        "usermeta": {"variants": names},
        "encoding": {
            "y": {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None, "grid": True, "tickBand": "extent"}}
            | {"scale": {"domain": list(classes), "padding": 0}},
            "yOffset": {"field": "variant", "sort": None, "scale": {"domain": names, "padding": 0.5}},
        },
        "layer": [
            {
                "mark": {"type": "rule", "aria": False, "strokeWidth": 2, "opacity": 0.55},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}} | _by_variant("stroke", looks, names),
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {"x": x | {"field": "value"}, "tooltip": {"field": "tooltip"}}
                | _by_variant("fill", looks, names)
                | _by_variant("shape", looks, names),
            },
        ],
    }


def confusion(cells: Values, classes: Sequence[str], *, about: str) -> Spec:
    """Share of each true class (``label``) by answer (``answer``, ``share``, ``count``, ``tooltip``)."""
    fill = {"value": "var(--accent)"}
    dark = {"condition": {"test": "datum.share > 0.6", "value": "var(--on-accent)"}, "value": "var(--ink)"}
    return _matrix(cells, classes, fill=fill, strength="share", most=1.0, text=dark, about=about)


def confusion_change(cells: Values, classes: Sequence[str], *, about: str) -> Spec:
    """Change of the counts (``change``); red is worse: fewer right answers, or more wrong ones (``worse``)."""
    fill = {"condition": {"test": "datum.worse", "value": "var(--bad)"}, "value": "var(--good)"}
    most = max((abs(cell["change"]) for cell in cells), default=1) or 1
    text = {"value": "var(--ink)"}
    return _matrix(cells, classes, fill=fill, strength="size", most=most * 1.6, text=text, about=about)


def reliability(values: Values, looks: Mapping[str, Look], *, about: str) -> Spec:
    """Share that is right against the score, by variant (``variant``, ``confidence``, ``accuracy``, ``n``)."""
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    percent = {"type": "quantitative", "scale": {"domain": [0, 100]}}
    ideal = [{"confidence": 0, "accuracy": 0}, {"confidence": 100, "accuracy": 100}]
    return {
        **_base(about, values, height=320),
        "usermeta": {"variants": names},
        "encoding": {
            "x": percent | {"field": "confidence", "axis": {"title": "Mean score of the answers, %", "tickCount": 5}},
            "y": percent | {"field": "accuracy", "axis": {"title": "Share that is right, %", "tickCount": 5}},
        },
        "layer": [
            {
                "data": {"values": ideal},
                "mark": {"type": "line", "stroke": "var(--edge)", "strokeDash": [5, 4], "strokeWidth": 1.5, "aria": False},
            },
            {"mark": {"type": "line", "aria": False}, "encoding": _by_variant("stroke", looks, names)},
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {
                    "size": {"field": "n", "type": "quantitative", "scale": {"range": [20, 260]}, "legend": None},
                    "tooltip": {"field": "tooltip"},
                }
                | _by_variant("fill", looks, names)
                | _by_variant("shape", looks, names),
            },
        ],
    }


_REFERENCE = {"type": "rule", "stroke": "var(--edge)", "strokeDash": [5, 4], "aria": False}
"""A line to compare with."""


def _base(about: str, values: Values, *, height: int) -> Spec:
    return {"description": about, "width": "container", "height": height, "data": {"values": values}}


def _lines(values: Values, looks: Mapping[str, Look], *, x: Spec, y: Spec, about: str, points: bool) -> Spec:
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    dots = {
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
        "encoding": {"tooltip": {"field": "tooltip"}}
        | _by_variant("fill", looks, names)
        | _by_variant("shape", looks, names),
    }
    line = {
        "mark": {"type": "line", "aria": False, "tooltip": False},
        "encoding": _by_variant("stroke", looks, names),
    }
    one = {"y": {"datum": 1}, "x": {"value": 0}, "x2": {"value": "width"}}
    rule = {"data": {"values": [{}]}, "mark": _REFERENCE, "encoding": one}
    return {
        **_base(about, values, height=280),
        "encoding": {"x": x, "y": y},
        "layer": [rule, line, *([dots] if points else [])],
    }


def _matrix(
    cells: Values, classes: Sequence[str], *, fill: Spec, strength: str, most: float, text: Spec, about: str
) -> Spec:
    names = {"type": "nominal", "sort": None, "scale": {"domain": list(classes), "paddingInner": 0.06}}
    few = len(classes) <= 12
    axis = {"grid": False, "domain": False, "ticks": False, "labelLimit": 90, "labelFontSize": 11}
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "cornerRadius": 3},
            "encoding": {
                "fill": fill,
                "fillOpacity": {
                    "field": strength,
                    "type": "quantitative",
                    "scale": {"domain": [0, most], "range": [0.05, 1]},
                    "legend": None,
                },
                "tooltip": {"field": "tooltip"},
            },
        }
    ]
    if few:
        layers.append(
            {
                "mark": {"type": "text", "fontSize": 11, "aria": False},
                "encoding": {"text": {"field": "text"}, "fill": text},
            }
        )
    return {
        **_base(about, cells, height=(30 if few else 18) * len(classes)),
        "encoding": {
            "x": names | {"field": "answer", "axis": axis | {"title": "Answer", "labelAngle": -45}},
            "y": names | {"field": "label", "axis": axis | {"title": "True class"}},
        },
        "layer": layers,
    }


def _by_variant(channel: str, looks: Mapping[str, Look], names: Sequence[str]) -> Spec:
    values = [looks[name].shape if channel == "shape" else looks[name].color for name in names]
    scale = {"domain": list(names), "range": values}
    return {channel: {"field": "variant", "type": "nominal", "scale": scale, "legend": None}}


def _quantity(field: str, title: str, values: Sequence[float], *, wide: bool = True) -> Spec:
    """Returns a horizontal position; values that span more than `_WIDE_RANGE` get a logarithmic axis with ticks 1, 2, 5."""
    encoding: Spec = {"field": field, "type": "quantitative", "axis": {"title": title, "tickCount": 6}}
    if wide and _is_wide(values):
        encoding["scale"] = {"type": "log", "nice": False, "padding": 24}
        encoding["axis"] |= {"values": _log_ticks(min(values), max(values)), "format": "~g"}
    else:
        encoding["scale"] = {"zero": False, "nice": True, "padding": 24}
    return encoding


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > _WIDE_RANGE * min(values)


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 3) if high > 100 * low else (1, 2, 5)
    return [tick for decade in decades for step in steps if low <= (tick := float(f"{step}e{decade}")) <= high]


def _middle(values: Sequence[float], *, wide: bool = True) -> float:
    """Returns the value in the middle of the axis that `_quantity` gives them."""
    low, high = min(values), max(values)
    return float(np.sqrt(low * high)) if wide and _is_wide(values) else (low + high) / 2


def _labels(
    entries: Sequence[Mapping[str, Any]],
    x: Spec,
    field: str,
    values: Sequence[float],
    *,
    offset: int,
    wide: bool = True,
) -> list[Spec]:
    """Returns layers that write each entry's ``label`` above its place, towards the middle so that none is cut off."""
    middle = _middle(values, wide=wide)
    layers = []
    for align, dx, group in (
        ("left", -3, [entry for entry in entries if entry[field] <= middle]),
        ("right", 3, [entry for entry in entries if entry[field] > middle]),
    ):
        mark = {"type": "text", "align": align, "dx": dx, "dy": offset, "fontSize": 11, "fill": "var(--muted)", "aria": False}
        if group:
            layers.append({"data": {"values": group}, "mark": mark, "encoding": {"x": x, "text": {"field": "label"}}})
    return layers


def _thinned(ordered: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Returns at most ``count`` order statistics: the same distribution with fewer points."""
    if ordered.size <= count:
        return ordered
    return ordered[np.linspace(0, ordered.size - 1, count).round().astype(int)]


def _short(value: float) -> float:
    """Returns five significant digits: a third of the bytes, and more than an eye can see."""
    return float(f"{value:.5g}")
