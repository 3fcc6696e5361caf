"""C++ for TensorFlow Lite for Microcontrollers: the file as an array, its operators for the resolver, the size of the arena, golden
samples, and a program to begin with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from tflitekit.bundling.contents import ArrayFile, Bundle, BundledVariant
from tflitekit.bundling.cpp import TYPES, array_lines, comment_lines, hex_lines, identifier, literal, number
from tflitekit.bundling.decoding_words import decoding_words
from tflitekit.core.errors import BundleError
from tflitekit.core.files import write_whole
from tflitekit.core.tensor import TensorSpec, shown_shape
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.micro_operators import resolver_method

__all__ = ["Computed", "read_array", "write_code"]

_GOLDEN_BYTES = 64 << 10  # of all samples together: they lie in flash beside the model
_ROUNDING = 1e-5  # of the largest value: float32 sums in another order
_TEMPLATES = {
    "model.h": "{}.h", "model.cc": "{}.cc", "model_data.cc": "{}_data.cc", "model_golden.h": "{}_golden.h",
    "model_golden.cc": "{}_golden.cc", "main.cc": "main.cc",
}  # fmt: skip


@dataclass(frozen=True)
class Computed:
    """What the interpreter for microcontrollers made of the variant, where it was asked.

    Attributes:
        runtime: Its name and version.
        arena_bytes: The smallest arena with which it computed.
        outputs: For each golden sample, the outputs as they are stored.
    """

    runtime: str
    arena_bytes: int | None
    outputs: Sequence[Sequence[NDArray[Any]]]


def write_code(bundle: Bundle, folder: Path, graph: Graph, content: bytes, computed: Computed | None) -> Path:
    """Writes ``wrappers/tflm/`` into the folder of a bundle, for its recommended variant.

    Args:
        graph: What is in the variant's file.
        content: The file as it was measured: metadata would only take flash.
        computed: None where the interpreter was not asked.

    Raises:
        BundleError: A tensor is of a type that the code cannot hold, or the resolver has no name for an operator.
    """
    variant = bundle.variant(bundle.recommended)
    name = _file_name(bundle.name)
    taken = {"Arena", "Golden", "Input", "Label", "Labels", "Model", "Output"}
    inputs = [_Tensor(spec, i, "input", taken) for i, spec in enumerate(variant.inputs)]
    outputs = [_Tensor(spec, i, "output", taken) for i, spec in enumerate(variant.outputs)]
    golden = _Golden(bundle, variant, folder, computed)
    shown = {
        "name": name,
        "guard": name.upper(),
        "about": _about(bundle, variant),
        "arena": {"size": computed.arena_bytes if computed else None, "about": comment_lines(_arena(computed))},
        "operators": _operators(graph),
        "size": len(content),
        "content": hex_lines(content),
        "file": f"{' '.join(comment_lines(variant.name))}, SHA-256 {variant.measured_sha256}",
        "inputs": inputs,
        "tensors": [*inputs, *outputs],
        "outputs": [(tensor, tolerance) for tensor, tolerance in zip(outputs, golden.tolerances(), strict=True)],
        "primary": outputs[variant.primary_output],
        "decodes": bundle.reader is not None,
        "labels": [literal(label) for label in bundle.labels or ()],
        "keeps_state": variant.keeps_state,
        "golden": {"samples": golden.samples(), "about": comment_lines(golden.about())},
    }
    target = folder / "wrappers" / "tflm"
    for template, file in _TEMPLATES.items():
        write_whole(target / file.format(name), _templates().get_template(f"{template}.j2").render(shown))
    return target


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tflitekit.bundling", "templates/tflm"),
        autoescape=False,  # no HTML; see `tflitekit.bundling.cpp`
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _file_name(name: str) -> str:
    """Returns the beginning of the files' names, which is the namespace too: 'digits' becomes ``digits_model``."""
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower()))[:40] or "bundled"
    return (
        words
        if words.endswith("_model") and words[0].isalpha()
        else f"{words}_model"
        if words[0].isalpha()
        else f"model_{words}"
    )


def _about(bundle: Bundle, variant: BundledVariant) -> list[str]:
    floats = sorted({spec.name for spec in (*variant.inputs, *variant.outputs) if spec.dtype == "float32"})
    facts = [
        f"The model '{bundle.name}', variant '{variant.name}', for TensorFlow Lite for Microcontrollers.",
        f"Made by tflitekit {bundle.tool.get('tflitekit', '')}; do not edit it; generate it again.",
    ]
    if floats and variant.integer_op_fraction:
        facts.append(
            f"It computes with integers, but takes or gives floats ({', '.join(floats)}): it converts them itself, which takes memory "
            "and time. A variant with integer inputs and outputs, such as int8:io=int8, does not."
        )
    elif floats:
        facts.append("It computes with floats: slow on a processor without a floating-point unit.")
    if decoding := decoding_words(bundle):
        facts.append(decoding)
    return [line for fact in facts for line in comment_lines(fact)]


def _arena(computed: Computed | None) -> str:
    if computed is None:
        return (
            "The size of the arena is not known: the interpreter for microcontrollers was not there when the bundle was made. Run "
            "'tflitekit setup tflm' and make the bundle again, or define the size and lower it until AllocateTensors fails."
        )
    return (
        f"The smallest arena with which {computed.runtime} computes the model on a 64-bit host, with its reference kernels. Its structures "
        "are smaller on a 32-bit processor; optimized kernels, such as CMSIS-NN's, may need scratch memory besides. The program in main.cc "
        "prints what is used."
    )


def _operators(graph: Graph) -> list[str]:
    found = {name: resolver_method(name) for name in sorted({op.name for op in graph.ops})}
    if lacking := [name for name, method in found.items() if method is None]:
        raise BundleError(
            f"TensorFlow Lite for Microcontrollers has no operator {', '.join(lacking)}.",
            fix="Bundle a variant without it, or replace the layer.",
        )
    return [method for method in found.values() if method is not None]


class _Tensor:
    """One input or output, as the templates name it."""

    def __init__(self, spec: TensorSpec, index: int, side: str, taken: set[str]) -> None:
        if spec.dtype not in TYPES:
            raise BundleError(
                f"There is no firmware for a model whose {side} '{spec.name}' has the type {spec.dtype}.",
                fix=f"Its inputs and outputs may be {', '.join(TYPES)}.",
            )
        words = identifier(spec.name, side.capitalize(), taken)
        taken.add(words)
        self.index, self.type, self.elements = index, TYPES[spec.dtype], prod(max(1, size) for size in spec.shape)
        self.constant, self.type_name, self.member = f"k{words}", f"{words}Type", f"{side}_{index}"
        self.literal, self.is_float = literal(spec.name), spec.dtype == "float32"
        quantized = (
            spec.quantization if not self.is_float and spec.quantization and len(spec.quantization.scale) == 1 else None
        )
        self.scale = number(quantized.scale[0]) if quantized else ""
        self.zero_point = quantized.zero_point[0] if quantized else 0
        stored = f"; real = {self.scale.rstrip('f')} * (stored - {self.zero_point})" if quantized else ""
        self.describe = comment_lines(f"The {side} '{spec.name}', {spec.dtype} {shown_shape(spec.shape)}{stored}.")


class _Golden:
    """The samples that fit, with the outputs that are expected of a device."""

    def __init__(self, bundle: Bundle, variant: BundledVariant, folder: Path, computed: Computed | None) -> None:
        self._variant, self._folder, self._computed = variant, folder, computed
        results = [
            (sample.name, result)
            for sample in bundle.golden.samples
            for result in sample.results
            if result.variant == variant.name
        ]
        size = (
            max(1, sum(array.size_bytes for array in (*results[0][1].inputs, *results[0][1].outputs))) if results else 1
        )
        self._results = results[: max(1, _GOLDEN_BYTES // size)]
        self._host = [[read_array(folder, array) for array in result.outputs] for _, result in self._results]
        self._expected = computed.outputs[: len(self._results)] if computed else self._host

    def samples(self) -> list[dict[str, Any]]:
        """Returns the name of each sample, and the lines of its tensors."""
        found = []
        for (name, result), outputs in zip(self._results, self._expected, strict=True):
            inputs = [read_array(self._folder, array) for array in result.inputs]
            found.append({"name": literal(name), "tensors": [array_lines(values) for values in (*inputs, *outputs)]})
        return found

    def tolerances(self) -> list[str]:
        """Returns how far each output may be off, in stored values."""
        if self._computed is None:
            return ["-1" for _ in self._variant.outputs]
        exact = self._variant.integer_op_fraction == 1.0
        return ["0" if exact else self._of_floats(index) for index in range(len(self._variant.outputs))]

    def _of_floats(self, index: int) -> str:
        values = [outputs[index] for outputs in self._expected]
        if values[0].dtype != np.float32:
            return "1"
        return f"{_ROUNDING * max(float(np.abs(one).max(initial=0)) for one in values):.3g}"

    def about(self) -> str:
        if self._computed is None:
            return (
                "Their outputs are LiteRT's on the host. The kernels for microcontrollers round otherwise, and their interpreter was not there "
                "when the bundle was made: differences are shown and not judged."
            )
        apart = [
            np.abs(theirs.astype(np.float64) - ours.astype(np.float64)).max(initial=0)
            for expected, host in zip(self._expected, self._host, strict=True)
            for theirs, ours in zip(expected, host, strict=True)
        ]
        return (
            f"Their outputs are what {self._computed.runtime} computed with its reference kernels on the host; a device has to give the same. "
            f"LiteRT's own outputs differ from them by up to {max(apart, default=0):.4g}, as values are stored."
        )


def read_array(folder: Path, array: ArrayFile) -> NDArray[Any]:
    """Returns the values of a file of a bundle."""
    values = np.frombuffer((folder / array.file).read_bytes(), np.dtype(array.dtype).newbyteorder("<"))
    return values.reshape(array.shape)
