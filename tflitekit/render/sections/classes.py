"""What single classes lost: recall, confusion, and examples of what turned wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Column, Figure, Gallery, Section, Shot, Table, side_by_side
from tflitekit.render.plots import Spec
from tflitekit.render.plots.quality import class_figures, confusion, confusion_change
from tflitekit.render.sections import View, section
from tflitekit.render.sections.examples import is_jpeg
from tflitekit.render.summary import class_count, class_figure, class_losses, class_noun, ordered_classes
from tflitekit.results import Flip, VariantReport

__all__ = ["classes", "examples"]

_MOST_PLOTTED_CLASSES = 16
_MOST_LISTED_CLASSES = 60
_MOST_MATRIX_CLASSES = 20
_MOST_IMAGE_BYTES = 300_000
"""Of all example images together, so that the page stays below 2 MB."""


@section(place=70)
def classes(view: View) -> Section:
    """Returns which classes lost, what they are taken for, and examples."""
    blocks = (_worst(view), _recalls(view), *side_by_side(*_matrices(view)), *_flips(view))
    with_classes = next((len(row.per_class) for row in view.able if row.per_class), 0)
    one = class_noun(view.report)
    intro = f"{with_classes:,} {_plural(one)}. An average hides what one {one} loses." if with_classes else ""
    return Section("classes", _plural(one).capitalize(), intro, blocks)


def _worst(view: View) -> Figure | None:
    base = view.base
    others, rest = view.few([row for row in view.others if row.per_class])
    if base is None or not base.per_class or not others:
        return None
    specs, figure, one = {}, class_figure(view.report), class_noun(view.report)
    for row in others:
        losses = class_losses(row, base)[:_MOST_PLOTTED_CLASSES]
        values = [
            {"label": entry.label, "variant": owner.name, "value": entry.value * 100, "n": entry.n}
            | {"low": _percent(entry.low), "high": _percent(entry.high), "interval": text.interval(entry, percent=True)}
            | {"change": "baseline" if owner is base else f"{text.signed(-loss.loss * 100, 1)} points"}
            for loss in losses
            for owner, entry in ((base, loss.base), (row, loss.entry))
        ]
        told = "; ".join(f"{loss.entry.label}: {text.signed(-loss.loss * 100, 1)} points" for loss in losses[:5])
        about = f"{figure} by {one} of {base.name} and {row.name}, the largest losses first. {told}."
        specs[row.name] = class_figures(
            values,
            [loss.entry.label for loss in losses],
            view.looks,
            figure=figure,
            counted=class_count(view.report),
            about=about,
        )
    total = len(base.per_class)
    shown = min(total, _MOST_PLOTTED_CLASSES)
    which = f"All {_plural(one)}" if shown == total else f"The {shown} of {total:,} {_plural(one)} that lost most"
    return Figure.of_variants(
        "classes-lost",
        f"{figure} by {one}",
        f"{which}, the largest loss first; lines are 95 % intervals.{rest}",
        specs,
        selected=view.subject.name if view.subject else None,
        legend=view.legend([base.name, *(row.name for row in others)]),
    )


def _recalls(view: View) -> Table | None:
    shown = [row for row in view.able if row.per_class]
    if not shown:
        return None
    labels = ordered_classes(view.report)
    recalls = {row.name: {entry.label: entry for entry in row.per_class} for row in shown}
    rows = []
    for label in labels[: view.room(_MOST_LISTED_CLASSES)]:
        cells = []
        for row in shown:
            entry = recalls[row.name].get(label)
            if entry is None:
                cells.append(NOTHING)
                continue
            certain = entry.drop is not None and entry.drop.low is not None and entry.drop.low > 0
            note = (
                f"{text.signed(-entry.drop.value * 100, 1)} points"
                if entry.drop
                else text.interval(entry, percent=True)
            )
            cells.append(Cell(text.share(entry.value), entry.value, note, "bad" if certain else ""))
        n = next(found[label].n for found in recalls.values() if label in found)
        rows.append((Cell(label), Cell(f"{n:,}", n), *cells))
    rest, figure, one = len(labels) - len(rows), class_figure(view.report), class_noun(view.report)
    columns = (
        Column(one.capitalize(), numeric=False),
        Column(class_count(view.report)),
        *(Column(row.name) for row in shown),
    )
    return Table.of(
        f"{figure} by {one} and variant",
        columns,
        rows,
        folded=f"{figure} of {'all' if not rest else f'the {len(rows)} worst'} {_plural(one)} by variant",
        more=f"{rest:,} more {_plural(one)} are in report.json." if rest else "",
    )


def _matrices(view: View) -> tuple[Figure | None, Figure | None]:
    labels = _matrix_labels(view)
    base = view.base
    others, rest = view.few([row for row in view.others if row.confusion and len(row.confusion) == len(labels)])
    if not others or len(set(labels)) != len(labels):
        return None, None
    selected = view.subject.name if view.subject else None
    change = None
    paired = base is not None and base.confusion is not None and len(base.confusion) == len(labels)
    if paired and base is not None and base.confusion is not None:
        changed = [row for row in others if row.confusion != base.confusion]  # a plot of no change would be empty
        if changed:
            kept = _most_changed(base.confusion, [row.confusion for row in changed if row.confusion])
            change = Figure.of_variants(
                "confusion-change",
                f"Change from {base.name}",
                "Samples by true class and answer. Red: more wrong answers, or fewer right ones. Green: the opposite."
                + _left_out(kept, labels)
                + rest,
                {row.name: _change(row, base, labels, kept) for row in changed},
                selected=selected,
            )
        others = [base, *others]
    kept = _most_changed(None, [row.confusion for row in others if row.confusion])
    return change, Figure.of_variants(
        "confusion",
        "Confusion",
        "Share of each true class (rows) by answer (columns), in percent." + _left_out(kept, labels) + rest,
        {row.name: _shares(row, labels, kept) for row in others},
        selected=selected,
    )


def _matrix_labels(view: View) -> tuple[str, ...]:
    contract = view.report.contract
    sizes = {len(row.confusion) for row in view.able if row.confusion}
    for names in (contract.labels if contract else None, view.report.dataset and view.report.dataset.classes):
        if names and len(names) in sizes:
            return tuple(names)
    return tuple(map(str, range(max(sizes, default=0))))


def _left_out(kept: Sequence[int], labels: Sequence[str]) -> str:
    if len(kept) == len(labels):
        return ""
    return f" The {len(kept)} classes with the most errors; {len(labels) - len(kept)} more are in report.json."


Matrix = tuple[tuple[int, ...], ...]


def _most_changed(base: Matrix | None, others: Sequence[Matrix]) -> list[int]:
    """Returns the classes worth showing, in order: those with the largest changes, or the most wrong answers."""
    size = len(others[0])
    if size <= _MOST_MATRIX_CLASSES:
        return list(range(size))
    weights = [0] * size
    for matrix in others:
        for i in range(size):
            for j in range(size):
                amount = matrix[i][j] * (i != j) if base is None else abs(matrix[i][j] - base[i][j])
                weights[i] += amount
                weights[j] += amount
    return sorted(sorted(range(size), key=lambda i: -weights[i])[:_MOST_MATRIX_CLASSES])


def _shares(row: VariantReport, labels: Sequence[str], kept: Sequence[int]) -> Spec:
    assert row.confusion is not None
    cells, wrong = [], []
    for i in kept:
        total = sum(row.confusion[i]) or 1
        for j in kept:
            count = row.confusion[i][j]
            if count:
                cells.append(
                    {"label": labels[i], "answer": labels[j], "count": count, "share": round(count / total, 4)}
                )
            if count and i != j:
                wrong.append((count, f"{labels[i]} taken for {labels[j]} {count} times"))
    told = "; ".join(phrase for _, phrase in sorted(wrong, key=lambda item: -item[0])[:5])
    return confusion(cells, [labels[i] for i in kept], about=f"Confusion matrix of {row.name}. {told or 'No errors'}.")


def _change(row: VariantReport, base: VariantReport, labels: Sequence[str], kept: Sequence[int]) -> Spec:
    assert row.confusion is not None
    assert base.confusion is not None
    cells: list[dict[str, Any]] = []
    for i in kept:
        for j in kept:
            before, after = base.confusion[i][j], row.confusion[i][j]
            if before != after:
                cells.append({"label": labels[i], "answer": labels[j], "before": before, "after": after})
    largest = sorted(cells, key=lambda cell: -abs(cell["after"] - cell["before"]))[:5]
    told = "; ".join(f"{c['label']} as {c['answer']}: {text.signed(c['after'] - c['before'], 0)}" for c in largest)
    about = f"Changes of the confusion matrix from {base.name} to {row.name}. {told or 'None'}."
    return confusion_change(cells, [labels[i] for i in kept], about=about)


def _flips(view: View) -> Iterator[Gallery]:
    flipped = {row.name: row.flips for row in view.able if row.flips}

    def told(row: VariantReport, shown: int) -> tuple[str, str]:
        found = flipped[row.name]
        return f"Right before, wrong in {row.name}", (
            f"{found.lost:,} samples were right in the baseline and are wrong in {row.name}; {found.won:,} the other "
            f"way round. These are the {shown} losses of which it is most confident."
        )

    return examples(view, {name: found.examples for name, found in flipped.items()}, told, "Is")


def examples(
    view: View,
    found: Mapping[str, Sequence[Flip]],
    told: Callable[[VariantReport, int], tuple[str, str]],
    before: str,
) -> Iterator[Gallery]:
    """Yields the examples of a few variants, the `subject`'s first.

    Args:
        found: By variant.
        told: From a row and the number of its examples to title and caption.
        before: What precedes the class that was expected.
    """
    room = _MOST_IMAGE_BYTES
    kept, _ = view.few([row for row in view.able if found.get(row.name)])
    rows = sorted(kept, key=lambda row: view.subject is None or row.name != view.subject.name)
    for position, row in enumerate(rows):
        shots = []
        for flip in found[row.name]:
            image = flip.image if flip.image is not None and is_jpeg(flip.image) else None
            if image is not None and len(image) > room:
                image = None
            room -= len(image or "")
            score = "" if flip.confidence is None else f", score {text.share(flip.confidence, 0)}"
            shots.append(Shot(image, flip.sample, (f"{before} {flip.label}", f"Taken for {flip.answer}{score}")))
        title, caption = told(row, len(shots))
        yield Gallery(title, caption, tuple(shots), folded=title if position else "")


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
