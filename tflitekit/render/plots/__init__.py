"""Vega-Lite specifications, one function per plot: plain dicts, values inline, colors as CSS variables of the page.

Here is what the plots share; ``speed`` and ``quality`` have the plots.

Colors are CSS variables so that light, dark and paper need no second drawing. Names from files stand in values only, never
in expressions or field names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = [
    "CONFIG",
    "REFERENCE",
    "ROW",
    "SHAPES",
    "Look",
    "Spec",
    "Values",
    "base",
    "by_variant",
    "labels",
    "middle",
    "plain_if_equal",
    "quantity",
    "tips",
]

Spec = dict[str, Any]
Values = list[dict[str, Any]]

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")

_WIDE_RANGE = 8.0
"""Positive values that span more than this factor get a logarithmic axis."""

ROW = 54
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


REFERENCE = {"type": "rule", "stroke": "var(--edge)", "strokeDash": [5, 4], "aria": False}
"""A line to compare with."""


def base(about: str, values: Values, *, height: int) -> Spec:
    return {"description": about, "width": "container", "height": height, "data": {"values": values}}


def tips(fields: Mapping[str, str]) -> list[Spec]:
    """Returns a tooltip of fields with their titles; a title that ends in '%' marks a share."""
    return [
        {"field": field, "title": title.removesuffix(" %"), "type": "nominal"}
        | ({"type": "quantitative", "format": ".1%"} if title.endswith(" %") else {})
        for field, title in fields.items()
    ]


def by_variant(channel: str, looks: Mapping[str, Look], names: Sequence[str]) -> Spec:
    values = [looks[name].shape if channel == "shape" else looks[name].color for name in names]
    scale = {"domain": list(names), "range": values}
    return {channel: {"field": "variant", "type": "nominal", "scale": scale, "legend": None}}


def quantity(field: str, title: str, values: Sequence[float], *, wide: bool = True) -> Spec:
    """Returns a horizontal position; values that span more than `_WIDE_RANGE` get a logarithmic axis with ticks 1, 2, 5."""
    encoding: Spec = {"field": field, "type": "quantitative", "axis": {"title": title, "tickCount": 6}}
    if wide and _is_wide(values):
        encoding["scale"] = {"type": "log", "nice": False, "padding": 24}
        encoding["axis"] |= {"values": _log_ticks(min(values), max(values)), "format": "~g"}
    else:
        encoding["scale"] = {"zero": False, "nice": True, "padding": 24}
        encoding["axis"] |= plain_if_equal(values)
    return encoding


def plain_if_equal(values: Sequence[float]) -> Spec:
    """Returns the format of an axis that shows one value: Vega gives it six decimals."""
    return {"format": "~g"} if min(values) == max(values) else {}


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > _WIDE_RANGE * min(values)


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 3) if high > 100 * low else (1, 2, 5)
    return [tick for decade in decades for step in steps if low <= (tick := float(f"{step}e{decade}")) <= high]


def middle(values: Sequence[float], *, wide: bool = True) -> float:
    """Returns the value in the middle of the axis that `quantity` gives them."""
    low, high = min(values), max(values)
    return math.sqrt(low * high) if wide and _is_wide(values) else (low + high) / 2


def labels(
    entries: Sequence[Mapping[str, Any]],
    x: Spec,
    field: str,
    values: Sequence[float],
    *,
    offset: int,
    wide: bool = True,
) -> list[Spec]:
    """Returns layers that write each entry's ``label`` above its place, towards the middle so that none is cut off."""
    split = middle(values, wide=wide)
    layers = []
    for align, dx, group in (
        ("left", -3, [entry for entry in entries if entry[field] <= split]),
        ("right", 3, [entry for entry in entries if entry[field] > split]),
    ):
        mark = {
            "type": "text",
            "align": align,
            "dx": dx,
            "dy": offset,
            "fontSize": 11,
            "fill": "var(--muted)",
            "aria": False,
        }
        if group:
            layers.append({"data": {"values": group}, "mark": mark, "encoding": {"x": x, "text": {"field": "label"}}})
    return layers
