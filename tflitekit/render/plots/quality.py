"""Plots of accuracy and of what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tflitekit.render.plots import Look, Spec, Values, base, by_variant, middle, plain_if_equal, quantity, tips

__all__ = ["Point", "class_figures", "confusion", "confusion_change", "reliability", "tradeoff"]


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
    x = quantity("x", x_title, costs)
    gains = [gain for point in points for gain in (point.y, *(point.y_range or ()))]
    axis = {"title": y_title, "tickCount": 6} | plain_if_equal(gains)
    y = {"field": "y", "type": "quantitative", "scale": {"zero": False}, "axis": axis}
    stroke = by_variant("stroke", looks, names)
    fade: Spec = {"opacity": {"condition": {"param": "touched", "value": 1, "empty": True}, "value": 0.25}}
    chosen = [entry for entry in values if entry["variant"] in {point.name for point in points if point.chosen}]
    right = bool(chosen) and chosen[0]["x"] > middle(costs)
    label = {"type": "text", "align": "right" if right else "left", "dx": -15 if right else 15, "dy": -13}
    return {
        **base(about, values, height=330),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "line", "interpolate": "step-after", "stroke": "var(--edge)", "strokeDash": [5, 4]},
                "transform": [{"filter": "datum.front"}],
                "encoding": {"order": {"field": "x", "type": "quantitative"}},
            },
            *_crosses(values, stroke | fade),
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
                    **by_variant("fill", looks, names),
                    **by_variant("shape", looks, names),
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


def _crosses(values: Values, look: Spec) -> list[Spec]:
    """Returns the intervals of points, along each axis that has some."""
    return [
        {
            "mark": {"type": "rule", "aria": False},
            "transform": [{"filter": f"datum.{axis}_low !== null"}],
            "encoding": {axis: {"field": f"{axis}_low", "type": "quantitative"}, f"{axis}2": {"field": f"{axis}_high"}}
            | look,
        }
        for axis in ("y", "x")
        if any(entry[f"{axis}_low"] is not None for entry in values)
    ]


def class_figures(
    values: Values, classes: Sequence[str], looks: Mapping[str, Look], *, figure: str, counted: str, about: str
) -> Spec:
    """A figure of each class, such as recall, of two variants, one below the other (``label``, ``variant``, ``value``, ``low``, ``high``, ``n``...)."""
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    axis = {"title": f"{figure}, %", "tickCount": 6}
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": axis}
    shown = {"label": "Class", "variant": "Variant", "interval": "95 % interval", "n": counted, "change": "Change"}
    return {
        **base(about, values, height=34 * len(classes)),
        "usermeta": {"variants": names},
        "encoding": {
            "y": {
                "field": "label",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "grid": True, "tickBand": "extent"},
            }
            | {"scale": {"domain": list(classes), "padding": 0}},
            "yOffset": {"field": "variant", "sort": None, "scale": {"domain": names, "padding": 0.5}},
        },
        "layer": [
            {
                "mark": {"type": "rule", "aria": False, "strokeWidth": 2, "opacity": 0.55},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}} | by_variant("stroke", looks, names),
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {"x": x | {"field": "value"}, "tooltip": tips(shown)}
                | by_variant("fill", looks, names)
                | by_variant("shape", looks, names),
            },
        ],
    }


def confusion(cells: Values, classes: Sequence[str], *, about: str) -> Spec:
    """Share of each true class (``label``) by answer (``answer``, ``count``, ``share``)."""
    dark = {"condition": {"test": "datum.share > 0.6", "value": "var(--on-accent)"}, "value": "var(--ink)"}
    return _matrix(
        cells,
        classes,
        derived={"percent": "datum.share * 100"},
        fill={"value": "var(--accent)"},
        strength=("share", 1.0),
        text={"text": {"field": "percent", "type": "quantitative", "format": ".0f"}, "fill": dark},
        tooltip={"count": "Samples", "share": "Share of the class %"},
        about=about,
    )


def confusion_change(cells: Values, classes: Sequence[str], *, about: str) -> Spec:
    """Change of the counts (``before``, ``after``); red is worse: fewer right answers, or more wrong ones."""
    most = max((abs(cell["after"] - cell["before"]) for cell in cells), default=1)
    worse = "(datum.after > datum.before) == (datum.label != datum.answer)"
    return _matrix(
        cells,
        classes,
        derived={"change": "datum.after - datum.before", "size": "abs(datum.after - datum.before)"},
        fill={"condition": {"test": worse, "value": "var(--bad)"}, "value": "var(--good)"},
        strength=("size", most * 1.6),
        text={"text": {"field": "change", "type": "quantitative", "format": "+d"}, "fill": {"value": "var(--ink)"}},
        tooltip={"before": "Before", "after": "After"},
        about=about,
    )


def reliability(values: Values, looks: Mapping[str, Look], *, about: str) -> Spec:
    """Share that is right against the score, by variant (``variant``, ``confidence``, ``accuracy``, ``scores``, ``right``, ``n``)."""
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    percent = {"type": "quantitative", "scale": {"domain": [0, 100]}}
    shown = {"variant": "Variant", "scores": "Scores", "right": "Right %", "n": "Samples"}
    ideal = [{"confidence": 0, "accuracy": 0}, {"confidence": 100, "accuracy": 100}]
    return {
        **base(about, values, height=320),
        "usermeta": {"variants": names},
        "encoding": {
            "x": percent | {"field": "confidence", "axis": {"title": "Mean score of the answers, %", "tickCount": 5}},
            "y": percent | {"field": "accuracy", "axis": {"title": "Share of correct answers, %", "tickCount": 5}},
        },
        "layer": [
            {
                "data": {"values": ideal},
                "mark": {
                    "type": "line",
                    "stroke": "var(--edge)",
                    "strokeDash": [5, 4],
                    "strokeWidth": 1.5,
                    "aria": False,
                },
            },
            {"mark": {"type": "line", "aria": False}, "encoding": by_variant("stroke", looks, names)},
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {
                    "size": {"field": "n", "type": "quantitative", "scale": {"range": [20, 260]}, "legend": None},
                    "tooltip": tips(shown),
                }
                | by_variant("fill", looks, names)
                | by_variant("shape", looks, names),
            },
        ],
    }


def _matrix(
    cells: Values,
    classes: Sequence[str],
    *,
    derived: Mapping[str, str],
    fill: Spec,
    strength: tuple[str, float],
    text: Spec,
    tooltip: Mapping[str, str],
    about: str,
) -> Spec:
    names = {"type": "nominal", "sort": None, "scale": {"domain": list(classes), "paddingInner": 0.06}}
    few = len(classes) <= 12
    axis = {"grid": False, "domain": False, "ticks": False, "labelLimit": 90, "labelFontSize": 11}
    field, most = strength
    opacity = {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [0, most], "range": [0.05, 1]},
        "legend": None,
    }
    shown = tips({"label": "True class", "answer": "Answer"} | dict(tooltip))
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "cornerRadius": 3},
            "encoding": {"fill": fill, "fillOpacity": opacity, "tooltip": shown},
        }
    ]
    if few:
        layers.append({"mark": {"type": "text", "fontSize": 11, "aria": False}, "encoding": text})
    return {
        **base(about, cells, height=(30 if few else 18) * len(classes)),
        "transform": [{"calculate": expression, "as": name} for name, expression in derived.items()],
        "encoding": {
            "x": names | {"field": "answer", "axis": axis | {"title": "Answer", "labelAngle": -45}},
            "y": names | {"field": "label", "axis": axis | {"title": "True class"}},
        },
        "layer": layers,
    }
