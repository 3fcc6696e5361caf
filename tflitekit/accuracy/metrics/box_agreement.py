"""Without labels: boxes matched with those that are read from the baseline's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.coco.matching import box_overlaps
from tflitekit.accuracy.metrics import Likeness, Scores, metric
from tflitekit.accuracy.metrics.decoded import DecodedReference
from tflitekit.accuracy.metrics.detection import boxes_opener, checked_boxes
from tflitekit.core.statistics import bootstrap_bounds, mean_interval
from tflitekit.data.annotations import Boxes
from tflitekit.data.dataset import Dataset
from tflitekit.options.general import SEED
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Measured, OutputFidelity, finite
from tflitekit.tasks.drawing import SHOWN_SCORE
from tflitekit.tasks.interface import Interface

__all__ = ["BoxAgreement"]

_MATCHED = 0.5
_DRAWS = 400


@metric("box-f1", reference=True, task="detection")
def keep_boxes(dataset: Dataset, interface: Interface, how: TaskOptions) -> BoxAgreement:
    """Compares boxes with the baseline's: those of one class that overlap by an IoU of 0.5 and more are one."""
    opener = boxes_opener(dataset, how)
    opener(interface)
    return BoxAgreement(opener)


class BoxAgreement(DecodedReference):
    """Matches boxes whose score an app would show, best first, and tells F1 of all pictures and the mean IoU of what is matched."""

    name = "box-f1"

    def compare_decoded(self, predictions: Sequence[Any], reference: Sequence[Any]) -> Scores:
        """Returns 'matched' (boxes that both have), 'found' and 'expected' (boxes), and 'overlap' (sum of the IoU of matches)."""
        rows = [_compared(*pair) for pair in zip(checked_boxes(predictions), checked_boxes(reference), strict=True)]
        columns = np.asarray(rows, np.float32).reshape(-1, 4)
        return dict(zip(("matched", "found", "expected", "overlap"), columns.T, strict=True))

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        del outputs
        both = scores["found"].astype(np.float64) + scores["expected"]
        if not both.any():
            return Likeness(None)
        n = len(both)
        generator = np.random.default_rng(SEED)
        counts = np.stack([np.bincount(generator.integers(n, size=n), minlength=n) for _ in range(_DRAWS)])
        total = counts @ both
        drawn = np.divide(2 * (counts @ scores["matched"]), total, out=np.full(total.shape, np.nan), where=total > 0)
        low, high = bootstrap_bounds(drawn, n)
        figure = _measured("box-f1", float(2 * scores["matched"].sum() / both.sum()), (low, high), n)
        return Likeness(figure, _overlap(scores))

    def losses(self, scores: Scores) -> NDArray[np.float64]:
        """Returns how much of F1 each picture alone lacks."""
        both = scores["found"].astype(np.float64) + scores["expected"]
        return np.asarray(1 - np.divide(2 * scores["matched"], both, out=np.ones_like(both), where=both > 0))

    def told(self, scores: Scores, row: int) -> str:
        matched, found, expected = (int(scores[name][row]) for name in ("matched", "found", "expected"))
        return f"{matched} of the baseline's {expected} boxes, {found - matched} others"


def _overlap(scores: Scores) -> tuple[Measured, ...]:
    """Returns the mean IoU of matched boxes, over pictures that have some."""
    there = scores["matched"] > 0
    if not there.any():
        return ()
    values = scores["overlap"][there].astype(np.float64) / scores["matched"][there]
    return (_measured("box-iou", float(values.mean()), mean_interval(values), int(there.sum())),)


def _measured(name: str, value: float, bounds: tuple[float, float], n: int) -> Measured:
    low, high = (finite(bound) for bound in bounds)
    return Measured(metric=name, value=value, low=low, high=high, n=n, higher_is_better=True)


def _compared(found: Boxes, reference: Boxes) -> tuple[int, int, int, float]:
    """Matches greedily, the reference's best box first, with the box that it overlaps most."""
    own, other = _shown(found), _shown(reference)
    overlaps = box_overlaps(other.xyxy, own.xyxy)
    overlaps[other.classes[:, None] != own.classes[None, :]] = 0
    matched, total = 0, 0.0
    if len(own):
        for row in overlaps:
            best = int(row.argmax())
            if row[best] >= _MATCHED:
                matched, total = matched + 1, total + float(row[best])
                overlaps[:, best] = 0
    return matched, len(own), len(other), total


def _shown(found: Boxes) -> Boxes:
    assert found.scores is not None
    rows = np.flatnonzero(found.scores >= SHOWN_SCORE)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    return Boxes(found.xyxy[rows], found.classes[rows], found.scores[rows])
