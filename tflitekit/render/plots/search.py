"""The plots of searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tflitekit.render.plots import REFERENCE, Look, Spec, Values, base, by_variant, middle, quantity, tips

__all__ = ["family", "search_path"]

_MOST_LABELS = 8
_TICKS = [-5, -1, 0, 0.5, 1, 2, 5, 10, 20, 50, 100]


def family(values: Values, looks: Mapping[str, Look], *, y_title: str, about: str) -> Spec:
    """Size against loss of all variants, which are symbols, and of all files that searches tried, which are dots; the front is a line.

    Args:
        values: ``kilobytes``, ``loss`` (in percent), ``variant``, ``finished`` and ``front``.
    """
    sizes = [entry["kilobytes"] for entry in values]
    x, y = _kilobytes(sizes), _loss(y_title)
    names = list(dict.fromkeys(entry["variant"] for entry in values))
    finished = [entry for entry in values if entry["finished"]]
    best = [entry for entry in finished if entry["front"]][:_MOST_LABELS]
    full = {"fillOpacity": {"condition": {"test": "datum.front", "value": 1}, "value": 0}}
    shown = by_variant("stroke", looks, names) | by_variant("fill", looks, names)
    figures = {"kilobytes": "Size, kB", "loss": "Points lost"}
    tried = {  # layers without a point have no extent, which Vega warns of
        "transform": [{"filter": "!datum.finished"}],
        "mark": {"type": "point", "shape": "circle", "size": 26, "strokeWidth": 1.5, "opacity": 0.75},
        "encoding": shown | full | {"tooltip": tips({"variant": "Tried for"} | figures)},
    }
    done = {
        "transform": [{"filter": "datum.finished"}],
        "mark": {"type": "point", "size": 150, "strokeWidth": 2, "opacity": 1},
        "encoding": shown
        | full
        | by_variant("shape", looks, names)
        | {"tooltip": tips({"variant": "Variant"} | figures)},
    }
    return {
        **base(about, values, height=330),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "line", "interpolate": "step-after", "stroke": "var(--edge)", "strokeDash": [5, 4]},
                "transform": [{"filter": "datum.front"}],
                "encoding": {"order": {"field": "kilobytes", "type": "quantitative"}},
            },
            *([tried] if len(finished) < len(values) else []),
            *([done] if finished else []),
            *_labels(best, sizes),
        ],
    }


def _kilobytes(sizes: Sequence[float]) -> Spec:
    found = quantity("kilobytes", "Size, kB", sizes)
    found["axis"] |= {"format": ",~f"}
    return found


def _loss(title: str) -> Spec:
    """Returns a vertical position in which a tenth of a point and half of everything can both be seen."""
    scale = {"type": "symlog", "constant": 1, "nice": False, "padding": 16}
    return {
        "field": "loss",
        "type": "quantitative",
        "axis": {"title": title, "values": _TICKS, "format": "~g"},
        "scale": scale,
    }


def _labels(best: Values, sizes: Sequence[float]) -> list[Spec]:
    """Writes names below and left of points on the front, where no other point can be; right of what stands at the edge."""
    edge = middle([min(sizes), middle([min(sizes), middle(sizes)])])
    groups = {"left": [one for one in best if one["kilobytes"] <= edge]}
    groups["right"] = [one for one in best if one not in groups["left"]]
    mark = {"type": "text", "dy": 18, "fontSize": 11, "fill": "var(--ink)", "aria": False}
    return [
        {"data": {"values": group}, "mark": mark | {"align": align}, "encoding": {"text": {"field": "variant"}}}
        for align, group in groups.items()
        if group
    ]


def search_path(values: Values, limit: float, *, y_title: str, about: str) -> Spec:
    """Size against loss of each file that was tried: the best of each size joined, the kept one ringed, the limit dashed.

    Args:
        values: ``kilobytes``, ``loss`` and ``high`` (in percent), ``layers``, ``size``, ``shown``, ``front``, ``chosen``.
    """
    x, y = _kilobytes([entry["kilobytes"] for entry in values]), _loss(y_title)
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
