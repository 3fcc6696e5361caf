"""Trained variants: was the accuracy measured on what was trained on, and is a gain that of training alone?"""

from __future__ import annotations

from tflitekit.data.samples import same_place
from tflitekit.results import DatasetRecord, Finding, VariantReport
from tflitekit.tflite.training_record import TrainingRecord, is_control

__all__ = ["lint_training"]


def lint_training(row: VariantReport, dataset: DatasetRecord, baseline: str | None) -> VariantReport:
    """Adds what casts doubt on the accuracy of a trained variant.

    Args:
        row: With its drops; one that was not trained or not scored comes back as it is.
        dataset: What the accuracy was measured on.
        baseline: Name of the variant that drops were measured against.
    """
    if row.training is None or row.accuracy is None:
        return row
    found = _leak(row.training, dataset) + _gain(row, baseline)
    return row.model_copy(update={"warnings": (*row.warnings, *found)})


def _leak(training: TrainingRecord, dataset: DatasetRecord) -> list[Finding]:
    if same_place(training.data, dataset.location) or (
        dataset.sha256 is not None and training.data_sha256 == dataset.sha256
    ):
        message = f"It was trained on the data that its accuracy was measured on ({dataset.location})."
        advice = "The accuracy is higher than users will see. Evaluate on samples that no training has seen."
    elif training.validation != "split" and same_place(training.validation, dataset.location):
        message = f"The data that its accuracy was measured on ({dataset.location}) decided which epoch was kept."
        advice = "The accuracy may look better than it is. Evaluate on samples that no training has seen."
    else:
        return []
    return [Finding(kind="trained-on-evaluation-data", message=message, advice=advice)]


def _gain(row: VariantReport, baseline: str | None) -> list[Finding]:
    drop = row.drop
    if row.name == baseline or is_control(row.scheme, row.options) or row.drop_from_control is not None:
        return []
    if drop is None or drop.high is None or drop.high >= 0:
        return []
    assert row.training is not None
    return [
        Finding(
            kind="trained-gain",
            message=f"It is better than {baseline} ({drop.verdict}), which was not trained for {row.training.steps:,} steps more: "
            "the gain may come from training, not from the scheme.",
            advice="Add --control: it trains the float model for the same steps, to compare with.",
        )
    ]
