"""The plot of a series of reports over time."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean

from tflitekit.render.plots import Spec, Values, base, tips
from tflitekit.store.history import Point, Series
from tflitekit.tasks.metric_words import is_share

__all__ = ["Points", "course"]

_COLORS = {"worse": "var(--bad)", "better": "var(--good)", "undecided": "var(--warn)"}

_COLOR = {"field": "verdict", "scale": {"domain": list(_COLORS), "range": list(_COLORS.values())}, "legend": None}
_WHOLE = {"y": {"value": 0}, "y2": {"value": "height"}}
_SHIFTS: tuple[Spec, ...] = (
    {
        "data": {"name": "shifts"},
        "mark": {"type": "rect", "opacity": 0.12, "aria": False},
        "encoding": {"x": {"field": "from"}, "x2": {"field": "to"}, "fill": _COLOR, **_WHOLE},
    },
    {
        "data": {"name": "shifts"},
        "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 2, "aria": False},
        "encoding": {"stroke": _COLOR, **_WHOLE},
    },
)

_TICKS = 8
"""About so many times stand below a plot."""


class Points:
    """What plots say of the reports behind their points, each once: all figures and variants of a report have the same, and a page may have thousands.

    Attributes:
        columns: Lists of one length by name; null where nothing is known.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[object, ...], int] = {}

    def place(self, point: Point) -> int:
        """Returns the row that says it."""
        run, accepted, machine = point.mlflow_run, point.accepted or None, "noisy or busy" if point.noisy else None
        told = (point.report[:8], point.created, point.commit, point.runtime, run, accepted, machine)
        return self._places.setdefault(told, len(self._places))

    @property
    def columns(self) -> dict[str, list[object]]:
        names = ("report", "t", "commit", "runtime", "run", "accepted", "machine")
        columns = {name: [row[number] for row in self._places] for number, name in enumerate(names)}
        columns["t"] = [_moment(str(made)) for made in columns["t"]]
        columns["commit"] = [str(commit or "–")[:8] for commit in columns["commit"]]
        columns["runtime"] = [runtime or "–" for runtime in columns["runtime"]]
        return columns


def course(series: Series, title: str, about: Points) -> Spec:
    """Points with their intervals, the levels between shifts, and the shifts.

    Series of the same kind have the same specification but for ``description`` and ``datasets``. Of the latter ``points`` stands in columns: ``row`` is
    that of ``about``, and ``report.js`` puts both together.
    """
    shares = series.figure == "accuracy" and is_share(series.metric)
    unit, factor = _unit(series)
    points: dict[str, list[float | int | None]] = {
        "row": [about.place(point) for point in series.points],
        "v": [point.value * factor for point in series.points],
    }
    known = [p.low is not None and p.high is not None for p in series.points]
    if any(known):
        for name, ends in (("low", [p.low for p in series.points]), ("high", [p.high for p in series.points])):
            points[name] = [
                end * factor if is_known and end is not None else None
                for is_known, end in zip(known, ends, strict=True)
            ]
    shifts = _shifts(series)
    marks = {
        "points": points,
        "levels": _levels(series, factor),
        **({"shifts": shifts} if shifts else {}),
    }
    x = {"field": "t", "type": "temporal", **_times([_moment(point.created) for point in series.points])}
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
    some = {
        "run": ("MLflow", any(point.mlflow_run for point in series.points)),
        "machine": ("Machine", any(point.noisy for point in series.points)),
    }
    more = {name: told for name, (told, is_there) in some.items() if is_there}
    told = tips({"report": "Report", "commit": "Commit", "runtime": "Runtime", **more})
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
        "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}},
    }
    layers = [
        *(_SHIFTS if shifts else ()),
        *([intervals] if "low" in points else []),
        {
            "data": {"name": "levels"},
            "mark": {"type": "rule", "stroke": "var(--accent)", "strokeWidth": 3, "opacity": 0.5, "aria": False},
            "encoding": {"x2": {"field": "t2"}},
        },
        {
            "mark": {"type": "point", "filled": True, "fill": "var(--accent)"},
            "encoding": {
                "shape": marked,
                "opacity": {"condition": {"test": "datum.machine", "value": 0.4}, "value": 1},
                "size": {"condition": {"test": "datum.accepted", "value": 130}, "value": 36},
                "tooltip": [made, value, *told],
            },
        },
    ]
    described = f"{title} of {len(series.points)} reports over time, with {len(series.changes)} shifts."
    spec = base(described, [], height=280)
    return {**spec, "data": {"name": "points"}, "datasets": marks, "encoding": {"x": x, "y": y}, "layer": layers}


def _times(moments: Sequence[int]) -> Spec:
    """Returns the axis and the scale of time: in UTC, as all times of a store; of a single day, which one it is stands below."""
    times = set(moments)
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


@functools.lru_cache(maxsize=10_000)  # all figures of a report have the same
def _moment(created: str) -> int:
    """Returns when a report was made, in milliseconds as browsers count them."""
    return round(datetime.fromisoformat(created).timestamp() * 1000)


def _levels(series: Series, factor: float) -> Values:
    return [
        {
            "t": _moment(level[0].created),
            "t2": _moment(level[-1].created),
            "v": fmean(point.value for point in level) * factor,
        }
        for level in series.levels
    ]


def _shifts(series: Series) -> Values:
    return [
        {
            "t": _moment(series.points[change.at].created),
            "from": _moment(series.points[change.earliest].created),
            "to": _moment(series.points[change.latest].created),
            "verdict": change.verdict,
        }
        for change in series.changes
    ]
