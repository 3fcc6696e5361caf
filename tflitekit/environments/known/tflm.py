"""The interpreter of TensorFlow Lite for Microcontrollers, whose package appears as pre-releases only."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.python import PythonEnvironment

__all__ = ["TFLM"]

TFLM = PythonEnvironment("tflm", "the target tflm", 110e6, ("tflite-micro", "pyyaml"))
register_environment(TFLM, __name__)
