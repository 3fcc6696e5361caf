"""What happens at the app's own thresholds, as a table of all views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tflitekit.render import text

if TYPE_CHECKING:
    from tflitekit.results import AtThreshold, VariantReport

__all__ = ["table"]

_COLUMNS = ("Variant", "Threshold", "Precision", "Recall", "Above", "Rose above", "Fell below")


def table(rows: Sequence[VariantReport]) -> tuple[list[str], list[list[str]]]:
    """Returns titles and lines, one for each threshold and variant; nothing without thresholds."""
    lines = [_line(row.name, found) for row in rows for found in row.thresholds]
    return (list(_COLUMNS) if lines else []), lines


def _line(name: str, found: AtThreshold) -> list[str]:
    shares = ["–" if value is None else text.share(value) for value in (found.precision, found.recall, found.above)]
    crossed = ["–" if count is None else f"{count:,} of {found.n:,}" for count in (found.rose, found.fell)]
    return [name, f"{found.threshold:g}", *shares, *crossed]
