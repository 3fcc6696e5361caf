"""See `unlike_joins`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tflitekit.engines.ranges import Range
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.tflite.columns import UNLIKE

__all__ = ["unlike_joins"]

_JOINS = ("CONCATENATION", "PACK")
_MOVES = ("RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", *_JOINS)


def unlike_joins(content: bytes, ranges: Mapping[str, Range]) -> tuple[str, ...]:
    """Returns the operators that join values of unlike ranges right before an output, such as boxes and scores, by their first output.

    With them those that only move the values on, so that all of these together can leave the integers.
    """
    model = EditableModel(content)
    operators = model.graph.operators
    readers = {int(index): operator for operator in operators for index in operator.inputs}
    outputs = {int(index) for index in model.graph.outputs}
    found: dict[str, None] = {}
    for operator in operators:
        if model.operator_name(operator) not in _JOINS or not _is_unlike(model, operator, ranges):
            continue
        chain = [operator]
        while int(chain[-1].outputs[0]) not in outputs:
            following = readers.get(int(chain[-1].outputs[0]))
            if following is None or model.operator_name(following) not in _MOVES:
                break
            chain.append(following)
        else:
            found |= dict.fromkeys(model.tensor_name(each.outputs[0]) for each in chain)
    return tuple(found)


def _is_unlike(model: EditableModel, operator: object, ranges: Mapping[str, Range]) -> bool:
    names = [model.tensor_name(index) for index in operator.inputs]  # type: ignore[attr-defined]
    sizes = [
        float(max(np.abs(ranges[name]["min"]).max(), np.abs(ranges[name]["max"]).max()))
        for name in names
        if name in ranges
    ]
    return len(sizes) > 1 and max(sizes) >= UNLIKE * min(sizes)
