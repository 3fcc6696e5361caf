"""What training did, in words and figures; shared by all views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from tflitekit.render import text
from tflitekit.tasks import metric_words

if TYPE_CHECKING:
    from tflitekit.results import Drop, Measured, Report, VariantReport
    from tflitekit.tflite.training_record import Compression, Score, StageRecord, ThreeWay, TrainingRecord

__all__ = [
    "COLUMNS",
    "MEDIUM",
    "NARROW",
    "SIZE_REMARK",
    "against",
    "compared",
    "compression",
    "effort",
    "gap",
    "is_share",
    "metric_value",
    "parity",
    "remarks",
    "score_interval",
    "stage",
    "stages",
    "table",
    "three_way",
    "trained",
    "verified",
]

COLUMNS = (
    "Variant", "Stages", "Trained for", "Accuracy", "Against float", "Against control", "Size", "Deflated", "Verified",
)  # fmt: skip
MEDIUM = ("Variant", "Stages", "Accuracy", "Against float", "Against control", "Deflated", "Verified")
"""The columns that fit a terminal of 118 characters."""
NARROW = ("Variant", "Accuracy", "Against float", "Against control", "Deflated")
"""The columns that fit a terminal of 80 characters; differences come without their intervals there."""
SIZE_REMARK = (
    "Pruning and clustering do not shrink the file itself, which stores every weight all the same; they shrink what an app "
    "download compresses, the deflated size."
)


def trained(report: Report) -> list[VariantReport]:
    """Returns the rows of variants that were trained."""
    return [row for row in report.variants if row.training is not None]


def compared(report: Report) -> list[VariantReport]:
    """Returns the rows to look at side by side: baseline, controls, full integer without training, then what was trained.

    Nothing where nothing was trained.
    """
    rows = trained(report)
    if not rows:
        return []
    able = [row for row in report.variants if row.status == "ok" and row.training is None]
    base = [row for row in able if row.name == report.baseline]
    integer = [row for row in able if row.scheme == "int8" and row.name != report.baseline]
    controls = [row for row in rows if _is_control(row)]
    return [*base, *controls, *integer, *(row for row in rows if row not in controls)]


def stages(row: VariantReport, report: Report) -> str:
    """Returns what was done one after another: 'pruned to 75%, then quantized in training'."""
    if row.training is None:
        return "not trained" if row.name == report.baseline else "quantized after training"
    words = []
    for _, group in groupby(row.training.stages, lambda entry: entry.kind):
        same = list(group)
        words.append(stage(same[-1]) + (f" ({len(same)} rounds)" if len(same) > 1 else ""))
    after = {"float32": None, "int8": "quantized after it"}.get(then := row.options.get("then", "float32"), then)
    return ", then ".join([*words, *([after] if after else [])])


def stage(stage: StageRecord) -> str:
    """Returns what one stage did."""
    if stage.kind == "prune":
        return "pruned" if stage.sparsity is None else f"pruned to {text.share(stage.sparsity, 0)}"
    if stage.kind == "cluster":
        return "clustered" if stage.clusters is None else f"clustered to {stage.clusters} values"
    return {"finetune": "fine-tuned", "quantize": "quantized in training"}[stage.kind]


def effort(training: TrainingRecord) -> str:
    """Returns '10 epochs, 3,130 steps', or '6 of 10 epochs' where training stopped early."""
    asked = sum(stage.epochs for stage in training.stages)
    ran = sum(len(stage.history) or stage.epochs for stage in training.stages)
    if ran != asked:
        return f"{ran} of {asked} epochs"
    return f"{text.counted(asked, 'epoch')}, {text.counted(training.steps, 'step')}"


def compression(found: Compression | None) -> str:
    """Returns zeros and distinct weights as they were counted in the file, as far as they were asked for."""
    if found is None:
        return "–"
    words = []
    if found.target_sparsity is not None:
        words.append(f"{text.share(found.sparsity)} zeros")
    if found.target_clusters is not None:
        words.append(f"{found.clusters} values")
    return ", ".join(words) or "–"


def verified(row: VariantReport) -> str:
    """Returns what was checked in the finished file: 'parity' with what was trained, and zeros and distinct weights."""
    found = three_way(row)
    words = [] if found is None else ["no parity" if found.is_failure else "parity"]
    counted = compression(row.compression)
    return ", ".join([*words, *([counted] if counted != "–" else [])]) or "–"


def against(drop: Drop | None, value: Measured | None) -> tuple[str, str]:
    """Returns a paired difference and its interval; '–' where there is none."""
    return ("–", "") if drop is None or value is None else text.change(drop, value)


def table(report: Report, columns: Sequence[str] = COLUMNS) -> tuple[list[str], list[list[str]]]:
    """Returns those of the columns that have something to show, and the rows of `compared`."""
    rows = []
    points = any(row.accuracy is not None and metric_words.is_share(row.accuracy.metric) for row in compared(report))
    for row in compared(report):
        base = row.name == report.baseline
        differences = [
            ("–", "") if base else against(row.drop, row.accuracy),
            ("control", "") if _is_control(row) else against(row.drop_from_control, row.accuracy),
        ]
        shown = [
            value.removesuffix(" points") + (f" ({interval})" if interval and columns is not NARROW else "")
            for value, interval in differences
        ]
        cells = (
            row.name,
            stages(row, report),
            effort(row.training) if row.training else "–",
            text.accuracy(row),
            *shown,
            text.size(row.size_bytes),
            text.size(row.deflated_bytes),
            verified(row),
        )
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    used = [name for name in columns if any(cells[name] not in ("–", "control") for cells in rows)]
    figures = text.figure_columns(report.dataset, report.variants)
    titles = [f"{name} (points)" if points and name.startswith("Against") else name for name in used]
    return [figures.get(title, title) for title in titles], [[cells[name] for name in used] for cells in rows]


def remarks(report: Report) -> list[str]:
    """Returns what has to be known to read the table: sizes, and what the differences mean."""
    rows = compared(report)
    if not rows:
        return []
    found = []
    if any(row.compression for row in rows):
        found.append(SIZE_REMARK)
    base = next((row.name for row in rows if row.name == report.baseline), "the float model")
    controls = [row.name for row in rows if _is_control(row)]
    if controls:
        integer = text.listed([row.name for row in rows if row.scheme == "int8"])
        after = f"for {integer} what quantization after training costs, and " if integer else ""
        found.append(
            f"Against {base}: {after}for trained variants the gain of training minus the loss of compression. Against the control "
            f"({text.listed(controls)}: the float model trained for the same steps): that loss alone."
        )
    elif any(row.drop for row in rows if row.training):
        found.append(
            f"The change against {base} is the gain of training minus the loss of compression. They cannot be separated without "
            "a control, the float model trained for the same steps (--control)."
        )
    return found


def is_share(metric: str) -> bool:
    """Tells whether a metric of a training is a share, shown in per cent."""
    return metric_words.is_share(metric) or "accuracy" in metric.lower()


def metric_value(value: float, metric: str | None) -> str:
    """Returns a figure of a metric of a training."""
    return text.share(value) if metric is not None and is_share(metric) else f"{value:.4g}"


def score_interval(score: Score, metric: str) -> str:
    """Returns the 95 % interval of a figure of a training, or nothing."""
    factor = 100 if is_share(metric) else 1
    return text.between(
        score.low, score.high, lambda value: f"{value * factor:.1f}" if factor > 1 else f"{value * factor:.3g}"
    )


def gap(found: ThreeWay) -> tuple[str, str]:
    """Returns how much worse the file is than the fake-quantized model, and the 95 % interval of that."""
    if not is_share(found.metric):
        return f"{found.gap:.3g}", text.between(found.gap_low, found.gap_high, lambda value: f"{value:.3g}")
    interval = text.between(found.gap_low, found.gap_high, lambda value: text.signed(value * 100, 1))
    return f"{text.signed(found.gap * 100, 1).lstrip('+')} points", interval


def three_way(row: VariantReport) -> ThreeWay | None:
    """Returns the comparison of a variant that was quantized in training: only there is a gap an error.

    Where the file is quantized after training, the gap is what that costs, and the changes in accuracy show it.
    """
    record = row.training
    return record.three_way if record is not None and record.stages[-1].kind == "quantize" else None


def parity(found: ThreeWay, trained_as: str = "fake-quantized") -> str:
    """Returns one line about the float model, the trained one and the file on the same samples."""
    models = (("float", found.float_model), (trained_as, found.fake_quantized), (".tflite", found.tflite))
    figures = ", ".join(f"{name} {metric_value(score.value, found.metric)}" for name, score in models)
    value, interval = gap(found)
    unit = "" if is_share(found.metric) else f"{found.metric}: "
    line = f"{unit}{figures} on {text.counted(found.samples, f'{found.origin} sample')} (gap {value}"
    line += f", 95% interval {interval})" if interval else ")"
    if found.is_failure:
        where = f", from the layer {found.layer} on" if found.layer else ""
        line += f": the file does not compute what was trained{where}"
    return line


def _is_control(row: VariantReport) -> bool:
    from tflitekit.tflite.training_record import is_control

    return is_control(row.scheme, row.options)
