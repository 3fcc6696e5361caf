"""Examples of what a variant does worse: the samples on which it lost most against the baseline, run again and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tflitekit.accuracy.flips import as_picture
from tflitekit.accuracy.inference import by_shape, outputs_of
from tflitekit.accuracy.metrics import Scores
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference
from tflitekit.accuracy.reading import reading_of
from tflitekit.accuracy.scored import Scored, together
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.data.dataset import Dataset, Raw, Sample, UnreadableSampleError
from tflitekit.results import Example, Picture
from tflitekit.tasks.drawing import as_jpeg, drawn
from tflitekit.tflite.runtime import Model

__all__ = ["worst_examples"]

_EXAMPLES = 6
_LEAST_LOSS = 1e-3

_Read = dict[int, tuple[Sample, Raw]]


class _Loss(NamedTuple):
    """A sample by its position, how much worse it became, and that in words."""

    position: int
    lost: float
    text: str


def worst_examples(dataset: Dataset, scored: Scored, names: Sequence[str]) -> dict[str, tuple[Example, ...]]:
    """Returns the samples on which each variant lost most, the worst first.

    Args:
        names: Of the variants; the baseline is none of them.
    """
    metric = scored.metric
    assert scored.baseline is not None
    assert isinstance(metric, DecodedMetric | DecodedReference)
    chosen = {name: _lost(metric, scored.scores[name], scored.scores[scored.baseline]) for name in names}
    wanted = sorted({one.position for losses in chosen.values() for one in losses})
    if not wanted:
        return {}
    read = _read(dataset, wanted)
    before = _answers(scored.runs[scored.baseline], metric, read, wanted)
    found = {}
    for name, losses in chosen.items():
        own = [one for one in losses if one.position in read]
        after = _answers(scored.runs[name], metric, read, [one.position for one in own])
        found[name] = tuple(
            _example(read[one.position], one, {scored.baseline: before[one.position], name: after[one.position]})
            for one in own
        )
    return found


def _lost(metric: DecodedMetric | DecodedReference, own: Scores, baseline: Scores) -> list[_Loss]:
    """Returns the samples with the largest losses that can be told in words, the largest first."""
    own, beside = together(own, baseline)
    losses = metric.losses(own, beside) if isinstance(metric, DecodedMetric) else metric.losses(own)
    if losses is None:
        return []
    found: list[_Loss] = []
    for row in np.argsort(-losses, kind="stable").tolist():
        if losses[row] <= _LEAST_LOSS or len(found) == _EXAMPLES:
            break
        text = metric.told(own, row)
        before = metric.told(beside, row) if isinstance(metric, DecodedMetric) else ""
        if text != before:
            text += f"; before: {before}" if before else ""
            found.append(_Loss(int(own["position"][row]), float(losses[row]), text))
    return found


def _read(dataset: Dataset, positions: Sequence[int]) -> _Read:
    """Returns samples by position, decoded; without those that cannot be."""
    found = {}
    for position, sample in zip(positions, dataset.pick(positions), strict=True):
        try:
            found[position] = (sample, sample.read())
        except UnreadableSampleError:
            continue
    return found


def _answers(
    run: ScoringJob, metric: DecodedMetric | DecodedReference, read: _Read, positions: Sequence[int]
) -> dict[int, Any]:
    """Returns what a variant says of samples, by position."""
    known = [position for position in positions if position in read]
    if not known:
        return {}
    pipeline = run.pipeline()
    reading = reading_of(metric, run.interface, run.graph.outputs, run.interface)
    samples = [read[position] for position in known]
    groups = by_shape(pipeline.prepare(raw, sample.key) for sample, raw in samples)
    model = Model(run.variant.path, graph=run.graph)
    found = outputs_of(model, sorted(reading.wanted), groups, [sample.key for sample, _ in samples])
    answers = reading.read(found, [pipeline.frame(raw) for _, raw in samples])
    return dict(zip(known, answers, strict=True))


def _example(read: tuple[Sample, Raw], loss: _Loss, answers: Mapping[str, Any]) -> Example:
    sample, raw = read
    picture = as_picture(raw)
    drawings = () if picture is None else _pictures(picture, sample.label, answers)
    return Example(sample=sample.key, text=loss.text, lost=round(loss.lost, 6), pictures=drawings)


def _pictures(picture: Image.Image, label: Any, answers: Mapping[str, Any]) -> tuple[Picture, ...]:
    """Draws the truth, if there is one, and what each variant says."""
    said = ({"truth": label} if label is not None else {}) | dict(answers)
    try:
        return tuple(Picture(title=title, image=as_jpeg(drawn(picture, found))) for title, found in said.items())
    except (OSError, ValueError):  # modes that Pillow cannot turn into RGB
        return ()
