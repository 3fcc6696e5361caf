"""Keras models, whole, in a ``.keras`` file or in HDF5, written by Keras 3 or Keras 2."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.options.convert import LoadOptions
from tflitekit.source.custom_objects import import_custom_objects
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.keras_config import loadable, with_suffix
from tflitekit.source.keras_export import export_model
from tflitekit.source.keras_file import keras_version, read_archive_config, read_hdf5_config
from tflitekit.source.keras_safety import refuse_unsafe, way_out
from tflitekit.source.kinds import register_source
from tflitekit.source.precision import as_float32
from tflitekit.source.prepared import PreparedSource, reason

__all__ = ["KerasFile", "load_model"]

_UNKNOWN_CLASS = re.compile(r"(?:Could not locate class|Unknown layer:?) '?(\w+)")


@dataclass
class KerasFile:
    """One of the two formats of Keras files.

    Attributes:
        magic: The bytes that such a file begins with.
    """

    name: str
    magic: bytes
    suffixes: tuple[str, ...]
    shown: str | None = None
    has_layers: bool = True
    needs_tensorflow: bool = True
    converter: None = None

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Returns whether a path is of this kind; an archive must hold the configuration of a model.

        Raises:
            ModelError: It is an archive of something else.
        """
        if not head.startswith(self.magic):
            return False
        if self.name == "keras":
            read_archive_config(path)
        return True

    def prepare(self, path: Path, folder: Path, how: LoadOptions, samples: FewSamples) -> PreparedSource:
        """Loads a file and exports its model; ``how.signature`` is for kinds that have signatures."""
        model, notes = load_model(path, kind=self.name, unsafe_load=how.unsafe_load, custom_objects=how.custom_objects)
        return export_model(
            model, folder, batch=how.batch, input_shapes=how.input_shapes, kind=self.name, notes=notes, origin=str(path),
            samples=samples,
        )  # fmt: skip


def load_model(
    path: Path, *, kind: str, unsafe_load: bool, custom_objects: str | None, keras2: bool = False
) -> tuple[Any, list[str]]:
    """Loads a Keras file in safe mode, with Keras 3 or else with tf_keras (Keras 2).

    Args:
        custom_objects: Module with the model's own layers.
        keras2: Load a file that Keras 2 wrote with tf_keras first, for what needs a tf_keras model anyway.

    Returns:
        The model object, and what users should know.

    Raises:
        ModelError: It has Lambda layers, which run code (unless ``unsafe_load``), or cannot be loaded.
    """
    objects = import_custom_objects(custom_objects)
    config = read_archive_config(path) if kind == "keras" else read_hdf5_config(path)
    if not unsafe_load:
        refuse_unsafe(path, config, objects)
    if keras2 and kind == "hdf5" and keras_version(path).startswith("2"):
        import tf_keras

        try:
            model = tf_keras.models.load_model(
                str(path), custom_objects=objects, compile=False, safe_mode=not unsafe_load
            )
            return as_float32(model, objects)
        except Exception:  # noqa: BLE001 - the usual way gives the reasons of both
            pass
    suffixes = (".keras",) if kind == "keras" else (".h5", ".hdf5")
    with (
        with_suffix(path, suffixes) as named,
        loadable(named, config) if kind == "keras" else nullcontext(named) as file,
    ):
        model, notes = _load_keras(file, path, objects, unsafe_load)
    model, precision = as_float32(model, objects)
    return model, [*notes, *precision]


def _load_keras(file: Path, path: Path, custom_objects: dict[str, Any], unsafe_load: bool) -> tuple[Any, list[str]]:
    """Loads with Keras 3, then with tf_keras (Keras 2); ``path`` is the user's name of the file."""
    import keras

    try:
        model = keras.saving.load_model(file, custom_objects=custom_objects, compile=False, safe_mode=not unsafe_load)
        return model, []
    except Exception as error:  # noqa: BLE001 - any reason is shown if tf_keras fails too
        keras3_reason = reason(error)
    try:
        import tf_keras

        model = tf_keras.models.load_model(
            str(file), custom_objects=custom_objects, compile=False, safe_mode=not unsafe_load
        )
    except Exception as error:
        unknown = _UNKNOWN_CLASS.search(keras3_reason)
        raise ModelError(
            f"The model {path} uses '{unknown.group(1)}', which Keras does not know."
            if unknown
            else f"Neither Keras 3 nor Keras 2 (tf_keras) can load {path}.",
            why=f"Keras {keras.__version__}: {keras3_reason}\ntf_keras: {reason(error)}",
            fix=way_out(path),
        ) from error
    return model, [
        f"Keras {keras.__version__} could not load it ({keras3_reason[:160]}); loaded with tf_keras (Keras 2)."
    ]


register_source(KerasFile("keras", b"PK", (".keras",), shown="a Keras model (.keras or .h5, whole, not weights only)"))
register_source(KerasFile("hdf5", b"\x89HDF\r\n\x1a\n", (".h5", ".hdf5")))
