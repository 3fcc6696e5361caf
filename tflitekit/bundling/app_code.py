"""The code to begin an app with that ``--templates`` writes beside a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tflitekit.bundling.contents import Bundle
from tflitekit.bundling.firmware import FIRMWARE, write_firmware
from tflitekit.bundling.page import check_page, write_page
from tflitekit.bundling.selection import Selection
from tflitekit.bundling.wrappers import LANGUAGES, check_request, write_wrapper
from tflitekit.core.errors import UsageError
from tflitekit.core.progress import Progress

__all__ = ["check_templates", "write_template"]

_TEMPLATES = (*LANGUAGES, "web", FIRMWARE)


def check_templates(names: Sequence[str], package: str | None) -> None:
    """Refuses what cannot be written, before anything is.

    Raises:
        UsageError: There is no such template, or the package cannot be.
        MissingDependencyError: What a template needs is not there.
    """
    for name in names:
        if name not in _TEMPLATES:
            raise UsageError(
                f"There is no template '{name}'.", fix=f"Choose from: {', '.join(_TEMPLATES)}, with --templates."
            )
        if name in LANGUAGES:
            check_request(name, package)
    if package is not None and not set(names) & set(LANGUAGES):
        raise UsageError(
            "--package names the package of the wrappers, but no wrappers were asked for.",
            fix="Add --templates kotlin,java.",
        )
    if "web" in names:
        check_page()


def write_template(
    name: str, bundle: Bundle, selection: Selection, folder: Path, *, package: str | None, progress: Progress
) -> None:
    """Writes the code of one template below ``folder/wrappers``, for the recommended variant."""
    if name == FIRMWARE:
        write_firmware(bundle, selection, folder, progress)
    elif name == "web":
        write_page(bundle, folder / "wrappers")
    else:
        write_wrapper(bundle, folder / "wrappers", language=name, package=package)
