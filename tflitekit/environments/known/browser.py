"""The web runtime, LiteRT.js: what a page needs to run ``.tflite`` files. The browser itself is the system's."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.npm import NpmPackages
from tflitekit.environments.unpacked import UnpackedEnvironment

__all__ = ["BROWSER", "MODULES", "RUNTIME", "TYPES"]

RUNTIME = {"@litertjs/core": "2.5.3", "@litertjs/wasm-utils": "2.5.3"}
MODULES = "npm/node_modules"
TYPES = ("float32", "int32", "uint8")
"""What tensors of this version hold (`DATATYPES` in its source)."""

BROWSER = UnpackedEnvironment(
    "browser", "the web runtime", 40e6, (NpmPackages("npm", RUNTIME),), ("@litertjs/core",)
)  # fmt: skip
register_environment(BROWSER, __name__)
