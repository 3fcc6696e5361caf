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
from tflitekit.accuracy.metrics.figures import MeanFigure, SumFigure, Sums, known
from tflitekit.data.annotations import Boxes
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import OutputFidelity
from tflitekit.tasks.drawing import SHOWN_SCORE
from tflitekit.tasks.interface import Interface

__all__ = ["BoxAgreement"]

_MATCHED = 0.5


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
        return Likeness(_F1.measured(scores), known((_OVERLAP,), {"iou": _overlaps(scores)}))

    def losses(self, scores: Scores) -> NDArray[np.float64]:
        """Returns how much of F1 each picture alone lacks."""
        both = scores["found"].astype(np.float64) + scores["expected"]
        return np.asarray(1 - np.divide(2 * scores["matched"], both, out=np.ones_like(both), where=both > 0))

    def told(self, scores: Scores, row: int) -> str:
        matched, found, expected = (int(scores[name][row]) for name in ("matched", "found", "expected"))
        return f"{matched} of the baseline's {expected} boxes, {found - matched} others"


def _f1(sums: Sums) -> NDArray[np.float64]:
    total = sums["found"] + sums["expected"]
    return np.asarray(np.divide(2 * sums["matched"], total, out=np.full(total.shape, np.nan), where=total > 0))


_F1 = SumFigure(
    "box-f1",
    lambda scores: {name: scores[name] for name in ("matched", "found", "expected")},
    _f1,
    higher_is_better=True,
)
_OVERLAP = MeanFigure("box-iou", "iou", higher_is_better=True)


def _overlaps(scores: Scores) -> NDArray[np.float64]:
    """Returns the mean IoU of the boxes that are matched in each picture, NaN where none is."""
    matched = scores["matched"].astype(np.float64)
    return np.asarray(np.divide(scores["overlap"], matched, out=np.full(matched.shape, np.nan), where=matched > 0))


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
