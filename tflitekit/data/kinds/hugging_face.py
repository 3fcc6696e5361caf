"""Folders that ``save_to_disk`` of Hugging Face's ``datasets`` writes: Arrow files with a description of their features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError, UnreadableError, UsageError
from tflitekit.core.files import decode_text, is_file, is_folder, read_bytes, require_inside
from tflitekit.core.structured import parse_json
from tflitekit.data.arrow_table import arrow_files
from tflitekit.data.kinds import data_kind
from tflitekit.data.records import Records
from tflitekit.data.table_data import open_rows

__all__: list[str] = []


@data_kind("hugging_face", takes_settings=True)
def open_hugging_face(source: Any, *, settings: Mapping[str, str], **options: Any) -> Records | None:
    """Opens the folder of one split."""
    folder = Path(source) if isinstance(source, str | Path) else None
    if folder is None or not is_folder(folder):
        return None
    if is_file(folder / "dataset_dict.json"):
        splits = _json(folder / "dataset_dict.json").get("splits")
        names = [str(name) for name in splits] if isinstance(splits, list) else []
        raise UsageError(
            f"{folder} holds several splits: {', '.join(names)}.",
            fix=f"Name one: {folder / (names[0] if names else 'SPLIT')}.",
        )
    if not (is_file(folder / "state.json") and is_file(folder / "dataset_info.json")):
        return None
    files = _json(folder / "state.json").get("_data_files")
    try:
        paths = [folder / require_inside(file["filename"]) for file in files]  # type: ignore[union-attr]
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{folder / 'state.json'} names no data files inside of the folder.") from error
    missing = [str(path) for path in paths if not is_file(path)]
    if missing or not paths:
        raise DataError(f"{folder} lacks {missing[0] if missing else 'data files'}.", fix="Save the data set again.")
    features = _json(folder / "dataset_info.json").get("features")
    return open_rows(
        arrow_files(folder, paths), settings, kind="hugging_face", class_names=_class_names(features), **options
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(decode_text(read_bytes(path), str(path)), str(path))
    except UnreadableError as error:
        raise DataError(f"{path} cannot be read: {error.reason}.", fix="Save the data set again.") from error
    return found if isinstance(found, dict) else {}


def _class_names(features: Any) -> dict[str, list[str]]:
    """Returns the names of the classes by column."""
    named = features.items() if isinstance(features, dict) else ()
    return {
        column: [str(name) for name in feature["names"]]
        for column, feature in named
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }
