"""The sections of ``report.html``: which tables and figures a report fills. One file per theme.

Other packages add theirs by an entry point of the group ``tflitekit.sections``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from tflitekit.core.answers import answering, expect
from tflitekit.core.registry import Registry
from tflitekit.render import text
from tflitekit.render.blocks import Badge, Block, Cell, Section
from tflitekit.render.plots import SHAPES, Look
from tflitekit.render.summary import reference, subject
from tflitekit.results import Report, VariantReport

__all__ = ["View", "named", "section", "sections"]

_COLORS = 8
_MANY = 6
"""With more variants than this, each gets less space, and switches offer only this many."""


@dataclass(frozen=True)
class View:
    """A report as the page looks at it.

    Attributes:
        base: The baseline's row, if there is one.
        subject: The row that the page is about: the chosen variant, or what comes nearest.
        chosen: Name of the chosen variant, if there is one.
        looks: How each variant is drawn; the baseline grey, the subject in the page's accent.
    """

    report: Report
    base: VariantReport | None
    subject: VariantReport | None
    chosen: str | None
    looks: dict[str, Look]

    @classmethod
    def of(cls, report: Report) -> View:
        """Looks at a report."""
        base, main = reference(report), subject(report)
        looks, others = {}, 0
        for row in report.variants:
            if main is not None and row.name == main.name:
                looks[row.name] = Look("var(--accent)", "circle")
            elif base is not None and row.name == base.name:
                looks[row.name] = Look("var(--muted)", "square")
            else:
                looks[row.name] = Look(f"var(--c{others % _COLORS})", SHAPES[(others + 2) % len(SHAPES)])
                others += 1
        answer = report.recommendation
        return cls(report, base, main, answer.chosen if answer else None, looks)

    @property
    def able(self) -> list[VariantReport]:
        """Rows of variants that work."""
        return [row for row in self.report.variants if row.status == "ok"]

    @property
    def others(self) -> list[VariantReport]:
        """Rows that work, without the baseline."""
        return [row for row in self.able if self.base is None or row.name != self.base.name]

    def room(self, most: int) -> int:
        """Returns how much of something each variant may take: less where there are many, so that the page stays small."""
        return max(most // 8, most * _MANY // max(_MANY, len(self.able)))

    def few(self, rows: Sequence[VariantReport]) -> tuple[list[VariantReport], str]:
        """Returns at most `_MANY` of the rows, the subject among them, and what is to be said about the others."""
        first = sorted(rows, key=lambda row: self.subject is None or row.name != self.subject.name)[:_MANY]
        names = {row.name for row in first}
        rest = len(rows) - len(first)
        kept = [row for row in rows if row.name in names]
        return kept, f" {text.counted(rest, 'more variant')} can be found in report.json." if rest else ""

    def legend(self, names: list[str]) -> tuple[tuple[str, Look], ...]:
        """Returns names with how they are drawn."""
        return tuple((name, self.looks[name]) for name in dict.fromkeys(names))

    def is_base(self, row: VariantReport) -> bool:
        """Tells whether a row is the baseline's."""
        return self.base is not None and row.name == self.base.name


Make = Callable[[View], Section]

_registry: Registry[tuple[int, Make]] = Registry("section", __name__, "tflitekit.sections")


def section(*, place: int) -> Callable[[Make], Make]:
    """Registers a function that makes a section of a report; where it has nothing to show, the section has no blocks.

    Args:
        place: Sections stand in the order of these numbers.
    """

    def register(function: Make) -> Make:
        _registry.add(function.__name__, (place, answering(function, Section)), function.__module__)
        return function

    return register


def sections(view: View) -> list[Section]:
    """Returns the sections of a report in their order, without empty ones."""
    ordered = sorted(_registry.all().values(), key=lambda placed: placed[0])
    found = [(make, make(view)) for _, make in ordered]
    for make, one in found:
        for block in one:
            expect(block, *get_args(Block), by=make)
    return [one for _, one in found if one]


def named(view: View, row: VariantReport, *, badges: bool = False) -> Cell:
    """Returns the head of a variant's row."""
    found = []
    if badges:
        if row.name == view.chosen:
            found.append(Badge("recommended", "accent"))
        if view.is_base(row):
            found.append(Badge("baseline"))
        if row.status != "ok":
            found.append(Badge(row.status, "bad" if row.status == "failed" else "warn"))
    return Cell(row.name, badges=tuple(found), symbol=view.looks[row.name])
