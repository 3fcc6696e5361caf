"""Whether evaluation data suit a model: known from the model's inputs and outputs, before anything is converted or trained."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence

from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.accuracy.metrics import AnyMetric
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import Dataset, InputPipeline, UnreadableSampleError

__all__ = ["check_evaluation_data"]


def check_evaluation_data(
    dataset: Dataset,
    pipelines: Iterable[InputPipeline],
    outputs: Sequence[TensorSpec],
    *,
    metric: str | None,
    output: str | None,
    labels: Sequence[str] | None,
    final_op: str | None = None,
) -> AnyMetric:
    """Refuses data whose inputs or labels do not fit the model.

    Args:
        pipelines: For the inputs of each model that the data are for.
        outputs: The model's, the one that is scored by default first.
        labels: Class names in the order of the output, where they are known.
        final_op: As in `choose_metric`.

    Returns:
        The metric that data and model call for.

    Raises:
        DataError: The first sample does not fit the inputs, or the labels do not fit the output; see `choose_metric`.
        UsageError: There is no output of that name.
    """
    for sample in itertools.islice(dataset, 1):
        with contextlib.suppress(UnreadableSampleError):
            raw = sample.read()
            for pipeline in pipelines:
                pipeline.prepare(raw, sample.key)
    return choose_metric(metric, dataset, outputs, output, labels=labels, final_op=final_op)
