"""Where ONNX models are converted."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.python import PythonEnvironment

__all__ = ["ONNX"]

ONNX = PythonEnvironment("onnx", "ONNX models", 2.6e9, ("onnx2tf", "onnxslim", "onnx", "onnxruntime", "tensorflow"))
register_environment(ONNX, __name__)
