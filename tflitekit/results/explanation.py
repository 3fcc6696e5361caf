"""Where a quantized file departs from its float original, layer by layer, and what is to blame."""

from __future__ import annotations

from typing import Literal

from tflitekit.core.parts import Part
from tflitekit.results.accuracy import Drop, Measured

__all__ = ["ChannelError", "Culprit", "Explanation", "LayerCost", "LayerError", "WeightError"]


class ChannelError(Part):
    """A channel that is worse than the others.

    Attributes:
        snr_db: Signal to noise; null where there is no noise.
        low, high: Range of its float values.
        steps: How many steps of the tensor's grid that range takes; null without a grid.
    """

    channel: int
    snr_db: float | None
    low: float
    high: float
    steps: float | None = None


class WeightError(Part):
    """The weights of a layer beside the float ones.

    Attributes:
        dtype: As they are stored.
        scales: How many scales they have; 0 for floats.
        unpacked: Whether they become float again before the operator computes.
        snr_db: Signal to noise; null where there is no noise.
        spread: The largest range of a channel by the median one.
        peak: The largest absolute weight by the root mean square of the others of its channel, of the channel where that is most.
        worst: The channels with the lowest signal to noise.
    """

    dtype: str
    scales: int
    unpacked: bool = False
    snr_db: float | None
    spread: float
    peak: float
    worst: tuple[ChannelError, ...] = ()


class LayerCost(Part):
    """What becomes of the outputs where other layers stay float.

    Attributes:
        samples: How many were run.
        divergence: Mean Kullback-Leibler divergence from the float model's probabilities, in nats; null for other outputs.
        agreement: Share of samples with the float model's class; null where outputs are no classes.
        explained: Share of the variance of the float outputs that is kept, mean of their columns (none below 0).
        lowest: The same of the column that keeps least.
        drop: Of the accuracy; null without labels, and for layers that are not among the worst.
    """

    samples: int
    divergence: float | None = None
    agreement: float | None = None
    explained: float | None = None
    lowest: float | None = None
    drop: Drop | None = None


class LayerError(Part):
    """One tensor that a layer computes, beside that of the float model.

    Attributes:
        layer: In the user's names; the tensor's where nothing better is known.
        operator: 'CONV_2D' and so on.
        tensor, stored_as: Its name in the float file and in the quantized one.
        dtype: As the quantized file stores it.
        snr_db: Signal to noise; null where there is no noise, and without a float file.
        explained: Median over channels of the share of the float variance that is kept; null where nothing varies.
        bias: How far the mean is off, by the root mean square of the float values; null without a float file.
        outside: Share of the float values that lie beyond the ends of the grid; null without a float file.
        saturated: Share of the values at the upper end of the grid; null without a grid.
        dead: How many channels do not vary.
        not_finite: Share of the values that are infinite or no numbers, where the float ones are finite.
        grid_used: Share of the grid that is taken; null without a grid.
        low, high: Range of the float values; without a float file, of the quantized ones.
        grid: The least and the greatest value that the grid has; null without one.
        histogram: How often each sixty-fourth of the grid was taken; empty without a grid.
        channels: How many there are.
        worst: Those with the lowest signal to noise.
        weights: Null for operators that have none.
        alone: Quantizing this layer only; null where that was not tried. A layer of several operators is quantized as a whole, and
            each of them has its cost.
        others: Quantizing all but this layer.
    """

    index: int
    layer: str
    operator: str
    tensor: str
    stored_as: str
    shape: tuple[int, ...]
    dtype: str
    snr_db: float | None
    explained: float | None
    bias: float | None
    outside: float | None
    saturated: float | None = None
    dead: int = 0
    not_finite: float = 0.0
    grid_used: float | None
    low: float
    high: float
    grid: tuple[float, float] | None = None
    histogram: tuple[int, ...] = ()
    channels: int
    worst: tuple[ChannelError, ...] = ()
    weights: WeightError | None = None
    alone: LayerCost | None = None
    others: LayerCost | None = None


class Culprit(Part):
    """A layer that is to blame, and why.

    Attributes:
        index: That of its `LayerError`.
        pattern: A stable name in kebab-case.
        message: What was seen, with the figures.
        advice: The cure.
    """

    index: int
    layer: str
    pattern: str
    message: str
    advice: str


class Explanation(Part):
    """What *explain* found.

    Attributes:
        baseline: Null where there is no float file: the quantized one then tells what it can alone.
        samples: How many were run.
        location: Of the data.
        whole: What became of the outputs; null where candidates could not be made.
        float_figure, figure, drop: What the labels say, or without labels the task that was named: the float file's figure, the quantized one's,
            and the paired difference. Null where nothing was measured, and in a report, whose variant has them itself.
        layers: In the order of the network.
        culprits: The worst first.
        notes: What could not be looked at, and why.
    """

    schema_version: Literal[1] = 1
    baseline: str | None
    variant: str
    scheme: str | None
    samples: int
    location: str
    whole: LayerCost | None = None
    float_figure: Measured | None = None
    figure: Measured | None = None
    drop: Drop | None = None
    layers: tuple[LayerError, ...]
    culprits: tuple[Culprit, ...] = ()
    notes: tuple[str, ...] = ()
