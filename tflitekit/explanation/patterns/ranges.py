"""Values of unlike size that have to share one grid, or leave it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tflitekit.explanation.patterns import Match, Suspect, grid_pattern, pattern
from tflitekit.tflite.columns import UNLIKE

_JOINS = {"CONCATENATION", "PACK"}
_COARSE_STEPS = 24.0
_UNLIKE_CHANNELS = 4.0
_BEYOND = 0.005
_PIXELS = (200.0, 256.0)
_CONSTANT = 1e-10
"""Of the square of its value: a variance below that is rounding."""


@grid_pattern
def joined_ranges(suspect: Suspect) -> Match | None:
    """Boxes and scores in one tensor: the scores share the boxes' grid and vanish."""
    error = suspect.error
    if error.operator not in _JOINS or error.grid is None or len(suspect.inputs) < 2:
        return None
    sizes = [float(one.ranges.max()) for one in suspect.inputs]
    if max(sizes) < UNLIKE * min(sizes):
        return None
    small, large = (suspect.inputs[int(place)] for place in (np.argmin(sizes), np.argmax(sizes)))
    steps = min(sizes) / ((error.grid[1] - error.grid[0]) / 255)
    large_named, small_named = (suspect.told(_of_part(suspect, one)) for one in (large, small))
    return Match(
        "joined-ranges",
        f"It joins '{large.error.layer}'{large_named}, whose values reach {max(sizes):.3g}, and '{small.error.layer}'{small_named}, whose reach "
        f"{min(sizes):.3g}: "
        f"on their common grid the latter have {max(1, round(steps))} steps.",
        "Give them outputs of their own, or keep this operator in float.",
        2.0,
    )


def _of_part(suspect: Suspect, part: Suspect) -> range:
    """Returns the channels of a join that come from one of its parts; none where it joins places, not channels."""
    counts = [one.error.channels for one in suspect.inputs]
    if sum(counts) != suspect.error.channels:
        return range(0)
    number = next(i for i, one in enumerate(suspect.inputs) if one is part)
    return range(sum(counts[:number]), sum(counts[: number + 1]))


@pattern
def joined_later(suspect: Suspect) -> Match | None:
    """The same one layer earlier: the quantizer gives what is joined the grid of the whole."""
    for reader in suspect.readers:
        match = joined_ranges(reader)
        if match is not None and reader.error.grid == suspect.error.grid:
            return replace(match, of=reader.error)
    return None


@grid_pattern
def unlike_channels(suspect: Suspect) -> Match | None:
    """Channels of very different range on one grid."""
    error = suspect.error
    steps, ranges = suspect.steps, suspect.ranges
    varies = suspect.sums.pairs.deviation[0] > 0
    coarse = (steps < _COARSE_STEPS) & varies
    if error.grid is None or len(ranges) < 2 or not coarse.any() or error.operator in _JOINS:
        return None
    median = float(np.median(ranges[varies]))
    factor = float(ranges.max() / median) if median else np.inf
    mixed = suspect.is_output and _of_two_kinds(suspect, varies)
    if not mixed and (suspect.is_output or factor < _UNLIKE_CHANNELS):
        return None
    loudest = int(np.argmax(ranges))
    return Match(
        "output-mixes-ranges" if mixed else "unlike-channels",
        f"Channel {loudest}{suspect.told([loudest])} reaches {ranges[loudest]:.3g}, {factor:.3g} times the median of {len(ranges)}; "
        f"{int(coarse.sum())} of them{suspect.told(np.flatnonzero(coarse).tolist())} have fewer "
        f"than {_COARSE_STEPS:.0f} steps of the common grid.",
        "Split this output, so that each kind of value has its own range."
        if mixed
        else "Equalize the channels with the layer that follows, or give this layer int16 activations.",
        min(1.0, factor / 50 + float(coarse.mean())),
    )


def _of_two_kinds(suspect: Suspect, varies: NDArray[np.bool_]) -> bool:
    """Whether the columns of an output fall apart into larger and smaller ones, as boxes and scores do; logits of classes go over into one another.

    Among shares from 0 to 1 the small ones are of what is rare, not of another kind.
    """
    pairs = suspect.sums.pairs
    if pairs.low[0].min() >= 0 and pairs.high[0].max() <= 1:
        return False
    sizes = np.sort(suspect.ranges[varies])
    return bool((sizes[1:] >= UNLIKE * sizes[:-1]).any())


@grid_pattern
def dead_channels(suspect: Suspect) -> Match | None:
    """Channels that never vary and are larger than all others: they set the grid and tell nothing."""
    error, pairs = suspect.error, suspect.sums.pairs
    varies = pairs.deviation[0] > _CONSTANT * np.square(suspect.ranges) * pairs.values
    alive = float(suspect.ranges[varies].max(initial=0.0))
    sizes = np.where(varies, 0.0, suspect.ranges)
    if error.grid is None or not alive or error.operator in _JOINS or sizes.max() < _UNLIKE_CHANNELS * alive:
        return None
    first, count = int(np.argmax(sizes)), int(np.count_nonzero(sizes >= _UNLIKE_CHANNELS * alive))
    factor = float(sizes.max() / alive)
    others = f", as are {count - 1} others" if count > 1 else ""
    return Match(
        "dead-channels",
        f"Channel {first} of {len(sizes)} is {sizes[first]:.3g} whatever the input{others}, {factor:.3g} times what those that vary reach: it takes the "
        "grid and tells nothing.",
        "Prune it, and add what it gives to the bias of the layer that follows; then train on.",
        1.2,  # less than that of a state, which may well be a constant at each step
    )


@pattern
def unlike_on_the_fly(suspect: Suspect) -> Match | None:
    """Channels of very different range on the one scale that is chosen while the model runs, as in dynamic_range."""
    weights = suspect.error.weights
    if (
        weights is None
        or weights.unpacked
        or not weights.scales
        or suspect.error.grid is not None
        or not suspect.inputs
    ):
        return None
    source = suspect.inputs[0].source
    ranges = source.ranges[source.sums.pairs.deviation[0] > 0]
    largest = float(ranges.max(initial=0.0))
    coarse = int((ranges * 127 < _COARSE_STEPS * largest).sum())
    if coarse < len(ranges) / 4:
        return None
    return Match(
        "unlike-channels",
        f"'{suspect.error.layer}' quantizes its values on the fly with one scale, on which {coarse} of {len(ranges)} channels have fewer than "
        f"{_COARSE_STEPS:.0f} steps: the largest is {largest / float(np.median(ranges)):.3g} times the median.",
        "Equalize the channels with the layer that follows, or keep that one in float16.",
        0.5,
        source.error,
    )


@grid_pattern
def beyond_the_grid(suspect: Suspect) -> Match | None:
    """Ranges that calibration set too narrow. Where what it reads has that already, the first one is told."""
    if not _reaches_beyond(suspect):
        return None
    first = suspect
    while earlier := [one for one in first.inputs if _reaches_beyond(one)]:
        first = max(earlier, key=lambda one: one.error.outside or 0.0)
    error = first.error
    assert error.grid is not None and error.outside is not None and suspect.error.outside is not None
    low, high = error.grid
    return Match(
        "beyond-the-grid",
        f"{error.outside:.1%} of its values lie beyond its grid, which goes from {low:.3g} to {high:.3g}; the values go from {error.low:.3g} to "
        f"{error.high:.3g}.",
        "Calibrate on more samples, of the kind that the app will see.",
        min(1.0, 10 * suspect.error.outside),
        None if first is suspect else error,
    )


def _reaches_beyond(suspect: Suspect) -> bool:
    outside = suspect.error.outside
    return suspect.error.grid is not None and outside is not None and outside >= _BEYOND


@grid_pattern
def unlike_summands(suspect: Suspect) -> Match | None:
    """A residual sum whose parts are of very different size."""
    if suspect.error.operator not in ("ADD", "SUB") or suspect.error.grid is None or len(suspect.inputs) < 2:
        return None
    sizes = [float(one.ranges.max()) for one in suspect.inputs[:2]]
    if not min(sizes) or max(sizes) < UNLIKE * min(sizes):
        return None
    return Match(
        "unlike-summands",
        f"It adds values that reach {max(sizes):.3g} and {min(sizes):.3g}: the smaller ones have few steps of the grid of the sum.",
        "Keep this operator in int16 or float, or normalize the larger branch.",
        min(2.0, max(sizes) / min(sizes) / 25),
    )


@pattern
def raw_pixels(suspect: Suspect) -> Match | None:
    """A first layer on pixels from 0 to 255, whose weights carry the normalization."""
    weights = suspect.error.weights
    first = [one for one in suspect.inputs if one.error.operator == "INPUT"]
    if weights is None or not first or not _PIXELS[0] <= first[0].error.high <= _PIXELS[1] or first[0].error.low < 0:
        return None
    return Match(
        "raw-pixels",
        f"Its input goes from {first[0].error.low:.3g} to {first[0].error.high:.3g}, so that errors of its {weights.dtype} weights are multiplied.",
        "Give this layer int8 weights, or normalize the input to -1 to 1.",
        0.4,
    )
