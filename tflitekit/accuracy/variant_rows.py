"""From the scores of variants to their rows in the report: figures, comparisons, examples and lints."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tflitekit.accuracy.examples import worst_examples
from tflitekit.accuracy.flips import flip_examples
from tflitekit.accuracy.lints.outputs import (
    lint_confidence,
    lint_constant_output,
    lint_output_range,
    lint_stored_inputs,
)
from tflitekit.accuracy.lints.parts import lint_parts, outputs_beside
from tflitekit.accuracy.metrics import Likeness, Metric, ReferenceMetric, Scores
from tflitekit.accuracy.metrics.agreement import ClassAgreement
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference
from tflitekit.accuracy.metrics.explained import Explained
from tflitekit.accuracy.metrics.several import SeveralMetrics
from tflitekit.accuracy.scored import Scored, Stopped, together
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.accuracy.without_labels import fidelity_unknown
from tflitekit.core.answers import answering, expect, wrong_answer
from tflitekit.data.dataset import Dataset
from tflitekit.data.facts import Inputs
from tflitekit.results import Constraints, Drop, Finding, Measured, OutputFidelity, Sequential, VariantReport
from tflitekit.schemes.advice import request_of
from tflitekit.tflite.training_record import is_control
from tflitekit.tflite.variant import Variant

__all__ = ["control_of", "inputs_of", "linted", "row_of", "with_examples"]


def control_of(variant: Variant, variants: Sequence[Variant], scores: Mapping[str, Scores]) -> str | None:
    """Returns the name of the float model of the same source that was trained for as many steps as a trained variant.

    None where none was scored, and for a control itself.
    """
    if variant.training is None or is_control(variant.scheme, variant.options):
        return None
    for other in variants:
        if (
            is_control(other.scheme, other.options)
            and other.training is not None
            and other.training.steps == variant.training.steps
            and other.source_sha256 == variant.source_sha256
            and other.name in scores
            and scores[other.name]["finite"].all()
        ):
            return other.name
    return None


def row_of(variant: Variant, scored: Scored, constraints: Constraints, *, control: str | None = None) -> VariantReport:
    """Returns what the scores say of one variant, alone and beside the baseline.

    Args:
        scored: A variant without scores keeps its status; decisions of an early stop take the place of the verdicts.
        constraints: The drops that matter.
        control: The variant that `control_of` found.
    """
    metric = scored.metric
    own = scored.scores.get(variant.name)
    if own is None:
        return VariantReport.of(variant)
    broken = int(np.count_nonzero(~own["finite"]))
    if broken:
        return VariantReport.of(
            variant,
            status="failed",
            error=f"NaN or infinite values in the output for {broken} of {own['finite'].size} samples. "
            "Look for overflow in float16, or for data that the model was not built for.",
        )
    if isinstance(metric, ReferenceMetric):
        return _beside_reference(variant, scored, metric)
    return _beside_labels(variant, scored, metric, constraints, control)


def _beside_reference(variant: Variant, scored: Scored, metric: ReferenceMetric) -> VariantReport:
    """Returns what the baseline's outputs say of one variant; the baseline is the reference itself."""
    own, stopped = scored.scores[variant.name], scored.stopped
    if variant.name == scored.baseline:
        whole = Measured(
            metric=metric.name, value=1.0, low=None, high=None, n=len(own["finite"]), higher_is_better=True
        )
        return VariantReport.of(variant, likeness=whole)
    if scored.baseline is None:
        return VariantReport.of(variant)
    found = answering(metric.likeness, Likeness)(own, _outputs(variant, scored, scored.baseline))
    measured: dict[str, Any] = {"likeness": found.figure, "other_metrics": found.others, **found.fields}
    if stopped is not None:
        measured["sequential"] = stopped.decisions.get(variant.name)
    row = VariantReport.of(variant, **measured)
    if found.figure is None:
        n = len(own["finite"])
        finding = fidelity_unknown(row.name, scored.baseline, n, compared=bool(scored.sums.get(row.name)))
        row = row.model_copy(update={"warnings": (*row.warnings, finding)})
    return row


def _outputs(
    variant: Variant, scored: Scored, baseline: str, labelled: Collection[str] = ()
) -> tuple[OutputFidelity, ...]:
    """Returns every output of a variant beside the baseline's; ``labelled`` are those that have labels, where several have."""
    run, compared = scored.runs[variant.name], scored.runs[baseline]
    other = run.variant.training is not None or _other_source(run.variant, compared.variant)
    names = set(labelled) or {run.output_spec.name}
    outputs = run.graph.outputs
    which = None if isinstance(scored.metric, Explained) else [i for i, s in enumerate(outputs) if s.name in names]
    return outputs_beside(run.graph, which, scored.sums.get(variant.name, {}), other_weights=other)


def _beside_labels(
    variant: Variant, scored: Scored, metric: Metric, constraints: Constraints, control: str | None
) -> VariantReport:
    """Returns what the labels say of one variant, and how it differs from the baseline."""
    scores, stopped = scored.scores, scored.stopped
    own = scores[variant.name]
    figures = tuple(expect(figure, Measured, by=metric.summarize) for figure in answering(metric.summarize, tuple)(own))
    if not figures or not all(math.isfinite(figure.value) for figure in figures):
        raise wrong_answer(metric.summarize, "did not return one finite figure or more")
    drop = answering(metric.drop, Drop)
    reference = together(own, scores[scored.baseline])[1] if scored.baseline is not None else None
    measured: dict[str, Any] = {"accuracy": figures[0], "other_metrics": figures[1:]}
    measured |= answering(metric.details, dict)(own, reference, max_class_drop=constraints.max_class_drop)
    if isinstance(metric, SeveralMetrics):
        beside = None if own is reference else reference
        measured["output_scores"] = metric.by_output(own, beside, constraints.max_accuracy_drop)
    if reference is not None:
        measured["drop"] = drop(reference, own, constraints.max_accuracy_drop)
    if control is not None:
        measured["control"] = control
        measured["drop_from_control"] = drop(*together(scores[control], own), constraints.max_accuracy_drop)
    if stopped is not None and variant.name in stopped.decisions:
        decided = stopped.decisions[variant.name]
        measured["sequential"] = decided
        measured["drop"] = measured["drop"].model_copy(update={"verdict": _decided(measured["drop"], decided, stopped)})
    return VariantReport.of(variant, **measured)


def _decided(drop: Drop, decided: Sequential, stopped: Stopped) -> str:
    place = "within" if decided.decision == "meets" else "beyond"
    points = f"{decided.limit * 100:.3g} point{'' if decided.limit == 0.01 else 's'}"
    word = "drops" if drop.value > 0 else "gains"
    return (
        f"{place} the limit of {points}, decided on {decided.decided_at:,} of {stopped.record.available:,} samples "
        f"({word} {abs(drop.value) * 100:.1f})"
    )


def with_examples(rows: tuple[VariantReport, ...], scored: Scored, dataset: Dataset) -> tuple[VariantReport, ...]:
    """Adds the most confident losses to the rows of variants that lost any; without labels, samples that get another class.

    Of tasks other than classification, those that lost most, drawn.
    """
    if scored.baseline is not None and isinstance(scored.metric, DecodedMetric | DecodedReference):
        names = [
            row.name for row in rows if row.status == "ok" and row.name != scored.baseline and row.name in scored.scores
        ]
        found = worst_examples(dataset, scored, names)
        return tuple(row.model_copy(update={"examples": found.get(row.name, ())}) for row in rows)
    flipped = {row.name: scored.scores[row.name] for row in rows if _has_flipped(row)}
    if scored.baseline is None or not flipped or not isinstance(scored.metric, Classification | ClassAgreement):
        return rows
    examples = flip_examples(dataset, flipped, scored.scores[scored.baseline], scored.metric.class_name)

    def with_own(row: VariantReport) -> VariantReport:
        if row.name not in examples:
            return row
        if row.flips is None:
            return row.model_copy(update={"differing": examples[row.name]})
        return row.model_copy(update={"flips": row.flips.model_copy(update={"examples": examples[row.name]})})

    return tuple(map(with_own, rows))


def _has_flipped(row: VariantReport) -> bool:
    return bool(row.flips.lost) if row.flips is not None else row.likeness is not None and row.likeness.value < 1


def inputs_of(run: ScoringJob, scores: Scores) -> Inputs:
    """Returns what a variant was fed."""
    kept = ("content", "input_low", "input_high", "label")
    return Inputs(run.graph.inputs, {name: scores[name] for name in kept if name in scores})


def linted(row: VariantReport, scored: Scored, baseline: str) -> VariantReport:
    """Adds what the lints say of one variant's outputs, part by part, and of how it stores its inputs."""
    if row.status != "ok" or row.name not in scored.scores:
        return row
    own, reference = together(scored.scores[row.name], scored.scores[baseline])
    run = scored.runs[row.name]
    request = request_of(run.variant.scheme, run.variant.options)
    constant = lint_constant_output(own, reference, run.contract.labels, request=request)
    found = constant + lint_stored_inputs(inputs_of(run, own), run.graph.inner_inputs, request=request)
    compared = scored.runs[baseline]
    of_baseline = compared.graph.inner_outputs[compared.output_index]
    beside: tuple[OutputFidelity, ...] = ()
    if row.name != baseline:
        beside = _outputs(run.variant, scored, baseline, [score.output for score in row.output_scores])
        whole: list[Finding] = []
        if of_baseline.quantization is None and not constant:
            whole += lint_output_range(own, run.graph.inner_outputs[run.output_index], reference, request=request)
        if isinstance(scored.metric, Classification | ClassAgreement) and not constant:
            whole += lint_confidence(own, reference, max(2, scored.metric.outputs), request=request)
        of_scored = run.output_spec.name
        # What is said of the output as a whole is not said again of its parts.
        parts = lint_parts(
            [output for output in beside if not (output.output == of_scored and (constant or whole))], request
        )
        found = parts + found + whole
    return row.model_copy(update={"warnings": (*row.warnings, *found), "fidelity": beside})


def _other_source(one: Variant, other: Variant) -> bool:
    return None not in (one.source_sha256, other.source_sha256) and one.source_sha256 != other.source_sha256
