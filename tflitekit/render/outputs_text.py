"""Several outputs with labels: figure and change of each, as tables of all views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tflitekit.render import text
from tflitekit.tasks.metric_words import is_share

if TYPE_CHECKING:
    from tflitekit.results import OutputScore, VariantReport

__all__ = ["table"]

_COLUMNS = ("Variant", "Output", "Metric", "Value", "Change", "Verdict", "Decides")


def table(rows: Sequence[VariantReport], baseline: str | None) -> tuple[list[str], list[list[str]]]:
    """Returns titles and lines, one for each output that has labels; nothing where one output has."""
    lines = [_line(row, score, baseline) for row in rows for score in row.output_scores]
    return (list(_COLUMNS) if lines else []), lines


def _line(row: VariantReport, score: OutputScore, baseline: str | None) -> list[str]:
    found, drop = score.accuracy, score.drop
    is_base = row.name == baseline or drop is None
    value, interval = ("–", "") if is_base or drop is None else text.change(drop, found)
    half = text.interval(found, percent=is_share(found.metric))
    decides = "–" if not score.decides else "yes" if score.weight is None else f"{score.weight:.2g} of the sum"
    return [
        row.name,
        score.output,
        text.metric_name(found.metric),
        text.measured(found) + (f" ({half})" if half else ""),
        value + (f" ({interval})" if interval else ""),
        "baseline" if row.name == baseline else drop.verdict if drop is not None else "–",
        decides,
    ]
