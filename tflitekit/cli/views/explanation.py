"""The terminal's view of an explanation."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from tflitekit.cli.console import show_table, stdout
from tflitekit.explanation.costs import lost
from tflitekit.render import text
from tflitekit.results.explanation import Explanation, LayerError

__all__ = ["show_explanation"]

_MOST_ROWS = 40
_COMPARED = ("dB", "Alone", "Grid", "Weights")
_ALONE = ("Range", "Grid", "At its end", "Dead", "Weights")


def show_explanation(found: Explanation) -> None:
    """Prints what is to blame, and the error along the network."""
    known = found.baseline is not None
    title = f" beside {found.baseline}" if known else ", without its float original"
    stdout.print(
        Text.assemble(
            (found.variant, "bold"), f"{title}, on {text.counted(found.samples, 'sample')} of {found.location}"
        ),
        "\n",
    )
    if found.figure is not None and found.float_figure is not None:
        verdict = f": {found.drop.verdict}" if found.drop is not None else ""
        before, after = text.figure(found.float_figure), text.figure(found.figure)
        stdout.print(Padding(Text(f"{before} in float, {after} here{verdict}."), (0, 0, 1, 2)))
    for culprit in found.culprits:
        told = Text.assemble((culprit.layer, "bold"), f": {culprit.message} {culprit.advice}")
        stdout.print(Padding(told, (0, 0, 1, 2)))
    if not found.culprits:
        nothing = "No layer is to blame." if known and found.whole is not None else "No known pattern was seen."
        stdout.print(Padding(Text(nothing), (0, 0, 1, 2)))
    for note in found.notes:
        stdout.print(Padding(Text(note), (0, 0, 1, 2)))
    shown = _shown(found)
    columns: tuple[str, ...] = ("Layer", "Operator", "Type", *(_COMPARED if known else _ALONE))
    rows: list[tuple[str, ...]] = [
        (one.layer, one.operator, one.dtype, *(_compared(one) if known else _alone(one))) for one in shown
    ]
    if len({row[:2] for row in rows}) < len(rows):  # numbers, as in the page's plot, tell them apart
        columns, rows = ("#", *columns), [(str(one.index), *row) for one, row in zip(shown, rows, strict=True)]
    show_table(columns, rows)
    if len(shown) < len(found.layers):
        stdout.print(
            Padding(Text(f"The {len(shown)} worst of {len(found.layers)} tensors; --json has all."), (0, 0, 0, 2))
        )


def _shown(found: Explanation) -> list[LayerError]:
    """Returns all layers of a small network, the worst of a large one, in its order."""

    def goodness(layer: LayerError) -> float:
        alone = -100 * lost(layer.alone) if layer.alone is not None else 0.0
        return alone + (layer.snr_db if layer.snr_db is not None else 100.0)

    if len(found.layers) <= _MOST_ROWS:
        return list(found.layers)
    return sorted(sorted(found.layers, key=goodness)[: _MOST_ROWS // 2], key=lambda layer: layer.index)


def _compared(layer: LayerError) -> tuple[str, ...]:
    return (
        "exact" if layer.snr_db is None else f"{layer.snr_db:.1f}",
        "–" if layer.alone is None else f"{lost(layer.alone):.1%}",
        "–" if layer.grid_used is None else f"{layer.grid_used:.0%}",
        _weights(layer),
    )


def _alone(layer: LayerError) -> tuple[str, ...]:
    return (
        f"{layer.low:.3g} to {layer.high:.3g}",
        "–" if layer.grid_used is None else f"{layer.grid_used:.0%}",
        "–" if not layer.saturated else f"{layer.saturated:.1%}",
        f"{layer.dead} of {layer.channels}" if layer.dead else "–",
        "–" if layer.weights is None else layer.weights.dtype,
    )


def _weights(layer: LayerError) -> str:
    if layer.weights is None:
        return "–"
    return f"{layer.weights.dtype} {'exact' if layer.weights.snr_db is None else f'{layer.weights.snr_db:.0f} dB'}"
