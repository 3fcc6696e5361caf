"""Plots of where a quantized file departs from its float original."""

from __future__ import annotations

from tflitekit.render.plots import Spec, Values, base

__all__ = ["error_along", "grid_histogram"]

_HEIGHT = 260
_MANY = 60
_TOP_DB = 70.0
"""More than that is as good as exact; the input alone would take the rest of the plot's height."""


def error_along(values: Values, *, about: str) -> Spec:
    """Signal to noise of each layer in the order of the network.

    Args:
        values: ``layer``, ``index``, ``snr_db`` (None where there is no noise), ``weights_db`` (None without weights), ``blamed``
            and ``tooltip``.
    """
    values = [
        {
            **entry,
            **{key: min(float(entry[key]), _TOP_DB) for key in ("snr_db", "weights_db") if entry[key] is not None},
        }
        for entry in values
    ]
    x: Spec = {"field": "index", "type": "quantitative", "scale": {"nice": False, "padding": 12}}
    x["axis"] = {"title": "Operator, from the input to the output", "tickMinStep": 1, "format": "d"}
    noisy = [entry for entry in values if entry["snr_db"] is not None]
    weights = [entry for entry in values if entry["weights_db"] is not None]
    blamed = [entry for entry in noisy if entry["blamed"]]

    def y(field: str) -> Spec:
        return {"field": field, "type": "quantitative", "axis": {"title": "Signal to noise, dB", "tickCount": 6}}

    layers: list[Spec] = [
        {
            "data": {"values": weights},
            "mark": {
                "type": "tick",
                "orient": "horizontal",
                "size": 12 if len(values) < _MANY else 5,
                "thickness": 2,
                "fill": "var(--muted)",
                "aria": False,
            },
            "encoding": {"x": x, "y": y("weights_db"), "tooltip": {"field": "tooltip"}},
        },
        {
            "mark": {"type": "line", "stroke": "var(--accent)", "aria": False},
            "encoding": {"x": x, "y": y("snr_db")},
        },
        {
            "mark": {
                "type": "circle",
                "size": 60 if len(values) < _MANY else 20,
                "opacity": 1,
                "fill": "var(--accent)",
            },
            "encoding": {"x": x, "y": y("snr_db"), "tooltip": {"field": "tooltip"}},
        },
    ]
    if blamed:
        layers += [
            {
                "data": {"values": blamed},
                "mark": {"type": "circle", "size": 160, "opacity": 1, "fill": "var(--bad)"},
                "encoding": {"x": x, "y": y("snr_db"), "tooltip": {"field": "tooltip"}},
            },
            *(_labels(found, align, x, y("snr_db")) for align, found in _sides(blamed, len(values)) if found),
        ]
    return {**base(about, noisy, height=_HEIGHT), "layer": layers}


def _sides(blamed: Values, count: int) -> list[tuple[str, Values]]:
    """Parts what is labelled by the side that has room for the words."""
    left = [entry for entry in blamed if float(entry["index"]) * 2 < count]
    return [("left", left), ("right", [entry for entry in blamed if entry not in left])]


def _labels(values: Values, align: str, x: Spec, y: Spec) -> Spec:
    mark = {
        "type": "text",
        "dy": -14,
        "fontSize": 11,
        "limit": 180,
        "align": align,
        "fill": "var(--ink)",
        "aria": False,
    }
    return {"data": {"values": values}, "mark": mark, "encoding": {"x": x, "y": y, "text": {"field": "layer"}}}


def grid_histogram(values: Values, *, about: str) -> Spec:
    """How often each stretch of a tensor's grid was taken (``low``, ``high``, ``share``, ``tooltip``)."""
    return {
        **base(about, values, height=160),
        "mark": {"type": "bar", "fill": "var(--accent)", "aria": False},
        "encoding": {
            "x": {
                "field": "low",
                "type": "quantitative",
                "axis": {"title": "Real value", "tickCount": 6},
                "scale": {"nice": False, "zero": False},
            },
            "x2": {"field": "high"},
            "y": {
                "field": "share",
                "type": "quantitative",
                "axis": {"title": "Share of values", "format": "~%", "tickCount": 4},
            },
            "y2": {"datum": 0},
            "tooltip": {"field": "tooltip"},
        },
    }
