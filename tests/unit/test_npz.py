"""Hostile and damaged ``.npz`` files: one sentence that names the file, before anything large is allocated."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from tflitekit.core.errors import DataError
from tflitekit.data.dataset import open_dataset


def header(shape, dtype="<f4", *, fortran=False, version=(1, 0)):
    """The beginning of a ``.npy`` file that says what it likes."""
    text = repr({"descr": dtype, "fortran_order": fortran, "shape": shape}) if isinstance(shape, tuple) else shape
    body = text.encode().ljust(118 - 10) + b"\n"
    return np.lib.format.magic(*version) + struct.pack("<H", len(body)) + body


def npy(values):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(values))
    return stream.getvalue()


def archive(path, *members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, content in members:
            made.writestr(name, content)
    return path


X, Y = npy(np.arange(96, dtype=np.float32).reshape(12, 8)), npy(np.arange(12) % 3)


def read(path):
    """Everything that a run reads of the samples, with the most memory that it took."""
    tracemalloc.start()
    try:
        return [(sample.label, sample.read()["x"].tolist()) for sample in open_dataset(path)]
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 50_000_000


@pytest.mark.parametrize(
    ("x", "y", "problem"),
    [
        (header((10**12, 8)), Y, "'x' of the shape .* would take .* bytes, and the archive has"),
        (header((12, 9999999, 9999), fortran=True), Y, "'x' of the shape .* would take"),
        (header((12, 8)), Y, "would take"),
        (X + b"more", Y, "would take"),
        (X, header((10**12,), "<i8"), "'y' of the shape .* would take"),
        (header("__import__('os').getcwd()"), Y, "the array 'x' begins with a header that describes no array"),
        (header("{'descr': "), Y, "the array 'x' begins with a header that describes no array"),
        (header((-12, 8)), Y, "has the shape"),
        (header((12, 0)), Y, "has the shape"),
        (header((12, 8), "|S0"), Y, r"'x' is of the type \|S0"),
        (header((), "<f4") + bytes(4), Y, "'x' is a single value"),
        (X, header((), "<i8") + bytes(8), "'y' is a single value"),
        (npy(np.ones((12, 8), np.complex64)), Y, "of the type complex64"),
        (npy(np.zeros((12, 8), "datetime64[s]")), Y, "of the type datetime64"),
        (npy(np.zeros(12, [("a", "f4"), ("b", "i4")])), Y, "of the type"),
        (X, npy(np.ones(12, complex)), "of the type complex128"),
        (header((12, 8), "|O"), Y, "pickled Python objects"),
        (header("(" * 90), Y, "cannot be read"),
        (header("{'descr': '<f4'}"), Y, "cannot be read"),
        (header((12, 8), version=(9, 9)), Y, "cannot be read"),
        (b"\x93NUMPY", Y, "cannot be read"),
        (b"", Y, "cannot be read"),
        (X, npy(np.arange(11) % 3), "x: 12, y: 11"),
        (X, npy(np.full(12, -3)), "classes count from 0"),
        (X, npy(np.full(12, np.inf)), "NaN or infinite"),
    ],
)
def test_arrays_that_lie(tmp_path, x, y, problem):
    path = archive(tmp_path / "d.npz", ("x.npy", x), ("y.npy", y))
    with pytest.raises(DataError, match=rf"(?s)d\.npz.*{problem}"):
        read(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x", "y"])
def test_bombs(tmp_path, name):
    """A few hundred kilobytes that would become hundreds of megabytes, as labels or as one sample."""
    zeros = header((3 * 10**8,), "|i1") if name == "y" else header((1, 3 * 10**8), "|i1")
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        with made.open(f"{name}.npy", "w") as stream:
            stream.write(zeros)
            for _ in range(300):
                stream.write(bytes(10**6))
        if name == "y":
            with made.open("x.npy", "w") as stream:
                stream.write(header((3 * 10**8, 1), "|i1"))
                for _ in range(300):
                    stream.write(bytes(10**6))
        else:
            made.writestr("y.npy", npy([0]))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match=rf"bomb\.npz.*'{name}' would grow|bomb\.npz.*300,000,000 samples"):
        read(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_that_python_reads(tmp_path, compression):
    path = archive(tmp_path / "d.npz", ("x.npy", X), ("y.npy", Y), compression=compression)
    assert [label for label, _ in read(path)] == [0, 1, 2] * 4
    whole = path.read_bytes()
    found = set()
    for position in range(0, len(whole), 7):  # every part: headers, streams, checksums, the directory
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            read(path)
        except DataError as error:
            found.add(str(error).split("\n")[0])
    assert len(found) > 3
    assert all("d.npz" in text and text.endswith(".") for text in found)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"d\.npz"):
            read(path)


def test_flags_of_the_archive(tmp_path):
    path = archive(tmp_path / "d.npz", ("x.npy", X), ("y.npy", Y))
    content = bytearray(path.read_bytes())
    entries = [i for i in range(len(content) - 4) if content[i : i + 4] == b"PK\x01\x02"]
    for offset, value, problem in ((8, 1, "is encrypted"), (10, 99, "compression"), (24, 0xFF, "would take")):
        changed = bytearray(content)
        for entry in entries:
            changed[entry + offset] = value
        path.write_bytes(bytes(changed))
        with pytest.raises(DataError, match=rf"d\.npz.*{problem}"):
            read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice(tmp_path):
    path = archive(tmp_path / "d.npz", ("x.npy", X), ("x.npy", X), ("y.npy", Y))
    with pytest.raises(DataError, match="has the array 'x' twice"):
        read(path)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<u8", "|b1", "|i1"])
def test_other_types_of_numbers(tmp_path, dtype):
    values = (np.arange(96) % 2).astype(dtype).reshape(12, 8)
    path = archive(tmp_path / "d.npz", ("x.npy", npy(values)), ("y.npy", Y))
    assert [row for _, row in read(path)] == values.tolist()


def test_arrays_in_memory_that_are_single_values():
    with pytest.raises(DataError, match=r"'y' in memory is a single value \(int\)"):
        open_dataset((np.zeros((1, 2)), 3))
