"""Which layers are to blame, and why."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.explanation.patterns import Match, Suspect, patterns
from tflitekit.results.explanation import Culprit, LayerCost

__all__ = ["find_culprits", "harm"]

_HARMED = 0.05
_SHARE = 0.3
_MOST = 3


def harm(cost: LayerCost) -> float:
    """Returns how much of the outputs is lost, from 0 to 1: the share of samples with another class, or of the variance."""
    lost = 0.0 if cost.explained is None else 1 - cost.explained
    return max(lost, 0.0 if cost.agreement is None else 1 - cost.agreement)


def find_culprits(suspects: Sequence[Suspect], whole: LayerCost | None) -> tuple[Culprit, ...]:
    """Returns the layers that alone do much of the harm, the worst first; none where outputs are about the same.

    Args:
        whole: What became of the outputs.
    """
    if whole is None or harm(whole) < _HARMED:
        return ()
    known = [(harm(one.error.alone), one) for one in suspects if one.error.alone is not None]
    worst = sorted(known, key=lambda pair: -pair[0])[:_MOST]
    found: dict[int, Culprit] = {}
    for cost, one in worst:
        if cost >= _SHARE * harm(whole):
            culprit = _culprit(one, cost, whole)
            found.setdefault(culprit.index, culprit)
    return tuple(found.values())


def _culprit(suspect: Suspect, cost: float, whole: LayerCost) -> Culprit:
    matches = [match for one in patterns() if (match := one(suspect)) is not None]
    best = max(matches, key=lambda match: match.weight, default=None)
    whose = "Alone it" if best is None or best.of is None else f"Quantizing '{suspect.error.layer}' alone"
    alone = f"{whose} loses {cost:.1%} of the outputs, all layers together {harm(whole):.1%}."
    if best is None:
        best = Match("sensitive", "No known pattern fits.", "Keep this layer in int16 or float.", 0.0)
    blamed = best.of or suspect.error
    return Culprit(
        index=blamed.index,
        layer=blamed.layer,
        pattern=best.name,
        message=f"{best.message} {alone}",
        advice=best.advice,
    )
