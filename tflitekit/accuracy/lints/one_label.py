"""Outputs that are several yes-or-no answers beside labels that are one: such labels are taken for the number of a class."""

from __future__ import annotations

import math

from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.results import Finding

__all__ = ["one_label"]


def one_label(run: ScoringJob, scores: Scores, metric: AnyMetric, location: str) -> list[Finding]:
    """Tells of a network that ends in more than two sigmoids, where all labels are 0 or 1: one of its answers, and not the number of a class."""
    output = run.interface.output
    names = [spec.name for spec in run.graph.outputs]
    if not isinstance(metric, Classification) or output.name not in names:
        return []
    count = math.prod(output.shape[1:])
    if run.graph.final_ops[names.index(output.name)] != "LOGISTIC" or count < 3 or scores["label"].max(initial=0) > 1:
        return []
    return [
        Finding(
            kind="one-label",
            message=f"The output '{output.name}' is {count} sigmoids, each a yes or no of its own, but {location} has one label for each sample, 0 or 1, "
            "which was taken for the number of the class.",
            advice=f"Give {count} labels for each sample, as in PATH:label=COLUMN,COLUMN,..., or rows of zeros and ones. Where the labels are the classes "
            "0 and 1 of several, nothing has to be done.",
        )
    ]
