"""Words and tables of a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tflitekit.core.units import counted, duration
from tflitekit.render import text
from tflitekit.tasks.metric_words import is_share

if TYPE_CHECKING:
    from tflitekit.store.history import Change, Point, Series

__all__ = [
    "POINT_COLUMNS",
    "amount",
    "change_lines",
    "changed_with",
    "columns",
    "doubts",
    "figure_name",
    "made",
    "place",
    "point_rows",
    "rows",
    "short_commit",
    "shown_value",
    "sparkline",
    "stretch",
    "testing_line",
    "web",
]

POINT_COLUMNS = ("Made", "Commit", "Value", "95 % interval", "Runtime", "Report", "MLflow")
_BARS = "▁▂▃▄▅▆▇█"
_NARROW, _WIDTH = 8, 40


def figure_name(series: Series) -> str:
    """Returns 'Top-1 accuracy', 'size' or 'latency (median)'."""
    if series.figure == "accuracy":
        return text.metric_name(series.metric) + (f" of {series.output}" if series.output else "")
    return "size" if series.figure == "size" else f"latency ({series.metric.removesuffix('_ms')})"


def shown_value(series: Series, value: float) -> str:
    """Returns a value of a series with its unit."""
    if series.figure == "size":
        return text.size(round(value))
    if series.figure == "latency":
        return duration(value)
    return text.share(value, 2) if is_share(series.metric) else f"{value:.4g}"


def columns(series: Sequence[Series]) -> tuple[str, ...]:
    """Returns the titles of `rows`: devices only where there are several."""
    more = ["Device"] if len({one.device for one in series} - {""}) > 1 else []
    return ("Variant", "Figure", *more, "Reports", "First", "Last", "Course", "Shifts")


def rows(series: Sequence[Series], width: int) -> list[tuple[str, ...]]:
    """Returns one row for each series of a model, for a table of so many columns of characters."""
    titles, cells = columns(series), []
    course = max(_NARROW, min(_WIDTH, width // 2 - 30 - (20 if "Device" in titles else 0)))
    alike = Counter(map(_place_of, series))
    for one in series:
        first, last = one.points[0].value, one.points[-1].value
        cell = {
            "Variant": one.variant,
            "Figure": ", ".join(filter(None, (figure_name(one), one.conditions if alike[_place_of(one)] > 1 else ""))),
            "Device": one.device or "–",
            "Reports": f"{len(one.points):,}",
            "First": shown_value(one, first),
            "Last": shown_value(one, last),
            "Course": sparkline([point.value for point in one.points], course),
            "Shifts": str(len(one.changes)) if one.tested else "too few",
        }
        cells.append(tuple(cell[title] for title in titles))
    return cells


def _place_of(series: Series) -> tuple[str, ...]:
    return series.model, series.variant, series.figure, series.device


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Returns a line of bars; of more values than fit, means of neighbours."""
    parts = min(width, len(values))
    edges = [round(number * len(values) / parts) for number in range(parts + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    if high == low:
        return _BARS[3] * parts
    return "".join(_BARS[min(len(_BARS) - 1, int((mean - low) / (high - low) * len(_BARS)))] for mean in means)


def change_lines(series: Sequence[Series]) -> list[tuple[str, str]]:
    """Returns the verdict on each shift and a sentence about it; models and devices are named where there are several."""
    models, devices = ({getattr(one, name) for one in series} - {""} for name in ("model", "device"))
    lines: list[tuple[str, str]] = []
    for one in series:
        names = (
            one.model if len(models) > 1 else "",
            one.variant,
            figure_name(one),
            one.device if len(devices) > 1 else "",
        )
        told = ", ".join(filter(None, names))
        lines += [(change.verdict, f"{told}: {_sentence(one, change)}") for change in one.changes]
    return lines


def _sentence(series: Series, change: Change) -> str:
    said = f"{amount(series, change)} from {place(series.points[change.at])} on"
    if between := stretch(series, change):
        said += f" ({between})"
    if change.p_value is not None:
        said += f", p = {change.p_value:.3f}"
    if other := changed_with(series, change):
        said += f"; with it {', '.join(other)}"
    if doubt := doubts(series, change):
        said += f"; {doubt}"
    return f"{said}."


def stretch(series: Series, change: Change) -> str:
    """Returns the reports between which a shift began; nothing where that is one."""
    if change.earliest == change.latest:
        return ""
    return f"between {place(series.points[change.earliest])} and {place(series.points[change.latest])}"


def changed_with(series: Series, change: Change) -> list[str]:
    """Returns which versions changed between the reports before and after a shift."""
    before, after = series.points[change.at - 1], series.points[change.at]
    versions = (("runtime", before.runtime, after.runtime), ("tflitekit", before.kit, after.kit))
    return [f"{name} {old} → {new}" for name, old, new in versions if old != new]


def doubts(series: Series, change: Change) -> str:
    """Returns what else may explain a shift; nothing where nothing is known."""
    told = []
    if change.noisy_before or change.noisy_after:
        before, after = series.levels[(number := series.changes.index(change)) : number + 2]
        told.append(
            f"measured on a noisy or busy machine: {change.noisy_before} of {counted(len(before), 'report')} before, "
            f"{change.noisy_after} of {len(after)} after"
        )
    if (likeness := series.likeness) is not None:
        told.append(
            f"each report resembles the one before it (correlation {likeness:.1f}): chance shows more shifts in such series"
        )
    return "; ".join(told)


def place(point: Point) -> str:
    """Returns when a report was made, and its commit, or its id where that is not known."""
    return f"{point.created[:10]}, {f'commit {short_commit(point.commit)}' if point.commit else f'report {point.report[:8]}'}"


def made(created: str) -> str:
    """Returns a time of the store to the minute."""
    return created[:16].replace("T", " ")


def short_commit(commit: str | None) -> str:
    """Returns the first digits of a commit."""
    hash, dirty, _ = (commit or "–").partition("-dirty")
    return hash[:8] + dirty


def web(link: str | None) -> str:
    """Returns an address only if it is one of the web: no other kind may stand behind a link."""
    return link if link is not None and link.startswith(("http://", "https://")) else ""


def amount(series: Series, change: Change) -> str:
    """Returns how much better or worse, with the interval in brackets."""
    shares = series.figure == "accuracy" and is_share(series.metric)
    digits = 1 if series.figure != "accuracy" else 2
    factor, unit = (100, " points") if shares else (100, " %") if series.figure != "accuracy" else (1, "")
    words = {"accuracy": ("worse", "better"), "size": ("larger", "smaller"), "latency": ("slower", "faster")}
    word = words[series.figure][change.value < 0]
    if series.figure == "accuracy" and series.higher_is_better is None:
        word = ("more", "less")[change.value < 0]

    def show(value: float) -> str:
        return text.signed(value * factor, digits) if factor == 100 else f"{value:+.4g}"

    interval = (
        "" if change.method == "exact" else f" ({text.between(change.low, change.high, show) or 'interval not known'})"
    )
    shown = f"{abs(change.value) * factor:.{digits}f}" if factor == 100 else f"{abs(change.value):.4g}"
    return f"{shown}{unit} {word}{interval}"


def testing_line(series: Sequence[Series]) -> str:
    """Says what was tested, and what chance alone would show."""
    noisy = [one for one in series if one.figure != "size"]
    tested = sum(one.tested for one in noisy)
    few = len(noisy) - tested
    said = []
    if tested:
        said.append(
            f"{tested:,} noisy series tested for shifts (permutation test, 5 % each): of series that only vary by chance, one in "
            "20 shows a shift all the same."
        )
    if few:
        said.append(f"{few:,} series with fewer than eight reports cannot be tested.")
    return " ".join(said)


def point_rows(series: Series, most: int) -> list[tuple[str, ...]]:
    """Returns the newest points of a series, those of shifts marked."""
    shifts = {change.at for change in series.changes}
    found: list[tuple[str, ...]] = []
    for number, point in list(enumerate(series.points))[-most:]:
        words = {" ◆": number in shifts, " accepted": point.accepted, " noisy": point.noisy}
        marks = "".join(word for word, is_so in words.items() if is_so)
        interval = text.between(point.low, point.high, lambda value: shown_value(series, value)) or "–"
        found.append(
            (
                made(point.created),
                short_commit(point.commit),
                shown_value(series, point.value) + marks,
                interval,
                point.runtime or "–",
                point.report[:8],
                point.mlflow_run or "–",
            )
        )
    return found
