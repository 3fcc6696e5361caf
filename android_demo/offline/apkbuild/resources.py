"""Resources and manifest to the binary forms that Android reads, with aapt2."""

from __future__ import annotations

from pathlib import Path

from .settings import Settings
from .tools import FRAMEWORK, run

__all__ = ["link"]


def link(resources: Path, manifest: Path, settings: Settings, *, work: Path) -> tuple[Path, Path]:
    """Compiles and links the resources.

    Args:
        resources: The folder ``res``.
        manifest: With its package.
        work: An empty folder.

    Returns:
        A zip with ``AndroidManifest.xml``, ``resources.arsc`` and ``res/``; the folder with the generated ``R.java``.

    Raises:
        BuildError: aapt2 refuses something.
    """
    compiled, linked, generated = work / "resources.zip", work / "linked.zip", work / "generated"
    run("Compiling resources", ["aapt2", "compile", "--dir", resources, "-o", compiled])
    run(
        "Linking resources",
        [
            "aapt2", "link", "-o", linked, "-I", FRAMEWORK, "--manifest", manifest, "--java", generated, "--auto-add-overlay",
            "--warn-manifest-validation",  # it does not know elements newer than API 29, as uses-native-library
            "--min-sdk-version", settings.min_sdk, "--target-sdk-version", settings.target_sdk,
            "--compile-sdk-version-code", settings.compile_sdk, "--compile-sdk-version-name", settings.compile_sdk,
            "--version-code", settings.version_code, "--version-name", settings.version_name, compiled,
        ],
    )  # fmt: skip
    return linked, generated
