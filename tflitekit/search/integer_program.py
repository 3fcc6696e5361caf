"""Which type each layer gets so that the file is smallest: a choice for each layer under one budget of divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tflitekit.search.plan import LayerType

__all__ = ["Choice", "cheapest"]


@dataclass(frozen=True)
class Choice:
    """One type of a layer.

    Attributes:
        cost: In bytes that the file has more than with the smallest type, or in microseconds.
        divergence: What the type costs alone.
    """

    type: LayerType
    cost: float
    divergence: float


def cheapest(choices: Mapping[str, Sequence[Choice]], most: float) -> dict[str, LayerType] | None:
    """Returns the types that cost least and whose divergences sum up to no more than ``most``; None where there are none.

    Solved exactly, by HiGHS through SciPy. Divergences add up because rounding errors of unlike layers hardly correlate; how good that
    is, a check of the whole file tells.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    columns = [(layer, choice) for layer, several in choices.items() for choice in several]
    layers = list(choices)
    one_each = np.zeros((len(layers), len(columns)))
    for column, (layer, _) in enumerate(columns):
        one_each[layers.index(layer), column] = 1
    divergences = np.array([[choice.divergence for _, choice in columns]])
    # Of equal costs the smaller divergence: less than a byte in all.
    costs = np.array([choice.cost for _, choice in columns]) + 0.5 * divergences[0] / max(1e-12, divergences.sum())
    found = milp(
        costs,
        integrality=np.ones(len(columns)),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(divergences, -np.inf, most)],
    )
    if found.x is None:
        return None
    return {layer: choice.type for (layer, choice), taken in zip(columns, found.x, strict=True) if taken > 0.5}
