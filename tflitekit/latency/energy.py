"""Energy of one inference, from the power of a machine that idles and of the same machine under load."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.statistics import welch_half_width
from tflitekit.results import Energy

__all__ = ["energy_above_idle"]

_BLOCKS = 10
"""Readings of neighbouring moments resemble each other, so the interval is over means of so many stretches of time."""


def energy_above_idle(
    idle_watts: Sequence[float],
    load_watts: Sequence[float],
    inferences_per_s: float,
    *,
    inferences: int,
    meter: str,
    coarse: bool = False,
) -> Energy | None:
    """Returns the energy of one inference with a 95 % interval (Welch's t over block means); None with too few readings.

    Args:
        idle_watts: Readings of equal length before the load.
        load_watts: Readings of equal length under load.
    """
    idle, load = _block_means(idle_watts), _block_means(load_watts)
    if min(len(idle), len(load)) < 2 or not inferences_per_s > 0:
        return None
    half = welch_half_width([(float(v.var(ddof=1)) / len(v), len(v) - 1) for v in (idle, load)])
    above = float(load.mean() - idle.mean())
    return Energy(
        joules=above / inferences_per_s,
        low=(above - half) / inferences_per_s,
        high=(above + half) / inferences_per_s,
        load_watts=float(load.mean()),
        idle_watts=float(idle.mean()),
        inferences=inferences,
        meter=meter,
        coarse=coarse,
    )


def _block_means(readings: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(readings, np.float64)
    return np.array([part.mean() for part in np.array_split(values, min(_BLOCKS, len(values))) if part.size])
