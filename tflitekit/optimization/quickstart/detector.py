"""A small single-shot detector without anchors, and its training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.optimization.quickstart.detector_loss import STRIDE, detector_loss
from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scenes import Scene

__all__ = ["network", "train"]

_PRIOR = 0.01  # score that a detector gives before it has learned anything
_SEED = 11


def network(side: int, widths: Sequence[int]) -> Any:
    """Returns the Keras model, which has learned nothing yet.

    Args:
        side: Of its pictures, in pixels.
        widths: Channels at a half, a quarter and an eighth of the side.

    Returns:
        A model with one output ``(batch, 4 + classes, cells)``, as YOLOv8 has it: center, width and height in pixels, then
        a score from 0 to 1 for each class.
    """
    import keras

    layers = keras.layers

    def block(x: Any, width: int, name: str, strides: int = 1) -> Any:
        x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def head(x: Any, channels: int, name: str, bias: float = 0.0) -> Any:
        start = keras.initializers.Constant(bias)
        x = layers.Conv2D(channels, 1, activation="sigmoid", bias_initializer=start, name=name)(x)
        return layers.Reshape((cells, channels), name=f"{name}_of_cells")(x)

    cells = (side // STRIDE) ** 2
    x = image = keras.Input((side, side, 3), name="image")
    for stage, width in enumerate(widths, start=1):
        x = block(x, width, f"stage{stage}", strides=2)
        if stage > 1:
            x = block(x, width, f"stage{stage}_more")
    x = block(x, widths[-1], "neck")
    # A cell finds what has its center inside of it or of the half cells around.
    offsets = layers.Rescaling(2 * STRIDE, offset=-STRIDE, name="offsets")(head(x, 2, "place"))
    centers = keras.ops.add(offsets, cell_centers(side))
    sizes = layers.Rescaling(float(side), name="sizes")(head(x, 2, "size", bias=-1.0))
    scores = head(x, len(LABELS), "scores", bias=float(np.log(_PRIOR / (1 - _PRIOR))))
    return keras.Model(image, layers.Concatenate(name="detections")([centers, sizes, scores]), name="detector")


def cell_centers(side: int) -> NDArray[np.float32]:
    """Returns x and y of the middle of each cell in pixels, ``(cells, 2)``, row by row."""
    middles = np.arange(side // STRIDE) * STRIDE + STRIDE / 2
    y, x = np.meshgrid(middles, middles, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def train(scenes: Iterable[Scene], model: Any, *, epochs: int, verbose: int = 0) -> float:
    """Trains the model in place; returns the loss of the last epoch."""
    import keras

    keras.utils.set_random_seed(_SEED)
    seen = list(scenes)
    x = np.stack([scene.image for scene in seen]).astype(np.float32) / 255
    y = np.stack([labels_of(scene) for scene in seen])
    batch = 32
    rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * -(-len(x) // batch))
    learner = keras.Model(
        model.inputs, model.outputs
    )  # the model itself stays without a loss that only this module has
    learner.compile(optimizer=keras.optimizers.Adam(rate), loss=detector_loss)
    history = learner.fit(x, y, batch_size=batch, epochs=epochs, verbose=verbose)
    return float(history.history["loss"][-1])


def labels_of(scene: Scene, most: int = 8) -> NDArray[np.float32]:
    """Returns boxes as a loss takes them, ``(most, 5)``: left, top, right, bottom and class, which is -1 beyond the last box."""
    labels = np.full((most, 5), -1, np.float32)
    labels[: len(scene.boxes)] = np.column_stack([scene.boxes, scene.digits])
    return labels
