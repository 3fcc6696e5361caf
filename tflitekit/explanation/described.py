"""From sums to what the report says of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.parts import finite
from tflitekit.explanation.candidates import LayerCosts
from tflitekit.explanation.constants import WeightSums
from tflitekit.explanation.pairs import Pair
from tflitekit.explanation.sums import CELLS, TensorSums
from tflitekit.results.explanation import ChannelError, LayerError, WeightError

__all__ = ["described"]

_WORST = 3
_BINS = 64


def described(
    pairs: Sequence[Pair],
    names: Sequence[str],
    sums: Sequence[TensorSums],
    weights: Mapping[int, WeightSums],
    costs: LayerCosts | None,
    *,
    known: bool,
) -> tuple[LayerError, ...]:
    """Returns one row for each pair of tensors.

    Args:
        known: Whether there are float values to compare with.
    """
    rows = (
        _layer(number, pair, name, found, weights.get(number), costs)
        for number, (pair, name, found) in enumerate(zip(pairs, names, sums, strict=True))
    )
    return tuple(rows if known else map(_incomparable, rows))


def _incomparable(layer: LayerError) -> LayerError:
    """Leaves out what only float values could tell."""
    nothing = {"snr_db": None, "explained": None, "bias": None, "outside": None}
    worst = tuple(
        one.model_copy(update={"snr_db": None}) for one in sorted(layer.worst, key=lambda one: one.steps or 0)
    )
    return layer.model_copy(update={**nothing, "worst": worst})


def _layer(
    number: int, pair: Pair, name: str, sums: TensorSums, weights: WeightSums | None, costs: LayerCosts | None
) -> LayerError:
    explained, spec, position = sums.pairs.explained, pair.variant.spec, pair.baseline.position
    grid = sums.grid(spec)
    return LayerError(
        index=number,
        layer=name,
        operator=pair.variant.operator.name,
        tensor=pair.baseline.spec.name,
        stored_as=pair.variant.name,
        shape=spec.shape,
        dtype=spec.dtype,
        snr_db=finite(sums.snr_db),
        explained=float(np.nanmedian(explained)) if not np.isnan(explained).all() else None,
        bias=sums.bias,
        outside=sums.outside_share,
        grid_used=sums.grid_used,
        not_finite=sums.not_finite,
        low=_finite(sums.pairs.low[0].min()),
        high=_finite(sums.pairs.high[0].max()),
        grid=grid,
        saturated=sums.saturated,
        dead=int(np.count_nonzero(sums.pairs.deviation[1] == 0)),
        histogram=tuple(sums.cells.reshape(_BINS, CELLS // _BINS).sum(1).tolist()) if sums.cells is not None else (),
        channels=len(explained),
        worst=_worst(sums.channel_snr_db, sums.pairs.low[0], sums.pairs.high[0], sums.step(spec)),
        weights=_weight_error(weights) if weights is not None else None,
        alone=costs.alone.get(position) if costs is not None else None,
        others=costs.others.get(position) if costs is not None else None,
    )


def _weight_error(found: WeightSums) -> WeightError:
    median = float(np.median(found.ranges))
    return WeightError(
        dtype=found.dtype,
        scales=found.scales,
        unpacked=found.unpacked,
        snr_db=finite(found.snr_db),
        spread=float(found.ranges.max() / median) if median else 1.0,
        peak=found.peak,
        worst=_worst(found.channel_snr_db, -found.ranges, found.ranges, None),
    )


def _worst(
    snr_db: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], step: float | None
) -> tuple[ChannelError, ...]:
    order: Sequence[int] = np.argsort(snr_db, kind="stable")[:_WORST].tolist()
    return tuple(
        ChannelError(
            channel=channel,
            snr_db=finite(float(snr_db[channel])),
            low=_finite(low[channel]),
            high=_finite(high[channel]),
            steps=max(0.0, float((high[channel] - low[channel]) / step)) if step else None,
        )
        for channel in order
    )


def _finite(value: float) -> float:
    """Returns a limit of a range; 0 where no value was finite."""
    return float(value) if np.isfinite(value) else 0.0
