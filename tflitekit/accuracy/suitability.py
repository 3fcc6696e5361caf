"""Whether evaluation data suit a model: known from the model's inputs and outputs, before anything is converted or trained."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Mapping

from tflitekit.accuracy.metric_choice import by_reference, choose_metric
from tflitekit.accuracy.metrics import AnyMetric
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.multilabel import MultiLabel
from tflitekit.accuracy.metrics.several import SeveralMetrics
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.accuracy.without_labels import check_limits
from tflitekit.core.errors import UsageError
from tflitekit.data.dataset import Dataset, InputPipeline, UnreadableSampleError
from tflitekit.options.evaluate import EvaluateOptions, ScoringOptions
from tflitekit.results import Constraints
from tflitekit.tasks.interface import Interface

__all__ = ["check_evaluation_data", "check_metric_limits", "metric_of"]


def metric_of(
    runs: Mapping[str, ScoringJob], dataset: Dataset, how: EvaluateOptions, constraints: Constraints
) -> AnyMetric:
    """Returns what scores the outputs of all runs.

    Raises:
        DataError: As `check_evaluation_data`.
        UsageError: As there, or a limit was given that this metric does not know.
    """
    check_limits(constraints, dataset, how.metric_of_all, by_reference=by_reference(how, dataset))
    first = runs.get(str(how.baseline)) or next(iter(runs.values()))
    metric = check_evaluation_data(
        dataset,
        [run.pipeline() for run in runs.values()],
        first.interface,
        how,
    )
    for run in runs.values():
        metric.check(run.output_spec)
    check_metric_limits(metric, how, constraints)
    return metric


def check_metric_limits(metric: AnyMetric, how: ScoringOptions, constraints: Constraints) -> None:
    """Refuses limits and thresholds that this metric does not know.

    Raises:
        UsageError: One limit is for outputs of unlike units, or classes are needed and are not there.
    """
    if isinstance(metric, SeveralMetrics) and constraints.max_accuracy_drop is not None:
        metric.check_limit()
    deciding = metric.main.metric if isinstance(metric, SeveralMetrics) else metric
    if how.threshold and not isinstance(deciding, Classification | MultiLabel):
        raise UsageError(
            f"--threshold is for labels that are classes, unlike these labels or this metric ({metric.name}).",
            fix="Leave it out; the score below which a detector's boxes are left out is an option of its --reader.",
        )
    if constraints.max_class_drop is not None and not getattr(deciding, "by_class", False):
        raise UsageError(
            f"A limit on the drop of each class needs figures by class, which this metric ({deciding.name}) does not have.",
            fix="Leave out --max-class-drop.",
        )


def check_evaluation_data(
    dataset: Dataset,
    pipelines: Iterable[InputPipeline],
    interface: Interface,
    how: ScoringOptions,
) -> AnyMetric:
    """Refuses data whose inputs or labels do not fit the model.

    Args:
        pipelines: For the inputs of each model that the data are for.
        interface: The model's inputs and outputs.

    Returns:
        The metric that data and model call for.

    Raises:
        DataError: The first sample does not fit the inputs, any sample has values that pick rows which a table does not have, or the labels do not fit the output; see `choose_metric`.
        UsageError: There is no output of that name.
    """
    pipelines = list(pipelines)
    of_all = any(pipeline.vocabularies for pipeline in pipelines)  # one id beyond the table is enough
    for sample in itertools.islice(dataset, None if of_all else 1):
        with contextlib.suppress(UnreadableSampleError):
            raw = sample.read()
            for pipeline in pipelines:
                pipeline.prepare(raw, sample.key)
    return choose_metric(dataset, interface, how)
