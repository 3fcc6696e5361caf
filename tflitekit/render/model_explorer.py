"""An explanation as node data for Model Explorer, which colours the operators of the graph by it.

The format is ``GraphNodeData`` of google-ai-edge/model-explorer (``node_data_builder.py``): a value by the name of an output tensor, and
the upper ends of the ranges that have a colour.
"""

from __future__ import annotations

from typing import Any

from tflitekit.results.explanation import Explanation

__all__ = ["node_data"]

_EXACT_DB = 100.0
_COLOURS = ((10.0, "#d73027"), (20.0, "#fc8d59"), (30.0, "#fee08b"), (_EXACT_DB, "#d9ef8b"))


def node_data(found: Explanation) -> dict[str, Any]:
    """Returns the signal to noise of each tensor in dB, under its name in the quantized file and in the float one."""
    results: dict[str, dict[str, float]] = {}
    for layer in found.layers:
        value = _EXACT_DB if layer.snr_db is None else max(-_EXACT_DB, min(_EXACT_DB, round(layer.snr_db, 2)))
        results |= {name: {"value": value} for name in (layer.tensor, layer.stored_as) if name}
    return {"results": results, "thresholds": [{"value": value, "bgColor": colour} for value, colour in _COLOURS]}
