"""Where PyTorch models are converted. PyTorch brings CUDA's libraries on Linux."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.python import PythonEnvironment

__all__ = ["TORCH"]

TORCH = PythonEnvironment("torch", "PyTorch models", 6.6e9, ("litert-torch", "torch"))
register_environment(TORCH, __name__)
