"""Small networks of the families that the benchmarks of quantization compare, given Keras; nothing is trained here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["NETWORKS", "inverted_residual"]


def inverted_residual(
    layers: Any, x: Any, filters: int, stride: int, *, widen: int = 6, activation: str = "relu6", squeeze: bool = False
) -> Any:
    """Returns a block of MobileNetV2, or of MobileNetV3 and EfficientNet with ``squeeze``."""

    def normal(y: Any) -> Any:
        return layers.BatchNormalization(momentum=0.9)(y)

    y = layers.Activation(activation)(normal(layers.Conv2D(x.shape[-1] * widen, 1, use_bias=False)(x)))
    y = normal(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(y))
    y = layers.Activation(activation)(y)
    if squeeze:
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(max(8, x.shape[-1] // 4), 1, activation=activation)(gate)
        y = layers.Multiply()([y, layers.Conv2D(y.shape[-1], 1, activation="sigmoid")(gate)])
    y = normal(layers.Conv2D(filters, 1, use_bias=False)(y))
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y


def _mobile(keras: Any, activation: str, squeeze: bool) -> Any:
    x = inputs = keras.Input((48, 48, 3))
    x = keras.layers.Conv2D(16, 3, strides=2, padding="same", activation=activation)(x)
    for filters, stride in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1)):
        x = inverted_residual(keras.layers, x, filters, stride, activation=activation, squeeze=squeeze)
    x = keras.layers.Dense(10, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)


def _separable(keras: Any) -> Any:
    x = inputs = keras.Input((32, 32, 3))
    for filters in (32, 48, 64):
        x = keras.layers.SeparableConv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(x)))


def _transposed(keras: Any) -> Any:
    x = inputs = keras.Input((32, 32, 3))
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    for filters in (16, 8):
        x = keras.layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(x))


def _lstm(keras: Any) -> Any:
    x = inputs = keras.Input((12, 16))
    x = keras.layers.LSTM(32, unroll=True)(x)
    return keras.Model(inputs, keras.layers.Dense(8)(x))


def _transformer(keras: Any) -> Any:
    x = inputs = keras.Input((16, 32))
    y = keras.layers.MultiHeadAttention(4, 8)(x, x)
    x = keras.layers.LayerNormalization()(x + y)
    y = keras.layers.Dense(32)(keras.layers.Dense(64, activation="gelu")(x))
    x = keras.layers.LayerNormalization()(x + y)
    return keras.Model(inputs, keras.layers.Dense(8)(keras.layers.GlobalAveragePooling1D()(x)))


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "MobileNetV2-like": lambda keras: _mobile(keras, "relu6", squeeze=False),
    "MobileNetV3-like": lambda keras: _mobile(keras, "hard_silu", squeeze=True),
    "EfficientNet-like": lambda keras: _mobile(keras, "silu", squeeze=True),
    "separable": _separable,
    "transposed": _transposed,
    "LSTM": _lstm,
    "transformer": _transformer,
}
