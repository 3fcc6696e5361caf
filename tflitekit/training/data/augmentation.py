"""Changes training samples at random: the built-in ways for images, or the user's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from tflitekit.core.errors import ContractError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.core.user_code import load_function, place
from tflitekit.data.preprocessing import image_layout
from tflitekit.training.data.labels import PLACES, LabelKind

__all__ = ["AUGMENTATIONS", "Augmentation", "check_augmentation", "check_labels_follow", "load_augmentation"]

Augmentation = Callable[[Any, Any], Any]
"""Takes what the model takes (a batch, or a dict of batches by input name), and an int32 seed of shape ``(2,)``."""

AUGMENTATIONS = {
    "flip": "mirrors every other image, left to right",
    "crop": "shifts each image by up to an eighth of its sides; mirrored pixels fill the border",
    "flip-crop": "both",
}


def check_augmentation(name: str, inputs: Sequence[TensorSpec]) -> None:
    """Refuses a built-in augmentation for a model that does not take an image; does without TensorFlow.

    Raises:
        UsageError: It is for images only, or there is no augmentation of that name.
    """
    if name not in AUGMENTATIONS:
        if ":" not in name:
            raise UsageError(
                f"There is no augmentation '{name}'.",
                fix=f"Choose {', '.join(AUGMENTATIONS)}, or give your own function as module:function.",
            )
        return
    try:
        if len(inputs) != 1:
            raise ContractError(f"The model has {len(inputs)} inputs.")
        if inputs[0].dtype not in ("float32", "float16", "uint8", "int8"):
            raise ContractError(f"The model's input is {inputs[0].dtype}.")
        image_layout(inputs[0].shape[1:])
    except ContractError as error:
        raise UsageError(
            f"The augmentation '{name}' is for models with one input, an image.",
            why=error.what,
            fix="Give your own function as module:function.",
        ) from error


def check_labels_follow(name: str, labels: LabelKind, label_shape: Sequence[int], *, own_loss: bool) -> None:
    """Refuses a built-in augmentation, which moves pixels, where labels are places in the picture and would stay behind.

    Args:
        labels: What they are, each of ``label_shape``.
        own_loss: Whether the loss is the user's; without one, boxes and keypoints take no part.

    Raises:
        UsageError: They would.
    """
    compared = own_loss or labels not in PLACES
    places = {"mask": "masks", "boxes": "boxes", "poses": "keypoints"}.get(labels)
    if places is None and labels == "values" and len(label_shape) > 1:
        places = "pictures or maps"
    if name in AUGMENTATIONS and compared and places is not None:
        raise UsageError(
            f"The augmentation '{name}' moves the pixels of pictures, and labels that are {places} would not follow.",
            fix="Leave out --augment, or give a function of your own, as module:function, that moves nothing: one that changes colors, say.",
        )


def load_augmentation(augmentation: str | Callable[..., Any], inputs: Sequence[TensorSpec]) -> Augmentation:
    """Returns a built-in augmentation, or the user's function.

    Args:
        augmentation: A built-in name, ``module:function``, or a function that takes ``(x)`` or ``(x, seed)``. It works
            on TensorFlow tensors, and must be stateless for training to be repeatable: ``tf.random.stateless_uniform``
            and the like with ``seed``.
        inputs: The model's inputs.

    Raises:
        UsageError: There is none, or it does not fit the model.
    """
    if isinstance(augmentation, str):
        check_augmentation(augmentation, inputs)
        if augmentation in AUGMENTATIONS:
            return _built_in(augmentation, inputs[0].shape[1:])
        return _own(load_function(augmentation, "augmentation"), augmentation)
    return _own(augmentation, getattr(augmentation, "__name__", type(augmentation).__name__))


def _built_in(name: str, shape: tuple[int, ...]) -> Augmentation:
    """Returns a function that moves pixels: each new one is a copy of an old one of the same image."""
    import tensorflow as tf

    height, width, channels, channels_first = image_layout(shape)

    def positions(seed: Any, count: Any, size: int) -> Any:
        """Returns where the ``size`` pixels of a side come from, one row an image."""
        most = max(1, size // 8) if "crop" in name and size > 1 else 0
        shift = tf.random.stateless_uniform([count, 1], seed, -most, most + 1, tf.int32)
        moved = tf.abs(tf.range(size) + shift)  # mirrored at the first pixel, then at the last
        return tf.minimum(moved, 2 * (size - 1) - moved)

    def augment(x: Any, seed: Any) -> Any:
        count = tf.shape(x)[0]
        seeds = tf.random.split(seed, 3)
        rows, columns = positions(seeds[0], count, height), positions(seeds[1], count, width)
        if "flip" in name:
            mirrored = tf.random.stateless_uniform([count, 1], seeds[2]) < 0.5
            columns = tf.where(mirrored, width - 1 - columns, columns)
        pixels = tf.reshape(rows[:, :, None] * width + columns[:, None, :], [count, height * width])
        flat = [count, channels, height * width] if channels_first else [count, height * width, channels]
        moved = tf.gather(tf.reshape(x, flat), pixels, axis=2 if channels_first else 1, batch_dims=1)
        return tf.reshape(moved, tf.shape(x))

    return augment


def _own(function: Callable[..., Any], name: str) -> Augmentation:
    """Returns the user's function, with checks of what it returns; AutoGraph turns its Python conditions into TensorFlow's."""
    import tensorflow as tf

    takes_seed = _takes_seed(function, name)
    traced = tf.function(function)

    def augment(x: Any, seed: Any) -> Any:
        try:
            result = traced(x, seed) if takes_seed else traced(x)
            tf.nest.assert_same_structure(x, result)
        except Exception as error:
            raise UsageError(
                f"The augmentation '{name}' failed.",
                why=f"{type(error).__name__}: {error}" + (f" ({where})" if (where := place(error)) else ""),
                fix="It takes a batch as a TensorFlow tensor (a dict of them for several inputs) and returns another.",
            ) from error
        return tf.nest.map_structure(lambda before, after: _checked(before, after, name), x, result)

    return augment


def _takes_seed(function: Callable[..., Any], name: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise UsageError(f"The augmentation '{name}' takes {signature}.", fix="It must take (x) or (x, seed).")


def _checked(before: Any, after: Any, name: str) -> Any:
    import tensorflow as tf

    after = tf.convert_to_tensor(after)
    if after.dtype != before.dtype or not after.shape.is_compatible_with(before.shape):
        raise UsageError(
            f"The augmentation '{name}' made {after.dtype.name}{after.shape} of {before.dtype.name}{before.shape}.",
            why="The model takes batches of one shape and type.",
            fix="Return the same number of samples with the same shape and type.",
        )
    return tf.ensure_shape(after, before.shape)
