"""Which operators a GPU accelerator takes: its own words, and the rule by which it divides a graph.

It says which kinds of operators it cannot run, and how many it takes; the runtime gives it the largest connected part of the others. A
placement is told only where that rule gives the number that the accelerator tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tflitekit.results import Placement
from tflitekit.targets.gpu_words import GpuWords, Part
from tflitekit.tflite.operators import Operator

__all__ = ["placed", "read_placements", "whole"]

_ALONE = "The GPU could run it; the runtime gives it one connected part of the graph only, and this is outside of that."


def read_placements(
    name: str, operators: Sequence[Operator], layers: Sequence[str], words: GpuWords, *, is_whole: bool
) -> tuple[tuple[Placement, ...], list[str]]:
    """Returns where the operators of a file run, as far as that is told, and what else is to be said of it.

    Args:
        name: Of the file.
        is_whole: Whether the runtime says that the GPU takes all of them.
    """
    if is_whole:
        return whole(operators, layers), []
    if not words.parts:
        return (), [f"The accelerator leaves operators of {name} to the CPU and does not say which."]
    first = words.parts[0]
    found, doubt = placed(operators, layers, first)
    notes = []
    if doubt:
        notes.append(f"{first.on_gpu} of {first.on_gpu + first.on_cpu} operators of {name} run on the GPU. {doubt}")
    if not found:
        notes += [f"Not on the GPU: {op} of {name}: {reason}" for op, reason in first.rejected]
    return found, notes


def whole(operators: Sequence[Operator], layers: Sequence[str]) -> tuple[Placement, ...]:
    """Returns the placements of a file that the GPU takes whole."""
    return tuple(
        Placement(index=i, op=one.name, layer=layer, where="GPU")
        for i, (one, layer) in enumerate(zip(operators, layers, strict=True))
    )


def placed(
    operators: Sequence[Operator], layers: Sequence[str], part: Part
) -> tuple[tuple[Placement, ...], str | None]:
    """Returns the placements of a file that the GPU takes a part of, and what is not certain about them.

    Nothing is placed where the accelerator's numbers do not follow from the rule.
    """
    names = {name for one in operators for name in _tensors(one)}
    reasons = [_reason(one, part, names) for one in operators]
    parts = _connected(operators, [reason is None for reason in reasons])
    sizes = Counter(map(len, parts))
    if part.on_gpu + part.on_cpu != len(operators) or part.on_gpu != max(sizes, default=0):
        return (), "Which operators these are, it does not say."
    taken = next((found for found in parts if len(found) == part.on_gpu), [])
    placements = tuple(
        Placement(index=i, op=one.name, layer=layer, where="GPU")
        if i in taken
        else Placement(index=i, op=one.name, layer=layer, where="CPU", why=reason or _ALONE)
        for i, (one, layer, reason) in enumerate(zip(operators, layers, reasons, strict=True))
    )
    alike = sizes[part.on_gpu] if part.on_gpu else 1
    doubt = (
        f"Which of {alike} parts of equal size it takes, it does not say; the first is assumed." if alike > 1 else None
    )
    return placements, doubt


def _reason(operator: Operator, part: Part, names: set[str]) -> str | None:
    """Why the GPU cannot run an operator. A reason that ends with the name of a tensor is that of the operators at this tensor."""
    own = _tensors(operator)
    for reason in (reason for op, reason in part.rejected if op == operator.name):
        tensor = next((name for name in names if reason.endswith(f" {name}")), None)
        if tensor is None or tensor in own:
            return reason.removesuffix(tensor or "").strip()
    return None


def _tensors(operator: Operator) -> set[str]:
    return {name for name in (*operator.inputs, *operator.constants, *operator.outputs) if name}


def _connected(operators: Sequence[Operator], able: Sequence[bool]) -> list[list[int]]:
    """Returns the parts of operators that can run without what lies outside in between, as TFLite's partitioning of graphs does: it takes
    all operators of one side whose inputs are there, then all of the other."""
    written = {name for one in operators for name in one.outputs}
    left, parts = list(range(len(operators))), []
    while left:
        side, taken = None, []
        for i in left:
            if not written.isdisjoint(operators[i].inputs):
                continue
            side = able[i] if side is None else side
            if able[i] == side:
                taken.append(i)
                written.difference_update(operators[i].outputs)
        if not taken:  # a graph in a circle, which is none
            return []
        if side:
            parts.append(taken)
        left = [i for i in left if i not in taken]
    return parts
