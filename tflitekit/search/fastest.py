"""The fastest file within the limits, by the time that each layer takes in each type where the model is meant to run.

Files of one type throughout are profiled first. A type whose whole file is no faster than that of a more exact one is of no use and is dropped: on most
CPUs int4 and int16 are. A file that changes its type with each layer tells what passing from one to the other costs. Then follow the
divergences of single layers, an integer program for the shortest time within a budget of divergence, and exact checks, as in `mixed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tflitekit.schemes import Recipe
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.integer_program import Choice, Passage, cheapest, domain, passage_costs
from tflitekit.search.mixed import Mixed, Types, sum_of_most
from tflitekit.search.plan import LayerType, Plan, SearchedLayer
from tflitekit.search.timing import Timing
from tflitekit.search.trials import Trials

__all__ = ["Fastest"]

_FASTER = 0.97  # of the time of a more exact type, so that a type is of use
_COARSER: tuple[LayerType, ...] = ("float16", "int16", "int8", "int4")
_TRIED, _ROUNDED = 4, 2
_MORE = 1.01


class Fastest(Mixed):
    """See `Strategy`."""

    def __init__(self, prepared: Prepared, recipe: Recipe, bounds: Bounds, timing: Timing) -> None:
        super().__init__(prepared, recipe, bounds)
        passing = {name for each in prepared.passages for name in (each.source, each.reader) if name is not None}
        self._layers = [layer for layer in prepared.operators if layer.name in passing]
        self._types = {layer.name: tuple(_types(layer, recipe)) for layer in self._layers}
        self._prepared, self._timing, self._probe = prepared, timing, True
        self._times: dict[LayerType, dict[str, float]] = {}
        self._passages: tuple[Passage, ...] = ()

    def rank(self, judged: Judged) -> tuple[object, ...]:
        """Within the limits that which is expected to be fastest comes first, else what comes nearest."""
        assert judged.loss is not None
        if self._keeps(judged):
            return False, self._expected_us(judged.plan), judged.size_bytes, judged.loss.high
        return True, self._bounds.excess(judged.loss, judged.size_bytes), judged.size_bytes

    def run(self, trials: Trials) -> None:
        """See `Strategy`."""
        self._trials = trials
        floats, _ = trials.run([self._whole("float32"), self._whole("int8")])
        if floats.loss is None:
            return
        self._measure()
        self._choices = self._alone(floats)
        everything = max(1e-9, sum_of_most(self._choices))
        tried = self._try([everything * _MORE], "nearest")
        if not any(self._keeps(judged) for _, judged in tried):
            low, _ = self._narrow(everything * 1e-3, everything, _TRIED, "nearest")
            self._narrow(low, everything, _ROUNDED, "gptq")
        trials.run([plan for _, plan in self.plain()])

    def plain(self) -> Iterator[tuple[str, Plan]]:
        """Yields the files of schemes that do not mix, by name."""
        yield "float32", self._whole("float32")
        yield "int8", self._whole("int8")
        weights: dict[str, LayerType] = {layer.name: "int8" for layer in self._layers if layer.elements}
        yield "dynamic_range", Plan(types=weights, activations="float32")

    def _keeps(self, judged: Judged) -> bool:
        return self._bounds.keeps(judged.loss, judged.size_bytes)

    def _whole(self, kind: LayerType) -> Plan:
        """Returns the file with one type throughout; where a layer does not take it, with the next one that it takes."""
        order: tuple[LayerType, ...] = ("float32", *_COARSER)
        types: dict[str, LayerType] = {}
        for layer in self._layers:
            able = [each for each in order[: order.index(kind) + 1] if each in _types(layer, self._recipe)]
            types[layer.name] = able[-1]
        return Plan(types=types)

    def _measure(self) -> None:
        """Finds the times of layers by type, the types that are of use, and what passages cost."""
        useful: list[LayerType] = ["float32"]
        least = self._measured("float32")
        for kind in _COARSER:
            whole = self._measured(kind)
            if whole < _FASTER * least:
                useful.append(kind)
                least = whole
        self._types = {name: tuple(t for t in types if t in useful) for name, types in self._types.items()}
        rate = self._passage_rate() if len({domain(kind) for kind in useful}) > 1 else 0.0
        self._passages = tuple(
            Passage(each.source, each.reader, rate * each.elements) for each in self._prepared.passages
        )

    def _measured(self, kind: LayerType) -> float:
        """Returns the time of a whole file, and keeps those of its layers; infinite where it cannot be made."""
        times = self._timing.profile(self._whole(kind))
        if times is None:
            return float("inf")
        self._times[kind] = times
        return sum(times.values())

    def _passage_rate(self) -> float:
        """Returns the microseconds for each element that passes from one type to another."""
        types: dict[str, LayerType] = {
            layer.name: "float32" if number % 2 else "int8" for number, layer in enumerate(self._layers)
        }
        times = self._timing.profile(Plan(types=types))
        if times is None:
            return 0.0
        counted = [Passage(each.source, each.reader, each.elements) for each in self._prepared.passages]
        elements = passage_costs(types, counted)
        spent = sum(time for name, time in times.items() if name not in self._times["float32"])
        return spent / elements if elements else 0.0

    def _probed(self, largest: Judged, types: Types) -> dict[str, list[Choice]]:
        found = super()._probed(largest, types)
        return {
            name: [replace(each, cost=self._times[each.type].get(name, 0.0)) for each in choices]
            for name, choices in found.items()
        }

    def _cheapest(self, budget: float) -> dict[str, LayerType] | None:
        return cheapest(self._choices, budget, self._passages)

    def _expected_us(self, plan: Plan) -> float:
        """Returns what a file is expected to take; infinite before layers are measured and for files that do not mix."""
        if not self._choices or set(plan.types) != set(self._choices) or plan.activations is not None:
            return float("inf")
        layers = sum(self._choice(name, kind).cost for name, kind in plan.types.items())
        return layers + passage_costs(plan.types, self._passages)


def _types(layer: SearchedLayer, recipe: Recipe) -> Iterator[LayerType]:
    """Yields what a layer can be, the smallest first."""
    if layer.elements and layer.takes_int4(recipe):
        yield "int4"
    yield from ("int8", "int16")
    if layer.elements:
        yield "float16"
    yield "float32"
