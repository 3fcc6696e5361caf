"""Several outputs with labels: one metric for each, and which of them decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.draws import bounds_of_draws, bounds_of_mean
from tflitekit.accuracy.metrics import Drawable, Meaning, Metric, PerSample, Scores
from tflitekit.accuracy.metrics.figures import drawn_means
from tflitekit.core.errors import UsageError
from tflitekit.core.statistics import (
    PairedDifference,
    paired_bootstrap_increase,
    paired_mean_increase,
)
from tflitekit.results import Drop, Measured, OutputScore, finite
from tflitekit.tasks.metric_words import is_share

__all__ = ["OfOneOutput", "SeveralMetrics", "column_of"]


def column_of(output: str, column: str) -> str:
    """Returns what a column of one output is called among those of all."""
    return f"{output}/{column}"


@dataclass(frozen=True)
class OfOneOutput:
    """The metric of one output.

    Attributes:
        decides: Whether its own drop must keep the limit.
        weight: Of its drop in the sum that decides, where outputs are weighted.
    """

    output: str
    metric: Metric
    decides: bool
    weight: float | None = None


def _is_mean(metric: Metric) -> bool:
    return isinstance(metric, PerSample) and metric.is_mean


class SeveralMetrics(Metric):
    """Scores each output that has labels by a metric of its own; columns of scores begin with the output's name.

    The first figure is that of `main`, or the weighted mean of the outputs that have weights, whose drop is then the weighted sum of
    their drops.

    Args:
        parts: In the model's order; at least one decides.
    """

    def __init__(self, parts: Sequence[OfOneOutput]) -> None:
        self.parts = tuple(parts)
        self.name = ", ".join(f"{part.output}={part.metric.name}" for part in parts)
        self._weighted = [part for part in parts if part.weight is not None]

    @property
    def main(self) -> OfOneOutput:
        """The output whose classes, flips and confidence are shown: the first that decides, or the one with the largest weight."""
        return max(self.parts, key=lambda part: part.weight or float(part.decides))

    def of(self, part: OfOneOutput, scores: Scores) -> Scores:
        """Returns the scores of one output, as its metric made them, and what is known of the samples."""
        start = column_of(part.output, "")
        return {name: column for name, column in scores.items() if "/" not in name} | {
            name.removeprefix(start): column for name, column in scores.items() if name.startswith(start)
        }

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        raise NotImplementedError("several outputs are scored one by one: see tflitekit.accuracy.reading")

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        by_output = {part.output: self._figures(part, scores) for part in self.parts}
        if self._weighted:
            return (self._weighted_mean(scores), *(figure for figures in by_output.values() for figure in figures))
        first = by_output.pop(self.main.output)
        return (*first, *(figure for figures in by_output.values() for figure in figures))

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        other = None if baseline is None else self.of(self.main, baseline) if baseline is not scores else None
        own = self.of(self.main, scores)
        return self.main.metric.details(own, own if baseline is scores else other, max_class_drop=max_class_drop)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        if not self._weighted:
            part = self.main
            return part.metric.drop(self.of(part, baseline), self.of(part, variant), max_drop)
        before, after = self._weighted_mean(baseline), self._weighted_mean(variant)
        points = is_share(before.metric)
        resolution = (max_drop / 100 if points else max_drop) if max_drop else 0.01 if points else 0.05 * before.value
        first, second = (self._costs(scores) for scores in (baseline, variant))
        if first is not None and second is not None:
            return Drop.of(_increase(first, second, resolution, points=points))
        sign = 1.0 if before.higher_is_better else -1.0
        drawn = sign * (self._drawn(baseline) - self._drawn(variant))
        value = sign * (before.value - after.value)
        return Drop.of(paired_bootstrap_increase(value, drawn, after.n, resolution=resolution, points=points))

    def by_output(self, scores: Scores, baseline: Scores | None, max_drop: float | None) -> tuple[OutputScore, ...]:
        """Returns the figure of each output, and its drop."""
        return tuple(
            OutputScore(
                output=part.output,
                accuracy=self._figures(part, scores)[0],
                drop=None
                if baseline is None
                else part.metric.drop(self.of(part, baseline), self.of(part, scores), max_drop),
                decides=part.decides,
                weight=part.weight,
            )
            for part in self.parts
        )

    def check_weights(self) -> None:
        """Refuses to add up what is not of one unit.

        Raises:
            UsageError: Also where a metric has no figure that could be weighted.
        """
        if not self._weighted:
            return
        shown = ", ".join(f"{part.output} by {part.metric.name}" for part in self._weighted)
        names = {part.metric.name for part in self._weighted}
        if len(names) > 1 and not all(map(is_share, names)):
            raise UsageError(
                f"The outputs that --output weighs are measured in unlike units: {shown}.",
                why="A weighted sum of points and of errors in their own units means nothing.",
                fix="Weigh outputs that are measured alike, choose their metrics with --metric OUTPUT=METRIC, or name one output.",
            )
        odd = [part for part in self._weighted if not _is_mean(part.metric) and not isinstance(part.metric, Drawable)]
        if odd:
            raise UsageError(
                f"The figure of the output '{odd[0].output}' ({odd[0].metric.name}) cannot be weighted.",
                fix="Name one output with --output instead; the others are in the report all the same.",
            )

    def check_limit(self) -> None:
        """Refuses one limit for outputs of unlike units that each have to keep it."""
        parts = [part for part in self.parts if part.decides and part.weight is None]
        names = {part.metric.name for part in parts}
        if len(names) > 1 and not all(map(is_share, names)):
            shown = ", ".join(f"{part.output} by {part.metric.name}" for part in parts)
            raise UsageError(
                f"--max-accuracy-drop is one number, and the outputs are measured in unlike units: {shown}.",
                fix="Name the output that it is for with --output, or leave the limit out: each output may then lose 1 point or 5 % of its error.",
            )

    def _figures(self, part: OfOneOutput, scores: Scores) -> tuple[Measured, ...]:
        found = part.metric.summarize(self.of(part, scores))
        return tuple(figure.model_copy(update={"output": part.output}) for figure in found)

    def _weighted_mean(self, scores: Scores) -> Measured:
        firsts = [self._figures(part, scores)[0] for part in self._weighted]
        value = sum((part.weight or 0.0) * one.value for part, one in zip(self._weighted, firsts, strict=True))
        costs = self._costs(scores)
        if costs is not None:
            low, high = (value + bound - float(costs.mean()) for bound in bounds_of_mean(costs))
        else:
            low, high = bounds_of_draws(self._drawn(scores), len(scores["finite"]))
        return Measured(
            metric="weighted" if is_share(firsts[0].metric) else f"weighted_{firsts[0].metric}",
            value=value,
            low=finite(low),
            high=finite(high),
            n=firsts[0].n,
            higher_is_better=firsts[0].higher_is_better,
        )

    def _costs(self, scores: Scores) -> NDArray[np.float64] | None:
        """Returns each sample's weighted cost; None where one of the figures is no mean over samples."""
        total = np.zeros(len(scores["finite"]))
        for part in self._weighted:
            if not isinstance(part.metric, PerSample) or not part.metric.is_mean:
                return None
            total += (part.weight or 0.0) * part.metric.costs(self.of(part, scores))
        return total

    def _drawn(self, scores: Scores) -> NDArray[np.float64]:
        """Returns the weighted mean in each bootstrap draw."""
        total = np.zeros(1)
        for part in self._weighted:
            own = self.of(part, scores)
            if isinstance(part.metric, PerSample) and part.metric.is_mean:
                costs = part.metric.costs(own)
                figure = part.metric.summarize(own)[0]
                sign = -1.0 if figure.higher_is_better else 1.0
                drawn = figure.value + sign * (drawn_means(costs) - costs.mean())
            else:
                assert isinstance(part.metric, Drawable)
                drawn = part.metric.drawn(own)
            total = total + (part.weight or 0.0) * drawn
        return total


def _increase(
    before: NDArray[np.float64], after: NDArray[np.float64], resolution: float, *, points: bool
) -> PairedDifference:
    """Compares weighted costs; shares that change in no sample keep an interval: that of two more, which change both ways (as Bonett and
    Price do)."""
    if not points or np.any(before != after):
        return paired_mean_increase(before, after, resolution=resolution, points=points)
    first, second = np.append(before, (0, 1)), np.append(after, (1, 0))
    return paired_mean_increase(first, second, resolution=resolution, points=points)._replace(n=len(after))
