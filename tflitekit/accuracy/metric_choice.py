"""Which metric data and model call for, and whether they fit at all: known from labels and shapes, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from tflitekit.accuracy.metrics import AnyMetric, metrics
from tflitekit.accuracy.metrics.classification import Classification, size_of
from tflitekit.accuracy.metrics.custom import CustomMetric
from tflitekit.accuracy.metrics.explained import Explained
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.core.user_code import load_function
from tflitekit.data.contract import find_output
from tflitekit.data.dataset import Dataset

__all__ = ["by_reference", "choose_metric"]


def by_reference(metric: str | None, dataset: Dataset) -> bool:
    """Whether outputs are compared with the baseline's instead of labels: such a metric is named, or the data have no labels."""
    return _is_reference(metric) if metric is not None else not dataset.labelled


def _is_reference(metric: str) -> bool:
    return metric in metrics() and metrics()[metric].reference


def choose_metric(
    metric: str | None,
    dataset: Dataset,
    outputs: Sequence[TensorSpec],
    output: str | None,
    *,
    labels: Sequence[str] | None,
    final_op: str | None = None,
    owner: str = "The model",
) -> AnyMetric:
    """Returns the metric that is named, else the one that says that it applies, as classification and regression do by the labels.

    Args:
        outputs: The model's, the one that is scored by default first.
        output: The one to score; the first when not given.
        labels: Class names that the contract has.
        final_op: What computes the output that is scored, where that is known: a softmax gives classes, also without labels.
        owner: Whose outputs they are, for messages.

    Raises:
        UsageError: There is no such metric or output.
        DataError: The data are empty, or their labels are not of the output's shape or classes.
        ContractError: The number of labels is not that of the model's outputs.
    """
    spec = find_output(outputs, output, owner)
    if metric is not None and metric not in metrics() and ":" not in metric:
        own = "or your own as module:function or path/to/file.py:function"
        names = sorted(metrics(), key=_is_reference)
        raise UsageError(f"There is no metric '{metric}'.", fix=f"Choose from: {', '.join(names)}, {own}.")
    if metric is not None and not _is_reference(metric) and not dataset.labelled:
        raise _needs_labels(f"--metric {metric}", dataset)
    if metric in metrics():
        return metrics()[metric].make(dataset, spec, labels)
    if metric is not None:
        return CustomMetric(_name(metric), load_function(metric, "metric"))
    if not dataset.labelled:
        return _without_labels(dataset, spec, labels, final_op)
    others = [other for other in outputs if other.name != spec.name]
    try:
        found = _by_labels(dataset, spec, labels)
    except (DataError, ContractError) as error:
        raise type(error)(
            error.what, why=_listed(outputs) if others else error.why, fix=_other(others, dataset, labels) or error.fix
        ) from error
    if output is None and isinstance(found, Classification):
        _check_choice(dataset, spec, others)
    return found


def _needs_labels(what: str, dataset: Dataset) -> UsageError:
    return UsageError(
        f"{what} needs labels, and the data at {dataset.location} have none.",
        fix="Leave it out to compare each variant with the float model, or give data with labels: images in one folder per class, "
        "or an .npz with 'y'.",
    )


def _without_labels(
    dataset: Dataset, spec: TensorSpec, labels: Sequence[str] | None, final_op: str | None
) -> AnyMetric:
    """Compares classes where the output is known to hold some, else values."""
    single = len([d for d in spec.shape[1:] if d != 1]) <= 1
    classes = single and (labels is not None or (final_op == "SOFTMAX" and size_of(spec) > 1))
    return metrics()["agreement"].make(dataset, spec, labels) if classes else Explained()


def _name(metric: str) -> str:
    """Returns what a metric of the user's own is called where it is shown: as its function, unless the kit has one of that name."""
    module, _, function = metric.rpartition(":")
    return f"{Path(module).name}:{function}" if function in ("top1", "top5", "mae", "rmse") else function


def _by_labels(dataset: Dataset, spec: TensorSpec, labels: Sequence[str] | None) -> AnyMetric:
    """Asks every metric whether it is the one; those of other packages first: they know more."""
    kinds = (kind for kind in reversed(metrics().values()) if not kind.reference)
    return next(kind for kind in kinds if kind.applies(dataset, spec)).make(dataset, spec, labels)


def _listed(outputs: Sequence[TensorSpec]) -> str:
    shown = ", ".join(f"'{spec.name}' {list(spec.shape[1:])}".replace("-1", "?") for spec in outputs)
    return f"The outputs, with their shapes for one sample: {shown}."


def _other(others: Sequence[TensorSpec], dataset: Dataset, labels: Sequence[str] | None) -> str | None:
    """Returns the advice to score another output, where one fits the labels."""
    fitting = []
    for other in others:
        try:
            _by_labels(dataset, other, labels)
        except (DataError, ContractError):
            continue
        fitting.append(f"--output {other.name}")
    return f"Score an output that fits the labels: {' or '.join(fitting)}." if fitting else None


def _check_choice(dataset: Dataset, spec: TensorSpec, others: Sequence[TensorSpec]) -> None:
    """Refuses to score the first output where only another one has as many values as there are classes."""
    largest = dataset.largest_label()
    if largest is None or -1 in spec.shape[1:]:
        return
    exact = [other.name for other in others if -1 not in other.shape[1:] and math.prod(other.shape[1:]) == largest + 1]
    if exact and max(2, size_of(spec)) != largest + 1:
        raise DataError(
            f"The labels at {dataset.location} are the classes 0 to {largest}, and the output '{spec.name}' has {size_of(spec)} values; "
            f"'{exact[0]}' has {largest + 1}.",
            why=f"'{spec.name}' is the first output, which is scored unless you name another.",
            fix=f"Name the output: --output {exact[0]}, or --output {spec.name} if it is that one.",
        )
