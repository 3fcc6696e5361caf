"""Training data: stored as evaluation prepares them, split, kept, and streamed as batches that a seed determines."""

import json
import resource
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from conftest import CLASSES, shape_arrays
from PIL import Image

from tflitekit.core.errors import ContractError, DataError, StorageError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.training.data import batches
from tflitekit.training.data.augmentation import check_augmentation, load_augmentation
from tflitekit.training.data.batches import read_rows, train_batches, validation_batches
from tflitekit.training.data.rows import open_rows
from tflitekit.training.data.store import TrainingSet, store_training_data

GREY = TensorSpec(name="image", shape=(1, 12, 12, 1), dtype="float32")
BGR_STD = Preprocessing(color="bgr", divisor=3, mean=(1.7, 2.3, 5.9), std=(0.7, 1.1, 3.3), fit="center_crop")
LAYOUTS = {"channels last": (9, 11, 3), "channels first": (3, 9, 11), "grey": (10, 10, 1), "no channel": (10, 10)}


def store(data, folder, *, inputs=(GREY,), preprocessing=PRESETS["raw"], seed=3, **options):
    return store_training_data(
        data, inputs=inputs, preprocessing=preprocessing, seed=seed, folder=folder, progress=Progress(), **options
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Forty noisy colour photos of different sizes in two classes; one grey, one with transparency."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(8)
    for index in range(40):
        folder = root / "ab"[index % 2]
        folder.mkdir(exist_ok=True)
        height, width = generator.integers(8, 20, 2)
        pixels = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
        mode = {4: "L", 5: "RGBA"}.get(index, "RGB")
        Image.fromarray(pixels).convert(mode).save(folder / f"{index:02d}.png")
    return root


def prepared(source, spec, preprocessing):
    pipeline = InputPipeline([spec], preprocessing)
    return np.stack([pipeline.prepare(sample.read(), sample.key)[0] for sample in open_dataset(source)])


def test_masks_are_read_from_disk_and_pixels_that_count_for_nothing_are_marked(tmp_path, monkeypatch):
    for number in range(12):
        for folder, pixels in (("images", number), ("masks", number % 3)):
            (tmp_path / "scenes" / folder).mkdir(parents=True, exist_ok=True)
            array = np.full((6, 8), pixels, np.uint8)
            array[0, 0] = 200
            Image.fromarray(array).save(tmp_path / "scenes" / folder / f"{number:02d}.png")
    Image.new("L", (8, 6)).save(tmp_path / "scenes" / "images" / "05.png")
    scenes, spec = tmp_path / "scenes", TensorSpec(name="image", shape=(1, 6, 8, 1), dtype="float32")
    data = store(scenes, tmp_path / "out", inputs=[spec], ignore_label=200)
    masks = data.read_labels()
    assert isinstance(masks, np.memmap) and masks.shape == (12, 6, 8) and not (tmp_path / "out" / "masks.raw").exists()
    assert masks[:, 0, 0].tolist() == [-1] * 12 and masks[:, 1, 1].tolist() == [0, 1, 2] * 4
    (_, whole), (_, read) = (next(iter(validation_batches(data, batch_size=2))) for _ in _small_memory(monkeypatch))
    assert np.array_equal(whole, read) and whole.dtype == np.int16
    assert np.array_equal(whole, masks[data.part("validation")[:2]])
    assert store(scenes, tmp_path / "out", inputs=[spec], ignore_label=200).sha256 == data.sha256
    own = store(f"{scenes}:ignore=200", tmp_path / "own", inputs=[spec])
    assert np.array_equal(own.read_labels(), masks) and own.sha256 != data.sha256
    assert store(scenes, tmp_path / "all", inputs=[spec]).read_labels().max() == 200


def _small_memory(monkeypatch):
    """First with memory, then with none."""
    yield
    monkeypatch.setattr(batches, "_MOST_IN_MEMORY", 0)
    yield


def layouts_and_preprocessings():
    for layout, shape in LAYOUTS.items():
        channels = 3 if 3 in shape else 1
        for name, preprocessing in (PRESETS | {"bgr with std": BGR_STD}).items():
            if max(len(preprocessing.mean), len(preprocessing.std)) in (1, channels):
                yield pytest.param(shape, preprocessing, id=f"{name}, {layout}")


@pytest.mark.parametrize(("shape", "preprocessing"), layouts_and_preprocessings())
def test_pixels_become_what_evaluation_makes_of_them(photos, tmp_path, shape, preprocessing):
    spec = TensorSpec(name="x", shape=(1, *shape), dtype="float32")
    data = store(photos, tmp_path, inputs=[spec], preprocessing=preprocessing, validation_split=0)
    assert data.columns[0].dtype == "|u1"
    (values,), labels = read_rows(data, "train", 100)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, prepared(photos, spec, preprocessing))
    assert labels.tolist() == [sample.label for sample in open_dataset(photos)]


def test_arrays_of_several_inputs_stay_as_evaluation_prepares_them(tmp_path):
    generator = np.random.default_rng(1)
    rows = {"a": generator.normal(size=(20, 4)), "b": generator.integers(0, 9, (20, 3)), "y": np.arange(20) % 2}
    inputs = (
        TensorSpec(name="b", shape=(1, -1), dtype="int32"),
        TensorSpec(name="a", shape=(1, 4), dtype="float32"),
    )
    data = store(rows, tmp_path, inputs=inputs, validation_split=0)
    values, labels = read_rows(data, "train", 20)
    assert [column.name for column in data.columns] == ["b", "a"]
    assert [v.dtype for v in values] == [np.int32, np.float32]
    np.testing.assert_array_equal(values[0], rows["b"])
    np.testing.assert_array_equal(values[1], rows["a"].astype(np.float32))
    assert labels.tolist() == rows["y"].tolist()


def test_split_is_stratified_seeded_and_without_overlap(tmp_path):
    labels = np.repeat([0, 1, 2, 3], [60, 30, 10, 1])
    x = np.arange(len(labels), dtype=np.float32)[:, None]
    spec = TensorSpec(name="x", shape=(1, 1), dtype="float32")

    def split(name, **options):
        data = store((x, labels), tmp_path / name, inputs=[spec], validation_split=0.2, **options)
        return data, data.part("train").tolist(), data.part("validation").tolist()

    data, train, held = split("a")
    assert Counter(labels[held].tolist()) == {0: 12, 1: 6, 2: 2}
    assert sorted(train + held) == list(range(len(labels)))
    assert data.class_counts == (48, 24, 8, 1)
    assert (data.train_samples, data.validation_samples, data.classes) == (81, 20, 4)
    assert split("b")[1:] == (train, held)
    assert split("c", seed=4)[2] != held
    none = store((x, labels), tmp_path / "d", inputs=[spec], validation_split=0)
    assert (none.validation, none.validation_samples, none.train_samples) == ("none", 0, 101)


def test_validation_data_of_their_own_replace_the_split(shapes, tmp_path):
    data = store(shapes / "train", tmp_path, validation=shapes / "test")
    assert (data.train_samples, data.validation_samples, data.samples) == (90, 120, 210)
    assert data.validation == str(shapes / "test")
    (values,), labels = read_rows(data, "validation", 200)
    np.testing.assert_array_equal(values, prepared(shapes / "test", GREY, PRESETS["raw"]))
    assert labels.tolist() == [s.label for s in open_dataset(shapes / "test")]


def test_validation_folders_take_the_classes_of_the_training_data(shapes, tmp_path):
    shutil.copytree(shapes / "test" / "stripe", tmp_path / "held" / "stripe")
    data = store(shapes / "train", tmp_path / "store", validation=tmp_path / "held")
    assert set(read_rows(data, "validation", 200)[1].tolist()) == {2}
    (tmp_path / "held" / "stripe").rename(tmp_path / "held" / "zebra")
    with pytest.raises(DataError, match=r"do not fit the training data.*zebra"):
        store(shapes / "train", tmp_path / "other", validation=tmp_path / "held")


def test_a_stored_set_is_used_again_without_the_images_being_decoded(shapes, tmp_path):
    first = store(shapes / "train", tmp_path)
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    assert store(shapes / "train", tmp_path) == first
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())] == times
    assert TrainingSet.model_validate_json(first.model_dump_json()) == first

    other = store(shapes / "train", tmp_path, preprocessing=PRESETS["0-1"])
    assert other.sha256 != first.sha256
    assert json.loads((tmp_path / "training_set.json").read_text())["value"]["sha256"] == other.sha256
    assert store(shapes / "train", tmp_path / "b").sha256 == first.sha256


def test_rows_that_were_deleted_are_decoded_when_they_are_needed(shapes, tmp_path):
    first = store(shapes / "train", tmp_path)
    rows = read_rows(first, "train", 100)[0][0]
    first.delete_rows()
    assert not list(tmp_path.glob("*.raw"))
    known = store(shapes / "train", tmp_path, rows=False)
    assert known == first
    assert not known.has_rows
    assert not list(tmp_path.glob("*.raw"))
    assert store(shapes / "train", tmp_path, rows=False, seed=4).has_rows  # another set
    again = store(shapes / "train", tmp_path)
    assert again == first
    assert again.has_rows
    np.testing.assert_array_equal(read_rows(again, "train", 100)[0][0], rows)


def test_what_decides_content_order_and_split_decides_the_hash(shapes, tmp_path):
    variations = [{}, {"seed": 4}, {"validation_split": 0.2}, {"limit": 60}, {"validation": shapes / "test"}]
    hashes = [store(shapes / "train", tmp_path, **options).sha256 for options in variations]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("damage", ["no record", "short file", "empty part"])
def test_an_unfinished_store_is_made_anew(shapes, tmp_path, damage):
    first = store(shapes / "train", tmp_path)
    want = read_rows(first, "train", 100)[0][0]
    (tmp_path / "0.raw").write_bytes(bytes(100 if damage == "short file" else 90 * 144))
    if damage == "no record":
        (tmp_path / "training_set.json").unlink()
    if damage == "empty part":
        (tmp_path / "train.npy").write_bytes(b"")
    np.testing.assert_array_equal(read_rows(store(shapes / "train", tmp_path), "train", 100)[0][0], want)


def test_a_store_that_fails_leaves_no_record(shapes, tmp_path):
    store(shapes / "train", tmp_path)

    def breaks_off():
        yield np.zeros((12, 12, 1)), 0
        raise OSError("the network is gone")

    with pytest.raises(DataError, match="the network is gone"):
        store(breaks_off, tmp_path)
    assert not (tmp_path / "training_set.json").exists()
    assert not list(tmp_path.glob("*.raw"))


def test_a_killed_store_is_not_taken_for_a_finished_one(shapes, tmp_path):
    want = store(shapes / "train", tmp_path / "store")
    program = """
import os, sys
from pathlib import Path
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.training.data.store import store_training_data

def dies():
    yield [[[0]] * 12] * 12, 0
    assert "tensorflow" not in sys.modules
    os._exit(9)

spec = TensorSpec(name="image", shape=(1, 12, 12, 1), dtype="float32")
options = {"inputs": [spec], "preprocessing": PRESETS["raw"], "seed": 3, "progress": Progress()}
store_training_data(dies, folder=Path(sys.argv[1]), **options)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "store")], check=False)
    assert done.returncode == 9
    assert not (tmp_path / "store" / "training_set.json").exists()
    assert store(shapes / "train", tmp_path / "store") == want


def test_a_limit_on_files_is_said_and_leaves_no_half_files(shapes, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # a file cannot grow further: EFBIG
    try:
        with pytest.raises(StorageError, match="limit on the size of a file"):
            store(shapes / "train", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_factory_is_read_anew_and_hashed_by_content(tmp_path):
    images, labels = shape_arrays(30, 5)
    pairs = list(zip(images, labels, strict=True))
    first = store(lambda: iter(pairs), tmp_path)
    assert store(lambda: iter(pairs), tmp_path).sha256 == first.sha256
    pairs[7] = (pairs[7][0] + 1, pairs[7][1])
    changed = store(lambda: iter(pairs), tmp_path)
    assert changed.sha256 != first.sha256
    np.testing.assert_array_equal(open_rows(changed).read(np.array([7]))[0][0], pairs[7][0])


def test_unreadable_images_are_left_out_by_name(shapes, tmp_path):
    folder = tmp_path / "images"
    for name in CLASSES:
        for copy in range(2):
            for path in (shapes / "test" / name).iterdir():
                (folder / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / name / f"{copy}{path.name}")
    broken = sorted((folder / "square").iterdir())[3]
    broken.write_bytes(b"not a picture")
    data = store(folder, tmp_path / "store")
    assert (data.rows, data.samples, len(data.skipped)) == (240, 239, 1)
    assert data.skipped[0].startswith(f"square/{broken.name} (")
    row = [sample.key for sample in open_dataset(folder)].index(f"square/{broken.name}")
    rows = [*data.part("train"), *data.part("validation")]
    assert sorted([*rows, row]) == list(range(240))
    pipeline = InputPipeline([GREY], PRESETS["raw"])
    samples = list(open_dataset(folder))
    for part in ("train", "validation"):
        want = [pipeline.prepare(samples[i].read(), "")[0] for i in data.part(part)]
        np.testing.assert_array_equal(read_rows(data, part, 1000)[0][0], want)
    for path in sorted((folder / "circle").iterdir())[:5]:
        path.write_bytes(b"")
    with pytest.raises(DataError, match="more than 1%"):
        store(folder, tmp_path / "store")


def test_a_folder_beyond_the_limit_is_streamed_with_the_same_rows(shapes, tmp_path):
    options = {"validation": shapes / "test", "preprocessing": PRESETS["0-1"], "limit": 70}
    stored = store(shapes / "train", tmp_path / "stored", **options)
    streamed = store(shapes / "train", tmp_path / "streamed", most_bytes=1000, **options)
    assert [folder.rows for folder in streamed.streamed] == [70, 120]
    assert not list((tmp_path / "streamed").glob("*.raw"))
    assert streamed.sha256 == stored.sha256
    some = np.array([189, 3, 70, 69, 3])
    np.testing.assert_array_equal(open_rows(streamed).read(some)[0], open_rows(stored).read(some)[0])
    for part in ("train", "validation"):
        for one, two in zip(read_rows(streamed, part, 11), read_rows(stored, part, 11), strict=True):
            np.testing.assert_array_equal(one, two)
    assert store(shapes / "train", tmp_path / "streamed", most_bytes=1000, **options) == streamed
    assert store(shapes / "train", tmp_path / "streamed", **options).streamed == ()


def test_a_streamed_folder_that_changes_is_noticed(shapes, tmp_path):
    shutil.copytree(shapes / "train", tmp_path / "images")
    data = store(tmp_path / "images", tmp_path / "store", most_bytes=1000)
    path = next((tmp_path / "images" / "circle").iterdir())
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"have changed during training: .*can no longer be read"):
        open_rows(data).read(np.arange(90))
    path.unlink()
    with pytest.raises(DataError, match="have changed during training"):
        open_rows(data)


def test_labels_of_each_kind(tmp_path):
    x = np.zeros((12, 3), np.float32)
    spec = TensorSpec(name="x", shape=(1, 3), dtype="float32")

    def described(y, name):
        data = store((x, y), tmp_path / name, inputs=[spec])
        return data.labels, data.label_shape, data.label_dtype, data.classes

    assert described(np.arange(12) % 3, "index") == ("class", (), "<i8", 3)
    assert described(np.eye(3)[np.arange(12) % 3], "one-hot") == ("class", (), "<i8", 3)
    assert described(np.linspace(0, 1, 12), "scalar") == ("values", (), "<f4", None)
    assert described(np.ones((12, 2)), "vector") == ("values", (2,), "<f4", None)

    def one_hot():
        return ((x[0], np.eye(3)[index % 3]) for index in range(12))

    data = store(one_hot, tmp_path / "factory", inputs=[spec], labels=("a", "b", "c"))
    assert (data.labels, data.classes, data.class_names) == ("class", 3, ("a", "b", "c"))


def test_bad_data_in_the_users_words(shapes, tmp_path):
    x, y = np.zeros((6, 12, 12, 1), np.float32), np.arange(6) % 2
    with pytest.raises(DataError, match="There are no training data"):
        store(None, tmp_path)
    with pytest.raises(DataError, match="has no labels"):
        store({"x": x}, tmp_path)
    with pytest.raises(DataError, match="All training samples are of class 1"):
        store((x, np.ones(6, int)), tmp_path)
    with pytest.raises(DataError, match="are empty"):
        store(lambda: iter(()), tmp_path)
    with pytest.raises(DataError, match="have the label 1, but there are 1 class names"):
        store((x, y), tmp_path, labels=("a",))
    with pytest.raises(DataError, match="different shapes"):
        store(lambda: [(x[0], np.ones(2)), (x[0], np.ones(3))], tmp_path)
    with pytest.raises(UsageError, match="must be at least 0 and below 1, not 1"):
        store((x, y), tmp_path, validation_split=1)
    with pytest.raises(DataError, match="second sample to validate on"):
        store((x[:2], y[:2]), tmp_path)
    with pytest.raises(ContractError, match="3 values for mean"):
        store(shapes / "train", tmp_path, preprocessing=PRESETS["imagenet-torch"])
    flexible = TensorSpec(name="x", shape=(1, -1), dtype="float32")
    with pytest.raises(DataError, match=r"training sample 'item 1' has the shape \[\[4\]\]"):
        store(lambda: [(np.ones(3), 0), (np.ones(4), 1)], tmp_path, inputs=[flexible])


def test_augmentations_for_images_are_refused_for_others():
    check_augmentation("flip-crop", [GREY])
    check_augmentation("mine:augment", [GREY, GREY])
    with pytest.raises(UsageError, match=r"no augmentation 'blur'"):
        check_augmentation("blur", [GREY])
    for inputs in ([GREY, GREY], [TensorSpec(name="x", shape=(1, 40), dtype="float32")]):
        with pytest.raises(UsageError, match="'flip' is for models with one input, an image"):
            check_augmentation("flip", inputs)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[convert]'")


def take(stream, count):
    return [[np.asarray(part) for part in batch] for batch in stream.take(count)]


def assert_equal_batches(one, two):
    assert len(one) == len(two)
    for parts in zip(one, two, strict=True):
        for left, right in zip(*parts, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("most_bytes", [1 << 30, 1], ids=["stored", "streamed"])
@pytest.mark.parametrize(("shape", "preprocessing"), [*layouts_and_preprocessings()])
def test_batches_hold_what_evaluation_makes_of_images(tf, photos, tmp_path, shape, preprocessing, most_bytes):
    spec = TensorSpec(name="x", shape=(1, *shape), dtype="float32")
    options = {"inputs": [spec], "preprocessing": preprocessing, "most_bytes": most_bytes}
    data = store(photos, tmp_path, **options, validation_split=0.4)
    want = prepared(photos, spec, preprocessing)
    x, y = (np.concatenate(parts) for parts in zip(*take(validation_batches(data, batch_size=7), 9), strict=True))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, want[data.part("validation")])
    assert y.tolist() == data.read_labels()[data.part("validation")].tolist()
    stream, steps = train_batches(data, batch_size=24, seed=1)
    ((x, y),) = take(stream, steps)
    np.testing.assert_array_equal(np.sort(x, axis=0), np.sort(want[data.part("train")], axis=0))


def test_epochs_have_orders_of_their_own_that_can_be_resumed(tf, shapes, tmp_path):
    data = store(shapes / "train", tmp_path, validation_split=0)
    options = {"batch_size": 20, "seed": 5, "augment": "flip-crop"}
    stream, steps = train_batches(data, **options)
    assert steps == 4
    whole = take(stream, 12)
    assert_equal_batches(take(train_batches(data, **options)[0], 12), whole)
    assert_equal_batches(take(train_batches(data, **options, first_epoch=2)[0], 4), whole[8:])
    assert not np.array_equal(whole[0][1], whole[4][1])
    assert not np.array_equal(whole[0][1], take(train_batches(data, **(options | {"seed": 6}))[0], 1)[0][1])


def test_an_epoch_has_each_sample_once_and_leaves_others_out_in_the_next(tf, tmp_path):
    x = np.arange(50, dtype=np.float32)[:, None]
    spec = TensorSpec(name="x", shape=(1, 1), dtype="float32")
    data = store((x, np.arange(50) % 2), tmp_path, inputs=[spec], validation_split=0)
    stream, steps = train_batches(data, batch_size=16, seed=0)
    assert steps == 3
    epochs = np.concatenate([x for x, _ in take(stream, 2 * steps)]).reshape(2, 48)
    assert [len(np.unique(epoch)) for epoch in epochs] == [48, 48]
    assert set(epochs[0]) != set(epochs[1])
    for values, labels in take(stream, 3):
        assert (values[:, 0] % 2 == labels).all()
    small, steps = train_batches(data, batch_size=64, seed=0)
    assert steps == 1
    assert [x.shape for x, _ in take(small, 2)] == [(50, 1), (50, 1)]


def test_shards_make_up_the_global_batch(tf, shapes, tmp_path):
    data = store(shapes / "train", tmp_path)
    whole, steps = train_batches(data, batch_size=12, seed=2)
    shards = [train_batches(data, batch_size=12, seed=2, shard=(index, 3)) for index in range(3)]
    assert {count for _, count in shards} == {steps}
    parts = [take(shard, 8) for shard, _ in shards]
    joined = [[np.concatenate(p) for p in zip(*batches, strict=True)] for batches in zip(*parts, strict=True)]
    assert_equal_batches(joined, take(whole, 8))
    policy = whole.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF
    with pytest.raises(UsageError, match="cannot be divided evenly among 5 workers"):
        train_batches(data, batch_size=12, seed=2, shard=(0, 5))


def test_class_weights_go_along(tf, shapes, tmp_path):
    data = store(shapes / "train", tmp_path)
    stream, _ = train_batches(data, batch_size=10, seed=0, class_weights=[0.5, 1, 4])
    for _, labels, weights in take(stream, 3):
        np.testing.assert_array_equal(weights, np.array([0.5, 1, 4], np.float32)[labels])
    with pytest.raises(UsageError, match="2 class weights for 3 classes"):
        train_batches(data, batch_size=10, seed=0, class_weights=[1, 2])


@pytest.mark.parametrize("shape", [(12, 16, 3), (3, 12, 16), (14, 14)], ids=str)
@pytest.mark.parametrize("name", ["flip", "crop", "flip-crop"])
def test_built_in_augmentations_move_pixels(tf, name, shape):
    spec = TensorSpec(name="x", shape=(1, *shape), dtype="float32")
    augment = load_augmentation(name, [spec])
    x = np.random.default_rng(0).normal(size=(32, *shape)).astype(np.float32)
    one, two, other = (np.asarray(augment(x, tf.constant([1, step]))) for step in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert one.shape == x.shape
    assert not np.array_equal(one, other)
    rows, axis = {(12, 16, 3): (0, 1), (3, 12, 16): (1, 2), (14, 14): (0, 1)}[shape]
    mirrored = np.flip(x, axis + 1)
    if name == "flip":
        kinds = [(np.array_equal(a, b), np.array_equal(a, c)) for a, b, c in zip(one, x, mirrored, strict=True)]
        assert set(kinds) == {(True, False), (False, True)}
        return
    height, width = shape[rows], shape[axis]
    pad = [(0, 0)] * len(shape)
    pad[rows], pad[axis] = (height // 8,) * 2, (width // 8,) * 2
    for image, before, flipped in zip(one, x, mirrored, strict=True):
        crops = [
            np.take(np.take(padded, range(top, top + height), rows), range(left, left + width), axis)
            for padded in (np.pad(source, pad, "reflect") for source in (before, flipped)[: 1 + ("flip" in name)])
            for top in range(2 * (height // 8) + 1)
            for left in range(2 * (width // 8) + 1)
        ]
        assert any(np.array_equal(image, crop) for crop in crops)


def test_augmentation_of_the_user(tf, shapes, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import tensorflow as tf\n"
        "def darker(x):\n"
        "    if tf.reduce_mean(x) > 0:\n"  # AutoGraph makes a condition of it
        "        x = x / 2\n"
        "    return x\n"
        "def noise(x, seed):\n    return x + tf.random.stateless_normal(tf.shape(x), seed)\n"
        "def smaller(x):\n    return x[:, 1:]\n"
        "def broken(x):\n    raise ValueError('not like this')\n"
        "def odd(x, y, z):\n    return x\n"
    )
    data = store(shapes / "train", tmp_path / "store")

    def batches(name):
        augment = name and f"{tmp_path / 'mine.py'}:{name}"
        return take(train_batches(data, batch_size=30, seed=0, augment=augment)[0], 4)

    plain = batches(None)
    for (x, _), (before, _) in zip(batches("darker"), plain, strict=True):
        np.testing.assert_array_equal(x, before / 2)
    noisy = batches("noise")
    assert_equal_batches(batches("noise"), noisy)
    added = [x - before for (x, _), (before, _) in zip(noisy, plain, strict=True)]
    assert not np.allclose(added[0], added[1], atol=0.1)
    with pytest.raises(UsageError, match=r"smaller' made float32\(30, 11, 12, 1\) of float32\(30, 12, 12, 1\)"):
        batches("smaller")
    with pytest.raises(UsageError, match=r"(?s)broken' failed.*ValueError: not like this"):
        batches("broken")
    with pytest.raises(UsageError, match=r"must take \(x\) or \(x, seed\)"):
        batches("odd")


def test_a_model_with_several_inputs_trains_on_the_batches(tf, tmp_path):
    import tf_keras

    generator = np.random.default_rng(0)
    rows = {"wide": generator.normal(size=(40, 4)), "ids": generator.integers(0, 5, (40, 3)), "y": np.arange(40) % 2}
    ids = tf_keras.Input((3,), dtype="int32", name="ids")
    wide = tf_keras.Input((4,), name="wide")
    embedded = tf_keras.layers.Flatten()(tf_keras.layers.Embedding(5, 2)(ids))
    joined = tf_keras.layers.Concatenate()([wide, embedded])
    model = tf_keras.Model([ids, wide], tf_keras.layers.Dense(2, name="answer")(joined))
    inputs = (
        TensorSpec(name="ids", shape=(1, 3), dtype="int32"),
        TensorSpec(name="wide", shape=(1, 4), dtype="float32"),
    )
    data = store(rows, tmp_path, inputs=inputs)
    stream, steps = train_batches(data, batch_size=6, seed=0, class_weights=[1, 2], outputs=["answer"])
    held = validation_batches(data, batch_size=3, outputs=["answer"])
    model.compile("sgd", {"answer": tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)})
    history = model.fit(stream, steps_per_epoch=steps, epochs=2, validation_data=held, verbose=0).history
    assert steps == 6
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
