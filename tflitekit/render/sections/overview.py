"""The table of variants, and what they trade against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Choice, Column, Figure, Section, Table
from tflitekit.render.plots import Spec
from tflitekit.render.plots.quality import Point, tradeoff
from tflitekit.render.sections import View, named, section
from tflitekit.render.summary import by_reference, higher_is_better, pareto_front
from tflitekit.results import VariantReport
from tflitekit.tasks.metric_words import is_share

__all__ = ["accuracy_cell", "change_cell", "samples_text", "tradeoffs", "variants"]


@section(place=10)
def variants(view: View) -> Section:
    """Returns the table of all variants."""
    titles = text.figure_columns(view.report.dataset, view.report.variants)
    metric = next((row.figure.metric for row in view.able if row.figure), None)
    if by_reference(view.report):
        change = Column(titles["Change"], about="From the baseline's outputs on the same samples")
    else:
        change = Column(
            "Change", about="Paired difference from the baseline on the same samples, with its 95 % interval"
        )
    columns = (
        Column("Variant", numeric=False),
        Column("Size", about="Of the file; below it, deflated: about what it costs inside a compressed app"),
        Column(text.metric_name(metric) if metric else titles["Accuracy"], about="With its 95 % interval"),
        change,
        Column("Latency", about="The figure that decides under the protocol; below it the 95 % interval of the median"),
        Column("Speed", about="Against the baseline in the same rounds; below it the interval of the factor"),
        Column("Memory", about="Peak of the process above its own; below it the tensors that the interpreter plans"),
        Column("Integer ops", about="Share of operators whose activations are integers"),
        Column("Runtime", numeric=False, about="The first TensorFlow Lite that has every operator version"),
    )
    rows = [_row(view, row) for row in view.report.variants]
    marked = next((i for i, row in enumerate(view.report.variants) if row.name == view.chosen), -1)
    data = view.report.dataset
    intro = "Select a column title to sort by it."
    if data is not None:
        whose = "each variant until it was decided" if data.adaptive else "the same for every variant"
        what = titles["Accuracy"]
        if by_reference(view.report) and view.base is not None:
            what += f" {'with' if what == 'Agreement' else 'to'} {view.base.name}"
        intro = f"{what} on {samples_text(view)}, {whose}. {intro}"
    return Section("variants", "Variants", intro, (Table.of("Variants", columns, rows, marked=marked),))


def _row(view: View, row: VariantReport) -> tuple[Cell, ...]:
    head = named(view, row, badges=True)
    if row.status != "ok" and row.size_bytes is None:
        return (head, *[NOTHING] * 8)
    latency = row.latency
    return (
        head,
        _bytes(row.size_bytes, row.deflated_bytes, "deflated"),
        accuracy_cell(row),
        change_cell(view, row),
        Cell(text.latency(latency), latency.deciding_ms, text.latency_interval(latency)) if latency else NOTHING,
        ratio_cell(view, row),
        _bytes(row.peak_memory_bytes, row.arena_bytes, "arena"),
        Cell(text.integer_ops(row), row.integer_op_fraction) if row.integer_op_fraction is not None else NOTHING,
        Cell(f"≥ {row.min_runtime_version}") if row.min_runtime_version else NOTHING,
    )


def _bytes(value: int | None, part: int | None, name: str) -> Cell:
    if value is None:
        return NOTHING if part is None else Cell("–", "", f"{text.size(part)} {name}")
    return Cell(text.size(value), value, "" if part is None else f"{text.size(part)} {name}")


def samples_text(view: View) -> str:
    """Returns '5,000 samples', or '600 to 1,800 samples' where variants saw different numbers of them."""
    counts = [row.figure.n for row in view.able if row.figure] or [0]
    span = f"{min(counts):,} to " if min(counts) < max(counts) else ""
    return f"{span}{text.counted(max(counts), 'sample')}"


def accuracy_cell(row: VariantReport) -> Cell:
    """Returns the first metric with its interval."""
    found = row.figure
    if found is None:
        return NOTHING
    percent = is_share(found.metric)
    note = text.interval(found, percent=percent)
    return Cell(text.measured(found), found.value, note)


def change_cell(view: View, row: VariantReport) -> Cell:
    """Returns the paired difference to the baseline with its interval; without labels, in words."""
    if row.likeness is not None:
        value, what = text.difference_parts(row.likeness)
        return Cell("reference", 0) if view.is_base(row) else Cell(value, 1 - row.likeness.value, what)
    found = row.drop
    if view.is_base(row) and any(other.drop for other in view.others):
        return Cell("baseline", 0)
    if found is None or row.accuracy is None:
        return NOTHING
    value, interval = text.change(found, row.accuracy)
    return Cell(value, -found.value, interval, "bad" if found.low is not None and found.low > 0 else "")


def ratio_cell(view: View, row: VariantReport) -> Cell:
    """Returns the verdict on the speed against the baseline."""
    if view.is_base(row) and any(other.latency and other.latency.ratio for other in view.others):
        return Cell("baseline", 1)
    found = row.latency.ratio if row.latency else None
    if found is None:
        return NOTHING
    tone = {"faster": "good", "slower": "bad", "tie": ""}[found.verdict]
    return Cell(text.ratio(found), found.value, text.ratio_interval(found), tone)


_Triple = tuple[float, float | None, float | None]
"""A value with its interval."""


class _Axis(NamedTuple):
    label: str
    title: str
    measure: Callable[[VariantReport], _Triple | None]
    show: Callable[[float], str]


@section(place=20)
def tradeoffs(view: View) -> Section:
    """Returns the plot of cost against accuracy."""
    compressed = any(row.compression for row in view.able)
    costs = [
        axis
        for axis in (*_COSTS, *([_DEFLATED] if compressed else []))
        if sum(axis.measure(row) is not None for row in view.able) > 1
    ]
    gains = _gains(view)
    specs, fronts = {}, {}
    for i, cost in enumerate(costs):
        for j, gain in enumerate(gains):
            points = _points(view, cost, gain)
            if len(points) > 1:
                specs[f"{i} {j}"] = _spec(view, points, cost, gain)
                fronts[cost.label] = [point.name for point in points if point.front]
    if not specs or len(specs) < len(costs) * len(gains):
        return Section("trade-offs", "Trade-offs")
    best = " ".join(f"By {label.lower()}: {text.listed(names)}." for label, names in fronts.items())
    paired = ""
    if any(row.drop for row in view.others):
        paired = " The change from the baseline is paired on the same samples, so compare variants by its intervals."
    figure = Figure(
        "tradeoff",
        "Cost against quality",
        f"Filled symbols: no other variant is as good in both. {best} Crosses are 95 % intervals.{paired}",
        specs,
        choices=(
            Choice("Cost", tuple(axis.label for axis in costs)),
            Choice("Quality", tuple(axis.label for axis in gains)),
        ),
        legend=view.legend([row.name for row in view.able if row.figure]),
    )
    return Section("trade-offs", "Trade-offs", blocks=(figure,))


def _size(row: VariantReport) -> _Triple | None:
    return None if row.size_bytes is None else (row.size_bytes / 1000, None, None)


def _deflated(row: VariantReport) -> _Triple | None:
    return None if row.deflated_bytes is None else (row.deflated_bytes / 1000, None, None)


def _latency(row: VariantReport) -> _Triple | None:
    found = row.latency
    return None if found is None else (found.median_ms, found.median_low_ms, found.median_high_ms)


_COSTS = (
    _Axis("Size", "Size of the file, kB", _size, lambda value: text.size(round(value * 1000))),
    _Axis("Latency", "Median latency, ms", _latency, text.duration),
)


_DEFLATED = _Axis(
    "Deflated", "Deflated size, kB", _deflated, lambda value: f"{text.size(round(value * 1000))} deflated"
)


def _gains(view: View) -> list[_Axis]:
    scored = next((row.figure for row in view.able if row.figure), None)
    if scored is None:
        return []
    factor, unit = (100.0, "points") if is_share(scored.metric) else (1.0, scored.metric)
    better = higher_is_better(view.report)
    sign = -factor if better else factor

    def value(row: VariantReport) -> _Triple | None:
        found = row.figure
        return None if found is None else (found.value * factor, *_scaled(factor, found.low, found.high))

    def change(row: VariantReport) -> _Triple | None:
        if view.is_base(row):
            return 0.0, None, None
        found = row.drop
        return None if found is None else (found.value * sign, *_scaled(sign, found.low, found.high))

    direction = "higher is better" if better else "lower is better"
    name = text.metric_name(scored.metric)
    title = f"{name}, %" if factor > 1 else f"{name} ({direction})"
    label = name if by_reference(view.report) else "Accuracy" if better else "Error"
    axes = [_Axis(label, title, value, lambda v: f"{v:.2f}%" if factor > 1 else f"{v:.4g}")]
    if view.base and any(row.drop for row in view.others):
        title = f"Change from {view.base.name}, {unit} ({direction})"
        axes.append(_Axis("Change from the baseline", title, change, lambda v: f"{v:+.3g} {unit}"))
    return axes


def _scaled(factor: float, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    if low is None or high is None:
        return None, None
    return min(low * factor, high * factor), max(low * factor, high * factor)


def _points(view: View, cost: _Axis, gain: _Axis) -> list[Point]:
    found = [
        (row, x, y)
        for row in view.able
        if (x := cost.measure(row)) is not None and (y := gain.measure(row)) is not None
    ]
    up = 1 if higher_is_better(view.report) else -1
    front = pareto_front([(x[0], up * y[0]) for _, x, y in found])
    return [
        Point(
            row.name,
            x[0],
            y[0],
            _known(x),
            _known(y),
            front=is_best,
            chosen=row.name == view.chosen,
            tooltip={
                "title": row.name,
                cost.label: cost.show(x[0]),
                gain.label: gain.show(y[0]),
                "Interval of it": text.between(y[1], y[2], lambda v: f"{v:.4g}") or "none",
            },
        )
        for (row, x, y), is_best in zip(found, front, strict=True)
    ]


def _known(measured: _Triple) -> tuple[float, float] | None:
    _, low, high = measured
    return None if low is None or high is None else (low, high)


def _spec(view: View, points: list[Point], cost: _Axis, gain: _Axis) -> Spec:
    told = "; ".join(f"{p.name}: {cost.show(p.x)}, {gain.show(p.y)}" for p in points[:12])
    about = f"{gain.title}, against {cost.title[0].lower()}{cost.title[1:]}. {told}."
    return tradeoff(points, view.looks, x_title=cost.title, y_title=gain.title, about=about)
