"""The smallest file within the limit: sensitivities, an integer program, and exact checks of whole files.

First the smallest file of all. Then each layer alone in each of its types, all others in the largest, which tells what a type costs in
bytes and in divergence. An integer program gives the smallest file for a budget of divergence; the budget is narrowed down from both
sides, and each answer is made and judged as a whole. Weights are blended until then. They are rounded anew for the types of each of
the last candidates, between the smallest file and the best one: behind layers of other types, other weights are best. From the
smallest file that keeps the limit single layers are made smaller, also at the price of another one made larger, as long as the file
as a whole still keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from tflitekit.schemes import Recipe
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.integer_program import Choice, cheapest
from tflitekit.search.plan import LayerType, Plan
from tflitekit.search.trials import Trials, is_within
from tflitekit.tflite.search_record import SearchChange

__all__ = ["Mixed"]

# As many at a time on each machine, so that all find the same. Files that are rounded anew take longest.
_BLENDED, _ROUNDED = 4, 2
_ROUNDS = 3
_MOVES = 4
_LEAST = 1e-9
_NOTHING = 1e-3
"""Of the divergence of the smallest file: what nothing needs."""

Rounding = Literal["gptq", "blended"]


class Mixed:
    """See `Strategy`."""

    def __init__(self, prepared: Prepared, recipe: Recipe, limit: float) -> None:
        self._types = {layer.name: layer.types(recipe) for layer in prepared.layers}
        self._limit = limit
        self._choices: dict[str, list[Choice]] = {}
        self.changes: list[SearchChange] = []
        self.following: str | None = None

    def rank(self, judged: Judged) -> tuple[object, ...]:
        """Within the limit the smallest comes first, else what comes nearest."""
        assert judged.loss is not None
        if is_within(judged, self._limit):
            return False, judged.size_bytes, judged.loss.high
        return True, judged.loss.high, judged.size_bytes

    def run(self, trials: Trials) -> None:
        """See `Strategy`."""
        self._trials = trials
        smallest, largest = self._uniform(0, "gptq"), self._uniform(-1, "blended")
        whole, base = self._trials.run([smallest, largest])
        if base.loss is None or whole.loss is None:
            return
        self._choices = self._alone(largest, base)
        everything = max(_LEAST, sum(max(c.divergence for c in several) for several in self._choices.values()))
        if is_within(whole, self._limit):
            self._try(np.geomspace(everything * _NOTHING, everything, _BLENDED + 2)[1:-1], "blended")
            return
        low, _ = self._narrow(everything * _NOTHING, everything, _BLENDED, "blended")
        self._narrow(low, everything, _ROUNDED, "gptq")
        self._improve()

    def _uniform(self, position: int, rounding: Rounding) -> Plan:
        return Plan(types={name: types[position] for name, types in self._types.items()}, rounding=rounding)

    def _alone(self, largest: Plan, base: Judged) -> dict[str, list[Choice]]:
        """Returns what each type of each layer costs, with all others in the largest."""
        single = {
            (name, kind): largest.changed({name: kind}) for name, types in self._types.items() for kind in types[:-1]
        }
        tried = dict(zip(single, self._trials.run(list(single.values())), strict=True))
        assert base.loss is not None
        found: dict[str, list[Choice]] = {}
        for name, types in self._types.items():
            choices = [Choice(types[-1], base.size_bytes, 0.0)]
            for kind in types[:-1]:
                judged = tried[name, kind]
                if judged.loss is not None:
                    cost = max(0.0, judged.loss.divergence - base.loss.divergence)
                    choices.append(Choice(kind, judged.size_bytes, cost))
            least = min(choice.size_bytes for choice in choices)
            found[name] = [Choice(each.type, each.size_bytes - least, each.divergence) for each in choices]
        return found

    def _narrow(self, low: float, high: float, count: int, rounding: Rounding) -> tuple[float, float]:
        """Tries the integer program's answers between a budget that keeps the limit and one that does not; returns the two, narrowed."""
        for _ in range(_ROUNDS):
            budgets = np.geomspace(low, high, count + 2)[1:-1]
            judged = self._try(budgets, rounding)
            if not judged:
                break
            for budget, each in judged:
                if is_within(each, self._limit):
                    low = max(low, budget)
                else:
                    high = min(high, budget)
            if low >= high:  # not in order: the sum of divergences was no good guide
                break
        return low, high

    def _try(self, budgets: Iterable[float], rounding: Rounding) -> list[tuple[float, Judged]]:
        """Returns what the integer program's answers lose; nothing where all of them were tried before."""
        plans = [
            (float(budget), Plan(types=types, rounding=rounding))
            for budget in budgets
            if (types := cheapest(self._choices, float(budget))) is not None
        ]
        if all(plan.key in self._trials.tried for _, plan in plans):
            return []
        return list(zip([budget for budget, _ in plans], self._trials.run([plan for _, plan in plans]), strict=True))

    def _improve(self) -> None:
        """Goes on to smaller files next to the best one, as long as one of them keeps the limit."""
        while (best := self._trials.best) is not None and is_within(best, self._limit):
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
            (name, other, other.size_bytes - chosen.size_bytes, other.divergence - chosen.divergence)
            for name, chosen in now.items()
            for other in self._choices[name]
            if other.type != chosen.type
        ]
        for one, to, size, divergence in changes:
            if size < 0:
                yield total + divergence, plan.changed({one: to.type})
                for two, other, more, gained in changes:
                    if two != one and more > 0 and size + more < 0:
                        yield total + divergence + gained, plan.changed({one: to.type, two: other.type})

    def _choice(self, name: str, kind: LayerType) -> Choice:
        found = next((choice for choice in self._choices[name] if choice.type == kind), None)
        return found or Choice(kind, 0, float("inf"))
