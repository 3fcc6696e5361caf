"""An ARM64 processor in software: QEMU of this machine's architecture, and Python, the runtime and NumPy of aarch64."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.debian import DebianPackages
from tflitekit.environments.python import PINS
from tflitekit.environments.unpacked import UnpackedEnvironment
from tflitekit.environments.wheels import Wheels

__all__ = ["ARM64", "PYTHON", "QEMU", "ROOT", "WHEELS"]

ROOT, WHEELS = "root", "wheels"
PYTHON = f"{ROOT}/usr/bin/python3"
QEMU = "qemu/usr/bin/qemu-aarch64-static"

ARM64 = UnpackedEnvironment(
    "arm64",
    "the target arm64-emulated",
    200e6,
    (
        DebianPackages("qemu", ("qemu-user-static",), files=("usr/bin/qemu-aarch64-static",)),
        DebianPackages(ROOT, ("python3", "libstdc++6"), architecture="arm64"),
        # ai-edge-litert 2.2.0 and 2.3.0 crash under emulation, on every processor that was tried.
        Wheels(
            WHEELS,
            PINS / "arm64.txt",
            platforms=("manylinux_2_27_aarch64", "manylinux2014_aarch64"),
            uv_platform="aarch64-manylinux_2_28",
            python=PYTHON,
        ),
    ),
    ("ai-edge-litert", "numpy", "qemu-user-static", "python3"),
)
register_environment(ARM64, __name__)
