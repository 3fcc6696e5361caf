"""TensorFlow Lite metadata inside the model's file: what Android Studio, MediaPipe Tasks and Netron show of a model.

The tables are those of ``metadata_schema.fbs``, version 1.5.0, of TensorFlow Lite Support (Apache-2.0); they are written
by field number, so that the kit does not need that package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

import flatbuffers
import numpy as np

from tflitekit._version import __version__
from tflitekit.bundling.contents import LABELS_FILE, Task, is_unicode, labels_file
from tflitekit.bundling.embedding import embed, extract_model
from tflitekit.core.errors import ContractError
from tflitekit.core.tensor import TensorSpec
from tflitekit.core.units import counted
from tflitekit.data.preprocessing import Preprocessing, image_layout
from tflitekit.render.text import interval, measured, metric_name
from tflitekit.results import Measured
from tflitekit.tasks.metric_words import is_share
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import quantize

__all__ = ["normalization", "with_metadata"]


_IDENTIFIER = b"M001"
_MIN_PARSER_VERSION = "1.0.0"  # all fields that are written here are in the first version of the schema


class _ModelMetadata(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    VERSION = 2
    SUBGRAPH_METADATA = 3
    AUTHOR = 4
    LICENSE = 5
    MIN_PARSER_VERSION = 7


class _SubGraphMetadata(IntEnum):
    INPUT_TENSOR_METADATA = 2
    OUTPUT_TENSOR_METADATA = 3


class _TensorMetadata(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    CONTENT = 3
    PROCESS_UNITS = 4
    STATS = 5
    ASSOCIATED_FILES = 6


class _Content(IntEnum):
    PROPERTIES_TYPE = 0
    PROPERTIES = 1


class _ContentProperties(IntEnum):  # the union's members
    FEATURE = 1
    IMAGE = 2


class _ImageProperties(IntEnum):
    COLOR_SPACE = 0
    DEFAULT_SIZE = 1


class _ImageSize(IntEnum):
    WIDTH = 0
    HEIGHT = 1


class _ColorSpace(IntEnum):
    RGB = 1
    GRAYSCALE = 2


class _ProcessUnit(IntEnum):
    OPTIONS_TYPE = 0
    OPTIONS = 1


class _NormalizationOptions(IntEnum):
    MEAN = 0
    STD = 1


class _Stats(IntEnum):
    MAX = 0
    MIN = 1


class _AssociatedFile(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    TYPE = 2


_NORMALIZATION_OPTIONS = 1  # member of the union ProcessUnitOptions
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType


# Above 60 lines: about half of them name and explain the arguments.
def with_metadata(
    model: bytes,
    graph: Graph,
    *,
    name: str,
    primary_output: int = 0,
    preprocessing: Preprocessing | None = None,
    labels: Sequence[str] | None = None,
    task: Task = "other",
    scheme: str | None = None,
    accuracy: Measured | None = None,
    author: str | None = None,
    license: str | None = None,
    version: str | None = None,
) -> bytes:
    """Returns the model's file with metadata, and the labels as an associated file, in it.

    The model itself is in the new file byte for byte (`tflitekit.bundling.embedding`). Metadata of that name and files
    that it has already are replaced; other entries stay. The same arguments give the same bytes.

    Args:
        model: Content of a ``.tflite`` file.
        graph: What `read_graph` says of it.
        name: Of the model, for people and for generated code.
        primary_output: Index of the output that labels belong to.
        preprocessing: How an image becomes the only input; None where images do not.
        labels: Of the classes; of a binary task, two. They become ``labels.txt`` where the output has a value for each.
        task: As in `tflitekit.bundling.contents.Bundle`.
        version: The first 12 digits of the model's SHA-256 when not given.

    Raises:
        ContractError: A label is empty or has several lines, or preprocessing does not fit the input.
        ModelError: The file is damaged, of a newer schema, or too large for metadata.
    """
    files = {}
    if labels is not None:
        _check_labels(labels)
        if task == "classification":
            files[LABELS_FILE] = labels_file(labels).encode()
    pixels = preprocessing if len(graph.inputs) == 1 else None
    tables = _Tables()
    subgraph = tables.table(
        {
            _SubGraphMetadata.INPUT_TENSOR_METADATA: tables.list(_input(tables, spec, pixels) for spec in graph.inputs),
            _SubGraphMetadata.OUTPUT_TENSOR_METADATA: tables.list(
                _output(
                    tables,
                    spec,
                    probabilities=graph.output_meanings[index] == "probabilities",
                    task=task if index == primary_output else "other",
                    labels=labels if index == primary_output else None,
                )
                for index, spec in enumerate(graph.outputs)
            ),
        }
    )
    root = tables.table(
        {
            _ModelMetadata.NAME: tables.text(name),
            _ModelMetadata.DESCRIPTION: tables.text(_description(scheme, accuracy)),
            _ModelMetadata.VERSION: tables.text(version or hashlib.sha256(extract_model(model)).hexdigest()[:12]),
            _ModelMetadata.SUBGRAPH_METADATA: tables.list([subgraph]),
            _ModelMetadata.AUTHOR: tables.text(author) if author else None,
            _ModelMetadata.LICENSE: tables.text(license) if license else None,
            _ModelMetadata.MIN_PARSER_VERSION: tables.text(_MIN_PARSER_VERSION),
        }
    )
    return embed(model, tables.finish(root), files)


def normalization(preprocessing: Preprocessing) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation as the standard takes them, ``(p - mean) / std`` of pixels from 0 to 255.

    The kit's ``(p / divisor - mean) / std`` is ``(p - divisor * mean) / (divisor * std)``. One value each, or one per channel.
    """
    divisor = preprocessing.divisor
    return tuple(divisor * mean for mean in preprocessing.mean), tuple(divisor * std for std in preprocessing.std)


def _description(scheme: str | None, accuracy: Measured | None) -> str:
    parts = []
    if scheme:
        parts.append(f"Compressed by the scheme {scheme}.")
    if accuracy is not None:
        bounds = interval(accuracy, percent=is_share(accuracy.metric))
        bounds = f" (95% interval {bounds})" if bounds else ""
        parts.append(
            f"{metric_name(accuracy.metric)} {measured(accuracy)}{bounds} on {counted(accuracy.n, 'sample')}, "
            "measured before these metadata were added."
        )
    return " ".join([*parts, f"Made with tflitekit {__version__}."])


def _check_labels(labels: Sequence[str]) -> None:
    for index, label in enumerate(labels):
        if not label.strip():
            what, why = (
                "is empty",
                "Readers of the labels inside a model skip empty lines, so all later labels would shift.",
            )
        elif "\n" in label or "\r" in label:
            what, why = (
                "has several lines",
                "The labels inside a model are one per line, so all later labels would shift.",
            )
        elif not is_unicode(label):
            what, why = "is not Unicode text", "Labels are stored as UTF-8; this folder name is in another encoding."
        else:
            continue
        raise ContractError(
            f"The label of class {index} {what}.", why=why, fix="Give every class a one-line name with --labels."
        )


def _input(tables: _Tables, spec: TensorSpec, preprocessing: Preprocessing | None) -> int:
    if preprocessing is None:
        return _tensor(tables, spec, f"Values of the type {spec.dtype}.")
    height, width, channels, channels_first = image_layout(spec.shape[1:])
    preprocessing.steps(spec.shape[1:])  # refuses means that do not fit
    mean, std = normalization(preprocessing)
    unsaid = _unsaid(spec, preprocessing)
    is_image = channels in (1, 3) and len(spec.shape) == 4 and not channels_first
    is_image = is_image and (channels == 1 or preprocessing.color == "rgb")
    color = {1: "Grey", 3: preprocessing.color.upper(), 4: "RGBA"}[channels]
    description = f"{color} image, {width} x {height} pixels. {preprocessing.describe()}."
    if unsaid:
        description += (
            " TensorFlow Lite metadata cannot describe "
            + ", ".join(unsaid)
            + ": software that knows only the metadata does this differently."
        )
    return _tensor(
        tables,
        spec,
        description,
        image=(width, height, _ColorSpace.GRAYSCALE if channels == 1 else _ColorSpace.RGB) if is_image else None,
        normalization=(mean, std) if not channels_first or len(mean) == len(std) == 1 else None,
        limits=_ranges(mean, std),
    )


def _unsaid(spec: TensorSpec, preprocessing: Preprocessing) -> list[str]:
    """Returns what the app must do and the standard cannot say."""
    _, _, channels, channels_first = image_layout(spec.shape[1:])
    return [
        text
        for text, applies in (
            ("the channel order BGR", preprocessing.color == "bgr" and channels == 3),
            ("an alpha channel", channels == 4),
            ("channels before height and width", channels_first),
            ("an image without a dimension for channels", len(spec.shape) == 3),
            (f"the {preprocessing.resize} filter", preprocessing.resize != "bilinear"),
            (f"the crop to the central {preprocessing.crop_fraction:.1%}", preprocessing.crop_fraction < 1),
            ("the crop to the input's aspect ratio", preprocessing.fit == "center_crop"),
            ("black borders that keep the aspect ratio", preprocessing.fit == "pad"),
        )
        if applies
    ]


def _ranges(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    """Returns the real values of black and white, one for all channels or one for each."""
    channels = max(len(mean), len(std))
    pairs = [(mean[i % len(mean)], std[i % len(std)]) for i in range(channels)]
    return [(0 - m) / s for m, s in pairs], [(255 - m) / s for m, s in pairs]


def _output(
    tables: _Tables,
    spec: TensorSpec,
    *,
    probabilities: bool,
    task: Task,
    labels: Sequence[str] | None,
) -> int:
    kind = "Probability" if probabilities else "Score"
    if task == "classification":
        description = f"{kind} of each class."
    elif task == "binary":
        yes, no = (labels[1], labels[0]) if labels is not None else ("the second class", "the first")
        opposite = "one minus it" if probabilities else "its negative"
        description = f"{kind} of {yes}; that of {no} is {opposite}."
    else:
        description = "Values from 0 to 1." if probabilities else "Values."
    return _tensor(
        tables,
        spec,
        description,
        limits=([0.0], [1.0]) if probabilities else None,
        label_file=task == "classification" and labels is not None,
    )


def _tensor(
    tables: _Tables,
    spec: TensorSpec,
    description: str,
    *,
    image: tuple[int, int, _ColorSpace] | None = None,
    normalization: tuple[Sequence[float], Sequence[float]] | None = None,
    limits: tuple[list[float], list[float]] | None = None,
    label_file: bool = False,
) -> int:
    """Writes one tensor's metadata; ``limits`` are real values, stored as the tensor stores them."""
    properties = tables.table({})
    if image is not None:
        width, height, color = image
        size = tables.table({_ImageSize.WIDTH: _uint(width), _ImageSize.HEIGHT: _uint(height)})
        properties = tables.table({_ImageProperties.COLOR_SPACE: _byte(color), _ImageProperties.DEFAULT_SIZE: size})
    kind = _ContentProperties.FEATURE if image is None else _ContentProperties.IMAGE
    content = tables.table({_Content.PROPERTIES_TYPE: _byte(kind), _Content.PROPERTIES: properties})
    units = stats = files = None
    if normalization is not None:
        mean, std = normalization
        options = tables.table(
            {_NormalizationOptions.MEAN: tables.floats(mean), _NormalizationOptions.STD: tables.floats(std)}
        )
        unit = tables.table({_ProcessUnit.OPTIONS_TYPE: _byte(_NORMALIZATION_OPTIONS), _ProcessUnit.OPTIONS: options})
        units = tables.list([unit])
    if limits is not None:
        low, high = (quantize(np.asarray(values, np.float32), spec).tolist() for values in limits)
        stats = tables.table({_Stats.MAX: tables.floats(high), _Stats.MIN: tables.floats(low)})
    if label_file:
        file = tables.table(
            {
                _AssociatedFile.NAME: tables.text(LABELS_FILE),
                _AssociatedFile.DESCRIPTION: tables.text("Names of the classes, in the order of the values."),
                _AssociatedFile.TYPE: _byte(_TENSOR_AXIS_LABELS),
            }
        )
        files = tables.list([file])
    return tables.table(
        {
            _TensorMetadata.NAME: tables.text(spec.name),
            _TensorMetadata.DESCRIPTION: tables.text(description),
            _TensorMetadata.CONTENT: content,
            _TensorMetadata.PROCESS_UNITS: units,
            _TensorMetadata.STATS: stats,
            _TensorMetadata.ASSOCIATED_FILES: files,
        }
    )


_Slot = Callable[[flatbuffers.Builder, int], None]


def _byte(value: int) -> _Slot:
    return lambda builder, number: builder.PrependInt8Slot(number, value, 0)


def _uint(value: int) -> _Slot:
    return lambda builder, number: builder.PrependUint32Slot(number, value, 0)


class _Tables:
    """Writes tables by field number."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        return int(self._builder.CreateNumpyVector(np.asarray(values, np.float32)))

    def list(self, tables: Iterable[int]) -> int:
        items = [*tables]
        self._builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            self._builder.PrependUOffsetTRelative(item)
        return int(self._builder.EndVector())

    def table(self, fields: Mapping[IntEnum, int | _Slot | None]) -> int:
        """Writes a table: each field is a part that is written already, a scalar, or absent."""
        self._builder.StartObject(max(fields, default=-1) + 1)
        for number, field in fields.items():
            if callable(field):
                field(self._builder, number)
            elif field is not None:
                self._builder.PrependUOffsetTRelativeSlot(number, field, 0)
        return int(self._builder.EndObject())

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, file_identifier=_IDENTIFIER)
        return bytes(self._builder.Output())
