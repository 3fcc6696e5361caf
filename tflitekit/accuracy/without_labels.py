"""Evaluation on data without labels: which file's outputs are the reference, and what that means for limits and figures."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.accuracy.metrics import AnyMetric
from tflitekit.accuracy.metrics.explained import Explained
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.core.errors import UsageError
from tflitekit.data.dataset import Dataset
from tflitekit.results import Constraints, Finding
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant

__all__ = ["ambiguous_output", "check_limits", "choose_reference", "fidelity_unknown", "left_out"]


def choose_reference(variants: Sequence[Variant], location: str) -> str:
    """Returns the file whose outputs the others are compared with: float32, else the first float file.

    Raises:
        UsageError: No file is a float one, or there is no other.
    """
    why = f"The data at {location} have no labels, so the outputs of the float model are the reference."
    floats = [v for v in variants if v.scheme == "float32" or (v.path is not None and read_graph(v.path).is_float)]
    if not floats:
        raise UsageError(
            f"None of the files is a float model: {', '.join(v.name for v in variants)}.",
            why=why,
            fix="Give the float .tflite file among the files, too; or name one of these as the reference with --baseline; or give data "
            "with labels.",
        )
    if len(variants) == 1:
        raise UsageError(
            f"There is nothing to compare {variants[0].name} with.",
            why=why,
            fix="Give the variants to compare among the files, too, or data with labels.",
        )
    return next((v for v in floats if v.scheme == "float32"), floats[0]).name


def check_limits(constraints: Constraints, dataset: Dataset, metric: str | None, *, by_reference: bool) -> None:
    """Refuses limits that data with labels, or without, do not have.

    Args:
        metric: The one that the user named.
    """
    if not by_reference:
        if constraints.min_fidelity is not None:
            raise UsageError(
                "--min-fidelity is a limit on the agreement with the float model, and these data have labels.",
                why=f"With the labels at {dataset.location}, accuracy is measured.",
                fix="Give --max-accuracy-drop instead; or --metric agreement or --metric fidelity, to leave the labels aside.",
            )
        return
    given = {"--max-accuracy-drop": constraints.max_accuracy_drop, "--max-class-drop": constraints.max_class_drop}
    named = next((option for option, value in given.items() if value is not None), None)
    if named is not None:
        why = (
            f"The data at {dataset.location} have none"
            if not dataset.labelled
            else f"--metric {metric} leaves them aside"
        )
        raise UsageError(
            f"{named} needs labels.",
            why=f"{why}: the variants are compared with the float model.",
            fix="Give --min-fidelity PERCENT instead, or data with labels.",
        )


def ambiguous_output(run: ScoringJob, metric: AnyMetric, named: str | None) -> list[Finding]:
    """Says that an output which may hold scores of classes was taken for values."""
    spec = run.output_spec
    several = [d for d in spec.shape[1:] if d != 1]
    if named is not None or not isinstance(metric, Explained) or len(several) != 1:
        return []
    return [
        Finding(
            kind="taken-for-values",
            message=f"The data have no labels, and nothing says that the output '{spec.name}' holds scores of classes: its "
            f"{several[0] if several[0] > 0 else ''} values are compared as they are.".replace("  ", " "),
            advice="If they are scores of classes, name --metric agreement, or the classes with --labels; if not, --metric fidelity says so.",
        )
    ]


def left_out(dataset: Dataset) -> list[Finding]:
    """Says what of the data was not taken."""
    advice = (
        "Put them into class folders, or out of this one."
        if dataset.kind == "images"
        else "Correct the data, if that is wrong."
    )
    return [Finding(kind="left-out", message=note, advice=advice) for note in dataset.notes]


def fidelity_unknown(name: str, baseline: str, samples: int, *, compared: bool) -> Finding:
    """Says why the fidelity of a variant is not known.

    Args:
        compared: Whether any of its outputs was compared with one of the baseline's.
    """
    if not compared:
        return Finding(
            kind="not-comparable",
            message=f"No output of {name} can be compared with one of {baseline}: their names, shapes or last operators differ.",
            advice="Compare variants of one model, or name the output with --output.",
        )
    return Finding(
        kind="too-few-samples",
        message=f"The fidelity of {name} cannot be told: {samples:,} samples are too few, or the outputs of {baseline} hardly vary on them.",
        advice="Evaluate on more samples, at least 20, that differ from one another.",
    )
