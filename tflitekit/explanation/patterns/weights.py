"""Weights that one scale cannot hold."""

from __future__ import annotations

from tflitekit.explanation.patterns import Match, Suspect, pattern

_PEAK = 15.0
_POOR_DB = 25.0
_SPREAD = 8.0


@pattern
def huge_weight(suspect: Suspect) -> Match | None:
    """One weight that takes the whole grid of its channel."""
    weights = suspect.error.weights
    if weights is None or weights.dtype.startswith("float") or weights.peak < _PEAK or not weights.worst:
        return None
    channel = weights.worst[0]
    noise = f" ({channel.snr_db:.0f} dB)" if channel.snr_db is not None else ""
    return Match(
        "huge-weight",
        f"One weight is {weights.peak:.0f} times the usual size of its channel, and leaves the others few steps; channel {channel.channel} is worst{noise}.",
        "Clip or prune that weight while training, or keep this layer in float.",
        min(1.0, weights.peak / 40),
    )


@pattern
def shared_scale(suspect: Suspect) -> Match | None:
    """Channels of unlike weights under a single scale."""
    weights = suspect.error.weights
    if weights is None or weights.scales != 1 or weights.spread < _SPREAD:
        return None
    return Match(
        "shared-scale",
        f"Its weights have one scale, and the largest channel is {weights.spread:.0f} times the median one.",
        "Use a scheme with one scale a channel.",
        min(1.0, weights.spread / 40),
    )


@pattern
def few_bits(suspect: Suspect) -> Match | None:
    """Weights of four bits that are far from the float ones."""
    weights = suspect.error.weights
    if weights is None or weights.dtype != "int4" or weights.snr_db is None or weights.snr_db > _POOR_DB:
        return None
    return Match(
        "few-bits",
        f"Its int4 weights have a signal to noise of {weights.snr_db:.0f} dB.",
        "Give this layer int8 weights, or use rounding=gptq.",
        0.3,
    )
