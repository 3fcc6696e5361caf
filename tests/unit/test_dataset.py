"""Data sets of each kind: order, labels, samples drawn, streaming, and errors in the user's words."""

import tracemalloc
import unicodedata
from collections import Counter

import numpy as np
import pytest
from conftest import CLASSES
from PIL import Image

from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline, UnreadableSampleError, open_dataset
from tflitekit.data.preprocessing import PRESETS

IMAGE = TensorSpec(name="image", shape=(1, 12, 12, 1), dtype="float32")


def test_folder_classes_in_sorted_order(shapes):
    data = open_dataset(shapes / "test")
    assert data.classes == tuple(sorted(CLASSES))
    assert len(data) == 120
    samples = list(data)
    assert samples == sorted(samples, key=lambda s: s.key)
    assert {s.key.split("/")[0]: s.label for s in samples} == {name: i for i, name in enumerate(sorted(CLASSES))}
    assert samples[0].read().size == (12, 12)


def test_labels_match_folders_by_name(shapes):
    labels = ("background", "Stripe", "square", "circle", "other")
    data = open_dataset(shapes / "test", labels=labels)
    assert data.classes == labels
    assert {s.key.split("/")[0]: s.label for s in data} == {"circle": 3, "square": 2, "stripe": 1}


def test_unknown_folder_is_named(shapes):
    with pytest.raises(DataError, match=r"square is not among the labels of the model"):
        open_dataset(shapes / "test", labels=("circle", "stripe"))


def folders(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("L", (3, 3)).save(root / name / "1.png")
    return root


def test_names_in_either_unicode_form_are_one(tmp_path):
    forms = {form: unicodedata.normalize(form, "Café_Zürich") for form in ("NFC", "NFD")}
    assert forms["NFC"] != forms["NFD"]
    for folder, label in (
        (forms["NFD"], forms["NFC"]),
        (forms["NFC"], forms["NFD"]),
        (forms["NFD"].upper(), "café zürich"),
    ):
        data = open_dataset(folders(tmp_path / f"{folder}-{label}", folder), labels=("other", label))
        assert [sample.label for sample in data] == [1]
    x = np.zeros((2, 2))
    assert [s.label for s in open_dataset((x, np.array([forms["NFD"], "b"])), labels=("b", forms["NFC"]))] == [1, 0]
    assert [s.label for s in open_dataset((x, np.array([b"b", "é".encode()])), labels=("b", "é"))] == [0, 1]


def test_a_label_that_stands_twice(tmp_path):
    labels = ("dog", "crane", "cat", "crane")
    for source in (folders(tmp_path / "a", "crane", "dog"), (np.zeros((2, 2)), np.array(["dog", "crane"]))):
        with pytest.raises(
            DataError, match=r"(?s)crane.* appears 2 times.*1, 3 \(from 0\).*crane \(bird\).*by index: 1 or 3"
        ):
            open_dataset(source, labels=labels)
    assert [s.label for s in open_dataset(folders(tmp_path / "b", "cat", "dog"), labels=labels)] == [
        2,
        0,
    ]  # needs none of the two
    assert [s.label for s in open_dataset(folders(tmp_path / "c", "1", "3"), labels=labels)] == [1, 3]
    assert [s.label for s in open_dataset(folders(tmp_path / "d", "3", "4"), labels=("3", "1", "4", "1"))] == [
        0,
        2,
    ]  # names first
    for number, wrong in enumerate((("1", "4"), ("1", "dog", "bird"))):
        with pytest.raises(DataError, match="not among the labels of the model"):
            open_dataset(folders(tmp_path / str(number), *wrong), labels=labels)


def test_limit_is_seeded_and_balanced(shapes):
    one, two = (open_dataset(shapes / "test", limit=31, seed=4) for _ in range(2))
    assert [s.key for s in one] == [s.key for s in two]
    assert sorted(Counter(s.label for s in one).values()) == [10, 10, 11]
    assert [s.key for s in open_dataset(shapes / "test", limit=31, seed=5)] != [s.key for s in one]
    assert len(open_dataset(shapes / "test", limit=10_000)) == 120


def test_fingerprint_follows_content_not_time(shapes, tmp_path):
    for name in ("a", "b"):
        for label in ("x", "y"):
            (tmp_path / name / label).mkdir(parents=True)
            Image.new("L", (3, 3), 9).save(tmp_path / name / label / "1.png")
    first, second = open_dataset(tmp_path / "a"), open_dataset(tmp_path / "b")
    assert first.fingerprint() == second.fingerprint()
    Image.new("L", (3, 3), 10).save(tmp_path / "b" / "y" / "1.png")
    assert first.fingerprint() != second.fingerprint()


def test_fingerprint_covers_the_middle_of_long_targets():
    y = np.zeros((2, 3000))
    before = open_dataset((np.zeros((2, 2)), y)).fingerprint()
    y[1, 1500] = 1
    assert open_dataset((np.zeros((2, 2)), y)).fingerprint() != before


def test_settings_of_kinds_that_take_none(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 2)), y=np.zeros(2, int))
    with pytest.raises(UsageError, match=r"kind 'npz', which takes no settings \(label\)"):
        open_dataset(f"{tmp_path / 'd.npz'}:label=y")
    (tmp_path / "d.npz").rename(tmp_path / "a:b=c.npz")
    assert len(open_dataset(tmp_path / "a:b=c.npz")) == 2  # the file's own name


def test_empty_and_missing_folders(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        open_dataset(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(DataError, match=r"class folder .*cat has no images"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="no data at"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "x.csv").write_text("1")
    with pytest.raises(DataError, match=r"\.csv"):
        open_dataset(tmp_path / "x.csv")


def test_flat_folder_serves_calibration_only(tmp_path):
    Image.new("L", (3, 3)).save(tmp_path / "1.png")
    assert [s.label for s in open_dataset(tmp_path, need_labels=False)] == [None]
    with pytest.raises(DataError, match="no class folders"):
        open_dataset(tmp_path)


def test_broken_image_is_an_unreadable_sample(tmp_path):
    (tmp_path / "a").mkdir()
    good = tmp_path / "a" / "1.jpg"
    Image.new("RGB", (64, 64)).save(good)
    (tmp_path / "a" / "2.jpg").write_bytes(good.read_bytes()[:300])
    (tmp_path / "a" / "3.jpg").write_bytes(b"not an image")
    _, second, third = open_dataset(tmp_path)
    with pytest.raises(UnreadableSampleError):
        second.read()
    with pytest.raises(UnreadableSampleError, match=r"^no image of a known format$"):
        third.read()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_rows(tmp_path, save, order):
    x = np.asarray(np.arange(60, dtype=np.float32).reshape(10, 3, 2), order=order)
    save(tmp_path / "d.npz", x=x, y=np.arange(10) % 2)
    data = open_dataset(tmp_path / "d.npz", limit=4, seed=1)
    rows = list(data)
    assert len(rows) == 4
    for sample in rows:
        index = int(sample.key.split()[1])
        assert sample.label == index % 2
        assert np.array_equal(sample.read()["x"], x[index])
    assert data.fingerprint() == open_dataset(tmp_path / "d.npz", limit=4, seed=1).fingerprint()


def test_npz_is_streamed(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((4000, 64, 64), np.float32), y=np.zeros(4000, np.int64))  # 65 MB
    data = open_dataset(tmp_path / "d.npz")
    tracemalloc.start()
    count = sum(1 for sample in data if sample.read()["x"].shape == (64, 64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4000
    assert peak < 4_000_000


def test_npz_labels(tmp_path):
    path = tmp_path / "d.npz"
    x = np.zeros((3, 2), np.float32)
    for y, expected in (
        (np.array([[2], [0], [1]]), [2, 0, 1]),
        (np.eye(3)[[2, 0, 1]], [2, 0, 1]),
        (np.array([True, False, True]), [1, 0, 1]),
    ):
        np.savez(path, x=x, y=y)
        assert [s.label for s in open_dataset(path)] == expected
    np.savez(path, x=x, y=np.array(["b", "a", "b"]))
    assert [s.label for s in open_dataset(path, labels=("a", "b"))] == [1, 0, 1]
    np.savez(path, x=x, y=np.array([0.5, 1.5, 2.5]))
    assert [float(s.label) for s in open_dataset(path)] == [0.5, 1.5, 2.5]


def test_npz_errors(tmp_path):
    path = tmp_path / "d.npz"
    for columns, word in (
        ({"x": np.zeros((3, 2))}, "no labels"),
        ({"y": np.zeros(3)}, "no inputs"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2, int)}, "x: 3, y: 2"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0, int)}, "is empty"),
        ({"x": np.zeros((2, 2)), "y": np.array([-1, 0])}, "count from 0"),
        ({"x": np.zeros((2, 2)), "y": np.array([np.nan, 0])}, "NaN"),
        ({"x": np.array([{"code": 1}, 2], dtype=object), "y": np.zeros(2, int)}, "pickled"),
    ):
        np.savez(path, **columns)
        with pytest.raises(DataError, match=word):
            open_dataset(path)
    path.write_bytes(b"PK garbage")
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        open_dataset(path)


def test_factory_and_python_objects(tmp_path):
    (tmp_path / "feed.py").write_text(
        "import numpy as np\n"
        "def data():\n"
        "    for i in range(12):\n"
        "        yield {'left': np.full(4, i), 'right': np.zeros(3)}, i % 3\n"
        "def unlabelled():\n"
        "    yield np.zeros(4)\n"
        "def broken():\n"
        "    raise RuntimeError('no disk')\n"
    )
    data = open_dataset(f"{tmp_path}/feed.py:data", limit=6)
    assert len(data) == 6
    assert sorted(Counter(s.label for s in data).values()) == [2, 2, 2]
    assert [s.read()["left"][0] for s in data] == [s.read()["left"][0] for s in data]
    for name, word in (("unlabelled", "no label"), ("broken", "no disk")):
        with pytest.raises(DataError, match=word):
            list(open_dataset(f"{tmp_path}/feed.py:{name}"))
    with pytest.raises(UsageError, match="cannot be loaded"):
        open_dataset("no_such_module:data")
    assert [s.label for s in open_dataset((np.zeros((2, 3)), np.array([1, 0])))] == [1, 0]
    with pytest.raises(UsageError, match="not a data set"):
        open_dataset(3)


def test_wrong_shape_names_both():
    pipeline = InputPipeline([IMAGE], PRESETS["raw"])
    with pytest.raises(DataError, match=r"\[28, 28\].*'image'.*\[12, 12, 1\]"):
        pipeline.prepare({"x": np.zeros((28, 28))}, "row 0")


def test_inputs_are_found_by_name_not_order():
    left, right = (TensorSpec(name=n, shape=(1, 2), dtype="float32") for n in ("left", "right"))
    pipeline = InputPipeline([left, right], PRESETS["raw"])
    first, second = pipeline.prepare({"right": np.array([3, 4]), "left": np.array([1, 2])}, "row 0")
    assert first.tolist() == [1, 2]
    assert second.tolist() == [3, 4]
    with pytest.raises(DataError, match=r"the data have up, down.*model takes left, right"):
        pipeline.prepare({"up": np.zeros(2), "down": np.zeros(2)}, "row 0")
    with pytest.raises(DataError, match="2 inputs"):
        pipeline.prepare(Image.new("L", (2, 2)), "a.png")


def test_normalization_reaches_arrays_that_are_images():
    pipeline = InputPipeline([IMAGE], PRESETS["0-1"])
    (values,) = pipeline.prepare({"x": np.full((12, 12), 255, np.uint8)}, "row 0")
    assert values.shape == (12, 12, 1)
    assert np.all(values == 1)
    flat = InputPipeline([TensorSpec(name="f", shape=(1, 8), dtype="float32")], PRESETS["0-1"])
    with pytest.raises(ContractError, match="for pixels"):
        flat.prepare({"x": np.zeros(8)}, "row 0")


@pytest.mark.parametrize("values", [[0.5, 1.0], [1.0, float("nan")], [1.0, 3e9]])
def test_what_an_integer_input_cannot_hold_is_refused(values):
    pipeline = InputPipeline([TensorSpec(name="tokens", shape=(1, 2), dtype="int32")], PRESETS["raw"])
    (whole,) = pipeline.prepare({"x": np.array([3.0, 4.0])}, "row 0")
    assert (whole.dtype, whole.tolist()) == (np.int32, [3, 4])
    with pytest.raises(DataError, match=r"row 1.*'tokens' cannot hold(?s:.*)token ids"):
        pipeline.prepare({"x": np.array(values)}, "row 1")


def test_samples_as_representative_datasets_have_them():
    """TensorFlow's guide yields lists with one batch of one."""
    rows = np.random.default_rng(0).random((5, 12, 12, 1)).astype(np.float32)
    pipeline = InputPipeline([IMAGE], PRESETS["raw"])
    for yields in (
        lambda x: [x[None]],
        lambda x: x[None],
        lambda x: [x],
        lambda x: {"image": x[None]},
        lambda x: x[..., 0],
    ):
        data = open_dataset(lambda yields=yields: map(yields, rows), need_labels=False)
        found = [pipeline.prepare(sample.read(), sample.key)[0] for sample in data]
        assert np.array_equal(found, rows)
    with pytest.raises(DataError, match=r"(?s)\[5, 12, 12, 1\] does not fit.*one by one, not in batches"):
        pipeline.prepare({"x": rows}, "item 0")


def test_one_hot_labels_of_a_factory():
    def factory(labels):
        return open_dataset(lambda: ((np.zeros(2), label) for label in labels))

    assert [sample.label for sample in factory(np.eye(3)[[2, 0, 1]])] == [2, 0, 1]
    targets = np.array([[0, 1.0], [0.25, 0.5]])
    assert np.array_equal([sample.label for sample in factory(targets)], targets)
    assert np.array_equal([sample.label for sample in factory(np.ones((3, 2)))], np.ones((3, 2)))
    late = np.concatenate([np.eye(3)[np.arange(300) % 3], [[0.5, 0.5, 0]]])
    with pytest.raises(DataError, match=r"item 300.*0\.5, 0\.5, 0\.0.*one-hot"):
        list(factory(late))


def test_what_is_no_data_set_says_what_would_be():
    for wrong in ([(np.zeros(2), 1)], iter([1]), object()):
        with pytest.raises(UsageError, match=r"(?s)is not a data set.*tf\.data.*one by one"):
            open_dataset(wrong)


@pytest.mark.parametrize(
    "label", [np.array([np.nan, 1]), np.array([]), np.array([{}, 1]), [np.inf, 0.0], "cat", -1, 2**63, 1j]
)
def test_labels_of_a_factory_that_are_none(label):
    with pytest.raises(DataError, match=r"label"):
        list(open_dataset(lambda: iter([(np.zeros(2), label)])))


def test_rows_of_unlike_lengths_and_missing_labels_in_memory():
    rows = [[1.0, 2.0], [3.0]]
    for x in (rows, [np.array(row) for row in rows], np.array([np.array(row) for row in rows], dtype=object)):
        assert [sample.read()["x"].tolist() for sample in open_dataset((x, [0, 1]))] == rows
        assert [sample.label for sample in open_dataset((x, None), need_labels=False)] == [None, None]
    with pytest.raises(DataError, match="has no labels"):
        open_dataset((rows, None))
