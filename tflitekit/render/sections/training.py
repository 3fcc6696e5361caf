"""Variants that were trained: beside what they are to be compared with, how they learned, and whether the files compute it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tflitekit.render import text, training_text
from tflitekit.render.blocks import NOTHING, Cell, Choice, Column, Figure, Section, Table
from tflitekit.render.plots import Spec
from tflitekit.render.plots.training import training_curve
from tflitekit.render.sections import View, named, section
from tflitekit.render.sections.overview import accuracy_cell, change_cell
from tflitekit.results import VariantReport
from tflitekit.tflite.training_record import EpochRecord, Score, StageRecord, TrainingRecord, is_control

__all__ = ["training"]

_EPOCHS = 40
"""Of each variant in plots and in the table."""
_LAYERS = 60
_TIED = "\N{NO-BREAK SPACE}"
_VERBS = {"finetune": "fine-tune", "prune": "prune", "cluster": "cluster", "quantize": "quantize"}


@section(place=30)
def training(view: View) -> Section:
    """Returns what is known about variants that were trained."""
    rows = training_text.compared(view.report)
    records = [row.training for row in rows if row.training]
    intro = ""
    if len({(r.data, r.samples, r.validation, r.validation_samples) for r in records}) == 1:
        first = records[0]
        held = "held out of them" if first.validation == "split" else f"of {first.validation}"
        checked = f"checked after each epoch on {first.validation_samples:,} {held}"
        intro = f"Trained on {text.counted(first.samples, 'sample')} of {first.data}, "
        intro += f"{checked if first.validation_samples else 'with none held out for validation'}."
    blocks = (
        _compared(view, rows),
        _three_way(view, rows),
        _curves(view),
        _layers(view),
        _settings(view),
    )
    return Section("training", "Training", intro, blocks)


def _compared(view: View, rows: Sequence[VariantReport]) -> Table | None:
    base = view.base.name if view.base else "the baseline"
    titles = text.figure_columns(view.report.dataset, view.report.variants)
    columns = (
        Column("Variant", numeric=False),
        Column(titles["Accuracy"], about="With its 95 % interval"),
        Column(f"Against {base}", about="Paired difference from the original float model, with its 95 % interval"),
        Column("Against control", about="Paired difference from the float model trained for the same number of steps"),
        Column("Size", about="Of the file"),
        Column("Deflated", about="About what it costs inside a compressed app; below it the share of the baseline's"),
        Column(
            "Verified",
            numeric=False,
            about="What was checked in the finished file: that it computes what was quantized in training (parity), "
            "its zeros, and its distinct weights per channel",
        ),
        Column("Stages", numeric=False, about="The stages of training, in order; below them, how long they took"),
    )
    whole = view.base.deflated_bytes if view.base else None
    found = []
    for row in rows:
        deflated = NOTHING
        if row.deflated_bytes is not None:
            note = text.share(row.deflated_bytes / whole, 0) if whole and not view.is_base(row) else ""
            deflated = Cell(text.size(row.deflated_bytes), row.deflated_bytes, note)
        verified = training_text.verified(row)
        found.append(
            (
                named(view, row, badges=True),
                accuracy_cell(row),
                change_cell(view, row),
                _against_control(row),
                NOTHING if row.size_bytes is None else Cell(text.size(row.size_bytes), row.size_bytes),
                deflated,
                NOTHING if verified == "–" else Cell(verified, row.compression.sparsity if row.compression else None),
                _stages(view, row),
            )
        )
    more = " ".join(training_text.remarks(view.report))
    marked = next((i for i, row in enumerate(rows) if row.name == view.chosen), -1)
    return Table.of("Trained variants and what to compare them with", columns, found, marked=marked, more=more)


def _stages(view: View, row: VariantReport) -> Cell:
    """Returns what was done; lines break between stages only, and between epochs and steps."""
    words = training_text.stages(row, view.report).replace(" ", _TIED).replace(f",{_TIED}", ", ")
    effort = training_text.effort(row.training).replace(" ", _TIED).replace(f",{_TIED}", ", ") if row.training else ""
    return Cell(words, note=effort)


def _against_control(row: VariantReport) -> Cell:
    if is_control(row.scheme, row.options):
        return Cell("control", 0)
    drop = row.drop_from_control
    if drop is None or row.accuracy is None:
        return NOTHING
    value, interval = text.change(drop, row.accuracy)
    return Cell(value, -drop.value, interval, "bad" if drop.low is not None and drop.low > 0 else "")


def _three_way(view: View, rows: Sequence[VariantReport]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Float", about="The float model, with its 95 % interval"),
        Column("Fake-quantized", about="The model as it was trained, with quantization simulated in float"),
        Column(".tflite", about="The finished file"),
        Column("Gap", about="Fake-quantized against the file, positive is worse; below it the paired 95 % interval"),
        Column("Agreement", about="Share of samples on which both give the same class"),
        Column(
            "Samples",
            about="The same for all three: of the validation data, or of the training data where none are held out",
        ),
        Column("Verdict", numeric=False),
    )
    found = []
    for row in rows:
        parity = training_text.three_way(row)
        if parity is None:
            continue
        gap, interval = training_text.gap(parity)
        bad = parity.is_failure
        where = f"from the layer {parity.layer} on" if parity.layer else ""
        scores = (parity.float_model, parity.fake_quantized, parity.tflite)
        found.append(
            (
                named(view, row),
                *(_score(score, parity.metric) for score in scores),
                Cell(gap, parity.gap, interval, "bad" if bad else ""),
                NOTHING if parity.agreement is None else Cell(text.share(parity.agreement), parity.agreement),
                Cell(f"{parity.samples:,}", parity.samples),
                Cell("differs", note=where, tone="bad")
                if bad
                else Cell("computes what was trained".replace(" ", _TIED), tone="good"),
            )
        )
    return Table.of("Does the file compute what was trained?", columns, found)


def _score(score: Score, metric: str) -> Cell:
    return Cell(
        training_text.metric_value(score.value, metric), score.value, training_text.score_interval(score, metric)
    )


_Point = tuple[int, StageRecord, EpochRecord]
"""The epoch counted from the first stage on, its stage, and what was measured."""


def _points(view: View, record: TrainingRecord) -> list[_Point]:
    """Returns epochs of all stages, evenly thinned where there are many; first, last and kept ones stay."""
    found, start = [], 0
    for stage in record.stages:
        for position, entry in enumerate(stage.history):
            edge = position in (0, len(stage.history) - 1) or entry.epoch == stage.best_epoch
            found.append((start + entry.epoch, stage, entry, edge))
        start += max((entry.epoch for entry in stage.history), default=stage.epochs)
    step = -(-len(found) // view.room(_EPOCHS))
    return [(epoch, stage, entry) for i, (epoch, stage, entry, edge) in enumerate(found) if edge or i % step == 0]


def _curves(view: View) -> Figure | None:
    learned = [
        row
        for row in training_text.trained(view.report)
        if row.training and any(s.history for s in row.training.stages)
    ]
    rows, rest = view.few(learned)
    if not rows:
        return None
    records = [row.training for row in rows if row.training]
    with_metric = all(any(e.metric is not None or e.val_metric is not None for e in _epochs(r)) for r in records)
    metrics = {record.metric for record in records if record.metric}
    metric = _title(metrics.pop()) if len(metrics) == 1 else "Metric"
    kinds = ["Loss", *([metric] if with_metric else [])]
    specs: dict[str, Spec] = {}
    for i, (row, record) in enumerate(zip(rows, records, strict=True)):
        for j, kind in enumerate(kinds):
            key = " ".join(str(n) for n, many in ((i, len(rows) > 1), (j, len(kinds) > 1)) if many)
            specs[key] = _curve(view, row, record, kind)
    names = tuple(row.name for row in rows)
    selected = names.index(view.subject.name) if view.subject and view.subject.name in names else len(names) - 1
    choices = (
        *((Choice("Variant", names, selected),) if len(rows) > 1 else ()),
        *((Choice("Shown", tuple(kinds)),) if len(kinds) > 1 else ()),
    )
    return Figure(
        "training-curves",
        "How it learned",
        "Stages follow one another; the ring marks the epoch whose weights were kept." + rest,
        specs,
        choices=choices,
        table=_epoch_table(view, rows),
    )


def _title(metric: str) -> str:
    name = text.metric_name(metric)
    return name[:1].upper() + name[1:]


def _epochs(record: TrainingRecord) -> Iterator[EpochRecord]:
    return (entry for stage in record.stages for entry in stage.history)


def _curve(view: View, row: VariantReport, record: TrainingRecord, kind: str) -> Spec:
    points = _points(view, record)
    percent = kind != "Loss" and record.metric is not None and training_text.is_share(record.metric)
    names = ("loss", "val_loss") if kind == "Loss" else ("metric", "val_metric")
    values: list[dict[str, Any]] = []
    for series, name in zip(("Training", "Validation"), names, strict=True):
        for epoch, stage, entry in points:
            value = getattr(entry, name)
            if value is not None:
                words = training_text.stage(stage)
                kept = entry.epoch == stage.best_epoch and series == (
                    "Validation" if _validated(record, names[1]) else series
                )
                values.append(
                    {"epoch": epoch, "series": series, "value": value, "stage": words, "kept": kept}
                    | {"rate": f"{entry.learning_rate:.2g}"}
                )
    starts, begin = [], 0
    for stage in record.stages:
        starts.append({"start": begin, "label": _VERBS[stage.kind]})
        begin += max((entry.epoch for entry in stage.history), default=stage.epochs)
    last = values[-1]["value"] if values else float("nan")
    ended = training_text.metric_value(last, record.metric if percent else None)
    title = kind if kind == "Loss" else _title(record.metric or "Metric")
    about = f"{title} by epoch of {row.name}, {training_text.stages(row, view.report)}; at the end {ended}."
    return training_curve(values, starts, view.looks[row.name].color, title=title, about=about, percent=percent)


def _validated(record: TrainingRecord, name: str) -> bool:
    return any(getattr(entry, name) is not None for entry in _epochs(record))


def _epoch_table(view: View, rows: Sequence[VariantReport]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Stage", numeric=False),
        Column("Epoch"),
        Column("Loss"),
        Column("Validation loss"),
        Column("Metric"),
        Column("Validation metric"),
        Column("Learning rate"),
        Column("Seconds"),
    )
    found, left_out = [], 0
    for row in rows:
        record = row.training
        if record is None:
            continue
        points = _points(view, record)
        left_out += sum(1 for _ in _epochs(record)) - len(points)
        for _, stage, entry in points:
            kept = "kept" if entry.epoch == stage.best_epoch else ""
            found.append(
                (
                    named(view, row),
                    Cell(training_text.stage(stage)),
                    Cell(str(entry.epoch), entry.epoch, kept),
                    _number(entry.loss, None),
                    _number(entry.val_loss, None),
                    _number(entry.metric, record.metric),
                    _number(entry.val_metric, record.metric),
                    Cell(f"{entry.learning_rate:.2g}", entry.learning_rate),
                    Cell(f"{entry.seconds:.1f}", entry.seconds),
                )
            )
    more = f"{text.counted(left_out, 'more epoch')} can be found in report.json." if left_out else ""
    return Table.of("Epochs", columns, found, folded="Every epoch", more=more)


def _number(value: float | None, metric: str | None) -> Cell:
    if value is None:
        return NOTHING
    shown = training_text.metric_value(value, metric) if metric else f"{value:#.4g}"
    return Cell(shown, value)


def _layers(view: View) -> Table | None:
    rows, rest = view.few([row for row in view.able if row.compression])
    counted = [(row, row.compression) for row in rows if row.compression]
    names = list(dict.fromkeys(layer.layer for _, found in counted for layer in found.layers))
    lines = []
    for name in names[:_LAYERS]:
        cells, weights = [], 0
        for _, found in counted:
            layer = next((entry for entry in found.layers if entry.layer == name), None)
            if layer is None:
                cells.append(NOTHING)
                continue
            weights = layer.weights
            note = text.counted(layer.clusters, "value") + ("" if layer.compressed else ", left alone")
            cells.append(Cell(f"{text.share(layer.sparsity)} zeros", layer.sparsity, note))
        lines.append((Cell(name), Cell(f"{weights:,}", weights), *cells))
    columns = (Column("Layer", numeric=False), Column("Weights"), *(Column(row.name) for row, _ in counted))
    hidden = len(names) - _LAYERS
    more = (
        "Counted in the finished file. Values are distinct weights: the most of any output channel, because each channel has "
        "a scale of its own."
        + (f" {text.counted(hidden, 'more layer')} can be found in report.json." if hidden > 0 else "")
        + rest
    )
    return Table.of(
        "Zeros and distinct weights by layer", columns, lines, folded="Zeros and distinct weights, by layer", more=more
    )


def _settings(view: View) -> Table | None:
    """Returns every setting with its value, once where all variants share it."""
    rows = [(row, row.training) for row in training_text.trained(view.report) if row.training]
    values: dict[str, dict[str, list[str]]] = {}
    for row, record in rows:
        for name, value in _facts(record):
            values.setdefault(name, {}).setdefault(value, []).append(row.name)
    lines = []
    for name, found in values.items():
        for value, names in found.items():
            who = "all" if len(names) == len(rows) else ", ".join(names)
            lines.append((Cell(name), Cell(value), Cell(who)))
    columns = tuple(Column(title, numeric=False) for title in ("Setting", "Value", "Variants"))
    return Table.of("How they were trained", columns, lines, folded="How they were trained", sortable=False)


def _facts(record: TrainingRecord) -> Iterator[tuple[str, str]]:
    yield "Data", record.data
    if record.data_sha256:
        yield "SHA-256 of the data", record.data_sha256
    yield "Samples", f"{record.samples:,}"
    held = "held out of the data" if record.validation == "split" else f"samples of {record.validation}"
    yield "Validation", f"{record.validation_samples:,} {held}" if record.validation_samples else "none"
    yield "Loss", record.loss
    yield "Optimizer", record.optimizer
    yield "Learning rate", f"{record.learning_rate:g} at most"
    yield "Batch", f"{record.batch_size:,}"
    yield "Steps", f"{record.steps:,}"
    yield "Seed", str(record.seed)
    yield "Augmentation", record.augmentation or "none"
    if record.class_weights:
        yield "Class weights", record.class_weights
    if record.distill is not None:
        yield "Distilled", f"{record.distill:.0%} of the loss comes from comparing with the float model's outputs"
    yield "Strategy", ", ".join([record.strategy, *record.devices])
    for stage in record.stages:
        words = training_text.stage(stage)
        if stage.stopped:
            yield (
                "Stopped",
                f"{words}: {stage.stopped}, after {len(stage.history)} of {text.counted(stage.epochs, 'epoch')}",
            )
        if stage.resumed_at:
            yield "Resumed", f"{words}: after epoch {text.listed([str(epoch) for epoch in stage.resumed_at])}"
    if record.left_float:
        yield "Left float", ", ".join(record.left_float)
    for what, parity in (("Rebuilt for Keras 2", record.rebuilt), ("With layers replaced", record.annotated)):
        if parity is not None:
            yield (
                what,
                f"differs by {parity.max_abs_difference:.2g} at most, limit {parity.tolerance:.2g}, on "
                f"{text.counted(parity.samples, f'{parity.origin} sample')}",
            )
    for note in record.notes:
        yield "Note", note
    if record.tensorboard:
        yield "TensorBoard", record.tensorboard
