"""What the outputs of a model are read as: what their columns are, and what was lost in the figure that users see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflitekit.accuracy.evaluation import evaluate_variants
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import Dataset
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.tasks.readers import Columns, columns_of
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant

__all__ = ["Read", "columns_read", "read_as"]


@dataclass(frozen=True)
class Read:
    """What is known of two files from outside.

    Attributes:
        columns: Of each output, as far as a reader knows them.
        figures: Fields of `tflitekit.results.explanation.Explanation`.
        notes: Why there are none.
    """

    columns: Mapping[str, Columns] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def columns_read(variant: Variant, dataset: Dataset, how: EvaluateOptions) -> Mapping[str, Columns]:
    """Returns the columns of each output, as the reader knows them that the labels, the task or the user call for.

    Raises:
        DataError: No reader fits, or several do.
    """
    run = ScoringJob(variant, read_graph(variant.path), how.scored)
    metric = choose_metric(dataset, run.interface, how)
    if not isinstance(metric, DecodedMetric | DecodedReference):
        return {}
    return columns_of(metric.open(run.interface), run.contract.labels or dataset.classes)


def read_as(files: Sequence[Variant], dataset: Dataset, how: EvaluateOptions, *, progress: Progress) -> Read:
    """Measures files, the first of which is the baseline, by labels, or by the task or reader that the user names.

    Raises:
        DataError: What the user names does not fit.
    """
    wanted = how.task is not None or how.reader is not None
    if not dataset.labelled and not wanted:
        return Read()
    try:
        columns = columns_read(files[0], dataset, how)
        how = how.replaced(baseline=files[0].name)
        found = evaluate_variants(files, dataset, how, progress=progress, advise=False)
    except (DataError, ContractError, UsageError) as error:
        if wanted:
            raise
        fix = f" {error.fix}" if error.fix else ""
        return Read(notes=(f"What is lost in the figure of the labels was not measured: {error.what}{fix}",))
    before, after = found.variants[0], found.variants[-1]
    if len(found.variants) < 2:
        return Read(columns)
    return Read(columns, {"float_figure": before.figure, "figure": after.figure, "drop": after.drop})
