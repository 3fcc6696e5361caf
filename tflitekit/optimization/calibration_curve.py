"""Accuracy against the number of calibration samples."""

from __future__ import annotations

from typing import Any

from tflitekit.accuracy.evaluation import evaluate_variants
from tflitekit.conversion import ConvertResult
from tflitekit.data.dataset import Dataset
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.results import CalibrationPoint

__all__ = ["measure_curve"]


def measure_curve(
    converted: ConvertResult, dataset: Dataset, how: EvaluateOptions, **options: Any
) -> tuple[CalibrationPoint, ...]:
    """Measures what `ConvertResult.curve` holds, on the same samples as the other variants.

    Args:
        **options: Of `evaluate_variants`.
    """
    if not converted.curve:
        return ()
    named = [
        (samples, variant.model_copy(update={"name": f"{variant.name} on {samples}"}))
        for samples, variant in converted.curve
    ]
    rows = {}
    if any(variant.status == "ok" for _, variant in named):
        reference = next(variant for variant in converted.variants if variant.name == how.baseline)
        variants = [reference, *(variant for _, variant in named)]
        found = evaluate_variants(variants, dataset, how, advise=False, **options)
        rows = {row.name: row for row in found.variants}
    points = []
    for samples, variant in named:
        row = rows.get(variant.name)
        points.append(
            CalibrationPoint(
                scheme=variant.scheme or variant.name,
                samples=samples,
                accuracy=row.accuracy if row else None,
                drop=row.drop if row else None,
                likeness=row.likeness if row else None,
                error=variant.error if row is None else row.error,
            )
        )
    return tuple(points)
