"""The plot of a search."""

from __future__ import annotations

from tflitekit.render.plots import REFERENCE, Spec, Values, base, quantity, tips

__all__ = ["search_path"]


def search_path(values: Values, limit: float, *, y_title: str, about: str) -> Spec:
    """Size against loss of each file that was tried: the best of each size joined, the kept one ringed, the limit dashed.

    Args:
        values: ``kilobytes``, ``loss`` and ``high`` (in percent), ``layers``, ``size``, ``shown``, ``front``, ``chosen``.
    """
    x = quantity("kilobytes", "Size, kB", [entry["kilobytes"] for entry in values])
    y = {"field": "loss", "type": "quantitative", "axis": {"title": y_title, "tickCount": 6}}
    y |= {"scale": {"type": "symlog", "constant": 1}}
    point = {"type": "point", "opacity": 1, "stroke": "var(--accent)"}
    return {
        **base(about, values, height=300),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "data": {"values": [{"limit": limit}]},
                "mark": REFERENCE,
                "encoding": {
                    "x": {"value": 0},
                    "x2": {"value": "width"},
                    "y": {"field": "limit", "type": "quantitative"},
                },
            },
            {
                "mark": {"type": "line", "interpolate": "step-after", "stroke": "var(--accent)", "opacity": 0.5},
                "transform": [{"filter": "datum.front"}],
                "encoding": {"order": {"field": "kilobytes", "type": "quantitative"}},
            },
            {
                "mark": {"type": "rule", "stroke": "var(--accent)", "opacity": 0.4, "aria": False},
                "encoding": {"y2": {"field": "high"}},
            },
            {
                "mark": point | {"size": 70, "strokeWidth": 2, "fill": "var(--accent)"},
                "encoding": {
                    "fillOpacity": {"condition": {"test": "datum.front", "value": 1}, "value": 0},
                    "tooltip": tips({"size": "Size", "shown": "Loses", "layers": "Layers"}),
                },
            },
            {
                "data": {"values": [entry for entry in values if entry["chosen"]]},
                "mark": point | {"size": 320, "strokeWidth": 2, "aria": False},
            },
        ],
    }
