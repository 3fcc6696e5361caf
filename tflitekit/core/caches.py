"""The user's folder for caches."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["OTHER_CACHE", "cache_folder"]

OTHER_CACHE = "Make that folder writable, or name another folder for caches in the environment variable XDG_CACHE_HOME (LOCALAPPDATA on Windows)."


def cache_folder() -> Path:
    """Returns the kit's folder among the user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tflitekit"
