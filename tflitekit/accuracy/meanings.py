"""Whether an output that ends in neither softmax nor sigmoid holds probabilities all the same: told by what the baseline answers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.inference import by_shape, outputs_of
from tflitekit.accuracy.metrics import AnyMetric
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.multilabel import MultiLabel
from tflitekit.accuracy.metrics.several import SeveralMetrics
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.data.dataset import Dataset, UnreadableSampleError
from tflitekit.results import Finding
from tflitekit.tflite.runtime import Model

__all__ = ["told_by_answers"]

_SAMPLES = 64
_ENOUGH = 16
"""Logits of fewer samples may lie between 0 and 1 by chance."""
_SUM_TOLERANCE = 0.01
"""Softmax in float16, or of a few hundred classes in int8, adds up to 1 no better than this."""


def told_by_answers(
    runs: Mapping[str, ScoringJob], baseline: str | None, dataset: Dataset, metric: AnyMetric
) -> tuple[dict[str, ScoringJob], list[Finding]]:
    """Returns the runs with what the baseline's answers tell of the scored outputs, and says so.

    An output whose last operator is no softmax or sigmoid is taken for logits, unless all values of the first 64 samples lie between 0 and 1, and
    with one class per sample also add up to 1: logits do neither. A single value between 0 and 1 is a probability then: as a logit, it
    would never answer class 0.
    """
    reference = runs[baseline] if baseline is not None else next(iter(runs.values()))
    wanted = _unclear(reference, metric)
    if not wanted:
        return dict(runs), []
    indices = [[spec.name for spec in reference.graph.outputs].index(name) for name in wanted]
    rows = _answers(reference, dataset, indices)
    if len(next(iter(rows.values()), ())) < _ENOUGH:
        return dict(runs), []
    findings, told = [], []
    for (name, one_each), index in zip(wanted.items(), indices, strict=True):
        values = np.stack([row.reshape(-1) for row in rows[index]])
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            continue
        adds_up = bool((np.abs(values.sum(axis=1, dtype=np.float64) - 1) <= _SUM_TOLERANCE).all())
        certain = adds_up or not one_each or values.shape[1] == 1
        findings.append(_finding(name, values, certain=certain, adds_up=adds_up))
        told += [name] if certain else []
    return {key: replace(run, probabilities=frozenset(told)) for key, run in runs.items()}, findings


def _unclear(run: ScoringJob, metric: AnyMetric) -> dict[str, bool]:
    """Returns the scored outputs that the file says nothing of, and whether each has one class per sample."""
    parts: list[tuple[str, AnyMetric]] = []
    if isinstance(metric, SeveralMetrics):
        parts = [(part.output, part.metric) for part in metric.parts]
    found = parts or [(run.output_spec.name, metric)]
    meanings = run.interface.meanings
    return {
        name: isinstance(own, Classification)
        for name, own in found
        if isinstance(own, Classification | MultiLabel) and meanings.get(name) == "values"
    }


def _answers(run: ScoringJob, dataset: Dataset, indices: list[int]) -> dict[int, list[NDArray[np.float32]]]:
    """Returns what a file answers to the first samples that can be read, by output."""
    pipeline, prepared, names = run.pipeline(), [], []
    for sample in itertools.islice(dataset, _SAMPLES):
        try:
            prepared.append(pipeline.prepare(sample.read(), sample.key))
            names.append(sample.key)
        except UnreadableSampleError:
            continue
    if not prepared:
        return {}
    return outputs_of(Model(run.variant.path, graph=run.graph), indices, by_shape(prepared), names)


def _finding(name: str, values: NDArray[np.float32], *, certain: bool, adds_up: bool) -> Finding:
    seen = (
        f"all its values for the first {len(values)} samples lie between 0 and 1{' and add up to 1' if adds_up else ''}"
    )
    taken = "probabilities" if certain else "logits, since they do not add up to 1"
    return Finding(
        kind="taken-for-probabilities" if certain else "taken-for-logits",
        message=f"The output '{name}' ends in neither softmax nor sigmoid, and {seen}: they are taken for {taken}.",
        advice="If they are not, end the model in softmax or sigmoid, or judge it by a metric of your own: --metric module:function.",
    )
