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
    files = {name: _File(scored.runs[name], metric) for name in (scored.baseline, *chosen)}
    found: dict[tuple[str, int], Example] = {}
    for position, sample in zip(wanted, dataset.pick(wanted), strict=True):  # one at a time, as pictures may be large
        try:
            raw = sample.read()
        except UnreadableSampleError:
            continue
        before = files[scored.baseline].answer(sample, raw)
        for name, losses in chosen.items():
            for one in losses:
                if one.position == position:
                    answers = {scored.baseline: before, name: files[name].answer(sample, raw)}
                    found[name, position] = _example(sample, raw, one, answers)
    return {
        name: tuple(found[name, one.position] for one in losses if (name, one.position) in found)
        for name, losses in chosen.items()
    }


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


class _File:
    """A file that answers one sample after the other."""

    def __init__(self, run: ScoringJob, metric: DecodedMetric | DecodedReference) -> None:
        self._pipeline = run.pipeline()
        self._reading = reading_of(metric, run.interface, run.graph.outputs, run.interface)
        self._model = Model(run.variant.path, graph=run.graph)

    def answer(self, sample: Sample, raw: Raw) -> Any:
        """Returns what is read of the outputs."""
        groups = by_shape([self._pipeline.prepare(raw, sample.key)])
        found = outputs_of(self._model, sorted(self._reading.wanted), groups, [sample.key])
        return self._reading.read(found, [self._pipeline.frame(raw)])[0]


def _example(sample: Sample, raw: Raw, loss: _Loss, answers: Mapping[str, Any]) -> Example:
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
