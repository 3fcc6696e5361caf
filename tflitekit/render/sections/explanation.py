"""Where variants depart from the float model, layer by layer."""

from __future__ import annotations

from tflitekit.explanation.costs import lost
from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Choice, Column, Figure, Note, Section, Table
from tflitekit.render.plots.explanation import error_along, grid_histogram
from tflitekit.render.sections import View, section
from tflitekit.results.explanation import Explanation, LayerError

__all__ = ["explanation"]

_MOST = 3
_MOST_ROWS = 150
_MOST_HISTOGRAMS = 24
_CELLS = 2
"""Of the histogram in a bar, so that the page stays small."""
_COLUMNS = (
    Column("#", about="Its place in the plot"),
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
    explained = {row.name: row.explanation for row in view.able if row.explanation is not None}
    shown = max(1, view.room(_MOST))
    found = dict(list(explained.items())[:shown])
    if not found:
        return Section("explanation", "Where it departs from float")
    selected = view.subject.name if view.subject else None
    first, most = next(iter(found.values())), max(4, view.room(_MOST_HISTOGRAMS) // len(found))
    return Section(
        "explanation",
        "Where it departs from float",
        f"Each tensor beside that of the float model, on {text.counted(first.samples, 'sample')}; higher is better.{_further(len(explained) - shown)}",
        (
            *(note for name, each in found.items() for note in _notes(name, each)),
            Figure.of_variants(
                "along",
                "Error along the network",
                "Dots are what layers compute, with all the errors before them; ticks are their weights.",
                {name: _along(name, each) for name, each in found.items()},
                selected=selected,
            ),
            *filter(None, (_grids(i, name, each, most) for i, (name, each) in enumerate(found.items()))),
            *(_table(name, each, view.room(_MOST_ROWS)) for name, each in found.items()),
        ),
    )


def _notes(name: str, found: Explanation) -> list[Note]:
    """Returns what is to blame, and what could not be looked at."""
    blamed = [Note(f"{name}: {c.layer}. {c.message} {c.advice}", "bad") for c in found.culprits]
    nothing = [] if blamed or found.whole is None else ["No single layer is to blame."]
    told = " ".join((*nothing, *found.notes))
    return [*blamed, *([Note(f"{name}: {told}")] if told else [])]


def _further(count: int) -> str:
    return f" {text.counted(count, 'more variant')} can be found in report.json." if count > 0 else ""


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


def _grids(number: int, name: str, found: Explanation, most: int) -> Figure | None:
    layers = [layer for layer in found.layers if layer.histogram]
    blamed = {culprit.index: place for place, culprit in enumerate(found.culprits)}

    def rank(layer: LayerError) -> tuple[float, float]:  # what is to blame first, then the noisiest
        return blamed.get(layer.index, len(blamed)), _noise(layer)

    shown = sorted(sorted(layers, key=rank)[:most], key=lambda layer: layer.index)
    if not shown:
        return None
    specs = {
        str(place): grid_histogram(_histogram(layer), about=f"Values of {layer.layer} on its grid.")
        for place, layer in enumerate(shown)
    }
    labels = tuple(f"{layer.index}  {layer.layer} ({layer.operator})" for layer in shown)
    first = shown.index(min(shown, key=rank))
    caption = "How a tensor takes the numbers that it has: narrow heaps waste the grid." + (
        f" What is to blame and the layers with the most noise, {most} in all." if len(shown) < len(layers) else ""
    )
    if len(specs) == 1:
        return Figure(f"grid-{number}", f"Grid of {shown[0].layer} in {name}", caption, {"": specs["0"]})
    return Figure(f"grid-{number}", f"Grids of {name}", caption, specs, choices=(Choice("Layer", labels, first),))


def _histogram(layer: LayerError) -> list[dict[str, object]]:
    assert layer.grid is not None
    low, high = layer.grid
    cells = [sum(layer.histogram[i : i + _CELLS]) for i in range(0, len(layer.histogram), _CELLS)]
    step, whole = (high - low) / len(cells), max(1, sum(cells))
    return [
        {
            "low": float(f"{low + i * step:.4g}"),
            "high": float(f"{low + (i + 1) * step:.4g}"),
            "share": round(taken / whole, 4),
            "tooltip": f"{low + i * step:.3g} to {low + (i + 1) * step:.3g}: {taken / whole:.1%}",
        }
        for i, taken in enumerate(cells)
    ]


def _table(name: str, found: Explanation, most: int) -> Table | None:
    shown = sorted(sorted(found.layers, key=_noise)[:most], key=lambda layer: layer.index)
    rows = [
        (
            Cell(str(layer.index), layer.index),
            Cell(layer.layer),
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
        for layer in shown
    ]
    whole = len(shown) == len(found.layers)
    folded = f"All layers of {name}" if whole else f"The {len(shown)} layers of {name} with the most noise"
    return Table.of(f"Layers of {name}", _COLUMNS, rows, folded=folded)


def _noise(layer: LayerError) -> float:
    return 1e9 if layer.snr_db is None else layer.snr_db


def _db(value: float | None) -> str:
    return "exact" if value is None else f"{value:.1f} dB"
