import socket

import numpy as np
import pytest
from PIL import Image

from tflitekit.accuracy.spread import samples_of_part, score_part, seconds_of_each
from tflitekit.core.errors import MachineError
from tflitekit.core.files import hash_json
from tflitekit.data.contents import Contents
from tflitekit.data.dataset import open_dataset


def picture(path, value, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3) if mode == "RGB" else (4, 4), value, np.uint8), mode).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        picture(tmp_path / "a" / f"{number}.png", number)
        picture(tmp_path / "b" / f"{number}.png", number)
    return tmp_path


def parts(folder, **options):
    contents = Contents(open_dataset(folder, **options))
    return contents.of(0, 3), contents.of(3, 6)


def test_a_picture_that_changes_changes_its_part_alone(folder):
    first, second = parts(folder)
    picture(folder / "b" / "1.png", 99)
    assert parts(folder)[0] == first
    assert parts(folder)[1] != second


def test_classes_in_another_order_are_other_contents(folder):
    there = parts(folder, labels=("b", "a"))
    assert all(one != other for one, other in zip(parts(folder), there, strict=True))


def test_a_mask_that_changes_is_seen(tmp_path):
    for name in "abcdef":
        picture(tmp_path / "images" / f"{name}.png", 7)
        picture(tmp_path / "masks" / f"{name}.png", 1, "L")
    before = parts(tmp_path)
    assert parts(tmp_path) == before
    picture(tmp_path / "masks" / "f.png", 2, "L")
    assert parts(tmp_path)[1] != before[1]


def test_rows_that_change_are_seen(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    np.savez(tmp_path / "rows.npz", x=x, y=np.arange(6))
    before = parts(tmp_path / "rows.npz")
    x[5, 1] = -1
    np.savez(tmp_path / "rows.npz", x=x, y=np.arange(6))
    assert parts(tmp_path / "rows.npz")[1] != before[1]


def test_a_worker_that_sees_other_data_scores_nothing(folder):
    wanted, _ = parts(folder)
    picture(folder / "a" / "1.png", 99)
    with pytest.raises(MachineError, match=f"has other contents on {socket.gethostname()} than on") as raised:
        score_part(
            variants=[], files=[], probabilities={}, data={"source": str(folder), "labels": None}, how={}, constraints={},
            baseline=None, size=3, start=0, stop=3, content=wanted, out=str(folder / "out.npz"),
        )  # fmt: skip
    assert raised.value.why == "Samples 1 to 3 differ, or their labels."


@pytest.mark.parametrize(
    ("total", "workers", "seconds_each", "parts"),
    [
        (2000, 2, 0.0005, 1),
        (2000, 12, 0.002, 4),
        (2000, 2, 0.005, 4),
        (2000, 12, 0.1, 48),
        (50_000, 2, 0.005, 8),
        (2000, 2, 9.0, 8),
    ],
)
def test_parts_of_an_evaluation_are_long_and_reach_every_worker(total, workers, seconds_each, parts):
    step = samples_of_part(total, workers, seconds_each, 8)
    assert step % 8 == 0
    assert max(0, parts - workers) < -(-total // step) <= parts


def test_one_sample_is_not_sent_anywhere(folder):
    assert seconds_of_each(open_dataset(folder, limit=1), lambda: pytest.fail("nothing to measure")) == 0.0


def test_a_hash_does_not_go_by_the_order_of_a_set():
    assert hash_json({"names": {"b", "a", "c"}, "n": 1}) == hash_json({"n": 1, "names": ["a", "b", "c"]})
