"""Where variants depart from the float model, layer by layer."""

from __future__ import annotations

from tflitekit.explanation.costs import lost
from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Choice, Column, Figure, Note, Section, Table
from tflitekit.render.plots.explanation import error_along, grid_histogram
from tflitekit.render.sections import View, section
from tflitekit.results.explanation import Explanation, LayerError

__all__ = ["explanation"]

_MOST_HISTOGRAMS = 24
_COLUMNS = (
    Column("Layer", numeric=False),
    Column("Operator", numeric=False),
    Column("Type", numeric=False),
    Column("Signal to noise, dB", about="Of the tensor that the layer computes, beside that of the float model"),
    Column("Kept", about="Share of the float variance that is kept, median of the channels"),
    Column("Grid used", about="Between the least and the greatest number that was stored"),
    Column("Beyond the grid", about="Share of float values that the grid does not reach"),
    Column("Bias", about="How far the mean is off, by the size of the values"),
    Column("Alone", about="What of the outputs is lost where only this layer is quantized"),
    Column("Weights, dB", about="Signal to noise of the weights"),
    Column("Worst channel", about="Signal to noise of the worst one"),
)


@section(place=35)
def explanation(view: View) -> Section:
    """Returns the error along the network, what is to blame, and each layer's grid."""
    found = {row.name: row.explanation for row in view.able if row.explanation is not None}
    if not found:
        return Section("explanation", "Where it departs from float")
    selected = view.subject.name if view.subject else None
    first = next(iter(found.values()))
    return Section(
        "explanation",
        "Where it departs from float",
        f"Each tensor beside that of the float model, on {first.samples:,} samples; higher is better.",
        (
            *(
                Note(f"{name}: {c.layer}. {c.message} {c.advice}", "bad")
                for name, each in found.items()
                for c in each.culprits
            ),
            Figure.of_variants(
                "along",
                "Error along the network",
                "Dots are what layers compute, with all the errors before them; ticks are their weights.",
                {name: _along(name, each) for name, each in found.items()},
                selected=selected,
            ),
            *(figure for name, each in found.items() if (figure := _grids(name, each)) is not None),
            *(_table(name, each) for name, each in found.items()),
        ),
    )


def _along(name: str, found: Explanation) -> dict[str, object]:
    blamed = {culprit.index for culprit in found.culprits}
    values = [
        {
            "layer": layer.layer,
            "index": layer.index,
            "snr_db": layer.snr_db,
            "weights_db": layer.weights.snr_db if layer.weights else None,
            "blamed": layer.index in blamed,
            "tooltip": f"{layer.index}  {layer.layer} ({layer.operator}, {layer.dtype}): {_db(layer.snr_db)}",
        }
        for layer in found.layers
    ]
    worst = min(found.layers, key=_noise)
    return error_along(values, about=f"Signal to noise along {name}. Lowest: {worst.layer}, {_db(worst.snr_db)}.")


def _grids(name: str, found: Explanation) -> Figure | None:
    layers = [layer for layer in found.layers if layer.histogram]
    shown = sorted(sorted(layers, key=_noise)[:_MOST_HISTOGRAMS], key=lambda layer: layer.index)
    if not shown:
        return None
    specs = {
        str(number): grid_histogram(_histogram(layer), about=f"Values of {layer.layer} on its grid.")
        for number, layer in enumerate(shown)
    }
    labels = tuple(f"{layer.index}  {layer.layer} ({layer.operator})" for layer in shown)
    worst = shown.index(min(shown, key=_noise))
    caption = "How a tensor takes the numbers that it has: narrow heaps waste the grid." + (
        f" The {_MOST_HISTOGRAMS} layers with the most noise." if len(shown) < len(layers) else ""
    )
    if len(specs) == 1:
        return Figure(f"grid-{name}", f"Grids of {name}", caption, {"": specs["0"]})
    return Figure(f"grid-{name}", f"Grids of {name}", caption, specs, choices=(Choice("Layer", labels, worst),))


def _histogram(layer: LayerError) -> list[dict[str, object]]:
    assert layer.grid is not None
    low, high = layer.grid
    count, whole = len(layer.histogram), max(1, sum(layer.histogram))
    taken = [i for i, cells in enumerate(layer.histogram) if cells]
    step = (high - low) / count
    return [
        {"low": low + i * step, "high": low + (i + 1) * step, "share": layer.histogram[i] / whole}
        | {"tooltip": f"{low + i * step:.3g} to {low + (i + 1) * step:.3g}: {layer.histogram[i] / whole:.1%}"}
        for i in range(count)
        if taken
    ]


def _table(name: str, found: Explanation) -> Table | None:
    rows = [
        (
            Cell(layer.layer, layer.index),
            Cell(layer.operator),
            Cell(layer.dtype),
            Cell("exact", 1e9) if layer.snr_db is None else Cell(f"{layer.snr_db:.1f}", layer.snr_db),
            NOTHING if layer.explained is None else Cell(f"{layer.explained:.1%}", layer.explained),
            NOTHING if layer.grid_used is None else Cell(text.share(layer.grid_used), layer.grid_used),
            Cell(f"{layer.outside:.2%}", layer.outside) if layer.outside else NOTHING,
            NOTHING if layer.bias is None else Cell(f"{layer.bias:+.1%}", abs(layer.bias)),
            NOTHING if layer.alone is None else Cell(f"{lost(layer.alone):.1%}", lost(layer.alone)),
            NOTHING
            if layer.weights is None or layer.weights.snr_db is None
            else Cell(f"{layer.weights.snr_db:.1f}", layer.weights.snr_db, layer.weights.dtype),
            NOTHING
            if not layer.worst or layer.worst[0].snr_db is None
            else Cell(f"{layer.worst[0].snr_db:.1f} dB", layer.worst[0].snr_db, f"channel {layer.worst[0].channel}"),
        )
        for layer in found.layers
    ]
    return Table.of(f"Layers of {name}", _COLUMNS, rows, folded=f"All layers of {name}")


def _noise(layer: LayerError) -> float:
    return 1e9 if layer.snr_db is None else layer.snr_db


def _db(value: float | None) -> str:
    return "exact" if value is None else f"{value:.1f} dB"
