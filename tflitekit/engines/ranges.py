"""See `measure_ranges`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflitekit.engines.samples import runs
from tflitekit.tflite.flatbuffer import unpack
from tflitekit.tflite.runtime import Model

__all__ = ["Place", "Range", "computed_tensors", "measure_ranges", "range_of"]

Array = NDArray[Any]
Range = dict[str, Array]
"""The smallest and the largest value, 'min' and 'max', as litert-quantizer takes them."""


class Place(NamedTuple):
    """A tensor of a graph."""

    graph: int
    tensor: int


def range_of(low: float, high: float) -> Range:
    """Returns the range from ``low`` to ``high``."""
    return {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}


def measure_ranges(content: bytes, samples: Iterable[Mapping[str, Array]]) -> dict[str, Range]:
    """Returns the range of each float32 tensor that a file computes, by its name.

    The quantizer's own calibrator fails where nothing reads an output of an operator, as in the first step of an unrolled LSTM:
    the runtime gives it no memory. Here it gets the range of what its operator reads. Infinite values, such as those of
    masks, are no part of a range.

    Args:
        content: A file whose tensors have names of their own.
        samples: By input name, with the batch dimension.

    Raises:
        DataError: There are no samples, or they do not fit the model.
    """
    graphs = unpack(content).subgraphs
    computed = list(dict.fromkeys(_computed(graphs)))
    lowest, highest = dict[Place, float](), dict[Place, float]()
    for model in runs(content, samples):
        for place in computed:
            low, high = _extremes(model, place)
            if low <= high:
                lowest[place] = min(lowest.get(place, np.inf), low)
                highest[place] = max(highest.get(place, -np.inf), high)
    _lend(graphs, lowest, highest)
    return {
        graphs[place.graph].tensors[place.tensor].name.decode(): range_of(lowest[place], highest[place])
        for place in lowest
    }


def computed_tensors(content: bytes) -> list[tuple[str, Place]]:
    """Returns the float32 tensors that a file computes, by name."""
    graphs = unpack(content).subgraphs
    places = dict.fromkeys(_computed(graphs))
    return [(graphs[place.graph].tensors[place.tensor].name.decode(), place) for place in places]


def _reached(graphs: list[Any], start: int = 0) -> Iterator[int]:
    """Yields the graphs that run: the main one, and those that operators are composed of."""
    yield start
    for operator in graphs[start].operators:
        options = operator.builtinOptions2
        if isinstance(options, schema.StableHLOCompositeOptionsT):
            yield from _reached(graphs, options.decompositionSubgraphIndex)


def _computed(graphs: list[Any]) -> Iterator[Place]:
    for number in _reached(graphs):
        graph = graphs[number]
        for index in (*graph.inputs, *(i for operator in graph.operators for i in operator.outputs)):
            if graph.tensors[index].type == schema.TensorType.FLOAT32:
                yield Place(number, int(index))


def _extremes(model: Model, place: Place) -> tuple[float, float]:
    """Returns the smallest and the largest finite value; infinity and its negative where there is none."""
    try:
        values = model.tensor(place.tensor, place.graph)
    except ValueError:  # no data, because nothing reads it
        return np.inf, -np.inf
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = np.isfinite(values)
    return float(values.min(where=finite, initial=np.inf)), float(values.max(where=finite, initial=-np.inf))


def _lend(graphs: list[Any], lowest: dict[Place, float], highest: dict[Place, float]) -> None:
    """Gives what has no values the range of the first tensor that its operator reads."""
    for number in _reached(graphs):
        for operator in graphs[number].operators:
            read = [place for i in operator.inputs if (place := Place(number, int(i))) in lowest]
            for index in operator.outputs:
                place = Place(number, int(index))
                if read and place not in lowest and graphs[number].tensors[index].type == schema.TensorType.FLOAT32:
                    lowest[place], highest[place] = lowest[read[0]], highest[read[0]]
