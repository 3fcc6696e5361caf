"""Which metric data and model call for."""

from __future__ import annotations

import numpy as np

from tflitekit.contract import labels_mismatch
from tflitekit.dataset import Dataset
from tflitekit.errors import DataError
from tflitekit.metrics import Metric
from tflitekit.metrics.classification import Classification
from tflitekit.metrics.custom import CustomMetric
from tflitekit.metrics.regression import Regression
from tflitekit.scoring import Scored
from tflitekit.user_code import load_function
from tflitekit.variant import Variant

__all__ = ["choose_metric"]


def choose_metric(metric: str | None, dataset: Dataset, run: Scored) -> Metric:
    """Returns the user's own metric where one is named, else classification or regression, by the labels.

    Raises:
        DataError: The data are empty, or their classes are not those of the model.
        ContractError: The number of labels is not that of the model's outputs.
    """
    if metric is not None:
        return CustomMetric(metric, load_function(metric, "metric"))
    first = next(iter(dataset), None)
    if first is None:
        raise DataError(f"The data at {dataset.location} are empty.")
    size = int(np.prod([d for d in run.output_spec.shape[1:] if d > 0]))
    if not isinstance(first.label, int):
        return Regression(int(np.size(first.label)))
    largest = dataset.largest_label()
    if size == 1 and dataset.classes is None and largest is not None and largest > 1:
        return Regression(1)
    _check_classes(dataset, run.variant, max(2, size), -1 in run.output_spec.shape[1:])
    return Classification(dataset.classes, size)


def _check_classes(dataset: Dataset, variant: Variant, outputs: int, dynamic: bool) -> None:
    if dataset.classes is None or dynamic or len(dataset.classes) == outputs:
        return
    assert variant.contract is not None
    if variant.contract.labels is not None or dataset.kind != "images":
        raise labels_mismatch(len(dataset.classes), outputs)
    more = "more" if len(dataset.classes) > outputs else "fewer"
    raise DataError(
        f"The data at {dataset.location} have {len(dataset.classes)} class folders, {more} than the model's {outputs} outputs.",
        why="Without a labels file, the folders in sorted order are the model's classes, so the counts must agree.",
        fix="Give the model's labels, one a line in output order, with --labels FILE; folders are then matched by name."
        if more == "fewer"
        else "Remove the folders that the model does not know, or check that this is the right model.",
    )
