"""What is checked in an APK: one function per question, which yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tflitekit.apk.checks import models, native, package
from tflitekit.apk.report import ApkFinding, ApkReport

__all__ = ["CHECKS"]

CHECKS: tuple[Callable[[ApkReport], Iterator[ApkFinding]], ...] = (
    package.target_sdk,
    package.release_build,
    package.signatures,
    package.alignment,
    package.splits,
    native.abis,
    native.abi_sets,
    native.machines,
    native.page_size,
    native.packing,
    models.runtimes,
    models.files,
    models.versions,
    models.operators,
    models.gpu_driver,
    models.bundles,
)
