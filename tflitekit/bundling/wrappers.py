"""Writes a class for one model of a bundle, in Kotlin or Java, to paste into an app of one's own.

Text that comes from files (names, labels) becomes a string literal, a comment or an identifier only through the functions
at the end of this module.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tflitekit.bundling.contents import Bundle, BundledVariant
from tflitekit.bundling.decoding_words import decoding_words
from tflitekit.core.errors import BundleError, UsageError
from tflitekit.core.files import write_whole
from tflitekit.core.tensor import Quantization, TensorSpec
from tflitekit.core.units import counted
from tflitekit.data.preprocessing import Preprocessing, image_layout
from tflitekit.render.text import measured, metric_name

__all__ = ["LANGUAGES", "class_name", "render", "write_wrapper"]

LANGUAGES = {"kotlin": "kt", "java": "java"}
"""The suffix of each language's files."""

_LABEL_STEP = 1000  # labels in one method, which holds 64 KiB of code in the JVM
_LINE = 110
_WIDTHS = {"float32": 4, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8}
_RESERVED = frozenset(  # Java SE 8 (JLS 3.9, with literals), and Kotlin's hard keywords
    re.findall(
        r"\w+",
        "abstract assert boolean break byte case catch char class const continue default do double else enum extends false "
        "final finally float for goto if implements import instanceof int interface long native new null package private "
        "protected public return short static strictfp super switch synchronized this throw throws transient true try void "
        "volatile while _ as fun in is object typealias typeof val var when",
    )
)
_PRIVATE = re.compile(r"(input|output)(Buffers|(Buffer|Values)\d+)|i|interpreter|pixels|table|scores")


def write_wrapper(
    bundle: Bundle, folder: str | Path, *, language: str, package: str | None, variant: str | None = None
) -> Path:
    """Writes ``folder/kotlin/NameModel.kt`` or ``folder/java/NameModel.java`` for one variant of a bundle.

    Args:
        language: 'kotlin' or 'java'.
        package: Of the class, as in ``com.example.app``.
        variant: The bundle's recommended one when not given.

    Returns:
        The file.

    Raises:
        UsageError: The language or the package cannot be.
        BundleError: There is no such variant, or its tensors are none that such a class can hold.
    """
    text = render(bundle, bundle.variant(variant or bundle.recommended), language, package)
    path = Path(folder) / language / f"{class_name(bundle.name)}.{LANGUAGES[language]}"
    write_whole(path, text)
    return path


def check_request(language: str, package: str | None) -> None:
    """Raises `UsageError` where the language or the package cannot be."""
    if language not in LANGUAGES:
        raise UsageError(
            f"There is no template for '{language}'.", fix=f"Choose {' or '.join(LANGUAGES)} with --templates."
        )
    _checked_package(package)


def render(bundle: Bundle, variant: BundledVariant, language: str, package: str | None) -> str:
    """Returns the source text of the class for one variant; see `write_wrapper`."""
    check_request(language, package)
    return _templates().get_template(f"Classifier.{LANGUAGES[language]}.j2").render(
        _content(bundle, variant, language == "kotlin"), package=package
    )  # fmt: skip


def class_name(name: str) -> str:
    """Returns the name of the class for a bundle's name: 'digits' becomes ``DigitsModel``."""
    words = "".join(word[0].upper() + word[1:] for word in _words(name)) or "Bundled"
    words = words if words[0].isalpha() else f"Model{words}"
    return words if words.lower().endswith("model") else f"{words}Model"


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tflitekit.bundling"),
        autoescape=False,  # no HTML; see the functions at the end
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _content(bundle: Bundle, variant: BundledVariant, kotlin: bool) -> dict[str, Any]:
    """Returns what the templates show: text that is source code already."""
    names: set[str] = set()
    inputs = [_Tensor(spec, i, "input", kotlin, names) for i, spec in enumerate(variant.inputs)]
    outputs = [_Tensor(spec, i, "output", kotlin, names) for i, spec in enumerate(variant.outputs)]
    primary = outputs[variant.primary_output]
    ranks = bundle.task in ("classification", "binary")
    if ranks and primary.value != "float":
        raise BundleError(
            f"The variant '{variant.name}' gives its scores as {primary.spec.dtype} without a scale; a wrapper needs real values."
        )
    probabilities = bundle.output_meaning == "probabilities"
    kind = "probability" if probabilities else "score"
    image = _image(bundle.preprocessing, inputs[0], kotlin) if bundle.input_kind == "image" else None
    labels = [_literal(label, kotlin) for label in bundle.labels or ()] if ranks else []
    binary_scores = "FloatArray(2)" if kotlin else "scores"
    return {
        "class_name": class_name(bundle.name),
        "about": _about(bundle, variant, inputs, outputs),
        "asset": _literal(variant.file, kotlin),
        "sha256": _literal(variant.sha256, kotlin),
        "inputs": inputs,
        "outputs": outputs,
        "primary": primary,
        "image": image,
        "resize": _comment_lines(_resizing(bundle.preprocessing)) if image else [],
        "verb": "classify" if ranks else "run",
        "returns": f"the {kind} of each class; the array is overwritten by the next run" if ranks else "",
        "scores": binary_scores if bundle.task == "binary" else primary.values,
        "task": bundle.task,
        "probabilities": probabilities,
        "labels": len(labels),
        "label_parts": [labels[i : i + _LABEL_STEP] for i in range(0, len(labels), _LABEL_STEP)],
        "label_step": _LABEL_STEP,
        "keeps_state": variant.keeps_state,
        "quantizes": any(tensor.scale for tensor in inputs),
    }


class _Tensor:
    """One input or output, as the templates name and convert it.

    Attributes:
        constant: Beginning of the names of its constants.
        value: Type of its real values: 'float', 'int' or 'long'.
        resize: The shape to set before the first run, where the batch is dynamic.
    """

    def __init__(self, spec: TensorSpec, index: int, side: str, kotlin: bool, names: set[str]) -> None:
        self.spec, self.index, self.kotlin = spec, index, kotlin
        if spec.dtype not in _WIDTHS or -1 in spec.shape[1:]:
            problem = "a dynamic size besides the batch" if spec.dtype in _WIDTHS else f"the type {spec.dtype}"
            raise BundleError(
                f"There is no wrapper for a model whose {side} '{spec.name}' has {problem}.",
                fix="Convert the model with fixed sizes, or write the app's code by hand (see bundle.json).",
            )
        self.width = _WIDTHS[spec.dtype]
        self.quantization = _quantization(spec, side)
        self.scale = _number(self.quantization.scale[0]) if self.quantization else ""
        self.zero_point = self.quantization.zero_point[0] if self.quantization else 0
        self.value = "float" if self.quantization or spec.dtype == "float32" else "int" if self.width < 8 else "long"
        self.type = f"{self.value.capitalize()}Array" if kotlin else self.value
        shape = [max(1, size) for size in spec.shape]
        self.elements = prod(shape)
        self.resize = shape if -1 in spec.shape else []

        words = _words(spec.name) or [str(index)]
        camel = "".join(word[0].upper() + word[1:] for word in words)
        parameter = [camel[0].lower() + camel[1:], f"{side}{index}"]
        self.parameter = _free(parameter, names) if side == "input" else ""
        self.getter = _free([f"{side}{camel}", f"{side}{index}"], names) if side == "output" else ""
        self.constant = _free([f"{side}_{'_'.join(words)}".upper(), f"{side}_{index}".upper()], names)
        self.buffer = f"{side}Buffer{index}"
        self.values = self.getter if kotlin else f"{side}Values{index}"
        self.put = {"float32": "putFloat", "int64": "putLong", "int32": "putInt", "int16": "putShort"}.get(
            spec.dtype, "put"
        )
        self.describe = self._description(side)

    def at(self, position: str) -> str:
        """Returns the place in the buffer, in bytes, of a position that is an expression."""
        if self.width == 1:
            return position
        return f"{self.width} * {position}" if position.isidentifier() else f"{self.width} * ({position})"

    def store(self, value: str) -> str:
        """Returns the expression that makes a stored value of a real one."""
        if self.quantization:
            limits = np.iinfo(self.spec.dtype)
            value = f"quantize({value}, {self.constant}_SCALE, {self.constant}_ZERO_POINT, {limits.min}, {limits.max})"
        return self.narrowed(value)

    def narrowed(self, value: str) -> str:
        """Returns the expression that makes the stored type of an int; other types stay."""
        narrow = {1: "byte", 2: "short"}.get(self.width)
        if narrow is None:
            return value
        return f"{value}.to{narrow.capitalize()}()" if self.kotlin else f"({narrow}) {value}"

    @property
    def load(self) -> str:
        """The expression for the real value at position ``i``."""
        get = {"float32": "getFloat", "int64": "getLong", "int32": "getInt", "int16": "getShort"}.get(
            self.spec.dtype, "get"
        )
        stored = f"{self.buffer}.{get}({self.at('i')})"
        if self.kotlin and self.width < 4:
            stored += ".toInt()"
        if self.spec.dtype == "uint8":
            stored = f"({stored} and 0xFF)" if self.kotlin else f"({stored} & 0xFF)"
        return f"{self.constant}_SCALE * ({stored} - {self.constant}_ZERO_POINT)" if self.quantization else stored

    def _description(self, side: str) -> str:
        shape = " x ".join("batch of 1" if size < 0 else str(size) for size in self.spec.shape)
        stored = f"{self.spec.dtype}, real values" if self.quantization else self.spec.dtype
        return _comment(f"the {side} '{self.spec.name}', {shape}, {stored}.")


def _quantization(spec: TensorSpec, side: str) -> Quantization | None:
    if spec.quantization is None or not spec.quantization.scale or spec.dtype == "float32":
        return None
    if len(spec.quantization.scale) > 1 or _WIDTHS[spec.dtype] > 2:
        raise BundleError(
            f"There is no wrapper for a model whose {side} '{spec.name}' is quantized as {spec.dtype} with "
            f"{len(spec.quantization.scale)} scales.",
            fix="Convert it with float inputs and outputs.",
        )
    return spec.quantization


@dataclass(frozen=True)
class _Image:
    """How pixels become the only input.

    Attributes:
        at: For each channel, where pixel ``i`` lies among the input's values.
        shifts: For each channel, the lowest bit of its colour in ARGB.
        table_type: Of the table that holds the stored value of each pixel.
        store: Expression for an entry of it.
    """

    width: int
    height: int
    channels: int
    divisor: str
    mean: list[str]
    std: list[str]
    at: list[str]
    shifts: list[int]
    table_type: str
    store: str
    layout: str
    grey_note: str


def _image(preprocessing: Preprocessing, tensor: _Tensor, kotlin: bool) -> _Image:
    height, width, channels, channels_first = image_layout(tensor.spec.shape[1:])
    preprocessing.steps(tensor.spec.shape[1:])  # refuses means that do not fit
    if channels_first:
        at = [f"{channel} * PIXELS + i" if channel else "i" for channel in range(channels)]
    elif channels == 1:
        at = ["i"]
    else:
        at = [f"{channels} * i + {channel}" if channel else f"{channels} * i" for channel in range(channels)]
    bgr = preprocessing.color == "bgr" and channels == 3
    order = {1: "grey", 3: "blue, green, red" if bgr else "red, green, blue", 4: "red, green, blue, alpha"}[channels]
    sizes = f"{channels} x {height} x {width}" if channels_first else f"{height} x {width} x {channels}"
    table = {1: "byte", 2: "short", 4: "int", 8: "long"}[tensor.width] if tensor.spec.dtype != "float32" else "float"
    if tensor.quantization:
        store = tensor.store("value")
    elif table == "float":
        store = "value"
    else:
        whole = "long" if table == "long" else "int"
        store = tensor.narrowed(f"value.to{whole.capitalize()}()" if kotlin else f"({whole}) value")
    return _Image(
        width=width,
        height=height,
        channels=channels,
        divisor=_number(preprocessing.divisor),
        mean=[_number(preprocessing.mean[c % len(preprocessing.mean)]) for c in range(channels)],
        std=[_number(preprocessing.std[c % len(preprocessing.std)]) for c in range(channels)],
        at=at,
        shifts=[0, 8, 16] if bgr else [16, 8, 0, 24][:channels],
        table_type=f"{table.capitalize()}Array" if kotlin else table,
        store=store,
        layout=f"{sizes} ({'channel, height, width' if channels_first else 'height, width, channel'}: {order})",
        grey_note="; turned to gray as Pillow does, (19595 R + 38470 G + 7471 B + 32768) / 65536"
        if channels == 1
        else "",
    )


def _resizing(preprocessing: Preprocessing) -> str:
    """Returns what must have happened to an image before, in words."""
    crop = preprocessing.crop_fraction
    fit = {
        "stretch": "scale the image to this size without regard to its aspect ratio",
        "center_crop": "cut the largest centered rectangle of this aspect ratio and scale it to this size",
        "pad": "scale the image into this size, keep its aspect ratio, and fill the borders with black",
    }[preprocessing.fit]
    first = f"first cut the centered {crop:.4g} of its width and height, then " if crop < 1 else ""
    antialias = (
        ""
        if preprocessing.resize == "nearest"
        else " When it makes an image smaller, that filter reads all pixels of the original; Bitmap.createScaledBitmap does "
        "not and gives other values."
    )
    return f"The model expects what it was measured with: {first}{fit}, with Pillow's filter '{preprocessing.resize}'.{antialias}"


def _about(bundle: Bundle, variant: BundledVariant, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> list[str]:
    found = variant.accuracy
    accuracy = f" {metric_name(found.metric)} {measured(found)} on {counted(found.n, 'sample')}." if found else ""
    source = f", converted from {bundle.source.location}" if bundle.source else ""
    state = " The model keeps state between steps; each run starts afresh." if variant.keeps_state else ""
    facts = (
        f"The model '{bundle.name}', variant '{variant.name}'{source}.{accuracy}",
        f"Made by tflitekit {bundle.tool.get('tflitekit', '')} for the file {variant.file}; do not edit it; generate it again.",
    )
    usage = (
        "Not thread-safe: use an object on one thread at a time. A run allocates nothing, and its result is "
        f"overwritten by the next one.{state}"
    )
    decoding = decoding_words(bundle)
    usage_lines = _comment_lines(f"{decoding} {usage}" if decoding else usage)
    sound = f"It takes recordings of {bundle.sound.describe()}; float values from -1 to 1." if bundle.sound else ""
    tensors = [f"{t.describe[0].upper()}{t.describe[1:]}" for t in (*inputs, *outputs)]
    lines = [line for fact in facts for line in _comment_lines(fact)]
    return [*lines, "", *tensors, *_comment_lines(sound), "", *usage_lines]


def _checked_package(package: str | None) -> str:
    parts = (package or "").split(".")
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part) and part not in _RESERVED for part in parts):
        raise UsageError(
            f"'{package}' is not a valid package name." if package else "A wrapper needs a package name.",
            fix="Give one with --package com.example.app.",
        )
    return ".".join(parts)


def _words(name: str) -> list[str]:
    """Returns the parts of a name that can stand in an identifier."""
    return re.findall(r"[A-Za-z0-9]+", name)


def _free(candidates: Sequence[str], taken: set[str]) -> str:
    """Returns the first identifier that is legal and not taken yet, and takes it; the last candidate is always legal."""
    numbered = (f"{candidates[-1]}_{number}" for number in itertools.count(2))
    name = next(
        candidate
        for candidate in itertools.chain(candidates, numbered)
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,60}", candidate)
        and candidate not in _RESERVED
        and not _PRIVATE.fullmatch(candidate)
        and candidate not in taken
    )
    taken.add(name)
    return name


def _number(value: float) -> str:
    """Returns the shortest float literal that is this float32."""
    return f"{np.float32(value)}f"


def _literal(text: str, kotlin: bool) -> str:
    """Returns a string literal in ASCII.

    Java replaces escapes like backslash-u-000a before it looks for the end of a literal: characters below 128 are never
    written so there.
    """
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2").tolist()
    return '"' + "".join(_escaped(unit, kotlin) for unit in units) + '"'


def _escaped(unit: int, kotlin: bool) -> str:
    character = chr(unit)
    if character in '"\\' or (character == "$" and kotlin):
        return f"\\{character}"
    if 32 <= unit < 127:
        return character
    return f"\\{unit:03o}" if unit < 128 and not kotlin else f"\\u{unit:04x}"


def _comment(text: str) -> str:
    """Returns text for a comment: what could end it, or start markup, becomes a numeric character reference."""
    text = " ".join(text.split())
    return re.sub(r"[^A-Za-z0-9 .,:;()+/='_%-]", lambda match: f"&#{ord(match[0])};", text)


def _comment_lines(text: str) -> list[str]:
    return [_comment(line) for line in textwrap.wrap(text, _LINE, break_on_hyphens=False)]
