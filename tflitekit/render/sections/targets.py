"""Other hardware: what each further target makes of each variant, and which operators stay behind there."""

from __future__ import annotations

from tflitekit.data.samples import some
from tflitekit.render import targets_text, text
from tflitekit.render.blocks import NOTHING, Cell, Column, Section, Table
from tflitekit.render.sections import View, named, section
from tflitekit.results import OnTarget, Placement

__all__ = ["targets"]

_MOST_BEHIND = 200
_MOST_SAID = 7


@section(place=38)
def targets(view: View) -> Section:
    """Returns what targets say that ``--also-on`` named."""
    places = targets_text.named_targets(view.able)
    intro = (
        "What each file does elsewhere. A figure is measured on that hardware, emulated (the same arithmetic, not the same time) or estimated "
        "by a model of the hardware; only measured ones rank variants."
    )
    blocks = (
        _matrix(view, places),
        _left_behind(view),
    )
    return Section("targets", "Other hardware", intro, blocks if places else ())


def _matrix(view: View, places: dict[str, OnTarget]) -> Table | None:
    rows = []
    for row in view.able:
        by_name = {one.target: one for one in row.on_targets}
        rows.append((named(view, row), *(_cell(by_name.get(name), view.room(_MOST_SAID)) for name in places)))
    columns = (
        Column("Variant", numeric=False),
        *(Column(targets_text.heading(one), numeric=False) for one in places.values()),
    )
    return Table.of("Variants on other hardware", columns, rows, more="\n".join(targets_text.notes(view.able)))


def _cell(found: OnTarget | None, room: int) -> Cell:
    said = targets_text.told(found)
    if said is None or found is None:
        return NOTHING
    figure = found.accuracy or found.likeness
    sort = None if figure is None else figure.value
    return Cell(said.main, sort, "; ".join(said.more[:room]), tone="bad" if said.refused else "")


def _left_behind(view: View) -> Table | None:
    """Returns the operators that do not run on an accelerator, with its tools' reasons, and the variants of which this is said."""
    behind: dict[tuple[str, Placement], list[str]] = {}
    for row in view.able:
        for one in row.on_targets:
            for placed in one.examination.behind if one.examination is not None else ():
                behind.setdefault((one.target, placed), []).append(row.name)
    rows = [
        (
            Cell(placed.layer),
            Cell(placed.op),
            Cell(target),
            Cell(placed.where),
            Cell(placed.why or "–"),
            Cell(some(names, 3)),
        )
        for (target, placed), names in behind.items()
    ]
    rest = len(rows) - _MOST_BEHIND
    title = "Operators that stay behind"
    return Table.of(
        title,
        [Column(name, numeric=False) for name in ("Layer", "Operator", "Target", "Where", "Why", "Variants")],
        rows[:_MOST_BEHIND],
        folded=title,
        more=f"{text.counted(rest, 'more operator')} can be found in report.json." if rest > 0 else "",
    )
