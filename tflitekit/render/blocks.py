"""What ``report.html`` is made of: sections of tables, figures, galleries and notes. The templates draw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tflitekit.render.plots import Look, Spec

__all__ = [
    "NOTHING",
    "Badge",
    "Block",
    "Cell",
    "Choice",
    "Column",
    "Figure",
    "Gallery",
    "Note",
    "Section",
    "Shot",
    "Table",
    "side_by_side",
]


@dataclass(frozen=True)
class Badge:
    """A short word that marks something; ``tone`` is 'good', 'bad', 'warn', 'accent' or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        sort: What the column is sorted by, where that is not the text; an empty text sorts last.
        note: A second, quieter line.
        tone: As of a `Badge`.
        symbol: The variant's color and shape, before its name.
        link: The address of the web, or the place in the page, that the text leads to.
    """

    text: str
    sort: float | str | None = None
    note: str = ""
    tone: str = ""
    badges: tuple[Badge, ...] = ()
    symbol: Look | None = None
    link: str = ""


NOTHING = Cell("–", sort="")


@dataclass(frozen=True)
class Column:
    """The head of a column; ``about`` explains it where the title is not enough."""

    title: str
    numeric: bool = True
    about: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its head.

    Attributes:
        folded: Title of the disclosure that hides the table until it is asked for.
        marked: The row that stands out; -1 is none.
        more: What is said below it, as of rows that are not shown; a line is a paragraph.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sortable: bool = True
    folded: str = ""
    marked: int = -1
    more: str = ""
    kind: ClassVar[str] = "table"

    @classmethod
    def of(
        cls, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], **options: Any
    ) -> Table | None:
        """Returns a table of the columns that have something to show, or None where nothing has."""
        used = [i for i in range(len(columns)) if i == 0 or any(row[i] != NOTHING for row in rows)]
        if not rows or len(used) < min(2, len(columns)):
            return None
        kept = tuple(tuple(row[i] for i in used) for row in rows)
        return cls(caption, tuple(columns[i] for i in used), kept, **options)


@dataclass(frozen=True)
class Choice:
    """A switch of a figure."""

    label: str
    options: tuple[str, ...]
    selected: int = 0

    @property
    def is_list(self) -> bool:
        """Whether it is a list to choose from, because the options do not stand side by side."""
        return len(self.options) > 3 or sum(map(len, self.options)) > 60


@dataclass(frozen=True)
class Figure:
    """A plot, or several of which the reader chooses one.

    Attributes:
        specs: Specifications by the numbers of the chosen options, joined by a space; '' without choices.
        legend: Variants with color and symbol; a specification's ``usermeta`` names those that it shows.
        table: The same data as a table.
        half: Whether it takes half of the page's width where there is room.
    """

    id: str
    title: str
    caption: str
    specs: dict[str, Spec]
    choices: tuple[Choice, ...] = ()
    legend: tuple[tuple[str, Look], ...] = ()
    table: Table | None = None
    half: bool = False
    kind: ClassVar[str] = "figure"

    @classmethod
    def of_variants(
        cls, id: str, title: str, caption: str, specs: Mapping[str, Spec], *, selected: str | None, **options: Any
    ) -> Figure:
        """Returns a figure with a switch between variants, if there are several.

        Args:
            specs: Specifications by the variant's name.
            selected: The variant that is shown first; the first where it has no specification.
        """
        names = tuple(specs)
        if len(names) == 1:
            return cls(id, title, caption, {"": specs[names[0]]}, **options)
        first = names.index(selected) if selected in names else 0
        numbered = {str(number): spec for number, spec in enumerate(specs.values())}
        return cls(id, title, caption, numbered, choices=(Choice("Variant", names, first),), **options)


@dataclass(frozen=True)
class Shot:
    """A sample: its picture (base64 JPEG), if there is one, and what is said about it.

    Attributes:
        beside: Several pictures instead of one, side by side, each with its title.
    """

    image: str | None
    title: str
    lines: tuple[str, ...]
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Samples side by side."""

    title: str
    caption: str
    shots: tuple[Shot, ...]
    folded: str = ""
    kind: ClassVar[str] = "gallery"

    @property
    def is_wide(self) -> bool:
        """Whether samples have several pictures."""
        return any(shot.beside for shot in self.shots)


@dataclass(frozen=True)
class Note:
    """A paragraph that stands out."""

    text: str
    tone: str = ""
    kind: ClassVar[str] = "note"


def side_by_side(first: Figure | None, second: Figure | None) -> tuple[Figure | None, Figure | None]:
    """Returns two figures that share a row if both are there."""
    if first is None or second is None:
        return first, second
    return replace(first, half=True), replace(second, half=True)


Block = Table | Figure | Gallery | Note


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        folded: Whether it is a chapter that opens when it is asked for; ``intro`` then stands beside its title.
    """

    id: str
    title: str
    intro: str = ""
    blocks: tuple[Block | None, ...] = field(default=())
    folded: bool = False

    def __iter__(self) -> Iterator[Block]:
        return (block for block in self.blocks if block is not None)

    def __bool__(self) -> bool:
        return any(block is not None for block in self.blocks)

    @property
    def figures(self) -> list[Figure]:
        """Its figures."""
        return [block for block in self if isinstance(block, Figure)]
