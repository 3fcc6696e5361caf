"""The models in an APK."""

from __future__ import annotations

import hashlib

from tflitekit.apk.archive import MODEL_LIMIT_BYTES, Archive, Entry
from tflitekit.apk.report import Model
from tflitekit.core.errors import ModelError
from tflitekit.tflite.graph import parse_graph

__all__ = ["read_models"]

_IDENTIFIER = b"TFL3"
_PLACES = ("assets/", "res/raw/")
_LEAST_BYTES = 8


def read_models(archive: Archive) -> tuple[Model, ...]:
    """Reads every file that is named ``.tflite``, and every asset that has such content.

    Raises:
        ApkError: One of them is damaged in the archive.
    """
    return tuple(_model(archive, entry) for entry in archive.entries.values() if _is_model(archive, entry))


def _is_model(archive: Archive, entry: Entry) -> bool:
    if entry.name.endswith(".tflite"):
        return True
    return (
        entry.name.startswith(_PLACES)
        and entry.size_bytes >= _LEAST_BYTES
        and archive.head(entry, _LEAST_BYTES)[4:8] == _IDENTIFIER
    )


def _model(archive: Archive, entry: Entry) -> Model:
    model = Model(path=entry.name, size_bytes=entry.size_bytes, stored=entry.stored, offset=entry.offset)
    if entry.size_bytes > MODEL_LIMIT_BYTES:
        return model
    content = archive.read(entry)
    facts = {"sha256": hashlib.sha256(content).hexdigest()}
    try:
        graph = parse_graph(content, entry.name)
    except ModelError as error:
        return model.model_copy(update=facts | {"problem": f"{error.what} {error.why or ''}".strip()})
    return model.model_copy(
        update=facts
        | {
            "min_runtime": graph.min_runtime_version,
            "unknown_op_versions": graph.unknown_op_versions,
            "select_tf_ops": graph.select_tf_ops,
            "custom_ops": graph.custom_ops,
        }
    )
