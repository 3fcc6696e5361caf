"""The smallest file within the limits: sensitivities, an integer program, and exact checks of whole files.

First the file with the largest type of each layer, then the smallest of all. Then each layer alone in each of its types, all others in the largest,
which tells what a type costs in bytes and in divergence. An integer program gives the smallest file for a budget of divergence; the
budget is narrowed down from both sides, and each answer is made and judged as a whole. Weights are blended until then. They are
rounded anew for the types of each of the last candidates, between the smallest file and the best one: behind layers of other types,
other weights are best. From the smallest file that keeps the limits single layers are made smaller, also at the price of another one
made larger, as long as the file as a whole still keeps them.

Where activations are float, the largest type is float16, and float32 only where that loses something. Where they are integers, it is int8; if
that loses too much, all activations become int16.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from tflitekit.schemes import Recipe
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.integer_program import Choice, cheapest
from tflitekit.search.plan import LayerType, Plan
from tflitekit.search.trials import Trials
from tflitekit.tflite.search_record import SearchChange

__all__ = ["Mixed", "Types", "sum_of_most"]

# As many at a time on each machine, so that all find the same. Files that are rounded anew take longest.
_BLENDED, _ROUNDED = 4, 2
_ROUNDS = 3
_MOVES = 4
_LEAST = 1e-9
_NOTHING = 1e-3
"""Of the divergence of the smallest file: what nothing needs."""
_NOTICED = 0.01
"""Of that divergence: from which on int8 costs a layer so much that int16 activations are tried."""
_FREE = 0.1
"""Of the limit: from which on the loss of a whole float16 file is a reason to try float32."""

Rounding = Literal["nearest", "gptq", "blended"]
Types = Mapping[str, Sequence[LayerType]]


class Mixed:
    """See `Strategy`."""

    def __init__(self, prepared: Prepared, recipe: Recipe, bounds: Bounds) -> None:
        self._recipe, self._bounds = recipe, bounds
        self._types: dict[str, tuple[LayerType, ...]] = {layer.name: layer.types(recipe) for layer in prepared.layers}
        self._activations: Literal["int16"] | None = None
        self._choices: dict[str, list[Choice]] = {}
        self._probe = (
            False  # whether files with one layer in a type of its own are of no use but to tell what that costs
        )
        self.changes: list[SearchChange] = []
        self.following: str | None = None

    def rank(self, judged: Judged) -> tuple[object, ...]:
        """Within the limits the smallest comes first, else what comes nearest."""
        assert judged.loss is not None
        if self._keeps(judged):
            return False, judged.size_bytes, judged.loss.high
        return True, self._bounds.excess(judged.loss, judged.size_bytes), judged.size_bytes

    def run(self, trials: Trials) -> None:
        """See `Strategy`."""
        self._trials = trials
        largest = self._largest()
        trials.round()
        [whole] = trials.run([self._uniform(0, "gptq")])
        if largest is None:
            return
        self._choices = self._alone(largest)
        everything = max(_LEAST, sum_of_most(self._choices))
        if self._keeps(whole):
            self._try(np.geomspace(everything * _NOTHING, everything, _BLENDED + 2)[1:-1], "blended")
            return
        low, _ = self._narrow(everything * _NOTHING, everything, _BLENDED, "blended")
        self._narrow(low, everything, _ROUNDED, "gptq")
        self._improve()

    def _keeps(self, judged: Judged) -> bool:
        """Whether a file loses no more than it may. Its size is no matter of choice: there are none that are smaller."""
        return self._bounds.keeps_accuracy(judged.loss)

    def _uniform(self, position: int, rounding: Rounding) -> Plan:
        types = {name: types[position] for name, types in self._types.items()}
        return Plan(types=types, rounding=rounding, activations=self._activations)

    def _largest(self) -> Judged | None:
        """Returns the file with all layers in their largest type, where that is of use; leaves the types that are."""
        if self._recipe.activations is None:
            with_float32 = self._types
            self._types = {name: types[:-1] for name, types in self._types.items()}
            [found] = self._trials.run([self._uniform(-1, "blended")])
            if found.loss is not None and found.loss.high <= _FREE * self._bounds.loss:
                return found
            self._types = with_float32
            [found] = self._trials.run([self._uniform(-1, "blended")])
            return found if self._keeps(found) else None
        [found] = self._trials.run([self._uniform(-1, "blended")])
        if not self._keeps(found) and self._recipe.io == "float32":
            self._activations = "int16"
            [found] = self._trials.run([self._uniform(-1, "blended")])
        return found if found.loss is not None else None

    def _alone(self, largest: Judged) -> dict[str, list[Choice]]:
        """Returns what each type of each layer costs, with all others in the largest."""
        plain: Types = {name: [t for t in types if t != "int16"] for name, types in self._types.items()}
        found = self._probed(largest, plain)
        least = _NOTICED * sum_of_most(found)
        noticed: Types = {
            name: [t for t in self._types[name] if t == "int16"]
            for name, choices in found.items()
            if any(choice.type == "int8" and choice.divergence > least for choice in choices)
        }
        for name, choices in self._probed(largest, noticed).items():
            found[name] += choices
        for name, choices in found.items():
            smallest = min(choice.cost for choice in choices)
            found[name] = [Choice(each.type, each.cost - smallest, each.divergence) for each in choices]
        return found

    def _probed(self, largest: Judged, types: Types) -> dict[str, list[Choice]]:
        """Returns what these types cost; of what could not be made there is none."""
        single = {
            (name, kind): largest.plan.changed({name: kind}).model_copy(update={"probe": self._probe})
            for name, kinds in types.items()
            for kind in kinds
            if largest.plan.types[name] != kind
        }
        tried = dict(zip(single, self._trials.run(list(single.values())), strict=True))
        assert largest.loss is not None
        found = {
            name: [Choice(kind, largest.size_bytes, 0.0) for kind in kinds if largest.plan.types[name] == kind]
            for name, kinds in types.items()
        }
        for (name, kind), judged in tried.items():
            if judged.loss is not None:
                divergence = max(0.0, judged.loss.divergence - largest.loss.divergence)
                found[name].append(Choice(kind, judged.size_bytes, divergence))
        return found

    def _narrow(self, low: float, high: float, count: int, rounding: Rounding) -> tuple[float, float]:
        """Tries the integer program's answers between a budget that keeps the limits and one that does not; returns the two, narrowed."""
        for _ in range(_ROUNDS):
            budgets = np.geomspace(low, high, count + 2)[1:-1]
            judged = self._try(budgets, rounding)
            if not judged:
                break
            for budget, each in judged:
                if self._keeps(each):
                    low = max(low, budget)
                else:
                    high = min(high, budget)
            if low >= high:  # not in order: the sum of divergences was no good guide
                break
        return low, high

    def _try(self, budgets: Iterable[float], rounding: Rounding) -> list[tuple[float, Judged]]:
        """Returns what the integer program's answers lose; nothing where all of them were tried before."""
        plans = [
            (float(budget), Plan(types=types, rounding=rounding, activations=self._activations))
            for budget in budgets
            if (types := self._cheapest(float(budget))) is not None
        ]
        if all(plan.key in self._trials.tried for _, plan in plans):
            return []
        return list(zip([budget for budget, _ in plans], self._trials.run([plan for _, plan in plans]), strict=True))

    def _cheapest(self, budget: float) -> dict[str, LayerType] | None:
        return cheapest(self._choices, budget)

    def _improve(self) -> None:
        """Goes on to smaller files next to the best one, as long as one of them keeps the limits."""
        while (best := self._trials.best) is not None and self._keeps(best):
            moves = sorted(self._smaller(best.plan), key=lambda move: move[0])[:_MOVES]
            plans = [plan.model_copy(update={"rounding": "gptq"}) for _, plan in moves]
            self._trials.run(plans)
            if self._trials.best is best:
                return

    def _smaller(self, plan: Plan) -> Iterator[tuple[float, Plan]]:
        """Yields smaller files that differ in one layer or two, with the divergence that is expected of them."""
        now = {name: self._choice(name, kind) for name, kind in plan.types.items()}
        total = sum(choice.divergence for choice in now.values())
        changes = [
            (name, other, other.cost - chosen.cost, other.divergence - chosen.divergence)
            for name, chosen in now.items()
            for other in self._choices[name]
            if other.type != chosen.type
        ]
        for one, to, cost, divergence in changes:
            if cost < 0:
                yield total + divergence, plan.changed({one: to.type})
                for two, other, more, gained in changes:
                    if two != one and more > 0 and cost + more < 0:
                        yield total + divergence + gained, plan.changed({one: to.type, two: other.type})

    def _choice(self, name: str, kind: LayerType) -> Choice:
        found = next((choice for choice in self._choices[name] if choice.type == kind), None)
        return found or Choice(kind, 0, float("inf"))


def sum_of_most(choices: Mapping[str, Sequence[Choice]]) -> float:
    """Returns the divergence of the worst type of every layer together."""
    return sum(max((choice.divergence for choice in several), default=0.0) for several in choices.values())
