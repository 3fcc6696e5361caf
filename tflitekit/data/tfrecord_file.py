"""The framing of TFRecord files, and the ``tf.train.Example`` in their records; TensorFlow is not needed."""

from __future__ import annotations

import functools
import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tflitekit.core.errors import DataError
from tflitekit.core.extras import import_extra

__all__ = ["example_class", "parse_example", "read_records"]

# Of one record; TensorFlow's own examples are far smaller.
_LARGEST = 2**28
_MASK = 0xA282EAD8


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of a file, each checked against its checksum; the file may be compressed as a whole by gzip.

    Each record is its length (8 bytes), the masked CRC-32C of that (4), the data, and their masked CRC-32C (4), little-endian:
    https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

    Raises:
        DataError: The file is truncated or damaged.
    """
    checksum = import_extra("crc32c", "Reading TFRecord files").crc32c
    try:
        with path.open("rb") as plain:
            compressed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            stream: Any = gzip.GzipFile(fileobj=plain) if compressed else plain
            yield from _records(path, stream, checksum)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as TFRecord: {error}.", fix="Write it again.") from error


def _records(path: Path, stream: BinaryIO, checksum: Any) -> Iterator[bytes]:
    position = 0

    def refused(reason: str) -> DataError:
        return DataError(
            f"{path} cannot be read as TFRecord: the record at byte {position:,} {reason}.", fix="Write it again."
        )

    while header := stream.read(12):
        if len(header) < 12:
            raise refused("is truncated")
        length, expected = struct.unpack("<QI", header)
        if _masked(checksum(header[:8])) != expected:
            raise refused("has a length with a wrong checksum")
        if length > _LARGEST:
            raise refused(f"would have {length:,} bytes, more than {_LARGEST:,}")
        data = stream.read(length)
        end = stream.read(4)
        if len(data) < length or len(end) < 4:
            raise refused("is truncated")
        if _masked(checksum(data)) != struct.unpack("<I", end)[0]:
            raise refused("has a wrong checksum")
        yield data
        position += length + 16


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def parse_example(data: bytes, where: str) -> dict[str, Any]:
    """Returns the features of a ``tf.train.Example``: bytes, or an array; lists of several bytes are lists.

    Args:
        where: The record, for messages.

    Raises:
        DataError: It is none.
    """
    message = example_class()()
    try:
        message.ParseFromString(data)
    except import_extra("google.protobuf.message", "Reading TFRecord files").DecodeError as error:
        raise DataError(
            f"{where} is no tf.train.Example.",
            fix="Write the data as examples, or read them in a factory 'module:function'.",
        ) from error
    found: dict[str, Any] = {}
    for name, feature in message.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind == "bytes_list":
            values = list(feature.bytes_list.value)
            found[name] = values[0] if len(values) == 1 else [value.decode(errors="replace") for value in values]
        elif kind is not None:
            numbers = np.array(getattr(feature, kind).value, np.int64 if kind == "int64_list" else np.float32)
            found[name] = numbers[0] if len(numbers) == 1 else numbers
    return found


@functools.cache
def example_class() -> Any:
    """Returns the class of ``tf.train.Example``, described as in tensorflow/core/example/{example,feature}.proto."""
    descriptors = import_extra("google.protobuf.descriptor_pb2", "Reading TFRecord files")
    pool = import_extra("google.protobuf.descriptor_pool", "Reading TFRecord files").DescriptorPool()
    factory = import_extra("google.protobuf.message_factory", "Reading TFRecord files")
    kinds = descriptors.FieldDescriptorProto
    file = descriptors.FileDescriptorProto(name="example.proto", package="example", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, int, str]) -> Any:
        made = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            many = (
                kinds.LABEL_REPEATED
                if field in ("value", "feature") and name not in ("Entry",)
                else kinds.LABEL_OPTIONAL
            )
            made.field.add(name=field, number=number, type=kind, label=many, type_name=of or None)
        return made

    message("BytesList", ("value", 1, kinds.TYPE_BYTES, ""))
    message("FloatList", ("value", 1, kinds.TYPE_FLOAT, ""))
    message("Int64List", ("value", 1, kinds.TYPE_INT64, ""))
    lists = (
        ("bytes_list", ".example.BytesList"),
        ("float_list", ".example.FloatList"),
        ("int64_list", ".example.Int64List"),
    )
    feature = message(
        "Feature", *((name, number, kinds.TYPE_MESSAGE, of) for number, (name, of) in enumerate(lists, 1))
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message("Features", ("feature", 1, kinds.TYPE_MESSAGE, ".example.Features.FeatureEntry"))
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    entry.field.add(
        name="value", number=2, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_OPTIONAL, type_name=".example.Feature"
    )
    message("Example", ("features", 1, kinds.TYPE_MESSAGE, ".example.Features"))
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("example.Example"))
