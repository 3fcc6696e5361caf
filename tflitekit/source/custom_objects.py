"""The user's own layers and functions, from a module that ``--custom-objects`` names."""

from __future__ import annotations

from typing import Any

from tflitekit.core.files import content_hash
from tflitekit.core.user_code import find_source, load_module, own_objects

__all__ = ["import_custom_objects", "module_hash"]


def import_custom_objects(module: str | None, *, attribute: str = "custom_objects") -> dict[str, Any]:
    """Imports the user's module, which registers its layers with Keras, lists them in ``custom_objects``, or defines them.

    Raises:
        UsageError: It cannot be imported.
    """
    if module is None:
        return {}
    imported = load_module(module, "module of custom objects")
    objects = own_objects(imported) if attribute == "custom_objects" else {}
    return objects | dict(getattr(imported, attribute, {}))


def module_hash(module: str | None) -> str | None:
    """Returns the hash of the source of the user's module (or of a file), without importing it; its name where it is not found."""
    if module is None:
        return None
    path = find_source(module)
    return content_hash(path) if path is not None else module
