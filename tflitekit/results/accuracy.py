"""What was found out about a variant's answers. Fractions are fractions: an accuracy of 0.764, a drop of 0.008."""

from __future__ import annotations

from typing import Literal

from tflitekit.core.parts import Part, finite
from tflitekit.core.statistics import PairedDifference

__all__ = [
    "Adaptive",
    "Agreement",
    "AtThreshold",
    "CalibrationPoint",
    "ClassRecall",
    "Confidence",
    "ConfidenceBin",
    "Drop",
    "Example",
    "Flip",
    "Flips",
    "Measured",
    "OutputScore",
    "Picture",
    "Sequential",
]


class Measured(Part):
    """A metric on ``n`` samples with its 95 % interval (Wilson for proportions, Student for means, else a bootstrap).

    ``low`` and ``high`` are null where the samples give no interval: one alone, or draws that are all alike, which say nothing of other
    samples (shares that are all right keep the exact bound of Clopper and Pearson). ``higher_is_better`` is null where it is not known,
    as for a metric of one's own in a report of schema version 1. ``output`` is the one that it is of, where several are scored.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    higher_is_better: bool | None = None
    output: str | None = None


class Agreement(Part):
    """Share of samples on which variant and baseline give the same class."""

    value: float
    low: float
    high: float
    n: int


class Drop(Part):
    """Paired difference from the baseline on the same samples; positive is worse.

    ``p_value`` is McNemar's exact test for classes, the paired t-test for errors, else from a bootstrap; ``low`` and ``high``
    are null where one sample gives no interval.
    """

    value: float
    low: float | None
    high: float | None
    p_value: float
    n: int
    verdict: str

    @classmethod
    def of(cls, found: PairedDifference) -> Drop:
        """Takes over a paired difference."""
        return cls(**(found._asdict() | {"low": finite(found.low), "high": finite(found.high)}))


class OutputScore(Part):
    """One of several outputs that have labels.

    Attributes:
        drop: From the baseline's figure; null without a baseline.
        decides: Whether its own drop must keep the limit.
        weight: Of its drop in the weighted sum that decides; null where outputs are not weighted.
    """

    output: str
    accuracy: Measured
    drop: Drop | None = None
    decides: bool = True
    weight: float | None = None


class AtThreshold(Part):
    """What happens at one threshold on the scores (``--threshold``).

    For two classes the score is the probability of class 1, and positives are its samples. With more classes it is that of the answer, and positives
    are right answers. With several labels per sample each label of each sample counts.

    Attributes:
        precision: Share of what reaches the threshold that is positive; null where nothing does.
        recall: Share of the positives that reaches it; null where there are none.
        above: Share of all that reaches it.
        rose: How many are above here and below in the baseline; null for the baseline itself. ``fell`` likewise.
        n: Of all.
    """

    threshold: float
    precision: float | None
    recall: float | None
    above: float
    rose: int | None = None
    fell: int | None = None
    n: int


class ClassRecall(Part):
    """Figure of one class with its 95 % interval, and its paired drop from the baseline's.

    Attributes:
        low: Wilson's for recall, else of a bootstrap; null where the samples give none.
        n: Samples of the class, or its objects in detection.
        drop: Null for the baseline itself.
        metric: 'recall', or 'ap', 'iou' and others where a task has another figure for classes.
    """

    label: str
    value: float
    low: float | None
    high: float | None
    n: int
    drop: Drop | None = None
    metric: str = "recall"


class Flip(Part):
    """One sample that the baseline had right and the variant has wrong; without labels, one that gets another class.

    Attributes:
        sample: Its name in the data: the file below the data folder, or the row.
        label: The true class; without labels, the baseline's.
        answer: The variant's class.
        confidence: The variant's score for its answer, 0 to 1.
        image: A small JPEG as base64, for data that are images; else null.
    """

    sample: str
    label: str
    answer: str
    confidence: float | None = None
    image: str | None = None


class Picture(Part):
    """A small JPEG as base64, and whose answer is drawn on it: 'truth', or the name of a variant."""

    title: str
    image: str


class Example(Part):
    """One sample on which a variant does worse than the baseline, of a task other than classification.

    Attributes:
        sample: Its name in the data.
        text: What changed, in words: '3 of 4 objects found, before all'.
        lost: How much its figure fell, in the metric's unit.
        pictures: The truth, the baseline's answer and the variant's, where samples are pictures.
    """

    sample: str
    text: str
    lost: float | None = None
    pictures: tuple[Picture, ...] = ()


class Flips(Part):
    """Samples on which right and wrong changed against the baseline, with the variant's most confident losses."""

    lost: int
    won: int
    examples: tuple[Flip, ...] = ()


class ConfidenceBin(Part):
    """Samples whose highest score lies in one range: their mean score, the share that is right, and how many."""

    low: float
    high: float
    confidence: float
    accuracy: float
    n: int


class Confidence(Part):
    """How far scores can be trusted as probabilities: apps set thresholds on them.

    Attributes:
        ece: Expected calibration error, the mean of |accuracy - confidence| over bins, weighted by samples
            (M. P. Naeini et al., 'Obtaining well calibrated probabilities using Bayesian binning', AAAI 2015).
        low: 95 % bootstrap interval of ``ece`` over samples.
    """

    ece: float
    low: float
    high: float
    mean_confidence: float
    bins: tuple[ConfidenceBin, ...] = ()


class Sequential(Part):
    """The decision about a variant by an evaluation that looked repeatedly and stopped with it when it was certain.

    Attributes:
        decision: Whether the drop on all data lies below the limit ('meets'), above ('breaks'), or was not decided
            before the data ended ('undecided').
        low: Interval of the drop on all data, valid for all looks together, with ``1 - alpha``.
        decided_at: Samples after which it was decided; null if undecided.
    """

    decision: Literal["meets", "breaks"]
    limit: float
    low: float
    high: float
    alpha: float
    decided_at: int | None


class Adaptive(Part):
    """How an evaluation that looked repeatedly went about it (``--until-certain``).

    Attributes:
        method: The sequential test, in a sentence.
        alpha: Largest probability, for each variant, of a decision against the answer on all data.
        limit: Drop that was decided about, as a fraction.
        samples: Drawn until the last variant was decided, of ``available``; unreadable ones count as no difference.
        batch: Samples of a class-balanced batch.
        seed: Of the order in which samples were drawn.
    """

    method: str
    alpha: float
    limit: float
    samples: int
    available: int
    batch: int
    seed: int


class CalibrationPoint(Part):
    """A scheme calibrated on ``samples`` samples; ``accuracy`` and ``drop``, or without labels ``likeness``, are null where it failed
    (``error``)."""

    scheme: str
    samples: int
    accuracy: Measured | None = None
    drop: Drop | None = None
    likeness: Measured | None = None
    error: str | None = None
