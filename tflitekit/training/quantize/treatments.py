"""Which layers have an integer form, by their class: the tables behind `annotate`, and what it says of each layer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "ACTIVATION_LAYERS",
    "AUGMENTATION",
    "CONVOLUTIONS",
    "DIVISIONS",
    "FIXED_OPERATIONS",
    "FIX_FLOAT",
    "GENERAL_FIX",
    "KERNELS",
    "LOOPS",
    "LOWERED",
    "MERGES",
    "OBSERVED",
    "OBSERVED_OPERATIONS",
    "RELUS",
    "SAME_SCALE",
    "SAME_SCALE_OPERATIONS",
    "WHY_FLOAT",
    "Treatment",
    "activation_of",
    "activation_symbol",
    "canonical_name",
    "short_name",
]

CONVOLUTIONS = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel"}
KERNELS = CONVOLUTIONS | {"Dense": "kernel", "Conv2DTranspose": "kernel", "Embedding": "embeddings"}
LOWERED = ("Conv1D", "SeparableConv1D", "SeparableConv2D")

# Layers that move values or choose among them: the output has the scale of the input.
SAME_SCALE = {
    "Flatten", "Reshape", "Permute", "RepeatVector", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D",
    "MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
}  # fmt: skip
# Layers that do nothing once the model is trained.
AUGMENTATION = "Random"
OBSERVED = {"AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "UpSampling2D",
             "Concatenate"}  # fmt: skip
MERGES = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Maximum": "maximum", "Minimum": "minimum",
           "Average": "add"}  # fmt: skip
ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "Softmax")

# Operations by their last name in lower case, without '_'.
SAME_SCALE_OPERATIONS = {
    "identity", "reshape", "transpose", "getitem", "stridedslice", "squeeze", "expanddims", "pad", "flatten", "max",
    "reducemax", "slicewithspec", "broadcastto", "stopgradient", "split", "unstack",
}  # fmt: skip
OBSERVED_OPERATIONS = {
    "add", "subtract", "multiply", "maximum", "minimum", "mean", "reducemean", "sum", "reducesum", "leakyrelu", "gelu", "silu", "swish", "concatenate", "concat", "abs", "absolute",
}  # fmt: skip
FIXED_OPERATIONS = {"sigmoid", "tanh", "softmax"}
RELUS = {"relu", "relu6"}
DIVISIONS = {"divide", "truedivide", "truediv", "realdiv"}

LOOPS = {"GRU", "SimpleRNN"}

WHY_FLOAT = {
    "LayerNormalization": "Its variance and square root have no integer kernels that keep enough precision.",
    "GroupNormalization": "Its variance and square root have no integer kernels that keep enough precision.",
    "UnitNormalization": "Its square root has no integer kernel that keeps enough precision.",
    "LSTM": "The converter keeps a fused LSTM in float in a model that was trained for int8.",
    "GRU": "TensorFlow Lite has no fused GRU: the converter leaves a loop.",
    "SimpleRNN": "The converter leaves a loop.",
    "Bidirectional": "It is a recurrent layer; the converter keeps its state in float.",
    "TimeDistributed": "It hides the layer inside it.",
    "MultiHeadAttention": "Its softmax and its products of activations are inside one layer, with no place for quantizers.",
}
FIX_FLOAT = {
    "LayerNormalization": "Use BatchNormalization after a convolution or Dense, which costs nothing at run time.",
    "GroupNormalization": "Use BatchNormalization after a convolution, which costs nothing at run time.",
    "LSTM": "Accept it (int8 and float mix), or use Conv1D layers.",
    "GRU": "Use an LSTM, which is one fused operator, or Conv1D layers.",
    "SimpleRNN": "Use an LSTM, which is one fused operator, or Conv1D layers.",
    "Bidirectional": "Accept it (int8 and float mix), or use Conv1D layers.",
    "TimeDistributed": "Use the layer itself: Dense works on the last axis, Conv1D and Conv2D with kernel size 1 on every step.",
}
GENERAL_FIX = "Accept it (int8 and float mix), or replace it with layers that this table lists as quantized."


class Treatment(BaseModel):
    """What happens to one layer of the user's model when it is trained for int8.

    Attributes:
        layer: Its name: ``backbone/conv1`` inside another model.
        kind: Its class.
        treatment: 'quantized', 'left float' or 'not supported' (the model cannot be trained so).
        how: How it is quantized, or why it is not.
        fix: What to do about it; '' where nothing needs to be done.
    """

    model_config = ConfigDict(frozen=True)

    layer: str
    kind: str
    treatment: Literal["quantized", "left float", "not supported"]
    how: str
    fix: str = ""


def activation_of(layer: Any) -> str:
    function = getattr(layer, "activation", None)
    return "linear" if function is None else str(getattr(function, "__name__", type(function).__name__))


def activation_symbol(name: str) -> str:
    return {"sigmoid": "tf:math.sigmoid", "tanh": "tf:math.tanh", "softmax": "tf:nn.softmax"}.get(
        name, f"activation2:{name}"
    )


def short_name(symbol: str) -> str:
    return symbol.rpartition(":")[2].rpartition(".")[2]


def canonical_name(symbol: str) -> str:
    name = short_name(symbol).replace("_", "").lower()
    return {"hardswish": "hardsilu"}.get(name, name)
