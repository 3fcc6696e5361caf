"""Which files a list of files may name: those in its folder, and in the one that the user allows.

Data come from elsewhere as well, and a list that came with them could name any file of the user's; pictures are shown in reports.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tflitekit.core.errors import DataError
from tflitekit.core.files import require_path
from tflitekit.data.samples import some

__all__ = ["WITHIN", "require_within"]

WITHIN = "within"
"""The setting with the folder in which named files may lie beside that of the list."""


def require_within(
    location: Path | str, folder: Path, names: Iterable[str | Path], within: str | None, *, base: Path | None = None
) -> None:
    """Raises `DataError` where a file lies elsewhere, or no file can have its name. Links that lie in the folders are followed.

    Args:
        location: What names them, in the user's words.
        folder: Where they may lie, at any depth.
        names: Absolute or relative to ``base``.
        within: Where else they may lie, as the setting of this name says.
        base: ``folder`` by default.
    """
    fences = [_whole(place) for place in (folder, within) if place is not None]
    strangers = []
    start = _whole(folder if base is None else base)
    for name in names:
        try:
            path = _whole(os.path.join(start, require_path(str(name))))  # noqa: PTH118
        except ValueError as error:
            raise DataError(f"{location} names a file that cannot be: {error}.", fix="Correct it.") from error
        if not any(path == fence or path.startswith(fence.rstrip(os.sep) + os.sep) for fence in fences):
            strangers.append(path)
    if strangers:
        raise DataError(
            f"{location} names {len(strangers)} file{'s' if len(strangers) > 1 else ''} outside of {' and '.join(fences)}: {some(strangers, 3)}.",
            why="A list that is not your own could name any file here, and pictures are shown in reports.",
            fix=f"If these are your data, allow their folder: {location}:{WITHIN}={os.path.commonpath([os.path.dirname(path) for path in strangers])}.",  # noqa: PTH120
        )


def _whole(path: str | Path) -> str:
    return os.path.normpath(os.path.abspath(path))  # noqa: PTH100 - links stay, as users lay out data with them
