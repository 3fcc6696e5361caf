"""Which tensor of a quantized file is which of its float original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.core.tensor import TensorSpec, shown_shape
from tflitekit.tflite.columns import column_axes
from tflitekit.tflite.flatbuffer import Reader, read_with
from tflitekit.tflite.graph import Operator

__all__ = ["INPUT", "Pair", "Step", "pair_steps", "read_steps", "steps_of"]

INPUT = "INPUT"
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE", "CAST"}
_LEAST_PAIRED = 0.5


@dataclass(frozen=True)
class Step:
    """One tensor that an operator of the main graph computes, or one of its inputs (whose operator is `INPUT`).

    Attributes:
        index: Of the tensor.
        spec: Its name, shape and type; the name is that of a DEQUANTIZE's output where that is all that reads it.
        name: That of the tensor itself.
        position: Of the operator in the graph.
        columns: The axis along which its channels lie (see `tflitekit.tflite.columns`).
        inputs: The tensors that the operator reads, before conversions, constants among them; -1 where it leaves one out.
    """

    index: int
    spec: TensorSpec
    name: str
    operator: Operator
    position: int
    columns: int | None
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """The same value in both files."""

    baseline: Step
    variant: Step

    def along(self, axis: int) -> Pair:
        """Returns the same with another axis of the columns."""
        return replace(self, baseline=replace(self.baseline, columns=axis))


def read_steps(path: Path) -> list[Step]:
    """Returns what the operators of a ``.tflite`` file compute, in their order; conversions between types are left out.

    Raises:
        ModelError: The file is missing or damaged.
    """
    return read_with(path, steps_of)


def steps_of(reader: Reader) -> list[Step]:
    """Does as `read_steps` on a file that is open."""
    main = reader.subgraphs[0]
    operators = [main.Operators(i) for i in range(main.OperatorsLength())]
    kinds = [reader.operator_name(operator) for operator in operators]

    def name(index: int) -> str:
        return (main.Tensors(index).Name() or b"").decode(errors="replace")

    axes = column_axes(reader)
    readers = Counter(one.Inputs(j) for one in operators for j in range(one.InputsLength()))
    outside = {
        one.Inputs(0): name(one.Outputs(0))
        for one, kind in zip(operators, kinds, strict=True)
        if kind == "DEQUANTIZE" and readers[one.Inputs(0)] == 1
    }
    read = {*readers, *(int(main.Outputs(j)) for j in range(main.OutputsLength()))}
    found = [_input(reader, main, int(main.Inputs(j)), name, axes) for j in range(main.InputsLength())]
    given = {step.index for step in found}
    converted = {
        int(one.Outputs(0)): int(one.Inputs(0))
        for one, kind in zip(operators, kinds, strict=True)
        if kind in _CONVERSIONS
        and one.Outputs(0) not in given
        and not reader.buffer_bytes[main.Tensors(one.Inputs(0)).Buffer()]
    }

    def before(index: int) -> int:
        while index in converted:
            index = converted[index]
        return index

    for position, (one, kind) in enumerate(zip(operators, kinds, strict=True)):
        if kind in _CONVERSIONS:
            continue
        inputs = tuple(before(int(one.Inputs(j))) for j in range(one.InputsLength()))
        constants = tuple(name(i) for i in inputs if i >= 0 and reader.buffer_bytes[main.Tensors(i).Buffer()])
        outputs = [int(one.Outputs(j)) for j in range(one.OutputsLength())]
        operator = Operator(kind, constants, tuple(name(i) for i in outputs))
        found += [
            Step(index, reader.spec(main, index, outside), name(index), operator, position, axes[index], inputs)
            for index in outputs
            if index in read  # what nothing reads, as some outputs of loops, has no data
        ]
    return found


def _input(reader: Reader, main: Any, index: int, name: Callable[[int], str], axes: Mapping[int, int | None]) -> Step:
    """Describes an input; as integers where a QUANTIZE is all that reads it."""
    reading = [o for o in map(main.Operators, range(main.OperatorsLength())) if index in o.InputsAsNumpy().tolist()]
    stored = index
    if len(reading) == 1 and reader.operator_name(reading[0]) == "QUANTIZE":
        stored = int(reading[0].Outputs(0))
    return Step(
        stored,
        reader.spec(main, stored, {stored: name(index)}),
        name(index),
        Operator(INPUT, (), (name(index),)),
        -1,
        axes[index],
        (),
    )


def pair_steps(baseline: Sequence[Step], variant: Sequence[Step], *, names: tuple[str, str]) -> list[Pair]:
    """Pairs the tensors of two files by their names, and what has no name in common by its place between those that have.

    Args:
        names: Of the two files, for errors.

    Raises:
        ModelError: Most of them have no counterpart: these are two models.
    """
    common = _unique(baseline) & _unique(variant)
    found = {step.spec.name: step for step in baseline}
    pairs = [Pair(found[step.spec.name], step) for step in variant if step.spec.name in common]
    # Between two names in common, operators of one kind and shape in one order are taken to be the same.
    keys = [
        [step.spec.name if step.spec.name in common else _form(step) for step in steps] for steps in (baseline, variant)
    ]
    for one, two, size in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks():
        pairs += [
            Pair(baseline[one + i], variant[two + i]) for i in range(size) if variant[two + i].spec.name not in common
        ]
    pairs = [pair for pair in pairs if _alike(pair)]
    _check_inputs(baseline, variant, names)
    if len(pairs) < _LEAST_PAIRED * len(variant):
        strange = next((step for step in variant if step.index not in {pair.variant.index for pair in pairs}), None)
        raise ModelError(
            f"{names[1]} and {names[0]} are not of one model: {len(pairs)} of {len(variant)} computed tensors are in both.",
            why=f"'{strange.spec.name}' ({strange.operator.name}, {shown_shape(strange.spec.shape)}) has no counterpart."
            if strange
            else f"{names[1]} computes nothing.",
            fix="Give the float file that it was quantized from, with --against.",
        )
    return sorted(pairs, key=lambda pair: (pair.variant.position, pair.variant.index))


def _check_inputs(baseline: Sequence[Step], variant: Sequence[Step], names: tuple[str, str]) -> None:
    shapes = [[step.spec.shape for step in steps if step.operator.name == INPUT] for steps in (baseline, variant)]
    if [len(shape) for shape in shapes[0]] == [len(shape) for shape in shapes[1]] and all(
        -1 in (one, two) or one == two for both in zip(*shapes, strict=True) for one, two in zip(*both, strict=True)
    ):
        return
    taken = [" and ".join(map(shown_shape, found)) or "nothing" for found in shapes]
    raise ModelError(
        f"{names[1]} and {names[0]} are not of one model: their inputs differ.",
        why=f"{names[1]} takes {taken[1]}, {names[0]} takes {taken[0]}.",
        fix="Give the float file that it was quantized from, with --against.",
    )


def _unique(steps: Sequence[Step]) -> set[str]:
    return {name for name, count in Counter(step.spec.name for step in steps).items() if count == 1 and name}


def _form(step: Step) -> tuple[str, tuple[int, ...]]:
    return step.operator.name, step.spec.shape


def _alike(pair: Pair) -> bool:
    one, two = pair.baseline.spec.shape, pair.variant.spec.shape
    return len(one) == len(two) and all(-1 in (a, b) or a == b for a, b in zip(one, two, strict=True))
