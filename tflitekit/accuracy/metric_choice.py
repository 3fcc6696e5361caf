"""Which metric data and model call for, and whether they fit at all: known from labels and shapes, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tflitekit.accuracy.metrics import AnyMetric, metrics
from tflitekit.accuracy.metrics.classification import Classification, size_of
from tflitekit.accuracy.metrics.custom import CustomMetric
from tflitekit.accuracy.metrics.explained import Explained
from tflitekit.accuracy.several_outputs import check_single, choose_several
from tflitekit.core.arguments import meant
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.core.user_code import load_function
from tflitekit.data.annotations import task_of
from tflitekit.data.by_output import labelled_outputs
from tflitekit.data.dataset import Dataset
from tflitekit.data.samples import some
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.options.tasks import TaskOptions
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import task_of_reader

__all__ = ["by_reference", "choose_metric", "is_reference", "require_metric"]


def by_reference(how: ScoringOptions, dataset: Dataset) -> bool:
    """Whether outputs are compared with the baseline's instead of labels: such a metric is named, or the data have no labels."""
    return is_reference(how.metric_of_all) if how.metric_of_all is not None else not dataset.labelled


def is_reference(metric: str) -> bool:
    """Whether a metric compares with the baseline's outputs, and leaves labels aside."""
    return metric in metrics() and metrics()[metric].reference


def choose_metric(dataset: Dataset, interface: Interface, how: ScoringOptions) -> AnyMetric:
    """Returns the metric that is named, else the one that says that it applies, by the labels or, without them, by the task.

    Where several outputs have labels, it is one with a metric for each of them.

    Raises:
        UsageError: There is no such metric or output.
        DataError: The data are empty, or their labels are not of the output's shape or classes.
        ContractError: The number of labels is not that of the model's outputs.
    """
    for metric in how.metric.values():
        require_metric(metric)
    _check_columns(dataset, interface, how)
    outputs = labelled_outputs(dataset)
    if outputs and not by_reference(how, dataset):
        return choose_several(dataset, interface, how, outputs, _choose_one)
    check_single(dataset, interface, how)
    return _choose_one(dataset, interface, how, how.metric.get(interface.output.name, how.metric_of_all))


def _check_columns(dataset: Dataset, interface: Interface, how: ScoringOptions) -> None:
    """Refuses a table without labels whose columns are called as outputs: they are probably labels, and would be left out."""
    inputs = {spec.name for spec in interface.inputs}
    found = [spec.name for spec in interface.outputs if spec.name in dataset.columns and spec.name not in inputs]
    if not found or how.metric or dataset.labelled:
        return
    call = (
        f"name it, PATH:label={found[0]}"
        if len(interface.outputs) == 1
        else f"call them {some([f'y.{n}' for n in found])}"
    )
    raise DataError(
        f"{dataset.location} has no labels, but columns that are called as the model's outputs: {some(found)}.",
        fix=f"If they are labels, {call}. If not, --metric fidelity compares outputs with the float model's.",
    )


def require_metric(metric: str) -> None:
    """Raises `UsageError` where there is no metric of that name, and it cannot be a function of the user's own."""
    if metric not in metrics() and ":" not in metric:
        own = "or your own as module:function or path/to/file.py:function"
        names = sorted(metrics(), key=is_reference)
        raise UsageError(
            f"There is no metric '{metric}'.", fix=f"{meant(metric, names)}Choose from: {', '.join(names)}, {own}."
        )


def _choose_one(dataset: Dataset, interface: Interface, how: ScoringOptions, metric: str | None) -> AnyMetric:
    """Returns the metric of one output; ``metric`` is the one that is named for it."""
    spec, options = interface.output, how.part(TaskOptions)
    _check_task(dataset, how)
    if metric is not None and not is_reference(metric) and not dataset.labelled:
        raise _needs_labels(f"--metric {metric}", dataset)
    if metric in metrics():
        return metrics()[metric].make(dataset, interface, options)
    if metric is not None:
        return CustomMetric(_name(metric), load_function(metric, "metric"))
    if not dataset.labelled:
        return _without_labels(dataset, interface, options)
    others = [other for other in interface.outputs if other.name != spec.name]
    try:
        found = _by_labels(dataset, interface, options)
    except (DataError, ContractError) as error:
        shown = interface.shown_outputs()
        why = (
            f"The outputs, with their shapes for one sample: {shown}."
            if others and shown not in error.what
            else error.why
        )
        raise type(error)(error.what, why=why, fix=_other(others, dataset, interface, options) or error.fix) from error
    if interface.scored is None and isinstance(found, Classification):
        _check_choice(dataset, spec, others)
    return found


def _check_task(dataset: Dataset, how: ScoringOptions) -> None:
    """Refuses a task that the labels are not of."""
    first = next(iter(dataset), None)
    task = task_of(first.label) if first is not None else None
    if how.task is not None and task is not None and how.task != task and "regression" not in (how.task, task):
        raise UsageError(
            f"--task {how.task} was given, and the labels at {dataset.location} are for {task}.",
            fix="Leave it out, or give other data.",
        )


def _needs_labels(what: str, dataset: Dataset) -> UsageError:
    return UsageError(
        f"{what} needs labels, and the data at {dataset.location} have none.",
        fix="Leave it out to compare each variant with the float model, or give data with labels: images in one folder per class, "
        "or an .npz with 'y'.",
    )


def _without_labels(dataset: Dataset, interface: Interface, options: TaskOptions) -> AnyMetric:
    """Compares what the task reads, or classes where the output is known to hold some, else values."""
    for kind in metrics().values():
        if kind.reference and kind.applies(dataset, interface):
            return kind.make(dataset, interface, options)
    task = options.task or task_of_reader(options.reader)
    if task is not None and task not in ("classification", "regression"):
        for kind in metrics().values():
            if kind.reference and kind.task == task:
                return kind.make(dataset, interface, options)
        tasks = {kind.task for kind in metrics().values() if kind.reference and kind.task is not None}
        raise UsageError(
            f"Data without labels have no figure for the task '{task}'.",
            fix=f"Choose from: {', '.join(sorted(tasks | {'classification', 'regression'}))}.",
        )
    spec = interface.output
    single = len([d for d in spec.shape[1:] if d != 1]) <= 1
    softmax = interface.final_op == "SOFTMAX" and size_of(spec) > 1
    classes = single and (interface.classes is not None or softmax or task == "classification")
    return metrics()["agreement"].make(dataset, interface, options) if classes else Explained()


def _name(metric: str) -> str:
    """Returns what a metric of the user's own is called where it is shown: as its function, unless the kit has one of that name."""
    module, _, function = metric.rpartition(":")
    return f"{Path(module).name}:{function}" if function in {"top5", "rmse", *metrics()} else function


def _by_labels(dataset: Dataset, interface: Interface, options: TaskOptions) -> AnyMetric:
    """Asks every metric whether it is the one; those of other packages first: they know more."""
    kinds = [kind for kind in reversed(metrics().values()) if not kind.reference]
    first = next(iter(dataset), None)
    task = None if first is None else task_of(first.label)
    masks = task == "regression" and options.task == "segmentation"  # arrays may be masks, which only their owner knows
    found = None if masks else next((kind for kind in kinds if kind.applies(dataset, interface)), None)
    task = "segmentation" if masks else task
    found = found or next((kind for kind in kinds if kind.task is not None and kind.task == task), None)
    if found is None:
        raise DataError(
            f"The labels at {dataset.location} are of a kind that no metric of the kit compares ({type(first and first.label).__name__}).",
            fix="Name a metric of your own: --metric module:function, with function(output, label) -> float.",
        )
    return found.make(dataset, interface, options)


def _other(others: Sequence[TensorSpec], dataset: Dataset, interface: Interface, options: TaskOptions) -> str | None:
    """Returns the advice to score another output, where one fits the labels."""
    fitting = []
    for other in others:
        try:
            _by_labels(dataset, replace(interface, scored=other.name), options)
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
