"""Which variants of a run are explained, and how."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.conversion.proving import BASELINE
from tflitekit.core.errors import TflitekitError
from tflitekit.core.machine import usable_cores
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import Dataset, open_dataset
from tflitekit.explanation.explain import explain_variant, probed
from tflitekit.explanation.reading import columns_read
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.options.explain import ExplainOptions
from tflitekit.results import Constraints, Finding, VariantReport
from tflitekit.results.limits import drop_limit, figure_problems
from tflitekit.tflite.variant import Variant

__all__ = ["explain_lost"]

_MOST = 3


def explain_lost(
    rows: Sequence[VariantReport],
    variants: Sequence[Variant],
    dataset: Dataset,
    constraints: Constraints,
    options: ConvertOptions,
    scoring: EvaluateOptions,
    progress: Progress,
) -> tuple[VariantReport, ...]:
    """Explains the variants that lost more than the limit, at most three, the worst first; or else the one that lost most."""
    files = {variant.name: variant for variant in variants if variant.status == "ok" and variant.runnable}
    if BASELINE not in files:
        return tuple(rows)
    data = open_dataset(dataset, limit=ExplainOptions().limit, seed=options.seed)
    chosen = {row.name for row in _lost_most(rows, constraints) if row.name in files}

    def explained(row: VariantReport) -> VariantReport:
        try:
            original = probed(files.get(row.control or BASELINE, files[BASELINE]), data)
            found = explain_variant(
                probed(files[row.name], data),
                original,
                data,
                columns_read(original, data, scoring),
                {},
                jobs=options.jobs or usable_cores(),
                progress=progress,
            )
        except TflitekitError as error:
            finding = Finding(
                kind="not-explained", message=f"It could not be explained: {error.what}", advice=error.fix
            )
            return row.model_copy(update={"warnings": (*row.warnings, finding)})
        return row.model_copy(update={"explanation": found})

    return tuple(explained(row) if row.name in chosen else row for row in rows)


def _lost_most(rows: Sequence[VariantReport], constraints: Constraints) -> list[VariantReport]:
    base = next((row for row in rows if row.name == BASELINE), None)
    limit = drop_limit(base, constraints)
    able = [row for row in rows if row.status == "ok" and row.name != BASELINE and row.loss is not None]
    ordered = sorted(able, key=lambda row: -(row.loss or 0.0))
    beyond = [row for row in ordered if figure_problems(row, constraints, limit) or _has_broken_parts(row)]
    return beyond[:_MOST] or ordered[:1]


def _has_broken_parts(row: VariantReport) -> bool:
    return any(loss.broken for output in row.fidelity for loss in output.losses)
