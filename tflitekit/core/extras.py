"""Packages that only some data and tasks need: the extra ``tasks``."""

from __future__ import annotations

import importlib
from typing import Any

from tflitekit.core.errors import MissingDependencyError

__all__ = ["import_extra"]


def import_extra(module: str, purpose: str) -> Any:
    """Imports a module of the extra ``tasks``.

    Args:
        purpose: The subject of the message: 'Reading Parquet files'.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs the package {module.partition('.')[0]}, which is not installed.",
            fix="Install it with: pip install 'tflitekit[tasks]'",
        ) from error
