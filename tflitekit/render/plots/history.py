"""The plot of a series of reports over time."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import fmean

from tflitekit.render.plots import Spec, Values, base, tips
from tflitekit.store.history import Point, Series
from tflitekit.tasks.metric_words import is_share

__all__ = ["course"]

_COLORS = {"worse": "var(--bad)", "better": "var(--good)", "undecided": "var(--warn)"}

_TICKS = 8
"""About so many times stand below a plot."""


def course(series: Series, title: str) -> Spec:
    """Points with their intervals, the levels between shifts, and the shifts."""
    shares = series.figure == "accuracy" and is_share(series.metric)
    unit, factor = _unit(series)
    points: Values = [
        {
            "t": _moment(point),
            "v": point.value * factor,
            **(
                {"low": point.low * factor, "high": point.high * factor}
                if point.low is not None and point.high is not None
                else {}
            ),
            "commit": (point.commit or "–")[:8],
            "runtime": point.runtime or "–",
            "report": point.report[:8],
            **({"run": point.mlflow_run} if point.mlflow_run else {}),
            **({"accepted": True} if point.accepted else {}),
            **({"machine": "noisy or busy"} if point.noisy else {}),
        }
        for point in series.points
    ]
    x = {"field": "t", "type": "temporal", **_times(points)}
    y = {
        "field": "v",
        "type": "quantitative",
        "axis": {
            "title": f"{title} in {unit}" if unit else title,
            "tickCount": 6,
            "format": ".2~%" if shares else ",.3~f" if unit else ".4~g",
        },
        "scale": {"zero": False, "nice": True},
    }
    some = {"run": "MLflow", "machine": "Machine"}
    known = {name: told for name, told in some.items() if any(name in point for point in points)}
    told = tips({"report": "Report", "commit": "Commit", "runtime": "Runtime", **known})
    value = {"field": "v", "title": title, "type": "quantitative", "format": ".2%" if shares else ".4~g"}
    made = {
        "field": "t",
        "title": "Made",
        "type": "temporal",
        "timeUnit": "utcyearmonthdatehoursminutes",
        "format": "%Y-%m-%d %H:%M UTC",
    }
    marked = {"condition": {"test": "datum.accepted", "value": "diamond"}, "value": "circle"}
    intervals = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "stroke": "var(--edge)", "strokeWidth": 1, "aria": False},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    layers = [
        *_shifts(series, x),
        *([intervals] if any("low" in point for point in points) else []),
        {
            "data": {"values": _levels(series, factor)},
            "mark": {"type": "rule", "stroke": "var(--accent)", "strokeWidth": 3, "opacity": 0.5, "aria": False},
            "encoding": {"x": x, "x2": {"field": "t2"}, "y": y},
        },
        {
            "mark": {"type": "point", "filled": True, "fill": "var(--accent)"},
            "encoding": {
                "x": x,
                "y": y,
                "shape": marked,
                "opacity": {"condition": {"test": "datum.machine", "value": 0.4}, "value": 1},
                "size": {"condition": {"test": "datum.accepted", "value": 130}, "value": 36},
                "tooltip": [made, value, *told],
            },
        },
    ]
    about = f"{title} of {len(points)} reports over time, with {len(series.changes)} shifts."
    return {**base(about, points, height=280), "layer": layers}


def _times(points: Values) -> Spec:
    """Returns the axis and the scale of time: in UTC, as all times of a store; of a single day, which one it is stands below."""
    times = {point["t"] for point in points}
    days = {datetime.fromtimestamp(time / 1000, UTC).date() for time in times}
    axis: Spec = {"title": None, "labelOverlap": True, "tickCount": _TICKS}
    if len(times) == 1:
        axis["format"] = "%Y-%m-%d %H:%M UTC"
    elif len(days) == 1:
        minutes = (max(times) - min(times)) / 60_000
        axis |= {"title": f"{days.pop()}, UTC", "format": "%H:%M" if minutes > _TICKS else "%H:%M:%S"}
    else:
        daily = dict.fromkeys(("year", "quarter", "month", "week", "date", "day"), "%Y-%m-%d")
        axis["format"] = daily | {"hours": "%H:%M", "minutes": "%H:%M"}
    return {"axis": axis, "scale": {"type": "utc", "padding": 8}}


def _unit(series: Series) -> tuple[str, float]:
    """Returns the unit of the axis, and what values are multiplied with."""
    if series.figure == "size":
        return ("MB", 1e-6) if max(point.value for point in series.points) >= 1e6 else ("kB", 1e-3)
    if series.figure == "latency":
        return ("ms", 1.0) if max(point.value for point in series.points) >= 0.1 else ("µs", 1e3)
    return "", 1.0


def _moment(point: Point) -> int:
    """Returns when a report was made, in milliseconds as browsers count them."""
    return round(datetime.fromisoformat(point.created).timestamp() * 1000)


def _levels(series: Series, factor: float) -> Values:
    return [
        {
            "t": _moment(level[0]),
            "t2": _moment(level[-1]),
            "v": fmean(point.value for point in level) * factor,
        }
        for level in series.levels
    ]


def _shifts(series: Series, x: Spec) -> list[Spec]:
    marks: Values = [
        {
            "t": _moment(series.points[change.at]),
            "from": _moment(series.points[change.earliest]),
            "to": _moment(series.points[change.latest]),
            "verdict": change.verdict,
        }
        for change in series.changes
    ]
    if not marks:
        return []
    color = {"field": "verdict", "scale": {"domain": list(_COLORS), "range": list(_COLORS.values())}, "legend": None}
    whole = {"y": {"value": 0}, "y2": {"value": "height"}}
    stretch = {"x": x | {"field": "from"}, "x2": {"field": "to"}, "fill": color, **whole}
    return [
        {"data": {"values": marks}, "mark": {"type": "rect", "opacity": 0.12, "aria": False}, "encoding": stretch},
        {
            "data": {"values": marks},
            "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 2, "aria": False},
            "encoding": {"x": x, "stroke": color, **whole},
        },
    ]
