"""Finds Chromium or Chrome on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tflitekit.core.errors import MissingDependencyError

__all__ = ["VARIABLE", "find_browser"]

VARIABLE = "TFLITEKIT_BROWSER"
"""Names the program where it is none of those that are looked for."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_MAC = ("Google Chrome", "Chromium", "Microsoft Edge")
_FIX = (
    "Install Chromium (Debian and Ubuntu: apt-get install chromium) or Google Chrome, or name the program in the "
    f"environment variable {VARIABLE}."
)


def find_browser() -> Path:
    """Returns the program.

    Raises:
        MissingDependencyError: There is none, or not the one that the environment variable names.
    """
    if sys.platform == "win32":
        raise MissingDependencyError(
            "The target 'browser' cannot be used on Windows: the kit drives the browser through pipes that only Linux and "
            "macOS have.",
            fix="Use it in WSL.",
        )
    if named := os.environ.get(VARIABLE):
        found = shutil.which(named)
        if found is None:
            raise MissingDependencyError(f"{VARIABLE} is '{named}', which is not a program.", fix=_FIX)
        return Path(found)
    mac = (f"/Applications/{name}.app/Contents/MacOS/{name}" for name in _MAC)
    found = next(filter(None, map(shutil.which, (*_NAMES, *mac))), None)
    if found is None:
        raise MissingDependencyError("The target 'browser' needs Chromium or Chrome, and there is none.", fix=_FIX)
    return Path(found)
