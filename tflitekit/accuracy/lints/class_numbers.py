"""A detector whose boxes lie on objects, but with other classes: told by the annotations, with the flag that makes the classes agree."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.coco.matching import IOU_THRESHOLDS, box_overlaps
from tflitekit.accuracy.inference import outputs_of
from tflitekit.accuracy.metrics.detection import Detection
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.data.annotations import Boxes
from tflitekit.data.dataset import Dataset, UnreadableSampleError
from tflitekit.results import Finding
from tflitekit.tasks.readers import Reader
from tflitekit.tflite.runtime import Model

__all__ = ["MOSTLY_RIGHT", "class_numbers"]

_SAMPLES = 64
_ENOUGH = 10
"""Boxes whose class becomes right; fewer may do so by chance."""
_CLEARLY = 5
"""So many times as many become right as become wrong."""
_SEEN = 5
"""Boxes for each class that is found: with fewer, some order of the classes would fit whatever is found."""
_NEARLY_ALL, _NEARLY_AS_MANY = 0.8, 0.9
MOSTLY_RIGHT = 0.5
"""A detector whose mAP is higher does not have most of its classes wrong."""


def class_numbers(run: ScoringJob, dataset: Dataset, metric: Detection, *, also: str = "") -> list[Finding]:
    """Says so where another numbering of the classes, or another order, makes boxes right that are wrong now.

    Of each annotated object, the best box that lies on it, whatever its class, is looked at.

    Args:
        also: A flag that the run already has and the user's command has not.
    """
    reader = metric.open(run.interface)
    pairs = [pair for found, truth in _read(run, dataset, reader) for pair in _pairs(found, truth)]
    if len(pairs) < _ENOUGH:
        return []
    found, truth = np.asarray(pairs, np.int64).T
    right = found == truth
    least = _NEARLY_AS_MANY * _in_some_order(found, truth)
    fitting = []
    for wanted, flag in _numberings(truth, dataset, reader):
        other = found == wanted
        gained, lost = int((other & ~right).sum()), int((right & ~other).sum())
        if gained >= max(_ENOUGH, _CLEARLY * lost) and other.sum() >= least:
            fitting.append((other, flag))
    if fitting:
        other, flag = max(fitting, key=lambda one: int(one[0].sum()))
        return [_finding(right, other, " and ".join(filter(None, (also, flag))))]
    return _other_order(found, truth, right, metric, also)


def _read(run: ScoringJob, dataset: Dataset, reader: Reader) -> Iterator[tuple[Boxes, Boxes]]:
    """Yields what is found in the first pictures, and what is there."""
    pipeline, model = run.pipeline(), Model(run.variant.path, graph=run.graph)
    names = [spec.name for spec in run.graph.outputs]
    indices = [names.index(name) for name in reader.outputs]
    for sample in itertools.islice(dataset, _SAMPLES):
        try:
            raw = sample.read()
        except UnreadableSampleError:
            continue
        columns = [array[None] for array in pipeline.prepare(raw, sample.key)]
        outputs = outputs_of(model, indices, [columns], [sample.key])
        found = reader.read([outputs[index][0] for index in indices], pipeline.frame(raw))
        if isinstance(found, Boxes) and isinstance(sample.label, Boxes):
            yield found, sample.label


def _pairs(found: Boxes, truth: Boxes) -> list[tuple[int, int]]:
    """Returns the class of the best box on each object, and the object's."""
    objects = np.flatnonzero(~truth.aside)
    if found.scores is None or not len(found) or not len(objects):
        return []
    on = box_overlaps(found.xyxy, truth.xyxy[objects]) >= IOU_THRESHOLDS[0]
    best = np.where(on, found.scores[:, None], -1).argmax(axis=0)
    there = on.any(axis=0)
    return list(zip(found.classes[best[there]].tolist(), truth.classes[objects[there]].tolist(), strict=True))


def _numberings(truth: NDArray[np.int64], dataset: Dataset, reader: Reader) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Yields what the classes would be under each flag."""
    for flag, numbers in dataset.numberings.items():
        yield np.asarray([numbers.get(number, -1) for number in truth.tolist()]), f"--data {flag}"
    background = reader.describe().get("background")
    if background in ("first", "last"):
        other, step = ("last", -1) if background == "first" else ("first", 1)
        yield truth + step, f"--reader {reader.name}:background={other}"
    yield truth + 1, "--labels FILE, whose first line is the background and then the classes in the model's order"
    yield truth - 1, "--labels FILE with the classes in the model's order, without the background"


def _mostly(found: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    """Returns of each class that is found the class that is there most often, and how often."""
    return {number: Counter(truth[found == number].tolist()).most_common(1)[0] for number in np.unique(found).tolist()}


def _in_some_order(found: NDArray[np.int64], truth: NDArray[np.int64]) -> int:
    """Returns how many boxes would be right with the classes in the order that fits best; 0 where too few were seen to tell."""
    mostly = _mostly(found, truth)
    return sum(count for _, count in mostly.values()) if len(found) >= _SEEN * len(mostly) else 0


def _finding(right: NDArray[np.bool_], other: NDArray[np.bool_], flag: str) -> Finding:
    return Finding(
        kind="class-numbers",
        message=f"Boxes lie on objects, but their classes are others: of {len(right)} objects that a box lies on, {right.mean():.0%} have its "
        f"class. With {flag} it would be {other.mean():.0%}.",
        advice=f"Run the same command with {flag}.",
    )


def _other_order(
    found: NDArray[np.int64], truth: NDArray[np.int64], right: NDArray[np.bool_], metric: Detection, also: str
) -> list[Finding]:
    """Tells classes that are each found as one other class."""
    if right.mean() > MOSTLY_RIGHT or _in_some_order(found, truth) < _NEARLY_ALL * len(found):
        return []
    moved = {number: other for number, (other, _) in _mostly(found, truth).items() if other != number}
    shown = ", ".join(
        f"{number} for '{metric.class_name(other)}'" for number, other in itertools.islice(moved.items(), 5)
    )
    return [
        Finding(
            kind="class-numbers",
            message=f"Boxes lie on objects, but their classes are others: of {len(found)} objects that a box lies on, {right.mean():.0%} have its "
            f"class. The model has them in another order: it says {shown}.",
            advice=f"Give the classes in the model's order, one a line, with --labels FILE{f' and {also}' if also else ''}.",
        )
    ]
