"""Variants that were searched for: what was tried, what was kept, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflitekit.core.units import duration
from tflitekit.render import search_text, text
from tflitekit.render.blocks import NOTHING, Cell, Column, Figure, Section, Table
from tflitekit.render.plots import Spec
from tflitekit.render.plots.search import family, search_path
from tflitekit.render.sections import View, named, section
from tflitekit.render.summary import pareto_front
from tflitekit.results import VariantReport
from tflitekit.tasks.metric_words import is_share
from tflitekit.tflite.search_record import SearchPoint, SearchRecord

__all__ = ["search"]

_POINTS, _LAYERS = 200, 200
_OF_FAMILY = 150
_FEWEST = 3


@section(place=25)
def search(view: View) -> Section:
    """Returns the paths of searches and what they found."""
    rows, rest = view.few([row for row in view.able if row.search is not None])
    if not rows:
        return Section("search", "Search")
    blocks = (
        _summary(view),
        _timings(view, rows),
        _family(view, rows),
        _paths(view, rows),
        _changes(view, rows),
        _layers(view, rows),
    )
    intro = (
        "Candidates were judged on samples that are not evaluated on. Accuracies elsewhere on this page are those of the finished "
        f"files on the evaluation data, measured once.{rest}"
    )
    return Section("search", "Search", intro, blocks)


def _summary(view: View) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Size"),
        Column("Expected loss", about="On the samples that candidates were judged on; below it the upper end of its one-sided 95 % interval"),
        Column("Limit"),
        Column("Candidates", about="Files that were made and judged; below it, how long that took"),
        Column("Judged on", numeric=False),
        Column("Layers", numeric=False),
        Column("Ended", numeric=False),
    )  # fmt: skip
    rows = []
    for row in view.able:
        record = row.search
        if record is None:
            continue
        tone = "good" if record.met else "bad"
        rows.append(
            (
                named(view, row, badges=True),
                NOTHING if row.size_bytes is None else Cell(text.size(row.size_bytes), row.size_bytes),
                Cell(f"{record.loss:.2%}", record.loss, f"at most {record.high:.2%}", tone),
                Cell(f"{record.limit:.2%}", record.limit, _missed(record), "" if record.met else "bad"),
                Cell(f"{record.tried:,}", record.tried, f"{record.seconds:.0f} s"),
                Cell(f"{record.samples:,} samples", note="with labels" if record.labels else "without labels"),
                Cell(search_text.layers(record) or "–"),
                Cell("by itself" if record.ended == "finished" else record.ended, note=record.following or ""),
            )
        )
    return Table.of("What was searched for", columns, rows)


def _missed(record: SearchRecord) -> str:
    """Returns which limits beside that of the loss are not kept."""
    words = {
        "loss": "",
        "class_loss": f"class '{record.worst_class}' loses too much",
        "size": "too large",
        "latency": "too slow",
    }
    return ", ".join(filter(None, (words[limit] for limit in record.missed)))


def _timings(view: View, rows: Sequence[VariantReport]) -> Table | None:
    """Returns the files that were measured at the end of each search, the fastest first."""
    columns = (
        Column("Variant", numeric=False),
        Column("File", numeric=False),
        Column("Latency", about="Median of alternating rounds, in the search; the section Latency has the finished file measured by the protocol"),
        Column("Size"),
        Column("Expected loss"),
        Column("Limits", numeric=False),
    )  # fmt: skip
    cells = [
        (
            named(view, row),
            Cell(each.name, note="kept" if each.chosen else ""),
            Cell(duration(each.latency_ms), each.latency_ms),
            Cell(text.size(each.size_bytes), each.size_bytes),
            Cell(f"{each.loss:.2%}", each.loss, f"at most {each.high:.2%}"),
            Cell("kept", tone="good") if each.within else Cell("not kept", tone="bad"),
        )
        for row in rows
        if row.search is not None
        for each in sorted(row.search.timings, key=lambda each: each.latency_ms)
    ]
    return Table.of("Measured side by side", columns, cells)


def _family(view: View, rows: Sequence[VariantReport]) -> Figure | None:
    """Returns all variants and all that searches tried in one plane, with what no other file beats in both."""
    judged_by = next(row.search.judged_by for row in rows if row.search is not None)
    points = _points(view, rows, judged_by)
    if len(points) < _FEWEST:
        return None
    best = pareto_front([(each["kilobytes"], -each["loss"]) for each in points])
    every = max(1, -(-len(points) // _OF_FAMILY))
    values = [
        each | {"front": is_best}
        for i, (each, is_best) in enumerate(zip(points, best, strict=True))
        if is_best or each["finished"] or i % every == 0
    ]
    front = sorted((each for each in values if each["front"]), key=lambda each: each["kilobytes"])
    told = "; ".join(f"{each['kilobytes']:,.1f} kB loses {each['loss']:.2f}%" for each in front[:12])
    about = f"Size and loss of {len(points)} files. The front: {told}."
    finished = [each["variant"] for each in front if each["finished"]]
    there = f" Of the finished variants {text.listed(finished)} {'are' if len(finished) > 1 else 'is'} there."
    return Figure(
        "family",
        "Size against loss of the whole family",
        "Symbols are finished variants, as evaluated; dots are files that searches tried, with the loss that was expected. Filled and "
        f"joined: no smaller file loses less.{there if finished else ''}",
        {"": family(values, view.looks, y_title=f"Loss of {_lost(judged_by)}, %", about=about)},
        legend=view.legend([each["variant"] for each in values]),
    )


def _points(view: View, rows: Sequence[VariantReport], judged_by: str) -> list[dict[str, Any]]:
    found = [
        _point(row.name, row.size_bytes, loss, finished=True)
        for row in view.able
        if row.size_bytes is not None
        and row.figure is not None
        and is_share(row.figure.metric)
        and (loss := 0.0 if view.is_base(row) else row.loss) is not None
    ]
    for row in rows:
        if row.search is not None and row.search.judged_by == judged_by:
            found += [
                _point(row.name, point.size_bytes, point.loss, finished=False)
                for point in row.search.path
                if not point.chosen
            ]
    return found


def _lost(judged_by: str) -> str:
    return {"accuracy": "accuracy", "agreement": "agreement"}.get(judged_by, "variance of the worst output")


def _point(name: str, size_bytes: int, loss: float, *, finished: bool) -> dict[str, Any]:
    return {
        "kilobytes": size_bytes / 1000,
        "loss": round(loss * 100, 3),
        "variant": name,
        "finished": finished,
    }


def _paths(view: View, rows: Sequence[VariantReport]) -> Figure | None:
    found = [(row.name, row.search) for row in rows if row.search is not None]
    specs = {name: _path(view, name, record) for name, record in found if len(record.path) > 1}
    if not specs:
        return None
    selected = view.subject.name if view.subject is not None else None
    return Figure.of_variants(
        "search-path",
        "Size against loss of all candidates",
        "Filled: no smaller file lost less. Lines reach up to the end of the one-sided 95 % interval, which has to stay below the dashed "
        "limit. The ring marks the file that was kept.",
        specs,
        selected=selected,
    )


def _path(view: View, name: str, record: SearchRecord) -> Spec:
    front = _front(record.path)
    values = [
        {
            "kilobytes": point.size_bytes / 1000,
            "loss": point.loss * 100,
            "high": point.high * 100,
            "size": text.size(point.size_bytes),
            "shown": f"{point.loss:.2%} (at most {point.high:.2%})",
            "layers": search_text.types(point.layers),
            "front": point in front,
            "chosen": point.chosen,
        }
        for point in _thinned(record, view.room(_POINTS))
    ]
    what = _lost(record.judged_by)
    about = f"Size and expected loss of {len(record.path)} candidates for {name}."
    return search_path(values, record.limit * 100, y_title=f"Expected loss of {what}, %", about=about)


def _thinned(record: SearchRecord, most: int) -> list[SearchPoint]:
    """Returns so many points, with the best ones and the chosen one."""
    points, front = record.path[:: -(-len(record.path) // most) or 1], _front(record.path)
    return [point for point in record.path if point in points or point in front or point.chosen]


def _front(path: tuple[SearchPoint, ...]) -> list[SearchPoint]:
    found: list[SearchPoint] = []
    for point in sorted(path, key=lambda point: (point.size_bytes, point.loss)):
        if not found or point.loss < found[-1].loss:
            found.append(point)
    return found


def _changes(view: View, rows: Sequence[VariantReport]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Change", numeric=False),
        Column("Before", about="Expected loss without it"),
        Column("After", about="Expected loss with it"),
        Column("Size"),
        Column("Kept", numeric=False),
    )
    cells = [
        (
            named(view, row),
            Cell(each.change),
            Cell(f"{each.before:.2%}", each.before),
            Cell(f"{each.loss:.2%}", each.loss),
            Cell(text.size(each.size_bytes), each.size_bytes),
            Cell("kept", tone="good") if each.kept else Cell("not kept"),
        )
        for row in rows
        if row.search is not None
        for each in row.search.changes
    ]
    return Table.of("Cures, in the order in which they were tried", columns, cells)


def _layers(view: View, rows: Sequence[VariantReport]) -> Table | None:
    columns = (
        Column("Layer", numeric=False),
        Column("Variant", numeric=False),
        Column("Operator", numeric=False),
        Column("Type", numeric=False),
        Column("Rounding", numeric=False),
    )
    cells = [
        (
            Cell(layer.name),
            Cell(row.name),
            Cell(layer.operator),
            Cell(layer.type),
            Cell(layer.rounding) if layer.rounding else NOTHING,
        )
        for row in rows
        if row.search is not None
        for layer in row.search.layers[: view.room(_LAYERS)]
    ]
    return Table.of("Layers", columns, cells, folded="Type of each layer")
