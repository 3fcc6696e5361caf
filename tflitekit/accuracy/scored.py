"""What scoring several variants on the same samples found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Sums
from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.results import Adaptive, Sequential

__all__ = ["Scored", "Stopped", "together"]


@dataclass(frozen=True)
class Stopped:
    """How an evaluation ended that stops when it is certain.

    Attributes:
        decisions: By variant, without the baseline.
        positions: Of all samples that were drawn, ascending.
    """

    decisions: dict[str, Sequential]
    record: Adaptive
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """Scores of variants, by name, in the data's order; a variant that was decided before others has fewer.

    Attributes:
        wanted: Name of the variant that the others are to be compared with.
        sums: Of each variant beside the baseline.
        skipped: Samples that could not be read, with the reason.
        machines: By variant, those on which samples were run; empty where an older version of the kit did.
        stopped: None where all samples were scored.
    """

    runs: Mapping[str, ScoringJob]
    metric: AnyMetric
    wanted: str | None
    scores: Mapping[str, Scores]
    sums: Mapping[str, Sums]
    skipped: list[str]
    stopped: Stopped | None = None
    machines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def baseline(self) -> str | None:
        """The variant that the others can be compared with: the one wanted, if all its outputs are finite."""
        return self.wanted if self.wanted is not None and self.scores[self.wanted]["finite"].all() else None

    @property
    def most(self) -> Scores:
        """Those of the variant that saw all samples that were drawn."""
        return max(self.scores.values(), key=lambda own: len(own["position"]))


def together(one: Scores, other: Scores) -> tuple[Scores, Scores]:
    """Returns the scores of the samples that both have."""
    if np.array_equal(one["position"], other["position"]):
        return one, other
    shared = np.intersect1d(one["position"], other["position"], assume_unique=True)
    first, second = (
        {column: values[np.isin(scores["position"], shared)] for column, values in scores.items()}
        for scores in (one, other)
    )
    return first, second
