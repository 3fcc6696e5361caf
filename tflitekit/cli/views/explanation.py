"""The terminal's view of an explanation."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from tflitekit.cli.console import show_table, stdout
from tflitekit.results.explanation import Explanation, LayerError

__all__ = ["show_explanation"]

_WIDTH = 10
_SCALE_DB = 50.0


def show_explanation(found: Explanation) -> None:
    """Prints what is to blame, and the error along the network."""
    stdout.print(
        Text.assemble(
            (found.variant, "bold"), f" beside {found.baseline}, on {found.samples:,} samples of {found.location}"
        )
    )
    columns = ("Layer", "Operator", "Type", "Signal to noise", "dB", "Kept", "Grid", "Beyond", "Weights")
    show_table(columns, [_row(layer) for layer in found.layers])
    for culprit in found.culprits:
        stdout.print(
            Padding(Text.assemble((culprit.layer, "bold"), f": {culprit.message} {culprit.advice}"), (0, 0, 0, 2))
        )
    for note in found.notes:
        stdout.print(Padding(Text(note), (0, 0, 0, 2)))


def _row(layer: LayerError) -> tuple[str, ...]:
    weights = layer.weights
    return (
        layer.layer,
        layer.operator,
        layer.dtype,
        _bar(layer.snr_db),
        "exact" if layer.snr_db is None else f"{layer.snr_db:.1f}",
        "–" if layer.explained is None else f"{layer.explained:.1%}",
        "–" if layer.grid_used is None else f"{layer.grid_used:.0%}",
        f"{layer.outside:.1%}" if layer.outside else "–",
        "–"
        if weights is None
        else f"{weights.dtype} {'exact' if weights.snr_db is None else f'{weights.snr_db:.0f} dB'}",
    )


def _bar(snr_db: float | None) -> str:
    share = 1.0 if snr_db is None else min(1.0, max(0.0, snr_db / _SCALE_DB))
    return "█" * round(share * _WIDTH) or "▏"
