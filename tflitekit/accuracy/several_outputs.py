"""Which of several outputs are scored, by which metric each, and which of them decides: known before anything is converted."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from tflitekit.accuracy.metrics import AnyMetric, Metric
from tflitekit.accuracy.metrics.several import OfOneOutput, SeveralMetrics
from tflitekit.accuracy.scored import Scored
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.by_output import OfOutput
from tflitekit.data.dataset import Dataset
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.tasks.interface import Interface

__all__ = ["check_single", "choose_several", "of_deciding"]

ChooseOne = Callable[[Dataset, Interface, ScoringOptions, str | None], AnyMetric]


def choose_several(
    dataset: Dataset, interface: Interface, how: ScoringOptions, labelled: Sequence[str], choose: ChooseOne
) -> SeveralMetrics:
    """Returns a metric for each output that has labels, chosen as if it were the only one.

    Args:
        labelled: Names of the outputs that have labels.
        choose: Returns the metric of one output.

    Raises:
        DataError: Labels are for outputs that the model does not have, or do not fit.
        UsageError: An option names an output that has no labels, or weighs outputs of unlike units.
    """
    names = [spec.name for spec in interface.outputs]
    unknown = [name for name in labelled if name not in names]
    if unknown:
        raise DataError(
            f"The data at {dataset.location} have labels for '{unknown[0]}', and {_owner(interface)} has no output of that name.",
            fix=f"Name labels as the outputs are named. The outputs, with their shapes for one sample: {interface.shown_outputs()}.",
        )
    _check_named("--output", how.weights, labelled, interface)
    _check_named("--metric", [name for name in how.metric if name], labelled, interface)
    parts = [
        _part(dataset, interface.only(name), how, choose) for name in names if name in labelled
    ]  # in the model's order
    found = SeveralMetrics(parts)
    found.check_weights()
    return found


def _part(dataset: Dataset, interface: Interface, how: ScoringOptions, choose: ChooseOne) -> OfOneOutput:
    spec, weights = interface.output, how.weights
    own = OfOutput(dataset, spec.name, _classes(dataset, spec))
    metric = choose(own, interface, how, how.metric.get(spec.name, how.metric_of_all))
    if not isinstance(metric, Metric):
        raise UsageError(
            f"--metric {spec.name}={metric.name} compares with the float model, and the output has labels.",
            fix=f"Name --metric {metric.name} for all outputs, to leave the labels aside.",
        )
    weight = weights.get(spec.name) if len(weights) > 1 else None
    return OfOneOutput(spec.name, metric, decides=not weights or spec.name in weights, weight=weight)


def _classes(dataset: Dataset, spec: TensorSpec) -> tuple[str, ...] | None:
    """Returns the names of classes, where there are as many as the output has values."""
    size = max(2, math.prod(d for d in spec.shape[1:] if d > 0))
    return dataset.classes if dataset.classes is not None and len(dataset.classes) == size else None


def _check_named(option: str, named: Collection[str], labelled: Sequence[str], interface: Interface) -> None:
    odd = next((name for name in named if name not in labelled), None)
    if odd is not None:
        raise UsageError(
            f"{option} names '{odd}', for which the data have no labels.",
            fix=f"Outputs with labels: {', '.join(labelled)}. All outputs, with their shapes for one sample: {interface.shown_outputs()}.",
        )


def check_single(dataset: Dataset, interface: Interface, how: ScoringOptions) -> None:
    """Refuses options about several outputs where the labels are those of one.

    Raises:
        UsageError: Outputs are weighted, or a metric is named for another output than the one that is scored.
    """
    scored = interface.output.name
    named = next((name for name in how.metric if name not in ("", scored)), None)
    if len(how.weights) < 2 and named is None:
        return
    what = f"--output {how.output} weighs outputs" if len(how.weights) > 1 else f"--metric names the output '{named}'"
    has = f"belong to one, '{scored}'" if dataset.labelled else "are missing"
    raise UsageError(
        f"{what}, and the labels at {dataset.location} {has}.",
        why=f"The outputs, with their shapes for one sample: {interface.shown_outputs()}.",
        fix="Give labels by output: arrays y.OUTPUT in an .npz, or a dict from output to label from a factory; or name one output.",
    )


def _owner(interface: Interface) -> str:
    return interface.owner if interface.owner != "The model" else "the model"


def of_deciding(scored: Scored, dataset: Dataset) -> tuple[Scored, Dataset]:
    """Returns scores and data of the output that decides alone, where several were scored; else what is given."""
    metric = scored.metric
    if not isinstance(metric, SeveralMetrics):
        return scored, dataset
    part = metric.main
    runs = {name: replace(run, output=part.output) for name, run in scored.runs.items()}
    scores = {name: metric.of(part, own) for name, own in scored.scores.items()}
    run = next(iter(runs.values()))
    data = OfOutput(dataset, part.output, _classes(dataset, run.output_spec))
    return replace(scored, runs=runs, metric=part.metric, scores=scores), data
