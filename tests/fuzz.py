"""Seeded mutants of every file that the kit reads: ``python tests/fuzz.py --count 20000 --seed 1``.

A reader may return or raise a `TflitekitError`. Any other exception, a mutant that takes more than `MOST_S` of the processor, memory beyond
`MOST_BYTES` and a file that appears beside the mutants are faults. No TensorFlow is loaded. The same seed makes the same mutants.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crc32c
import h5py
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from echo_model import echo_model
from make_apk import manifest, package, tflite

from tflitekit.apk import inspect_apk
from tflitekit.bundling import read_bundle
from tflitekit.cli.views.bundle import show_bundle
from tflitekit.cli.views.graph import show_graph
from tflitekit.cli.views.report import show_report
from tflitekit.core.arrays import read_arrays, write_arrays
from tflitekit.core.errors import ModelError, TflitekitError
from tflitekit.core.structured import read_record, write_record
from tflitekit.data.color_maps import read_color_map
from tflitekit.data.columns import Columns
from tflitekit.data.contract import load_labels
from tflitekit.data.dataset import UnreadableSampleError, open_dataset
from tflitekit.data.kinds import voc, yolo
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.data.tfrecord_file import example_class
from tflitekit.latency.interleaving import _Kept
from tflitekit.optimization.suites import read_suite
from tflitekit.render import history as history_page
from tflitekit.render import html, index, markdown, spreadsheet
from tflitekit.results import read_report
from tflitekit.results.report import check_report
from tflitekit.source.allowlist import named_beyond
from tflitekit.source.foreign.converters import SCRIPTS
from tflitekit.source.keras_config import without_compile
from tflitekit.source.keras_file import read_archive_config, read_hdf5_config, refuse_outside_data
from tflitekit.source.models import identify
from tflitekit.store import open_store
from tflitekit.store.entry import Entry
from tflitekit.store.folder import FolderStore
from tflitekit.store.history import history
from tflitekit.tflite.variant import load_variant
from tflitekit.training.distributed.members import parse_members
from tflitekit.training.run.objective import load_class_weights

__all__ = ["READERS", "Fault", "run"]

MOST_S = 5.0
MOST_BYTES = 2 << 30
DATA = Path(__file__).parent / "data"

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e-320, 1e39, 1e308, float("nan"), float("inf"),
    "", "x", "inf", "nan", "../x", "/etc/passwd", "a/b\\c", "x" * 300, "\ud800", "\0", "\x1b[31m", "AAAA", "é", [], {}, [[]], [None],
    {"class_name": 5}, {"class_name": "TFOpLambda", "config": {"function": "io.gfile.remove"}},
)  # fmt: skip
NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    127,
    128,
    255,
    256,
    0x7FFF,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)


@dataclass(frozen=True)
class Fault:
    """A mutant that a reader did not bear."""

    reader: str
    number: int
    what: str


@dataclass(frozen=True)
class Reader:
    """What reads a file, the files that it reads, and what is changed in them.

    Attributes:
        seeds: Whole files.
        mutate: Returns a mutant of one.
        suffix: Of the file.
    """

    read: Callable[[Path], object]
    seeds: tuple[bytes, ...]
    mutate: Callable[[bytes, random.Random], bytes]
    suffix: str


def bytes_of(content: bytes, chance: random.Random) -> bytes:
    """Changes bytes: flips, numbers at any place, cuts, repetitions."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        size, at = len(found), chance.randrange(len(found) + 1)
        kind = chance.randrange(6)
        if kind == 0 and size:
            found[min(at, size - 1)] ^= 1 << chance.randrange(8)
        elif kind == 1 and size >= 8:
            width = chance.choice(("<B", "<H", "<I", "<i", "<Q"))
            number = chance.choice(NUMBERS) % (1 << (8 * struct.calcsize(width) - (width == "<i")))
            place = min(at, size - 8) // 4 * 4 if chance.random() < 0.7 else min(at, size - 8)
            struct.pack_into(width, found, place, number)
        elif kind == 2:
            del found[at:]
        elif kind == 3:
            del found[at : at + chance.randrange(1, 40)]
        elif kind == 4:
            found[at:at] = bytes(found[at : at + chance.randrange(1, 200)])
        else:
            found[at:at] = chance.randbytes(chance.randrange(1, 9))
    return bytes(found)


def _places(value: Any) -> list[tuple[Any, Any]]:
    found = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        found += _places(value[key])
    return found


def json_of(content: bytes, chance: random.Random) -> bytes:
    """Changes values, keys and types of a JSON text; sometimes its bytes."""
    if chance.random() < 0.15:
        return bytes_of(content, chance)
    value = json.loads(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = _places(value)
        if not places:
            break
        holder, key = chance.choice(places)
        kind = chance.randrange(8)
        if kind < 4:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        elif kind == 4:
            del holder[key]
        elif kind == 5:
            other, name = chance.choice(places)
            if isinstance(other, dict | list) and (isinstance(other, dict) and name in other):
                holder[key] = copy.deepcopy(other[name])
        elif kind == 6 and isinstance(holder, dict):
            holder[str(chance.choice(VALUES))[:400]] = holder.pop(key)
        elif isinstance(holder[key], int | float) and abs(holder[key]) < 1e300 and not isinstance(holder[key], bool):
            holder[key] = chance.choice((-1, 0, 1, 1e6, -1e-9)) * holder[key] + chance.choice((-1, 0, 1))
        elif isinstance(holder[key], list) and len(holder[key]) < 1000:
            holder[key] = holder[key] * chance.choice((0, 2, 3))
        else:
            holder[key] = chance.choice(VALUES)
    return json.dumps(value).encode()


def text_of(content: bytes, chance: random.Random) -> bytes:
    """Changes lines of a text; sometimes its bytes."""
    if chance.random() < 0.4:
        return bytes_of(content, chance)
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    name, _, _ = lines[at].partition(b"=")
    lines[at] = chance.choice(
        (
            b"",
            name + b"= " + json.dumps(chance.choice(VALUES)).encode(),
            lines[at] * chance.choice((2, 300)),
            lines[chance.randrange(len(lines))],
            b"\xff\xfe",
            b"a=" + b"[" * chance.choice((3, 3000)),
            b"[[" + name.strip() + b"]]",
        )
    )
    return b"\n".join(lines)


def zip_of(inner: Callable[[bytes, random.Random], bytes]) -> Callable[[bytes, random.Random], bytes]:
    """Changes what is in an archive with `inner`, its names, its fields, or its bytes."""

    def mutate(content: bytes, chance: random.Random) -> bytes:
        if chance.random() < 0.35:
            found = bytearray(content)
            heads = [at for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6") for at in _all(content, mark)]
            at = chance.choice(heads) + chance.randrange(4, 46)
            if at + 4 <= len(found):
                struct.pack_into("<I" if chance.random() < 0.5 else "<H", found, at, chance.choice(NUMBERS[:13]))
            return bytes(found)
        if chance.random() < 0.2:
            return bytes_of(content, chance)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [(info.filename, archive.read(info)) for info in archive.infolist()]
        at = chance.randrange(len(files))
        name, data = files[at]
        if chance.random() < 0.8:
            files[at] = (name, inner(data, chance))
        else:
            files[at] = (chance.choice(("../x", "/x", name + "\n", "y.npy", "x.npy", "a" * 300, "config.json")), data)
        if chance.random() < 0.1:
            files.append(files[chance.randrange(len(files))])
        target = io.BytesIO()
        method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        with _silent(), zipfile.ZipFile(target, "w", method) as archive:
            for entry, data in files:
                archive.writestr(entry, data)
        return target.getvalue()

    return mutate


def _all(content: bytes, mark: bytes) -> Iterator[int]:
    at = content.find(mark)
    while at >= 0:
        yield at
        at = content.find(mark, at + 1)


@contextmanager
def _silent() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def array_of(content: bytes, chance: random.Random) -> bytes:
    """Changes the header of an ``.npy`` file, or its bytes."""
    head = content[:10] if content[:6] == b"\x93NUMPY" else b""
    if head and chance.random() < 0.7:
        size = struct.unpack("<H", content[8:10])[0]
        header = content[10 : 10 + size]
        old, new = chance.choice((
            (b"<f4", b"|O8"), (b"<f4", b"<U0"), (b"<f4", b"<f8"), (b"<f4", b"<c8"), (b"(", b"(99999999999, "), (b"(", b"(-1, "),
            (b"False", b"True"), (b"'shape'", b"'shap'"), (b"{", b"{{"), (b"<i8", b"<f8"), (b"<i8", b"<M8"), (b")", b"(" * 200),
            (b"(6,", b"(7,"), (b"<i8", b"|S1"), (b"<f4", b"[('a','<f4')]"),
        ))  # fmt: skip
        header = header.replace(old, new)
        return content[:8] + struct.pack("<H", len(header)) + header + content[10 + size :]
    return bytes_of(content, chance)


def h5_of(content: bytes, chance: random.Random) -> bytes:
    """Changes the configuration in an HDF5 file, or the file's bytes."""
    if chance.random() < 0.3:
        return bytes_of(content, chance)
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        changed = json_of(str(file.attrs["model_config"]).encode(), chance)
        try:
            file.attrs["model_config"] = changed.decode(errors="replace").replace("\0", "0")
        except (ValueError, OSError, TypeError):
            return bytes_of(content, chance)
    return stream.getvalue()


def _file(write: Callable[[Path], object], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def _layer(name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {"name": name.lower(), **config}, "registered_name": None}


_CONFIG = {
    "module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
    "config": {"name": "m", "trainable": True, "layers": [
        _layer("InputLayer", batch_shape=[None, 8]),
        _layer("Dense", units=3, activation="relu", kernel_initializer=_layer("GlorotUniform", "keras.initializers", seed=None)),
        _layer("Activation", activation={"module": "builtins", "class_name": "function", "config": "relu"}),
        _layer("StringLookup", vocabulary=["a", "b"]), _layer("TFOpLambda", None, function="math.add"),
    ]},
    "compile_config": {"loss": "mse"},
}  # fmt: skip


def _keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.9.0"}))
        archive.writestr("config.json", json.dumps(_CONFIG))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(_CONFIG), "2.15.0"
        file.create_dataset("model_weights/dense/kernel", data=np.zeros((8, 3), "f4"))


def _read_keras(path: Path) -> None:
    config = without_compile(read_archive_config(identify(path).path))
    named_beyond(config)


def _read_hdf5(path: Path) -> None:
    """Reads in a process of its own: damaged bytes can make the HDF5 library crash or run forever, which the kit bears in its
    workers, and which is no fault here."""
    answers, child = os.pipe()
    if (process := os.fork()) == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(3)
        try:
            _read_hdf5_here(path)
        except TflitekitError as error:
            os.write(child, b"T" + str(error).encode(errors="replace")[:60_000])
        except Exception as error:  # noqa: BLE001 - told to the parent
            os.write(child, b"F" + f"{type(error).__name__}: {error}".encode(errors="replace")[:60_000])
        os._exit(0)
    os.close(child)
    with os.fdopen(answers, "rb") as stream:
        answer = stream.read().decode(errors="replace")
    os.waitpid(process, 0)
    if answer.startswith("T"):
        raise TflitekitError(answer[1:])
    if answer.startswith("F"):
        raise AssertionError(answer[1:])


def _read_hdf5_here(path: Path) -> None:
    found = identify(path)
    if found.kind == "hdf5":
        named_beyond(without_compile(read_hdf5_config(path)))
        refuse_outside_data(path)


def _npz(path: Path) -> None:
    np.savez(path, x=np.arange(24, dtype="f4").reshape(6, 2, 2), y=np.arange(6) % 3)


def _read_pt2(path: Path) -> None:
    """As the converter does before PyTorch reads it; its refusals are answers, which the kit raises as errors."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        pt2 = importlib.import_module("pt2")
    finally:
        sys.path.remove(str(SCRIPTS))
    with tempfile.TemporaryDirectory() as folder:
        try:
            pt2.trusted_copy(path, Path(folder))
        except pt2.Refusal as refusal:
            raise ModelError("\n".join(refusal.words.values())) from refusal


def _read_npz(path: Path) -> None:
    for number, _ in enumerate(open_dataset(path)):
        if number > 100:
            break


def _read_rows(path: Path) -> None:
    for sample in open_dataset(path, need_labels=False):
        with suppress(UnreadableSampleError):
            raw = sample.read()
            if isinstance(raw, Columns):
                raw.numbers()


def _read_data_yaml(path: Path) -> None:
    """Reads a description beside a picture that it may name."""
    folders = path.parent / "images", path.parent / "labels"
    for folder in folders:
        folder.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(folders[0] / "a.png")
    (folders[1] / "a.txt").write_bytes(b"0 0.5 0.5 0.1 0.1\n")
    try:
        open_dataset(path, need_labels=False)
    finally:
        for folder in folders:
            shutil.rmtree(folder)


def _examples() -> bytes:
    made = []
    for number in range(3):
        example = example_class()()
        example.features.feature["x"].float_list.value.extend([0.5, number])
        example.features.feature["label"].int64_list.value.append(number)
        made.append(example.SerializeToString())
    return _framed(made)


def _framed(records: list[bytes]) -> bytes:
    parts = []
    for data in records:
        for part in (struct.pack("<Q", len(data)), data):
            crc = crc32c.crc32c(part)
            parts += [part, struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)]
    return b"".join(parts)


def _records_of(content: bytes, chance: random.Random) -> bytes:
    """Changes bytes of a TFRecord file, or those of a record, whose checksums fit again: otherwise none would be looked into."""
    if chance.random() < 0.3:
        return bytes_of(content, chance)
    records, place = [], 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        records.append(content[place + 12 : place + 12 + length])
        place += 16 + length
    number = chance.randrange(len(records))
    records[number] = bytes_of(records[number], chance)
    return _framed(records)


def _shard(path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.arange(6, dtype="f4"))
    with tarfile.open(path, "w") as archive:
        for name, content in (
            ("a.npy", array.getvalue()),
            ("a.cls", b"1"),
            ("b.npy", array.getvalue()),
            ("b.cls", b"0"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


_COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "PICTURE", "width": 40, "height": 20}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 9, "bbox": [1, 2, 8, 9], "area": 50.5, "iscrowd": 0}],
    }
).encode()
_POSES = json.dumps(
    {
        "images": [{"id": 1, "file_name": "PICTURE"}],
        "annotations": [
            {"image_id": 1, "bbox": [1, 2, 8, 9], "area": 50.5, "iscrowd": 0, "keypoints": [3, 4, 2, 0, 0, 0]}
        ],
    }
).encode()
_VOC = (
    b"<annotation><filename>a.png</filename><size><width>40</width><height>20</height></size><object><name>cat</name><bndbox>"
    b"<xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>12</ymax></bndbox><difficult>0</difficult></object></annotation>"
)


def _read_coco(path: Path) -> None:
    picture = next((DATA.parent.parent / "docs" / "images").glob("*.png"))
    path.write_bytes(path.read_bytes().replace(b"PICTURE", picture.name.encode()))
    for sample in open_dataset(f"{path}:images={picture.parent}"):
        assert len(sample.label.xyxy) == len(sample.label.classes)


_COCO_MASKS = json.dumps(
    {
        "images": [{"id": 1, "file_name": "PICTURE", "width": 40, "height": 20}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"image_id": 1, "category_id": 9, "segmentation": [[1, 2, 8, 2, 8, 9.5]], "iscrowd": 0},
            {
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": [20, 40], "counts": [100, 50, 650]},
                "iscrowd": 1,
            },
            {"image_id": 1, "category_id": 1, "segmentation": {"size": [20, 40], "counts": "T3b1Zd0"}},
        ],
    }
).encode()


def _read_coco_masks(path: Path) -> None:
    picture = next((DATA.parent.parent / "docs" / "images").glob("*.png"))
    path.write_bytes(path.read_bytes().replace(b"PICTURE", picture.name.encode()))
    for sample in open_dataset(f"{path}:images={picture.parent}:as=masks"):
        assert sample.label.load().ndim == 2


def _read_poses(path: Path) -> None:
    picture = next((DATA.parent.parent / "docs" / "images").glob("*.png"))
    path.write_bytes(path.read_bytes().replace(b"PICTURE", picture.name.encode()))
    for sample in open_dataset(f"{path}:images={picture.parent}"):
        assert not hasattr(sample.label, "points") or sample.label.points.ndim == 3


def _read_tflite(path: Path) -> None:
    variant, graph = load_variant(path)
    json.dumps(graph.to_json())
    with redirect_stdout(io.StringIO()):
        show_graph(variant.name, graph)


def _read_sidecar(path: Path) -> None:
    shutil.copy(path, path.parent / "model.json")
    load_variant(path.parent / "model.tflite")


def _read_report(path: Path) -> None:
    report = read_report(path)
    for view in (
        (markdown, spreadsheet, html)
        if report.created.endswith("0") or len(path.read_bytes()) % 8 == 0
        else (markdown, spreadsheet)
    ):
        view.render(report).encode()
    with redirect_stdout(io.StringIO()):
        show_report(report)


def _stored() -> bytes:
    """The entry of a report in a store, and beside it the report, as one JSON value."""
    report = json.loads((DATA / "report-version-1.json").read_text(encoding="utf-8"))
    entry = Entry.of(check_report(report, "r"), "a" * 64, model="m").model_dump(mode="json")
    return json.dumps({"entry": entry, "report": report}).encode()


def _read_store(path: Path) -> None:
    parts = json.loads(path.read_bytes())
    store = open_store(path.parent / "store")
    assert isinstance(store, FolderStore)
    home = store.folder / "reports" / ("a" * 64)
    home.mkdir(parents=True, exist_ok=True)
    for name in ("entry", "report"):
        (home / f"{name}.json").write_text(json.dumps(parts[name]))
    listing = store.entries()
    index.render(listing.entries, (), ()).encode()
    for entry in listing.entries:
        store.report(entry)
        store.scored(entry)
    history_page.render(history(store)).encode()


def _read_bundle(path: Path) -> None:
    shutil.copy(path, path.parent / "bundle.json")
    found = read_bundle(path.parent)
    with redirect_stdout(io.StringIO()):
        show_bundle(found, path.parent)


def _parts_of(content: bytes, chance: random.Random) -> bytes:
    """Changes values of the entry or of the report, so that both stay where they are."""
    parts = json.loads(content)
    name = chance.choice(("entry", "report"))
    try:
        parts[name] = json.loads(json_of(json.dumps(parts[name]).encode(), chance))
    except ValueError:
        parts[name] = None
    return json.dumps(parts).encode()


def _bundle(model: bytes) -> bytes:
    spec = {"name": "in", "shape": [1, 4], "dtype": "float32", "quantization": None}
    tolerance = {"max_difference": 0.1, "unit": "real", "reason": "r"}
    value = {
        "schema_version": 1, "tool": {"tflitekit": "0.1"}, "name": "b", "input_kind": "tensors", "task": "classification",
        "recommended": "v", "baseline": None, "preprocessing": {"name": "raw"}, "labels": None, "output_meaning": "values",
        "source": {"location": "m.keras", "sha256": None}, "dataset": {"location": "d", "samples": 3, "sha256": None},
        "variants": [{
            "file": "model.tflite", "sha256": __import__("hashlib").sha256(model).hexdigest(), "name": "v", "scheme": None,
            "size_bytes": len(model), "measured_sha256": "0", "min_runtime_version": "2.3", "operators": 1, "integer_op_fraction": None,
            "keeps_state": False, "inputs": [spec], "outputs": [spec], "primary_output": 0, "accuracy": None, "accuracy_drop": None,
            "tolerances": [{"cpu": tolerance, "cpu_builtin": tolerance, "gpu": tolerance, "nnapi": tolerance}],
        }],
        "golden": {"seed": 0, "top_k": 3, "samples": []},
    }  # fmt: skip
    return json.dumps(value).encode()


_SUITE = b"""description = "Small models"
schemes = ["float32", "int8"]
threads = [1, 2]
protocols = ["quick"]

[constraints]
max_accuracy_drop = 1.0

[[models]]
name = "m"
path = "m.keras"
data = ["d"]

[data.d]
evaluation = "d.npz"
limit = 10
"""


def _apk(path: Path) -> None:
    content = json.dumps({"files": [{"file": "m.tflite", "sha256": "0" * 64}]}).encode()
    files = {"AndroidManifest.xml": manifest(), "classes.dex": b"dex\n035\0", "assets/m.tflite": tflite(("ADD", 1)),
             "assets/bundle.json": content, "lib/arm64-v8a/libx.so": b"\x7fELF\2\1\1" + bytes(200)}  # fmt: skip
    package(path, files)


def _record(path: Path) -> None:
    loaded = {"init_us": 1.0, "first_us": 2.0, "harness_us": 0.1, "timer_us": 0.1}
    run = {"loads": [loaded], "rounds": {"data": "AACAPw==", "round_sizes": [1]}, "windows_s": [0.1], "warmup_runs": 1,
           "facts": {"input_us": 1.0, "output_us": 1.0}}  # fmt: skip
    write_record(path, {"elapsed_s": 1.0, "runs": {"a": run}})


def _checkpoint(path: Path) -> None:
    write_arrays(path, {"weights": [np.zeros((2, 3), "f4")], "optimizer": [np.arange(3)]}, {"epoch": 1})


def _readers() -> dict[str, Reader]:
    model = tflite(("ADD", 1), ("CONV_2D", 2), custom=("MyOp",))
    echo = _file(lambda path: echo_model(path, (1, 8, 8, 3), "int8", scale=0.5), "m.tflite")
    preprocessing = json.dumps(
        {"divisor": 255, "mean": [0.5, 0.5, 0.5], "std": [0.2], "resize": "bilinear", "fit": "pad"}
    ).encode()
    report = (DATA / "report-version-1.json").read_bytes()
    newer = json.dumps(read_report(DATA / "report-version-1.json").to_json()).encode()
    sidecar = json.dumps(
        {"name": "m", "scheme": "int8", "status": "ok", "file": "model.tflite", "sha256": None}
    ).encode()
    cluster = json.dumps({"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}).encode()
    return {
        "tflite": Reader(_read_tflite, (model, echo), bytes_of, ".tflite"),
        "keras": Reader(_read_keras, (_file(_keras, "m.keras"),), zip_of(json_or_bytes), ".keras"),
        "hdf5": Reader(_read_hdf5, (_file(_hdf5, "m.h5"),), h5_of, ".h5"),
        "sidecar": Reader(_read_sidecar, (sidecar,), json_of, ".sidecar"),
        "report": Reader(_read_report, (report, newer), json_of, ".json"),
        "store": Reader(_read_store, (_stored(),), _parts_of, ".json"),
        "bundle": Reader(_read_bundle, (_bundle(model),), json_of, ".bundle"),
        "labels": Reader(load_labels, (b"cat\ndog\nbird\n",), text_of, ".txt"),
        "labels in JSON": Reader(load_labels, (b'["cat", "dog"]', b'{"0": "cat", "1": "dog"}'), json_of, ".json"),
        "preprocessing": Reader(load_preprocessing, (preprocessing,), json_of, ".json"),
        "class weights": Reader(
            lambda path: load_class_weights(str(path), [3, 3], ("cat", "dog")),
            (b"[1, 2.5]", b'{"cat": 1, "dog": 2}'),
            json_of,
            ".json",
        ),
        "TF_CONFIG": Reader(
            lambda path: parse_members(path.read_bytes().decode("utf-8", "surrogateescape")),
            (cluster,),
            json_of,
            ".json",
        ),
        "suite": Reader(read_suite, (_SUITE,), text_of, ".toml"),
        "csv": Reader(_read_rows, (b'a,b,"c d",label\n1,2.5,"3 4",0\n5,6,"7,8",1\n', b"1;2\n3;4\n"), text_of, ".csv"),
        "tfrecord": Reader(_read_rows, (_examples(),), _records_of, ".tfrecord"),
        "tar": Reader(_read_rows, (_file(_shard, "d.tar"),), bytes_of, ".tar"),
        "npz": Reader(_read_npz, (_file(_npz, "d.npz"),), zip_of(array_of), ".npz"),
        "checkpoint": Reader(read_arrays, (_file(_checkpoint, "c.npz"),), zip_of(array_of), ".npz"),
        "record": Reader(lambda path: read_record(path, _Kept), (_file(_record, "r.json"),), json_of, ".json"),
        "coco": Reader(_read_coco, (_COCO,), json_of, ".json"),
        "coco masks": Reader(_read_coco_masks, (_COCO_MASKS,), json_of, ".json"),
        "poses": Reader(_read_poses, (_POSES,), json_of, ".json"),
        "color map": Reader(
            lambda path: read_color_map(path, None),
            (b'{"sky": [0, 0, 0], "car": "#c80a0a", "void": [1, 2, 3]}',),
            json_of,
            ".json",
        ),
        "color map in CSV": Reader(
            lambda path: read_color_map(path, None), (b"name,r,g,b\nsky,0,0,0\ncar,1,2,3\n",), text_of, ".csv"
        ),
        "color map of CVAT": Reader(
            lambda path: read_color_map(path, None), (b"# label\nsky:0,0,0::\ncar:1,2,3::\n",), text_of, ".txt"
        ),
        "voc": Reader(voc.read_annotations, (_VOC,), text_of, ".xml"),
        "yolo": Reader(
            lambda path: yolo.read_labels(path, (40, 20), range(2)),
            (b"0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.2\n", b"0 0.1 0.1 0.3 0.1 0.3 0.6\n"),
            text_of,
            ".txt",
        ),
        "data.yaml": Reader(
            _read_data_yaml, (b"path: .\nval: images\nnames:\n  0: cat\n  1: dog\n",), text_of, ".yaml"
        ),
        "pt2": Reader(_read_pt2, ((DATA / "foreign" / "conv.pt2").read_bytes(),), zip_of(json_or_bytes), ".pt2"),
        "apk": Reader(inspect_apk, (_file(_apk, "a.apk"),), zip_of(json_or_bytes), ".apk"),
    }


def json_or_bytes(content: bytes, chance: random.Random) -> bytes:
    """Changes a file of an archive by what it is."""
    return json_of(content, chance) if content[:1] == b"{" else bytes_of(content, chance)


READERS: tuple[str, ...] = (
    "tflite", "keras", "hdf5", "sidecar", "report", "store", "bundle", "labels", "labels in JSON", "preprocessing", "class weights",
    "TF_CONFIG", "suite", "csv", "tfrecord", "tar", "npz", "checkpoint", "record", "coco", "coco masks", "poses", "color map", "color map in CSV", "color map of CVAT",
    "voc", "yolo", "data.yaml", "pt2", "apk",
)  # fmt: skip


def run(
    count: int, seed: int, only: str | None = None, tell: Callable[[Fault], None] = lambda fault: None
) -> tuple[list[Fault], dict[str, int]]:
    """Reads mutants, spread evenly over the readers.

    Returns:
        The faults, and how many mutants of each reader were read without an error.
    """
    readers = _readers()
    assert tuple(readers) == READERS
    before = Path.cwd()
    faults: list[Fault] = []
    borne = dict.fromkeys(READERS, 0)
    model = next(iter(readers["tflite"].seeds))
    with tempfile.TemporaryDirectory() as name:
        folder, empty = Path(name) / "given", Path(name) / "working"
        folder.mkdir()
        empty.mkdir()
        (folder / "model.tflite").write_bytes(model)
        os.chdir(empty)
        try:
            for number in range(count):
                title = READERS[number % len(READERS)]
                if only is None or title == only:
                    fault = _try(title, readers[title], number, seed, folder, borne)
                    if fault is not None:
                        faults.append(fault)
                        tell(fault)
            left = sorted(
                str(path) for path in (*empty.rglob("*"), *Path(name).glob("*")) if path not in (folder, empty)
            )
        finally:
            os.chdir(before)
    faults += [Fault("all", count, f"wrote {path}") for path in left]
    return faults, borne


def _try(title: str, reader: Reader, number: int, seed: int, folder: Path, borne: dict[str, int]) -> Fault | None:
    chance = random.Random(f"{seed} {number}")
    content = reader.mutate(chance.choice(reader.seeds), chance)
    path = folder / f"mutant{reader.suffix}"
    path.write_bytes(content)
    begin, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _silent():
            reader.read(path)
        borne[title] += 1
    except TflitekitError as error:
        if len(str(error)) > 3000:
            return Fault(title, number, f"a message of {len(str(error)):,} characters: {str(error)[:200]}")
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Fault(
            title, number, f"{type(error).__name__}: {str(error)[:200]} at {Path(where.filename).name}:{where.lineno}"
        )
    took = time.process_time() - begin
    if took > MOST_S:
        return Fault(title, number, f"took {took:.1f} s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    return Fault(title, number, f"took {grown:,} bytes of memory") if grown > MOST_BYTES else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=READERS)
    options = parser.parse_args()
    begin = time.monotonic()
    faults, borne = run(
        options.count,
        options.seed,
        options.only,
        lambda fault: print(f"{fault.reader} {fault.number}: {fault.what}", flush=True),
    )
    print(
        f"{options.count:,} mutants in {time.monotonic() - begin:.0f} s, {len(faults)} faults; read without an error: {borne}"
    )
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
