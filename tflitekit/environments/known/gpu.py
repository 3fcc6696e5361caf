"""A graphics processor in software: SwiftShader, a Vulkan driver that Chromium brings."""

from __future__ import annotations

from tflitekit.environments import register_environment
from tflitekit.environments.debian import DebianPackages
from tflitekit.environments.unpacked import UnpackedEnvironment

__all__ = ["DRIVER", "GPU"]

_FOLDER = "usr/lib/chromium"
DRIVER = f"root/{_FOLDER}/vk_swiftshader_icd.json"

GPU = UnpackedEnvironment(
    "gpu",
    "the target gpu-emulated",
    6e6,
    (
        DebianPackages(
            "root",
            ("chromium-common",),
            files=tuple(
                f"{_FOLDER}/{name}" for name in ("libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json")
            ),
        ),
    ),
    ("chromium-common",),
)
register_environment(GPU, __name__)
