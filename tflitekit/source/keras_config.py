"""The configuration of a Keras model (nested dicts and lists): what of it is built, and the same model in float32."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["in_float32", "loadable", "with_suffix", "without_compile"]

_POLICIES = {"DTypePolicy", "Policy", "FloatDTypePolicy"}
_OTHER_FLOATS = {"mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"}


def without_compile(config: Any) -> Any:
    """Returns a configuration without what ``compile()`` was given, which nothing here needs: losses, metrics, optimizers.

    Keras leaves it out for the model that it loads with ``compile=False``, and not for the models inside it.
    """
    if isinstance(config, Mapping):
        return {
            key: without_compile(value)
            for key, value in config.items()
            if key != "compile_config" or "class_name" not in config
        }
    return [without_compile(value) for value in config] if isinstance(config, list | tuple) else config


def in_float32(config: Any) -> Any:
    """Returns a configuration with every policy and every floating-point type of a layer replaced by float32."""
    if isinstance(config, list | tuple):
        return type(config)(in_float32(value) for value in config)
    if not isinstance(config, Mapping):
        return config
    changed = {key: in_float32(value) for key, value in config.items()}
    if changed.get("class_name") in _POLICIES and isinstance(changed.get("config"), dict):
        changed["config"] = {key: _named(value) for key, value in changed["config"].items()}
    for key in ("dtype", "dtype_policy", "default_policy"):
        if key in changed:
            changed[key] = _named(changed[key])
    return changed


def _named(value: Any) -> Any:
    return "float32" if isinstance(value, str) and value in _OTHER_FLOATS else value


@contextmanager
def with_suffix(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Gives a file under a name with one of the suffixes, by which Keras tells what is in a file: its own, or a link to it."""
    if path.suffix in suffixes:
        yield path
        return
    with TemporaryDirectory(prefix="tflitekit-") as folder:
        link = Path(folder, "model" + suffixes[0])
        link.symlink_to(path.resolve())
        yield link


@contextmanager
def loadable(path: Path, config: Any) -> Iterator[Path]:
    """Gives a ``.keras`` file of the same model of which Keras builds layers only: the file itself, or a changed copy.

    Args:
        config: What the file holds.
    """
    built = without_compile(config)
    if built == {key: value for key, value in config.items() if key != "compile_config"}:
        yield path
        return
    with TemporaryDirectory(prefix="tflitekit-") as folder:
        copy = Path(folder) / path.name
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as changed:
            for entry in archive.infolist():
                with archive.open(entry) as stream, changed.open(entry.filename, "w", force_zip64=True) as target:
                    if entry.filename == "config.json":
                        target.write(json.dumps(built).encode())
                    else:
                        shutil.copyfileobj(stream, target)
        yield copy
