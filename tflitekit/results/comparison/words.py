"""Changes as people read them; shared by the gates' messages and all views."""

from __future__ import annotations

from tflitekit.results.comparison.results import Change

__all__ = ["describe_change", "describe_limit"]


def describe_limit(change: Change, limit: float) -> str:
    """Returns a limit in the change's unit: '1 point', '10%', '0.05'."""
    if change.is_share:
        return f"{limit * 100:g} point{'' if limit == 0.01 else 's'}"
    return f"{limit:g}" if change.figure in ("accuracy", "output") else f"{limit * 100:g}%"


def describe_change(change: Change) -> str:
    """Returns what happened, with the interval: 'drops 2.30 points (1.60 to 3.00)'."""
    value, low, high = change.value, change.low, change.high
    if change.figure not in ("accuracy", "output", "fidelity", "recall"):
        interval = " (no interval)" if low is None or high is None else f" ({low:+.1%} to {high:+.1%})"
        interval = "" if change.method in ("exact", "single") else interval
        return f"{value:+.1%}{interval}" if value or interval else "no change"
    if value < 0:
        value, low, high = -value, None if high is None else -high, None if low is None else -low
    if change.is_share:
        word, amount = ("gains" if change.value < 0 else "drops"), f"{value * 100:.2f} points"
        interval = " (no interval)" if low is None or high is None else f" ({low * 100:.2f} to {high * 100:.2f})"
    else:
        word, amount = ("better by" if change.value < 0 else "worse by"), f"{value:.4g}"
        interval = " (no interval)" if low is None or high is None else f" ({low:.3g} to {high:.3g})"
    text = f"{word} {amount}" if value else "no change"
    return text + interval + (", unpaired" if change.method == "unpaired" else "")
