"""Imports tensorflow-model-optimization without its side effects."""

from __future__ import annotations

import os
from typing import Any

from tflitekit.core.errors import MissingDependencyError

__all__ = ["load_tfmot"]

_SWITCH = "TF_USE_LEGACY_KERAS"


def load_tfmot() -> Any:
    """Imports tensorflow-model-optimization and returns it; ``tf.keras`` and the environment stay what they were.

    It sets ``TF_USE_LEGACY_KERAS`` when it is imported. TensorFlow reads that once, when ``tf.keras`` is first used: a
    program that uses it later would get Keras 2 in place of Keras 3, and so would every child process, which inherits
    the variable. So ``tf.keras`` is resolved before, and the variable restored after. tensorflow-model-optimization itself
    then takes Keras 2 from ``tf_keras``; objects of Keras 3 are not touched.

    Raises:
        MissingDependencyError: It is not installed.
    """
    import tensorflow as tf

    before = os.environ.get(_SWITCH)
    _ = tf.keras.layers
    try:
        import tensorflow_model_optimization as tfmot
    except ImportError as error:
        raise MissingDependencyError(
            "Compression while training needs tensorflow-model-optimization and tf_keras.",
            why=str(error),
            fix="Install them with: pip install 'tflitekit[convert]'",
        ) from error
    finally:
        if before is None:
            os.environ.pop(_SWITCH, None)
        else:
            os.environ[_SWITCH] = before
    return tfmot
