"""Plots of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflitekit.render.plots import REFERENCE, Spec, Values, base, tips

__all__ = ["training_curve"]

_DASHES = {"Training": [1, 0], "Validation": [6, 4]}


def training_curve(
    values: Values, stages: Sequence[dict[str, Any]], color: str, *, title: str, about: str, percent: bool
) -> Spec:
    """A figure by epoch, stages after one another: training as a solid line, validation dashed, the kept epoch ringed.

    Args:
        values: ``epoch``, ``series`` ('Training' or 'Validation'), ``value``, ``stage``, ``kept``, ``rate``.
        stages: ``start`` (epoch before its first), ``label``; each but the first begins with a line.
        color: Of the variant.
    """
    last = max((entry["epoch"] for entry in values), default=1)
    x = {"field": "epoch", "type": "quantitative", "scale": {"domain": [0.5, last + 0.5], "nice": False}}
    x |= {"axis": {"title": "Epoch", "tickMinStep": 1, "tickCount": min(last, 12), "format": "d", "grid": False}}
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True}}
    y |= {"axis": {"title": title, "tickCount": 5} | ({"format": ".0%"} if percent else {})}
    shown = {"stage": "Stage", "series": "Of", "epoch": "Epoch", "value": title + (" %" if percent else "")}
    begins = [{"x": entry["start"] + 0.5, "label": entry["label"]} for entry in stages]
    at = {"x": {"field": "x", "type": "quantitative"}, "y": {"value": 0}}
    label = {"type": "text", "align": "left", "baseline": "top", "dx": 6, "dy": 2, "fontSize": 11, "aria": False}
    kept = [entry for entry in values if entry["kept"]]
    layers: list[Spec] = []
    if len(begins) > 1:
        layers += [
            {"data": {"values": begins[1:]}, "mark": REFERENCE, "encoding": at | {"y2": {"value": "height"}}},
            {
                "data": {"values": begins},
                "mark": label | {"fill": "var(--muted)"},
                "encoding": at | {"text": {"field": "label"}},
            },
        ]
    point = {"type": "point", "stroke": color, "opacity": 1}
    return {
        **base(about, values, height=300),
        "encoding": {"x": x, "y": y},
        "layer": [
            *layers,
            {
                "mark": {"type": "line", "stroke": color, "aria": False},
                "encoding": {"strokeDash": _dash(values, color), "detail": {"field": "stage"}},
            },
            {
                "mark": point | {"filled": True, "fill": color, "size": 36},
                "encoding": {"tooltip": tips(shown | {"rate": "Learning rate"})},
            },
            {
                "data": {"values": kept},
                "mark": point | {"size": 220, "strokeWidth": 2, "aria": False},
            },
        ],
    }


def _dash(values: Values, color: str) -> Spec:
    series = list(dict.fromkeys(entry["series"] for entry in values))
    return {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": series, "range": [_DASHES[name] for name in series]},
        "legend": {
            "title": None,
            "orient": "top",
            "symbolStrokeColor": color,
            "symbolSize": 500,
            "labelColor": "var(--ink)",
            "labelFontSize": 12,
        },
    }
