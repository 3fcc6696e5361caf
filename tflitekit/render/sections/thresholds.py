"""What an app with thresholds of its own would see."""

from __future__ import annotations

from tflitekit.render import thresholds_text
from tflitekit.render.blocks import Cell, Column, Section, Table
from tflitekit.render.sections import View, section

__all__ = ["thresholds"]


@section(place=75)
def thresholds(view: View) -> Section:
    """Returns precision, recall and what crosses each threshold."""
    titles, lines = thresholds_text.table(view.able)
    columns = tuple(Column(title, numeric=index > 0) for index, title in enumerate(titles))
    rows = [tuple(map(Cell, cells)) for cells in lines]
    blocks = (Table.of("At each threshold", columns, rows),) if rows else ()
    intro = (
        "Precision: the share of what reaches the threshold that is positive. Recall: the share of the positives that reaches it. Rose and fell: what "
        "crosses it against the baseline."
    )
    return Section("thresholds", "Thresholds", intro, blocks)
