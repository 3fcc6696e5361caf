"""Vela, Arm's compiler for Ethos-U."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.python import PythonEnvironment

__all__ = ["ETHOS_U"]

ETHOS_U = PythonEnvironment("ethos-u", "the target ethos-u", 110e6, ("ethos-u-vela",))
register_environment(ETHOS_U, __name__)
