"""Which type each layer gets so that the file costs least: a choice for each layer under one budget of divergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tflitekit.search.plan import LayerType

__all__ = ["Choice", "Passage", "cheapest", "domain", "passage_costs"]

_DOMAINS = {"int4": "int8", "int8": "int8", "int16": "int16", "float16": "float", "float32": "float"}
"""Type of the activations, by that of the layer, where not all have the same."""


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


@dataclass(frozen=True)
class Passage:
    """A tensor that goes from one layer to another, and costs something where their activations are of unlike types.

    Attributes:
        source, reader: Layers; None for an input or output of the model, which are float.
    """

    source: str | None
    reader: str | None
    cost: float


def domain(kind: LayerType | None) -> str:
    """Returns the type of the activations of a layer; that of the model's inputs and outputs for None."""
    return "float" if kind is None else _DOMAINS[kind]


def passage_costs(types: Mapping[str, LayerType], passages: Sequence[Passage]) -> float:
    """Returns what the passages between layers of unlike activations cost together."""
    return sum(
        each.cost
        for each in passages
        if domain(types[each.source] if each.source else None) != domain(types[each.reader] if each.reader else None)
    )


def cheapest(
    choices: Mapping[str, Sequence[Choice]], most: float, passages: Sequence[Passage] = ()
) -> dict[str, LayerType] | None:
    """Returns the types that cost least and whose divergences sum up to no more than ``most``; None where there are none.

    Solved exactly, by HiGHS through SciPy. Divergences add up because rounding errors of unlike layers hardly correlate; how good that
    is, a check of the whole file tells.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    columns = [(layer, choice) for layer, several in choices.items() for choice in several]
    layers = {layer: row for row, layer in enumerate(choices)}
    width = len(columns) + len(passages)
    one_each, divergences = np.zeros((len(layers), width)), np.zeros((1, width))
    for column, (layer, choice) in enumerate(columns):
        one_each[layers[layer], column] = 1
        divergences[0, column] = choice.divergence
    # Of equal costs the smaller divergence: a hundredth of a byte or microsecond in all.
    costs = np.array([*(choice.cost for _, choice in columns), *(each.cost for each in passages)], np.float64)
    costs[: len(columns)] += 0.01 * divergences[0, : len(columns)] / max(1e-12, divergences.sum())
    constraints = [LinearConstraint(one_each, 1, 1), LinearConstraint(divergences, -np.inf, most)]
    if rows := list(_crossed(columns, passages)):
        matrix, limits = zip(*rows, strict=True)
        constraints.append(LinearConstraint(np.array(matrix), -np.inf, np.array(limits)))
    integral = np.array([1] * len(columns) + [0] * len(passages))
    found = milp(
        costs, integrality=integral, bounds=Bounds(0, 1), constraints=constraints, options={"mip_rel_gap": 0.0}
    )
    if found.x is None:
        return None
    taken = zip(columns, found.x[: len(columns)], strict=True)
    return {layer: choice.type for (layer, choice), share in taken if share > 0.5}


def _crossed(
    columns: Sequence[tuple[str, Choice]], passages: Sequence[Passage]
) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Yields rows and their upper limits: a passage costs where its source is in a domain and its reader is not."""
    domains = np.array([domain(choice.type) for _, choice in columns])
    names = np.array([layer for layer, _ in columns])
    for number, each in enumerate(passages):
        for one in sorted({*domains, "float"}):
            row, limit = np.zeros(len(columns) + len(passages)), 0.0
            row[len(columns) + number] = -1
            for layer, sign in ((each.source, 1.0), (each.reader, -1.0)):
                if layer is None:
                    limit -= sign * (one == "float")
                else:
                    row[: len(columns)][(names == layer) & (domains == one)] += sign
            yield row, limit
