"""The report of one run of *optimize*, made of what its steps found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tflitekit.accuracy.evaluation import Evaluation
from tflitekit.accuracy.lints.calibration import lint_calibration
from tflitekit.accuracy.notes import told_by_file
from tflitekit.conversion import ConvertResult
from tflitekit.core.errors import TflitekitError
from tflitekit.data.dataset import Dataset
from tflitekit.data.pixels import holds_pixels
from tflitekit.hardware import Hardware, Profile
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.render import write_all
from tflitekit.results import CalibrationPoint, Constraints, DatasetRecord, Finding, Report, SourceRecord, VariantReport
from tflitekit.results.recommendation import recommend
from tflitekit.tflite.told import Told, told_by

__all__ = ["data_warnings", "report_of", "write_what_there_is"]


def write_what_there_is(
    error: TflitekitError,
    converted: ConvertResult,
    dataset: Dataset,
    constraints: Constraints,
    profile: Profile,
    out: Path,
) -> None:
    """Writes a report of what was converted, where the evaluation failed; one of an earlier run is worth more."""
    if (out / "report.json").exists():
        return
    found = Finding(kind="not-evaluated", message=f"The evaluation failed: {error.what}", advice=error.fix)
    record = DatasetRecord(location=dataset.location, kind=dataset.kind, samples=0, classes=dataset.classes)
    rows = tuple(VariantReport.of(variant) for variant in converted.variants)
    evaluation = Evaluation(record, None, rows, (found,))
    write_all(report_of(converted, evaluation, rows, constraints, profile, ()), out)


def data_warnings(
    model: Any, converted: ConvertResult, evaluation: Evaluation, dataset: Dataset, how: OptimizeOptions
) -> list[Finding]:
    """Returns what is doubtful about the data, and what the file itself told of them."""
    found = _calibration_warnings(converted, evaluation, dataset)
    told = told_by(model)
    found += told_by_file(Path(model).name, told, how.preprocess, how.labels) if told != Told() else []
    unnamed = how.preprocess is None and told.preprocessing is None
    return found + (_unnamed_preprocessing(dataset, converted) if unnamed else [])


def _calibration_warnings(converted: ConvertResult, evaluation: Evaluation, dataset: Dataset) -> list[Finding]:
    calibration, location = converted.calibration, converted.calibration_location
    prepared = next((variant for variant in converted.variants if variant.contract is not None), None)
    if calibration is None or location is None or prepared is None:
        return []
    found = lint_calibration(
        calibration,
        location,
        pictures=converted.calibration_kind == "images",
        evaluation=evaluation.inputs,
        dataset=dataset,
        prepared=prepared,
    )
    if calibration.skipped:
        text = f"{len(calibration.skipped)} unreadable calibration samples were skipped."
        found.append(Finding(kind="unreadable-samples", message=text, advice="Repair or remove these files."))
    return found


def _unnamed_preprocessing(dataset: Dataset, converted: ConvertResult) -> list[Finding]:
    if not any(holds_pixels(dataset, spec) for spec in converted.source.inputs):
        return []
    return [
        Finding(
            kind="preprocessing-not-named",
            message="No preprocessing was named, so 'raw' was used: the model gets pixels from 0 to 255 unchanged.",
            advice="Use --preprocess to name the one that the model was trained with.",
        )
    ]


def report_of(
    converted: ConvertResult,
    evaluation: Evaluation,
    rows: tuple[VariantReport, ...],
    constraints: Constraints,
    profile: Profile,
    doubts: Sequence[Finding],
    curve: tuple[CalibrationPoint, ...] = (),
) -> Report:
    """Returns the report."""
    source, hardware = converted.source, Hardware.of(profile)
    warnings = [*(Finding(kind="source", message=note) for note in source.notes), *evaluation.warnings, *doubts]
    return Report.made_now(
        source=SourceRecord(
            location=converted.source_location,
            sha256=converted.source_sha256,
            kind=source.kind,
            loader=source.loader,
            parameters=source.parameters,
            notes=source.notes,
            proof=source.proof,
        ),
        dataset=_dataset_record(evaluation.dataset, converted),
        contract=converted.variants[0].contract,
        baseline=evaluation.baseline,
        constraints=constraints,
        hardware=hardware,
        variants=rows,
        recommendation=recommend(
            rows,
            constraints,
            baseline=evaluation.baseline,
            data=evaluation.dataset.location,
            unfit=evaluation.unfit,
            hardware=hardware,
        ),
        calibration_curve=curve,
        warnings=tuple(warnings),
    )


def _dataset_record(record: DatasetRecord, converted: ConvertResult) -> DatasetRecord:
    calibration = converted.calibration
    if calibration is None:
        return record
    return record.model_copy(
        update={
            "calibration_location": converted.calibration_location,
            "calibration_samples": calibration.samples,
            "calibration_sha256": calibration.sha256,
        }
    )
