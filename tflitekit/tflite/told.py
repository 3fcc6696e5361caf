"""What a model file of another producer says of itself: names of its classes, and what its pixels are made of.

Two conventions are known. TensorFlow Lite's metadata are a flatbuffer in the entry ``TFLITE_METADATA``, with files in a zip archive behind the
model (``metadata_schema.fbs`` of TensorFlow Lite Support, by field number as in `tflitekit.bundling.metadata`). Ultralytics' exporters put a dictionary
there, as JSON or as Python writes it, and into the properties of ONNX files.
"""

from __future__ import annotations

import ast
import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from tflitekit.core.errors import ContractError, ModelError
from tflitekit.core.files import is_file
from tflitekit.data.contract import resolve_labels
from tflitekit.data.preprocessing import PRESETS, Preprocessing, load_preprocessing
from tflitekit.tflite.flatbuffer import Reader, read_with, shape_of
from tflitekit.tflite.graph import Graph, read_graph
from tflitekit.tflite.onnx_props import onnx_properties

__all__ = ["Told", "given_or_told", "told_by", "without_background"]

_ENTRY = "TFLITE_METADATA"
_SUBGRAPHS = 3  # of ModelMetadata
_INPUTS, _OUTPUTS = 2, 3  # of SubGraphMetadata
_UNITS, _FILES = 4, 6  # of TensorMetadata
_LABELS = (2, 3)  # AssociatedFileType: along an axis, or by value
_NORMALIZATION = 1  # member of ProcessUnitOptions
_FILE_LIMIT = 1 << 20
"""Bytes of a file in the archive; the labels of 20,000 classes are half as many."""
_BACKGROUND = ("???", "background", "bg", "n/a", "none")
_DICTIONARIES = ("metadata.json", "temp_meta.txt", "meta.txt")


@dataclass(frozen=True)
class Told:
    """What a file says of itself; None where it does not.

    Attributes:
        labels: Names of the classes, in the order of the output they are attached to, else as the exporter numbers them.
        preprocessing: What the first input's pixels go through, in an input of real numbers.
    """

    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None


def told_by(model: Any) -> Told:
    """Returns what a ``.tflite`` or ``.onnx`` file says of itself; nothing for anything else, and where its metadata are damaged."""
    if _is_model(model, ".onnx"):
        names = _dictionary(f"{{'names': {onnx_properties(Path(model)).get('names')}}}")
        return Told() if names is None or names["names"] is None else _of_ultralytics(names)
    if not _is_model(model):
        return Told()
    try:
        return read_with(Path(model), _told)
    except ModelError:  # a damaged model is an error where it is loaded
        return Told()


def _is_model(model: Any, suffix: str = ".tflite") -> bool:
    return isinstance(model, str | Path) and Path(model).suffix.lower() == suffix and is_file(Path(model))


def given_or_told(
    model: Any, preprocess: str | Path | Preprocessing | None, labels: str | Path | Sequence[str] | None
) -> tuple[Preprocessing, tuple[str, ...] | None]:
    """Returns the preprocessing and the labels that the user named, else those that the model's file tells, else 'raw' and None."""
    told = told_by(model)
    preprocess = told.preprocessing if preprocess is None else preprocess
    names = resolve_labels(told.labels if labels is None else labels)
    if names is not None and _is_model(model):
        names = without_background(names, read_graph(model))
    return load_preprocessing(preprocess), names


def without_background(labels: tuple[str, ...], graph: Graph) -> tuple[str, ...]:
    """Returns the labels as the model numbers them: TensorFlow Lite's post-processing leaves out the background, which label files begin with."""
    beyond = graph.detection is not None and len(labels) == graph.detection.classes + 1
    return labels[1:] if beyond and labels[0].strip("_").lower() in _BACKGROUND else labels


def _told(reader: Reader) -> Told:
    files = _texts(reader.content)
    for name in _DICTIONARIES:
        if (said := _dictionary(files.get(name, ""))) is not None:
            return _of_ultralytics(said)
    entry = reader.metadata().get(_ENTRY)
    if entry is None:
        return Told()
    data = reader.model.Buffers(entry).DataAsNumpy()
    if isinstance(data, int):
        return Told()
    content = data.tobytes()
    root = Table(content, encode.Get(packer.uoffset, content, 0))
    labels, preprocessing = None, None
    for graph in list(_tables(root, _SUBGRAPHS))[:1]:
        for place, tensor in enumerate(_tables(graph, _OUTPUTS)):
            labels = labels or _labels(tensor, files, _of_foreground(reader, place))
        for tensor in list(_tables(graph, _INPUTS))[:1]:
            preprocessing = _normalization(tensor)
    return Told(labels, preprocessing)


def _texts(content: bytes) -> dict[str, str]:
    """Returns the texts of the archive at the end of a file."""
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.file_size <= _FILE_LIMIT and entry.filename.endswith((".txt", ".json")):
                    with archive.open(entry) as file:
                        found[entry.filename] = file.read(_FILE_LIMIT).decode("utf-8-sig")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        pass  # what looked like an archive's end was something else, or a text is none
    return found


def _dictionary(text: str) -> Mapping[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(text)
    except ValueError:
        try:
            said = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return said if isinstance(said, dict) and "names" in said else None


def _of_ultralytics(said: Mapping[str, Any]) -> Told:
    names = said["names"]
    if isinstance(names, dict):
        by_number = {str(number): name for number, name in names.items()}
        names = [by_number.get(str(number)) for number in range(len(by_number))]
    usable = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    pixels = PRESETS["0-1"].model_copy(update={"name": "0-1-padded", "fit": "pad"})
    return Told(tuple(names) if usable else None, pixels)


def _of_foreground(reader: Reader, place: int) -> bool:
    """Whether an output is a map of one score: the only label is that of the foreground, class 1."""
    main = reader.subgraphs[0]
    shape = shape_of(main.Tensors(main.Outputs(place))) if place < main.OutputsLength() else ()
    return len(shape) == 4 and shape[3] == 1


def _labels(tensor: Table, files: Mapping[str, str], foreground: bool) -> tuple[str, ...] | None:
    for file in _tables(tensor, _FILES):
        name, kind = _text(file, 0), _number(file, 2)
        if kind in _LABELS and files.get(name, "").strip():
            labels = tuple(line.strip() for line in files[name].rstrip().splitlines())
            return ("background", *labels) if foreground and len(labels) == 1 else labels
    return None


def _normalization(tensor: Table) -> Preprocessing | None:
    for unit in _tables(tensor, _UNITS):
        if _number(unit, 0) != _NORMALIZATION or not (place := _field(unit, 1)):
            continue
        options = Table(unit.Bytes, unit.Indirect(place))
        mean, std = _numbers(options, 0), _numbers(options, 1)
        try:
            found = Preprocessing.model_validate({"mean": mean, "std": std})
        except (ValueError, ContractError):
            return None
        named = (preset for preset in PRESETS.values() if _same(preset, found))
        return next(named, found)
    return None


def _same(one: Preprocessing, other: Preprocessing) -> bool:
    """Whether both do the same: ``(p / divisor - mean) / std`` in numbers of one divisor."""
    ways = [
        (way.model_dump(exclude={"name", "divisor", "mean", "std"}),
         [part * way.divisor for part in way.mean], [part * way.divisor for part in way.std])
        for way in (one, other)
    ]  # fmt: skip
    return ways[0][0] == ways[1][0] and all(
        math.isclose(left[i % len(left)], right[i % len(right)], rel_tol=1e-4, abs_tol=1e-6)
        for left, right in zip(ways[0][1:], ways[1][1:], strict=True)
        for i in range(max(len(left), len(right)))
    )


def _field(table: Table, number: int) -> int:
    """Returns the place of a field; 0 where it is not there."""
    offset = table.Offset(4 + 2 * number)
    return int(table.Pos + offset) if offset else 0


def _tables(table: Table, number: int) -> Iterator[Table]:
    offset = table.Offset(4 + 2 * number)
    for index in range(_length(table, offset)):
        yield Table(table.Bytes, table.Indirect(table.Vector(offset) + 4 * index))


def _length(table: Table, offset: int) -> int:
    count = int(table.VectorLen(offset)) if offset else 0
    if 4 * count > len(table.Bytes):
        raise ValueError("a list is longer than its file")
    return count


def _text(table: Table, number: int) -> str:
    place = _field(table, number)
    return bytes(table.String(place)).decode() if place else ""


def _number(table: Table, number: int) -> int:
    place = _field(table, number)
    return int(table.Get(number_types.Uint8Flags, place)) if place else 0


def _numbers(table: Table, number: int) -> list[float]:
    offset = table.Offset(4 + 2 * number)
    first = table.Vector(offset) if offset else 0
    return [float(table.Get(number_types.Float32Flags, first + 4 * index)) for index in range(_length(table, offset))]
