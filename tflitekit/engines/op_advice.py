"""Table: operators that nobody wrote. What in a Keras model becomes one, and what to write instead.

Names are those of TensorFlow (``BitwiseAnd``) and of TensorFlow Lite (``BITWISE_AND``), without case and underscores. What is
not in the table is named with its layer all the same. Found by converting the layers and functions with TensorFlow 2.20.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tflitekit.core.errors import CrashError
from tflitekit.tflite.graph import Graph, Operator
from tflitekit.tflite.layers import layer_names

__all__ = ["advise", "describe", "located", "of_graph", "of_operations", "on_a_loop", "without_loop"]

_UNROLL = (
    "a recurrent layer built with unroll=True (for sequences of a fixed length) has no loop and computes the same: build the "
    "model again with it, and give it the weights by set_weights(trained.get_weights())"
)
_STEPS = "written out step by step (for sequences of a fixed length) has no loop and computes the same"
_CELLS = "a Python loop over nn.LSTMCell or nn.GRUCell"
_WITHOUT_LOOP = {
    "onnx": f"a recurrent layer {_STEPS}: in PyTorch, {_CELLS}, which torch.onnx.export unrolls",
    "torch": f"{_CELLS} {_STEPS}, as torch.export unrolls it",
    "tflite": f"a recurrent layer {_STEPS}: convert the model again with unroll=True in Keras, or in PyTorch with {_CELLS}",
}
"""By kind of source; all others come from Keras."""

_TEXT = "split and look up text in the app, and convert the part after TextVectorization, which takes token ids"
_BEFORE = "do it before the model, in the preprocessing, or write it as a layer with fixed weights"
_ALGEBRA = "compute it once, outside the model, or in the app"
_CONSTANT = (
    "where it does not depend on the input (positions, masks), compute it once with NumPy and give it as a constant"
)


_Said = TypeVar("_Said")


@dataclass(frozen=True)
class _Origin:
    """What a Keras model has where a file has the operator, and what to write instead."""

    written: str
    instead: str


_ORIGINS: Mapping[str, _Origin] = {
    # Without an integer kernel in the converter
    "elu": _Origin("activation='elu'", "relu, leaky_relu or hard_silu"),
    "neg": _Origin("a minus sign, LayerNormalization or GroupNormalization", "x * -1.0; BatchNormalization, which becomes part of a convolution"),
    "square": _Origin("ops.square, UnitNormalization or GroupNormalization", "x * x; for embeddings, normalize in the app, which changes no cosine; BatchNormalization, which becomes part of a convolution"),
    "pow": _Origin("x ** n, other than a square", "products: x * x * x"),
    "sin": _Origin("ops.sin", _CONSTANT),
    "cos": _Origin("ops.cos", _CONSTANT),
    "erf": _Origin("ops.erf", "activation='gelu', which the converter knows as a whole, or tanh"),
    "round": _Origin("ops.round", "rounding in the app"),
    "floor": _Origin("ops.floor or //", "rounding in the app"),
    "ceil": _Origin("ops.ceil", "rounding in the app"),
    "floordiv": _Origin("//", "a product with the reciprocal"),
    "floormod": _Origin("%", _CONSTANT),
    "split": _Origin("ops.split or GLU", "slices: x[..., :n] and x[..., n:]"),
    "splitv": _Origin("ops.split", "slices: x[..., :n] and x[..., n:]"),
    "sign": _Origin("ops.sign", "tanh of a large multiple, or the sign in the app"),
    "cumsum": _Origin("ops.cumsum", "a Dense layer with a triangle of ones as its fixed kernel"),
    "cast": _Origin("a cast between integers and float", "float inputs"),
    "onehot": _Origin("one_hot, or a lookup with output_mode='one_hot'", "an Embedding"),
    "hashtable": _Origin("StringLookup", "int8_float_fallback, or look the words up in the app"),
    "hashtablefind": _Origin("StringLookup", "int8_float_fallback, or look the words up in the app"),
    "while": _Origin("LSTM, GRU, SimpleRNN, or a Python loop over a tensor", _UNROLL),
    # Not in TensorFlow Lite at all
    "bitwiseand": _Origin("ops.argmax or ops.argmin (Keras 3 looks at the sign of zero)", "return the scores, and take the largest in the app; in a layer of your own, tf.argmax"),
    "bitwiseor": _Origin("bits of integers", "arithmetic on float, or do it in the app"),
    "bitwisexor": _Origin("bits of integers", "arithmetic on float, or do it in the app"),
    "resizebicubic": _Origin("interpolation='bicubic' in Resizing or UpSampling2D", "interpolation='bilinear' or 'nearest'"),
    "resizearea": _Origin("interpolation='area' in Resizing", "interpolation='bilinear', or AveragePooling2D"),
    "scaleandtranslate": _Origin("interpolation='lanczos3', 'lanczos5', 'gaussian' or 'mitchellcubic'", "interpolation='bilinear' or 'nearest'"),
    "imageprojectivetransformv3": _Origin("RandomRotation, RandomZoom or another augmentation", _BEFORE),
    "cropandresize": _Origin("tf.image.crop_and_resize", _BEFORE),
    "extractimagepatches": _Origin("ops.image.extract_patches", "a Conv2D with an identity as its fixed kernel"),
    "adjustcontrastv2": _Origin("RandomContrast", _BEFORE),
    "adjusthue": _Origin("RandomHue", _BEFORE),
    "adjustsaturation": _Origin("RandomSaturation", _BEFORE),
    "rgbtohsv": _Origin("tf.image.rgb_to_hsv", _BEFORE),
    "hsvtorgb": _Origin("tf.image.hsv_to_rgb", _BEFORE),
    "einsum": _Origin("ops.einsum or EinsumDense with several axes kept", "Dense, or matmul with reshape and transpose"),
    "roll": _Origin("ops.roll", "Concatenate of two slices"),
    "stringlower": _Origin("TextVectorization", _TEXT),
    "stringupper": _Origin("TextVectorization", _TEXT),
    "staticregexreplace": _Origin("TextVectorization", _TEXT),
    "stringsplit": _Origin("TextVectorization", _TEXT),
    "stringsplitv2": _Origin("TextVectorization", _TEXT),
    "unicodesplit": _Origin("TextVectorization", _TEXT),
    "raggedtensortotensor": _Origin("TextVectorization", _TEXT),
    "hashtablev2": _Origin("IntegerLookup (a table in TensorFlow Lite maps text)", "an Embedding on ids that start at 0"),
    "lookuptablefindv2": _Origin("IntegerLookup (a table in TensorFlow Lite maps text)", "an Embedding on ids that start at 0"),
    "lookuptableimportv2": _Origin("IntegerLookup (a table in TensorFlow Lite maps text)", "an Embedding on ids that start at 0"),
    "stringtohashbucketfast": _Origin("Hashing", "StringLookup, or hash in the app"),
    "stringtohashbucketstrong": _Origin("Hashing", "StringLookup, or hash in the app"),
    "sparsecross": _Origin("HashedCrossing", "one StringLookup for each column, or cross in the app"),
    "sparsecrosshashed": _Origin("HashedCrossing", "one StringLookup for each column, or cross in the app"),
    "asstring": _Origin("numbers as text", "numbers"),
    "densebincount": _Origin("output_mode='multi_hot' or 'count'", "output_mode='one_hot'"),
    "bincount": _Origin("output_mode='multi_hot' or 'count'", "output_mode='one_hot'"),
    "raggedbincount": _Origin("output_mode='multi_hot' or 'count'", "output_mode='one_hot'"),
    "matrixinverse": _Origin("an inverse", _ALGEBRA),
    "matrixdeterminant": _Origin("a determinant", _ALGEBRA),
    "matrixsolve": _Origin("linalg.solve", _ALGEBRA),
    "cholesky": _Origin("linalg.cholesky", _ALGEBRA),
    "svd": _Origin("linalg.svd", _ALGEBRA),
    "qr": _Origin("linalg.qr", _ALGEBRA),
    "selfadjointeigv2": _Origin("linalg.eigh", _ALGEBRA),
    "fft": _Origin("ops.fft", "a real transform (tf.signal.rfft2d), or a spectrum computed in the app"),
    "ifft": _Origin("ops.ifft", _ALGEBRA),
    "lgamma": _Origin("a gamma function", _ALGEBRA),
    "digamma": _Origin("a gamma function", _ALGEBRA),
}  # fmt: skip

_ELSEWHERE: Mapping[str, str] = {
    "cast": "float inputs",
    "ceil": "rounding in the app",
    "cos": _CONSTANT,
    "cumsum": "a product with a triangle of ones",
    "elu": "relu, leaky_relu or hard_swish",
    "erf": "GELU as one operator, or tanh",
    "floor": "rounding in the app",
    "floordiv": "a product with the reciprocal",
    "floormod": _CONSTANT,
    "neg": "x * -1.0; batch normalization, which becomes part of a convolution, for other normalizations",
    "onehot": "a table of embeddings",
    "pow": "products: x * x * x",
    "round": "rounding in the app",
    "sign": "tanh of a large multiple, or the sign in the app",
    "sin": _CONSTANT,
    "split": "slices",
    "splitv": "slices",
    "square": "x * x",
}
"""The same without Keras's words, for operators that a float ``.tflite`` file can have."""

# Ends of names that say which kernel of TensorFlow it is, not what it does.
_FLAVOURS = re.compile(r"^(?:flex|tf\.|tfl\.)")


def _key(operator: str) -> str:
    return _FLAVOURS.sub("", operator.lower()).replace("_", "")


def located(text: str) -> dict[str, str]:
    """Returns the operators that the converter's message names, each with the name of the operation it comes from."""
    found: dict[str, str] = {}
    for operator, operation in re.findall(r'fused\["(\w+):", "([^"@]+)', text):
        found.setdefault(operator, operation)
    return found


def of_graph(graph: Graph, names: Iterable[str], layers: Sequence[str]) -> dict[str, list[str]]:
    """Returns the user's layers that left float operators of some names in a file."""
    wanted = set(names)
    chosen = [op for op in graph.operators if op.name in wanted and op.compute in ("float32", "float16", "hybrid")]
    found: dict[str, list[str]] = {name: [] for name in wanted}
    for operator, layer in zip(chosen, layer_names(chosen, layers), strict=True):
        if layer and layer not in found[operator.name]:
            found[operator.name].append(layer)
    return found


def of_operations(operations: Mapping[str, str], layers: Sequence[str]) -> dict[str, list[str]]:
    """Returns the user's layer of each operator, from the names of its operation (see `located`)."""
    parts = [Operator(name, (), (operation,)) for name, operation in operations.items()]
    return {part.name: [layer] if layer else [] for part, layer in zip(parts, layer_names(parts, layers), strict=True)}


def describe(operators: Mapping[str, Sequence[str]]) -> str:
    """Names operators with their layers: ``ELU (layer 'act'), NEG``."""
    return ", ".join(f"{name}{_of(layers)}" for name, layers in operators.items())


def on_a_loop(error: CrashError, loops: Sequence[str], layers: Sequence[str]) -> CrashError:
    """Returns the error of a conversion with calibration that crashed, with what helps where the model has loops.

    Args:
        loops: The names of its operations that are loops; see `tflitekit.source.prepared.PreparedSource`.
    """
    if not loops:
        return error
    named = layer_names([Operator("WHILE", (), (loop,)) for loop in loops], layers)
    names = list(dict.fromkeys(name for name in named if name))
    return CrashError(
        f"{error.what.rstrip('.')}: full integer schemes crash on the loop of a recurrent layer{_of(names)}.",
        why=error.why,
        fix=f"Instead, {_UNROLL}; or take float16 or dynamic_range, which need no calibration.",
    )


def _of(layers: Sequence[str]) -> str:
    if not layers:
        return ""
    names = ", ".join(f"'{layer}'" for layer in layers[:5]) + (", ..." if len(layers) > 5 else "")
    return f" (layer{'s' if len(layers) > 1 else ''} {names})"


def advise(operators: Iterable[str], kind: str) -> str:
    """Says where operators come from and what to write instead, each origin once; empty where the table has none.

    Args:
        kind: Of the source, whose words it uses: those of Keras, but for `_WITHOUT_LOOP`'s.
    """
    if kind in _WITHOUT_LOOP:
        words = {**_ELSEWHERE, "while": _WITHOUT_LOOP[kind]}
        return " ".join(f"Instead of {_several(names)}: {said}." for said, names in _grouped(operators, words).items())
    return " ".join(
        f"{_several(names)} come{'s' if len(names) == 1 else ''} from {origin.written}; instead: {origin.instead}."
        for origin, names in _grouped(operators, _ORIGINS).items()
    )


def _grouped(operators: Iterable[str], table: Mapping[str, _Said]) -> dict[_Said, list[str]]:
    """Returns operators by what a table says of them."""
    found: dict[_Said, list[str]] = {}
    for name in operators:
        if (said := table.get(_key(name))) is not None:
            found.setdefault(said, []).append(name)
    return found


def _several(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{names[0]} and others"


def without_loop(kind: str) -> str:
    """Says how a recurrent layer is built that has no loop, in the words of a kind of source."""
    return _WITHOUT_LOOP.get(kind, _UNROLL)
