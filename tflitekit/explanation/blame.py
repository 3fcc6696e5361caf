"""Which layers are to blame, and why."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tflitekit.core.statistics import wilson_interval
from tflitekit.explanation.candidates import LayerCosts
from tflitekit.explanation.costs import lost
from tflitekit.explanation.patterns import Match, Suspect, matches
from tflitekit.explanation.patterns.operators import float16_overflow, not_finite
from tflitekit.results.accuracy import Drop
from tflitekit.results.explanation import Culprit, LayerCost

__all__ = ["Verdict", "find_culprits", "find_suspicious", "judge"]

_HARMED = 0.05
_SURE = 0.02
_BROKEN = 0.5
_CLEAR = 0.8
_POINT = 0.01
_SHARE = 0.3
_MOST = 3
_FEWEST = 20


@dataclass(frozen=True)
class Verdict:
    """Whether something is lost at all.

    Attributes:
        harmed: Whether there is anything to explain.
        doubt: What so few samples leave open; None where they are enough.
    """

    harmed: bool
    doubt: str | None = None


def judge(whole: LayerCost, drop: Drop | None = None) -> Verdict:
    """Says whether the outputs are harmed, as far as the samples can tell.

    They are where a twentieth is lost, of the variance or of the classes, and of the latter a fiftieth even at the lower end of the
    95 % interval; where most of a single column is; or where the accuracy dropped by a point and the interval of the drop lies above zero.

    Args:
        drop: Of the figure of labels that are no classes, such as mAP, where that is a share.
    """
    n, share = whole.samples, lost(whole)
    if n < _FEWEST:
        return Verdict(share >= _HARMED, f"{n} samples are too few to tell: at least {_FEWEST} are needed")
    drop = drop or whole.drop
    if drop is not None and drop.value >= _POINT and drop.low is not None and drop.low > 0:
        return Verdict(harmed=True)
    moved = 0 if whole.agreement is None else round((1 - whole.agreement) * n)
    low, high = wilson_interval(moved, n)
    kept = (
        1.0 if whole.explained is None or whole.lowest is None else whole.explained if whole.lowest > _BROKEN else 0.0
    )
    if kept <= 1 - _HARMED or (moved / n >= _HARMED and low >= _SURE):
        return Verdict(harmed=True)
    if whole.agreement is not None and (moved / n >= _HARMED or high >= 2 * _HARMED):
        return Verdict(
            harmed=False,
            doubt=f"{n} samples are too few to tell: {moved} of them have another class, which is anything between {low:.0%} and {high:.0%}",
        )
    return Verdict(harmed=False)


def find_culprits(
    suspects: Sequence[Suspect], costs: LayerCosts | None, *, harmed: bool, float16: bool
) -> tuple[Culprit, ...]:
    """Returns the layers that alone do much of the harm, the worst first.

    Args:
        costs: What single layers cost; None where that was not measured.
        harmed: Whether outputs are harmed at all; else only what this processor cannot show is told.
        float16: Whether the file's weights are float16, in which a GPU then computes; this processor does in float32.
    """
    found: dict[str, Culprit] = {}
    for one in suspects:
        match = (float16_overflow(one) if float16 else None) or not_finite(one)
        if match is not None:
            found.setdefault(one.error.layer, _told(one, match))
    if costs is not None and harmed:
        groups = [list(members) for _, members in itertools.groupby(suspects, lambda one: one.error.layer)]
        known = [(cost, group) for group in groups if (cost := group[-1].error.alone) is not None]
        for cost, group in sorted(known, key=lambda pair: -lost(pair[0]))[:_MOST]:
            if lost(cost) >= _SHARE * lost(costs.whole):
                culprit = _culprit(group, cost, costs.file)
                found.setdefault(culprit.layer, culprit)
    return tuple(found.values())[:_MOST]


def find_suspicious(suspects: Sequence[Suspect], *, float16: bool) -> tuple[Culprit, ...]:
    """Returns the layers with the clearest patterns, where no float file tells whether they do harm."""
    found = {one.layer: one for one in find_culprits(suspects, None, harmed=False, float16=float16)}
    fitting = [(match, one) for one in suspects for match in matches(one) if match.weight >= _CLEAR]
    for match, suspect in sorted(fitting, key=lambda pair: -pair[0].weight):
        culprit = _told(suspect, match)
        found.setdefault(culprit.layer, culprit)
    return tuple(found.values())[:_MOST]


def _culprit(group: Sequence[Suspect], cost: LayerCost, whole: LayerCost) -> Culprit:
    """Explains a layer, which may be several operators, by the pattern that fits best."""
    fitting = [(match, one) for one in group for match in matches(one)]
    finer = "float" if group[-1].error.dtype == "int16" else "int16 or float"
    unknown = Match("sensitive", "No known pattern fits.", f"Keep this layer in {finer}.", 0.0)
    match, suspect = max(fitting, key=lambda pair: pair[0].weight, default=(unknown, group[-1]))
    whose = "Alone it" if match.of is None else f"Quantizing '{suspect.error.layer}' alone"
    others = suspect.error.others
    rest = f", all others without it {_in_words(others)}" if others is not None and match.of is None else ""
    return _told(suspect, match, f"{whose} costs {_in_words(cost)}, all layers together {_in_words(whole)}{rest}.")


def _in_words(cost: LayerCost) -> str:
    drop = cost.drop
    if drop is None or drop.low is None or drop.high is None:
        return f"{lost(cost):.1%} of the outputs"
    return f"{100 * drop.value:.1f} points ({100 * drop.low:.1f} to {100 * drop.high:.1f})"


def _told(suspect: Suspect, match: Match, alone: str = "") -> Culprit:
    blamed = match.of or suspect.error
    return Culprit(
        index=blamed.index,
        layer=blamed.layer,
        pattern=match.name,
        message=f"{match.message} {alone}".strip(),
        advice=match.advice,
    )
