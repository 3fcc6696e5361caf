"""The smallest change of a quantized file that brings its loss within the limits.

Cures in the order of what they cost: none of the first costs a byte or a microsecond. Each is kept where it measurably helps. Then operators that
join values of unlike ranges right before an output, which give each part its own scale up to there, then single operators, those that lose most
first: in int16, which is slow on most CPUs but keeps to integers, and at last in float. As soon as a file is within the limits, what it does not need is taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tflitekit.schemes import Recipe
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.plan import LayerType, Plan, SearchedLayer
from tflitekit.search.trials import Trials
from tflitekit.tflite.search_record import SearchChange

__all__ = ["Repair"]

_HELPS = 0.95  # of the divergence: less than that is left
_WORDS = {
    "mse": "ranges of activations by mean squared error",
    "percentile": "ranges of activations without the rarest values",
    "gptq": "weights rounded by GPTQ, with corrected biases",
    "equalized": "channels equalized across layers",
}


class Repair:
    """See `Strategy`."""

    def __init__(self, prepared: Prepared, recipe: Recipe, bounds: Bounds) -> None:
        self._prepared, self._recipe, self._bounds = prepared, recipe, bounds
        self.changes: list[SearchChange] = []
        self._files: list[Plan] = []  # of the changes
        self.following: str | None = None

    def rank(self, judged: Judged) -> tuple[object, ...]:
        """Within the limits the least change comes first, else what comes nearest."""
        assert judged.loss is not None
        if not self._keeps(judged):
            return True, self._bounds.excess(judged.loss, judged.size_bytes), judged.size_bytes
        kinds = list(judged.plan.types.values())
        plan = judged.plan
        cures = plan.equalized + (plan.rounding == "gptq") + (plan.ranges != "extremes")
        return False, kinds.count("float32"), kinds.count("int16"), kinds.count("int8"), cures, judged.size_bytes

    def _keeps(self, judged: Judged) -> bool:
        return self._bounds.keeps(judged.loss, judged.size_bytes)

    def run(self, trials: Trials) -> None:
        """See `Strategy`."""
        [now] = trials.run([Plan(types={})])
        if now.loss is None:
            return
        for cures in self._free():
            if self._keeps(now):
                self.following = _said(cures[0])
                break
            now = self._tried(trials, now, cures)
        if self._keeps(now):
            self._pruned(trials, now)
            return
        if self._prepared.joined and self._recipe.io == "float32":
            now = self._parted(trials, now)
        if not self._keeps(now):
            now = self._excepted(trials, now)
        if self._keeps(now):
            self._pruned(trials, now)
            return
        if self._prepared.joined and self._recipe.io != "float32":
            self.following = (
                f"io=float32, or outputs of its own for each part that '{self._shown(self._prepared.joined[0])}' joins, which only the model "
                f"can give: in one {self._recipe.io} output they share one scale"
            )
        if trials.best is not None:  # the nearest
            for number, plan in enumerate(self._files):
                if plan.key == trials.best.plan.key:
                    self.changes[number] = self.changes[number].model_copy(update={"kept": True})

    def _parted(self, trials: Trials, now: Judged) -> Judged:
        """Lets each part of a join have its own scale until there: the join in int16, which keeps to integers; in float where that is not enough."""
        kinds = self._kinds()
        for kind in kinds:
            plan = now.plan.changed({name: kind for name in self._prepared.joined})
            [found] = trials.run([plan])
            if found.loss is None:
                continue
            kept = self._keeps(found) or (kind == kinds[-1] and _helps(now, found))
            self._note(self._named(self._prepared.joined, kind), now, found, kept=kept)
            if kept:
                return found
        return now

    def _free(self) -> Iterator[list[dict[str, object]]]:
        """Yields the cures that cost nothing, alternatives together."""
        if self._recipe.activations is not None:
            yield [{"ranges": "mse"}, {"ranges": "percentile"}]
        if self._recipe.weights in ("int4", "int8") and self._recipe.rounding == "nearest" and not self._recipe.block:
            yield [{"rounding": "gptq"}]
        if self._recipe.weights in ("int4", "int8"):
            yield [{"equalized": True}]

    def _tried(self, trials: Trials, now: Judged, cures: Sequence[dict[str, object]]) -> Judged:
        """Tries alternatives, and keeps the best where it helps."""
        plans = [_with(now.plan, cure) for cure in cures]
        tried = [each for each in trials.run(plans) if each.loss is not None]
        helping = [each for each in tried if _helps(now, each)]
        best = min(helping, key=self.rank, default=None)
        for cure, plan in zip(cures, plans, strict=True):
            found = trials.tried[plan.key]
            if found.loss is not None and now.loss is not None:
                self._note(self._said(cure), now, found, kept=found is best)
        return best or now

    def _note(self, words: str, before: Judged, after: Judged, *, kept: bool) -> None:
        assert before.loss is not None and after.loss is not None
        self._files.append(after.plan)
        self.changes.append(
            SearchChange(
                change=words, size_bytes=after.size_bytes, before=before.loss.loss, loss=after.loss.loss, kept=kept
            )
        )

    def _said(self, cure: dict[str, object]) -> str:
        types = cure.get("types")
        if isinstance(types, dict):
            return self._named(list(types), next(iter(types.values())))
        return _said(cure)

    def _named(self, names: Sequence[str], kind: str) -> str:
        first = ", ".join(f"'{self._shown(name)}'" for name in names[:3])
        return f"{first}{f' and {len(names) - 3} more' if len(names) > 3 else ''} in {kind}"

    def _shown(self, name: str) -> str:
        return next((each.shown for each in self._prepared.operators if each.name == name), name)

    def _excepted(self, trials: Trials, now: Judged) -> Judged:
        """Excepts operators, those that lose most alone first, in the cheapest type in which that is enough."""
        order = self._costly(trials, now)
        for kind in self._kinds():
            found = self._fewest(trials, now, order, kind)
            if found is not None:
                return found
        return now

    def _kinds(self) -> tuple[LayerType, ...]:
        if self._recipe.activations == "int8":
            return ("int16", "float32")
        return ("int8", "float32") if self._recipe.weights == "int4" else ("float32",)

    def _costly(self, trials: Trials, now: Judged) -> list[SearchedLayer]:
        """Returns the operators by what they lose alone, the most first."""
        operators = self._prepared.operators if self._recipe.activations is not None else self._prepared.layers
        able = [each for each in operators if each.name not in now.plan.types]
        names = {each.name: "float32" for each in self._prepared.operators}
        probes = [
            now.plan.model_copy(
                update={"types": {name: kind for name, kind in names.items() if name != each.name}, "probe": True}
            )
            for each in able
        ]
        cost = {
            each.name: judged.loss.divergence if judged.loss is not None else 0.0
            for each, judged in zip(able, trials.run(probes), strict=True)
        }
        return sorted((each for each in able if cost[each.name] > 0), key=lambda each: -cost[each.name])

    def _fewest(self, trials: Trials, now: Judged, order: Sequence[SearchedLayer], kind: LayerType) -> Judged | None:
        """Returns the file with the fewest operators in that type that is within the limits: doubled, then halved; None where none is."""

        def excepting(count: int) -> Judged:
            plan = now.plan.changed({each.name: kind for each in order[:count]})
            return trials.run([plan])[0]

        few, many = 0, 1
        found = None
        while order:
            found = excepting(min(many, len(order)))
            if self._keeps(found) or many >= len(order) or found.loss is None:
                break
            few, many = many, 2 * many
        if found is None or found.loss is None:
            return None
        best = found
        many = min(many, len(order))
        while self._keeps(found) and many - few > 1:
            middle = (few + many) // 2
            tried = excepting(middle)
            if self._keeps(tried):
                best, many = tried, middle
            else:
                few = middle
        kept = self._keeps(best)
        self._note(self._named([each.name for each in order[:many]], kind), now, best, kept=kept)
        if not kept:
            return None
        self.following = (
            self._named([each.name for each in order[many : many + 1]], kind) if many < len(order) else None
        )
        return best

    def _pruned(self, trials: Trials, now: Judged) -> None:
        """Takes back each cure without which the file is within the limits, too."""
        plan = now.plan
        for field, plain in (("equalized", False), ("rounding", "nearest"), ("ranges", "extremes")):
            if getattr(plan, field) == plain:
                continue
            [without] = trials.run([plan.model_copy(update={field: plain})])
            if self._keeps(without):
                plan = without.plan
                words = _WORDS.get(str(getattr(now.plan, field)), _WORDS.get(field, field))
                self._note(f"without {words}", now, without, kept=True)


def _with(plan: Plan, cure: dict[str, object]) -> Plan:
    types = cure.get("types")
    changed = plan.model_copy(update={key: value for key, value in cure.items() if key != "types"})
    return changed.changed(types) if isinstance(types, dict) else changed


def _said(cure: dict[str, object]) -> str:
    [(field, value)] = cure.items()
    return _WORDS.get(str(value), _WORDS.get(field, field))


def _helps(before: Judged, after: Judged) -> bool:
    assert before.loss is not None and after.loss is not None
    return after.loss.divergence < _HELPS * before.loss.divergence
