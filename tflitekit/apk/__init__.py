"""Looks into an Android package: would Play take it, would devices install it, would its models run?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tflitekit.apk.archive import Archive
from tflitekit.apk.bundles import read_bundles
from tflitekit.apk.checks import CHECKS
from tflitekit.apk.libraries import find_runtimes, read_libraries
from tflitekit.apk.manifest import read_manifest
from tflitekit.apk.models import read_models
from tflitekit.apk.report import (
    ApkFinding,
    ApkReport,
    Library,
    Manifest,
    Model,
    PackedBundle,
    Runtime,
    Signing,
    SizePart,
)
from tflitekit.apk.signing import read_signing
from tflitekit.apk.sizes import measure_parts

__all__ = [
    "ApkFinding",
    "ApkReport",
    "Library",
    "Manifest",
    "Model",
    "PackedBundle",
    "Runtime",
    "Signing",
    "SizePart",
    "inspect_apk",
]

_SEVERITIES, _STAGES = ("error", "warning", "note"), ("Play", "install", "run")
_ALIGNMENT_BYTES = 4


def inspect_apk(path: str | Path, *, on: date | None = None) -> ApkReport:
    """Looks into an APK without unpacking it to disk or running anything of it.

    Args:
        path: An ``.apk``, made by any tool.
        on: The day whose Play rules count; today if not given.

    Returns:
        What is in it, and what would fail.

    Raises:
        ApkError: It cannot be read, is not an APK, is damaged, or is made to mislead or exhaust its reader.

    Example:
        >>> report = tk.inspect_apk("app-release.apk")
        >>> print([finding.message for finding in report.findings if finding.severity == "error"])
    """
    with Archive(Path(path)) as archive:
        manifest = read_manifest(archive)
        libraries = read_libraries(archive)
        models = read_models(archive)
        table = archive.entries.get("resources.arsc")
        report = ApkReport(
            file=str(path),
            size_bytes=archive.size_bytes,
            play_rules_of=(on or date.today()).isoformat(),
            manifest=manifest,
            signing=read_signing(archive),
            libraries=libraries,
            runtimes=find_runtimes(archive, libraries),
            models=models,
            bundles=read_bundles(archive),
            sizes=measure_parts(archive, libraries, models),
            misaligned=tuple(
                entry.name
                for entry in archive.entries.values()
                if entry.stored and entry.offset % _ALIGNMENT_BYTES and not entry.name.endswith(".so")
            ),
            resources_mappable=table is None or (table.stored and table.offset % _ALIGNMENT_BYTES == 0),
        )
    found = [finding for check in CHECKS for finding in check(report)]
    found.sort(key=lambda finding: (_SEVERITIES.index(finding.severity), _STAGES.index(finding.stage)))
    return report.model_copy(update={"findings": tuple(found)})
