"""Data as others store them: TFRecord, data sets of Hugging Face, WebDataset shards, sounds; whole, damaged and hostile."""

import gzip
import io
import json
import struct
import tarfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tflitekit.core.errors import DataError, MissingDependencyError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline, UnreadableSampleError, open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.data.samples import Subset
from tflitekit.data.sound_format import SoundFormat, check_same_rate
from tflitekit.source.few_samples import keep_samples


def spec(name, *shape, dtype="float32"):
    return TensorSpec(name=name, shape=(1, *shape), dtype=dtype)


def prepared(data, *inputs):
    pipeline = InputPipeline(inputs, PRESETS["raw"])
    return [pipeline.prepare(sample.read(), sample.key) for sample in data]


def png(value, size=(3, 3)):
    buffer = io.BytesIO()
    Image.new("L", size, value).save(buffer, "PNG")
    return buffer.getvalue()


# TFRecord


def framed(data):
    from crc32c import crc32c

    def masked(content):
        crc = crc32c(content)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def example(**features):
    from tflitekit.data.tfrecord_file import example_class

    message = example_class()()
    for name, value in features.items():
        feature = message.features.feature[name.replace("__", "/")]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif np.asarray(value).dtype.kind == "f":
            feature.float_list.value.extend(np.ravel(value).tolist())
        else:
            feature.int64_list.value.extend(np.ravel(value).tolist())
    return framed(message.SerializeToString())


@pytest.fixture
def records(tmp_path):
    pytest.importorskip("crc32c")

    def write(content, name="d.tfrecord"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def test_tfrecord_images(records, tmp_path):
    one, two = (example(image__encoded=png(i), image__class__label=i, image__height=3) for i in (1, 2))
    data = open_dataset(records(one + two))
    assert data.pictures and [(sample.label, sample.read().getpixel((0, 0))) for sample in data] == [(1, 1), (2, 2)]
    assert data.fingerprint() != open_dataset(records(two + one)).fingerprint()
    records(gzip.compress(one + two))
    assert [sample.label for sample in open_dataset(tmp_path / "d.tfrecord", limit=1)] in ([1], [2])
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "d.tfrecord-00000-of-00002").write_bytes(one)
    (shards / "d.tfrecord-00001-of-00002").write_bytes(two)
    assert [sample.key for sample in open_dataset(shards)] == [
        "d.tfrecord-00000-of-00002 0",
        "d.tfrecord-00001-of-00002 0",
    ]


def test_tfrecord_features_by_the_names_of_inputs(records):
    path = records(example(ids=[3, 4], speed=0.5, name=b"u", target=[1.0, 2.5]))
    data = open_dataset(f"{path}:label=target")
    (row,) = prepared(data, spec("speed", 1), spec("ids", 2, dtype="int64"))
    assert row[0].tolist() == [0.5] and row[1].tolist() == [3, 4] and next(iter(data)).label.tolist() == [1, 2.5]
    with pytest.raises(UsageError, match=r"no column 'size'.*"):
        open_dataset(f"{path}:label=size")
    with pytest.raises(DataError, match=r"'name' of .* holds 'u', and the model takes numbers"):
        prepared(open_dataset(f"{path}:x=name,speed:label=target"), spec("x", 2))


def test_damaged_tfrecord(records):
    whole = example(x=[1.0, 2.0], label=3)
    for content, words in (
        (b"", "is empty"),
        (whole[:-1], "truncated"),
        (whole + whole[:7], f"at byte {len(whole)} is truncated"),
        (whole[:20] + bytes([whole[20] ^ 1]) + whole[21:], "has a wrong checksum"),
        (bytes([whole[0] ^ 1]) + whole[1:], "length with a wrong checksum"),
        (framed(b"\xff\xff\xff"), r"The record 'example 0' of .* is no tf.train.Example"),
        (gzip.compress(whole)[:-9], "cannot be read as TFRecord"),
    ):
        with pytest.raises(DataError, match=words):
            open_dataset(records(content))


@settings(max_examples=40)
@given(position=st.integers(0, 60), bit=st.integers(0, 7))
def test_no_flipped_bit_is_overlooked(records, position, bit):
    content = bytearray(example(x=[1.0, 2.0], label=3))
    content[position % len(content)] ^= 1 << bit
    with pytest.raises(DataError, match="cannot be read as TFRecord"):
        open_dataset(records(bytes(content)))


def test_what_tensorflow_wrote(records):
    """One example with x = [1, -2.5], label = 3 and text = 'ok', from `tf.io.TFRecordWriter` of TensorFlow 2.21."""
    written = (
        "3500000000000000d6c55de60a330a0e0a056c6162656c12051a030a01030a110a0178120c120a0a080000803f000020c0"
        "0a0e0a047465787412060a040a026f6b84c42d2f"
    )
    data = open_dataset(records(bytes.fromhex(written)))
    row = prepared(data, spec("x", 2), spec("text", 1, dtype="string"))[0]
    assert row[0].tolist() == [1, -2.5] and row[1].tolist() == [b"ok"] and next(iter(data)).label == 3


# Hugging Face


@pytest.fixture
def saved(tmp_path):
    datasets = pytest.importorskip("datasets")

    def save(columns, features=None):
        data = datasets.Dataset.from_dict(columns, features=features and datasets.Features(features(datasets)))
        data.save_to_disk(str(tmp_path / "hf"))
        return tmp_path / "hf"

    return save


def test_hugging_face_images_and_class_names(saved):
    images = [{"bytes": png(i), "path": None} for i in range(4)]
    path = saved(
        {"image": images, "label": [1, 0, 1, 0]},
        lambda d: {"image": d.Image(), "label": d.ClassLabel(names=["cat", "ant"])},
    )
    data = open_dataset(path)
    assert data.pictures and data.kind == "hugging_face" and data.classes == ("cat", "ant")
    assert [(sample.label, sample.read().getpixel((0, 0))) for sample in data] == [(1, 0), (0, 1), (1, 2), (0, 3)]
    assert [sample.label for sample in open_dataset(path, labels=("ant", "bee", "cat"))] == [0, 2, 0, 2]
    assert sorted(sample.label for sample in open_dataset(path, limit=2)) == [0, 1]
    (path / "state.json").write_text('{"_data_files": [{"filename": "../secret.arrow"}]}')
    with pytest.raises(DataError, match="names no data files inside of the folder"):
        open_dataset(path)


def test_hugging_face_columns(saved):
    path = saved({"ids": [[1, 2, 3], [4, 5, 6]], "mass": [0.5, 1.5], "note": ["a", "b"], "label": [0.5, 2.5]})
    data = open_dataset(path)
    rows = prepared(data, spec("mass", 1), spec("ids", 3, dtype="int32"))
    assert [[values.tolist() for values in row] for row in rows] == [[[0.5], [1, 2, 3]], [[1.5], [4, 5, 6]]]
    next(path.glob("*.arrow")).write_bytes(b"ARROW1\0\0nothing")
    with pytest.raises(DataError, match="hf cannot be read"):
        open_dataset(path)
    (path.parent / "dict").mkdir()
    (path.parent / "dict" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UsageError, match=r"several splits: train, test\..*"):
        open_dataset(path.parent / "dict")


# WebDataset


def shard(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_webdataset_shards(tmp_path):
    for number in range(2):
        files = [
            (f"d/{number}{i}.{ext}", body)
            for i in range(2)
            for ext, body in (("png", png(number * 2 + i)), ("cls", str(i).encode()))
        ]
        shard(tmp_path / f"s-{number:03d}.tar", files)
    data = open_dataset(f"{tmp_path}/s-{{000..001}}.tar")
    assert [(s.key, s.label, s.read().getpixel((0, 0))) for s in data] == [
        ("d/00", 0, 0),
        ("d/01", 1, 1),
        ("d/10", 0, 2),
        ("d/11", 1, 3),
    ]
    assert data.pictures and data.fingerprint() == open_dataset(tmp_path).fingerprint()
    assert len(open_dataset(tmp_path / "s-001.tar", limit=1)) == 1
    with pytest.raises(DataError, match=r"1 of the 3 shards .* do not exist: .*s-002\.tar"):
        open_dataset(f"{tmp_path}/s-{{000..002}}.tar")


def test_webdataset_arrays_and_json(tmp_path):
    def npy(values):
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(values, np.float32))
        return buffer.getvalue()

    files = [
        ("1.left.npy", npy([1, 2])),
        ("1.right.npy", npy([3])),
        ("1.json", json.dumps({"angle": 0.5, "label": "no"}).encode()),
        ("2.left.npy", npy([5, 6])),
        ("2.right.npy", npy([7])),
        ("2.json", json.dumps({"angle": 1.5, "label": "yes"}).encode()),
    ]
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        data = open_dataset(shard(tmp_path / name, files, mode))
        assert data.classes == ("no", "yes") and [sample.label for sample in data] == [0, 1]
        rows = prepared(data, spec("right", 1), spec("left", 2))
        assert [[values.tolist() for values in row] for row in rows] == [[[3], [1, 2]], [[7], [5, 6]]]
    angles = [float(sample.label) for sample in open_dataset(f"{tmp_path}/a.tar:label=json.angle")]
    assert angles == [0.5, 1.5]
    with pytest.raises(DataError, match=r"sample '1' holds no label 'size'"):
        open_dataset(f"{tmp_path}/a.tar:label=json.size")


def test_memory_does_not_grow_with_the_data(tmp_path, records):
    array = io.BytesIO()
    np.save(array, np.zeros(25_000, np.float32))
    files = [(f"{i}.{ext}", body) for i in range(60) for ext, body in (("npy", array.getvalue()), ("cls", b"1"))]
    lines = "".join(f"{i},{i % 7:02000d},1\n" for i in range(2_000))
    (tmp_path / "t.csv").write_text(f"a,b,label\n{lines}")
    sources = (
        shard(tmp_path / "d.tar", files),  # 6 MB
        records(example(x=np.zeros(25_000, np.float32), label=1) * 60),  # 6 MB
        tmp_path / "t.csv",  # 4 MB
    )
    for source in sources:
        tracemalloc.start()
        labels = [sample.label for sample in open_dataset(source) if sample.read()]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert set(labels) == {1} and peak < 1_500_000, (source, peak)


def test_hostile_shards(tmp_path):
    path = tmp_path / "h.tar"
    shard(path, [("../../out.png", png(7)), ("../../out.cls", b"0")])
    assert [sample.read().getpixel((0, 0)) for sample in open_dataset(path)] == [7]
    assert not (tmp_path.parent / "out.png").exists()
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"'a\.png' in .* is a link"):
        open_dataset(path)
    huge = tarfile.TarInfo("a.png")
    huge.size = 2**40
    path.write_bytes(huge.tobuf() + bytes(1024))
    with pytest.raises(DataError, match="would have 1,099,511,627,776 bytes"):
        open_dataset(path)
    whole = shard(path, [("a.png", png(1)), ("a.cls", b"1"), ("b.txt", b"x" * 5000)]).read_bytes()
    path.write_bytes(whole[:2600])
    with pytest.raises(DataError, match=r"cannot be read as tar|no \.cls"):
        open_dataset(path)
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match="cannot be read as tar"):
        open_dataset(path)
    with pytest.raises(DataError, match=r"hold \.mp4"):
        open_dataset(shard(path, [("a.mp4", b"1"), ("a.cls", b"1")]))
    data = open_dataset(shard(path, [("a.png", b"broken"), ("a.cls", b"1")]))
    with pytest.raises(UnreadableSampleError):
        next(iter(data)).read()


# Sounds


@pytest.fixture
def sounds(tmp_path):
    module = pytest.importorskip("soundfile")

    def write(name, samples, rate=8000, channels=1):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.sin(np.arange(samples) * 0.2)
        module.write(path, np.stack([values] * channels, axis=1) if channels > 1 else values, rate)
        return tmp_path / "sounds"

    return write


def test_a_sound_that_is_cut_off_is_not_read_as_a_shorter_one(sounds):
    root = sounds("1.wav", 100)
    sounds("2.wav", 0)
    whole = (root / "1.wav").read_bytes()
    first, second = open_dataset(root, need_labels=False)
    assert first.read()["x"].shape == (100,)
    with pytest.raises(UnreadableSampleError, match="holds no sound"):
        second.read()
    (root / "1.wav").write_bytes(whole[:-50])
    with pytest.raises(UnreadableSampleError, match=r"cut off: 150 of 200 bytes of sound"):
        first.read()
    streamed = whole[:40] + b"\xff\xff\xff\xff" + whole[44:]  # its length was not known when the header was written
    (root / "1.wav").write_bytes(streamed)
    assert first.read()["x"].shape == (100,)


def test_sound_folders(sounds):
    sounds("yes/1.wav", 100)
    root = sounds("no/2.flac", 60)
    data = open_dataset(root)
    assert data.kind == "sounds" and not data.pictures and data.classes == ("no", "yes")
    assert [(sample.key, sample.label, sample.read()["x"].shape) for sample in data] == [
        ("no/2.flac", 0, (60,)),
        ("yes/1.wav", 1, (100,)),
    ]
    with pytest.raises(DataError, match=r"shape \[60\] does not fit") as caught:
        prepared(data, spec("audio", 80))
    assert "length=SAMPLES" in caught.value.fix
    with pytest.raises(DataError) as caught:  # as a worker tells it
        keep_samples(data, root / "few.npz", "data", PRESETS["raw"]).of([spec("audio", 80)])
    assert "length=SAMPLES" in caught.value.fix
    data = open_dataset(f"{root}:length=80:pad=both:crop=center")
    short, long = (row[0] for row in prepared(data, spec("audio", 80)))
    assert not short[:10].any() and not short[70:].any() and short[11]
    assert np.allclose(long, np.sin(np.arange(10, 90) * 0.2), atol=1e-4)
    with pytest.raises(DataError, match=r"'no/2\.flac' has 60 samples, and length=80 was given"):
        prepared(open_dataset(f"{root}:length=80:crop=end"), spec("audio", 80))
    assert data.fingerprint() != open_dataset(root).fingerprint()
    with pytest.raises(UsageError, match="pad=middle cannot be"):
        open_dataset(f"{root}:length=80:pad=middle")
    with pytest.raises(UsageError, match="needs a length"):
        open_dataset(f"{root}:pad=end")


def test_rates_and_channels(sounds):
    sounds("a/1.wav", 8000)
    root = sounds("b/2.wav", 16000, rate=16000, channels=2)
    with pytest.raises(DataError, match=r"'b/2\.wav' has 16,000 samples a second, and it should have 8,000") as caught:
        [sample.read() for sample in open_dataset(root)]
    assert "resample=8000" in caught.value.fix
    shapes = [sample.read()["x"].shape for sample in open_dataset(f"{root}:resample=4000:channels=1")]
    assert shapes == [(4000,), (4000,)]
    assert [s.read()["x"].shape for s in open_dataset(f"{root / 'b'}:rate=16000", need_labels=False)] == [(16000, 2)]
    sounds("a/stereo.wav", 8000, channels=2)
    with pytest.raises(DataError, match=r"'stereo\.wav' has 2 channels, and the first one has 1") as caught:
        [sample.read() for sample in open_dataset(root / "a", need_labels=False)]
    assert "channels=1" in caught.value.fix
    with pytest.raises(DataError, match=r"shape \[16000, 2\] does not fit") as caught:
        prepared(open_dataset(root / "b", need_labels=False), spec("audio", 16000))
    assert "channels=1" in caught.value.fix and "batches" not in caught.value.fix
    (root / "a" / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(UnreadableSampleError):
        next(iter(open_dataset(root))).read()


def test_what_recordings_are_is_known_of_every_kind_of_data(sounds, tmp_path):
    import pyarrow
    import pyarrow.parquet

    root = sounds("a/1.wav", 50)
    other = sounds("b/2.wav", 50, rate=16000)
    files = [root / "a" / "1.wav", other / "b" / "2.wav"]
    (tmp_path / "list.csv").write_text("file,label\nsounds/a/1.wav,a\n")
    held = pyarrow.table({"sound": [file.read_bytes() for file in files], "label": ["a", "b"]})
    pyarrow.parquet.write_table(held, tmp_path / "held.parquet")
    shard(tmp_path / "s.tar", [("1.wav", files[0].read_bytes()), ("1.cls", b"0")])
    expected = SoundFormat(rate=8000, channels=1, length=40, crop="start")
    for name in ("sounds", "list.csv", "held.parquet", "s.tar"):
        data = open_dataset(f"{tmp_path / name}:length=40:crop=start")
        assert data.sound == Subset(data, limit=1).sound == expected, name
    with pytest.raises(DataError, match="has 16,000 samples a second, and it should have 8,000"):
        [sample.read() for sample in open_dataset(tmp_path / "held.parquet")]
    assert open_dataset(f"{root}:resample=4000").sound == SoundFormat(rate=4000, channels=1)
    assert expected.describe() == "8,000 samples a second, mono, 40 samples (of longer ones the start)"
    with pytest.raises(DataError, match=r"^B has 4,000 samples a second, and A has 8,000") as caught:
        check_same_rate({"A": expected, "nothing": None, "B": SoundFormat(rate=4000, channels=1)})
    assert "PATH:resample=RATE, with 8000 or 4000" in caught.value.fix


def test_list_of_sounds(sounds):
    root = sounds("1.wav", 50)
    sounds("2.wav", 40)
    (root / "list.csv").write_text("file,label\n1.wav,a\n2.wav,b\n")
    data = open_dataset(f"{root / 'list.csv'}:length=50:pad=end")
    assert [row[0].shape for row in prepared(data, spec("x", 50))] == [(50,), (50,)] and data.classes == ("a", "b")


def test_packages_that_are_missing(sounds, monkeypatch):
    root = sounds("1.wav", 50)
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(MissingDependencyError, match=r"needs the package soundfile.*") as caught:
        open_dataset(root, need_labels=False)
    assert "pip install 'tflitekit[tasks]'" in caught.value.fix
