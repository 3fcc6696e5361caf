"""The same samples in every kind of data: calibration stores the same bytes, evaluation finds the same figures."""

import csv
import io
import tarfile

import numpy as np
import pytest
from conftest import DATA, converted, shape_arrays
from PIL import Image

from tflitekit import evaluate, read_graph
from tflitekit.core.errors import DataError
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import store_calibration
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS

TOKENS = DATA / "converted" / "tokens" / "float32.tflite"


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0].astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def as_list(root, files, labels):
    for number, content in enumerate(files):
        (root / f"{number}.png").write_bytes(content)
    with (root / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path", "label"], *([f"{i}.png", label] for i, label in enumerate(labels))])
    return root / "list.csv"


def as_tar(root, files, labels):
    with tarfile.open(root / "d.tar", "w") as archive:
        for number, (content, label) in enumerate(zip(files, labels, strict=True)):
            for suffix, data in (("png", content), ("cls", str(label).encode())):
                info = tarfile.TarInfo(f"{number:03d}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return root / "d.tar"


def as_parquet(root, files, labels):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    pictures = [{"bytes": content, "path": None} for content in files]
    parquet.write_table(arrow.table({"image": pictures, "label": labels}), root / "d.parquet")
    return root / "d.parquet"


def as_pixels(root, files, labels):
    with (root / "pixels.csv").open("w", newline="") as stream:
        rows = [[*np.asarray(Image.open(io.BytesIO(f))).ravel(), label] for f, label in zip(files, labels, strict=True)]
        csv.writer(stream, delimiter=";").writerows([[*(f"p{i}" for i in range(144)), "label"], *rows])
    return root / "pixels.csv"


@pytest.mark.parametrize("write", [as_list, as_tar, as_parquet, as_pixels])
def test_pictures_of_every_kind(variants, tmp_path, write):
    images, labels = shape_arrays(40, 8)
    source = write(tmp_path, [png(image) for image in images], labels.tolist())
    inputs = read_graph(variants / "float32.tflite").inputs
    stored = [
        store_calibration(open_dataset(data), inputs, PRESETS["raw"], tmp_path / name, Progress())
        for name, data in (("one", source), ("two", (images, labels)))
    ]
    assert stored[0].sha256 == stored[1].sha256 and stored[0].samples == 40
    figures = [
        evaluate([variants / "float32.tflite"], data=data, jobs=2, limit=30).variants[0].accuracy
        for data in (source, (images, labels))
    ]
    assert figures[0] == figures[1]


def test_token_ids_are_checked_against_the_table(tmp_path):
    assert read_graph(TOKENS).vocabularies == {"tokens": 50}
    assert read_graph(DATA / "converted" / "regression" / "float32.tflite").vocabularies == {}
    ids = np.load(DATA / "models" / "tokens.npz")["x"]
    path = tmp_path / "t.csv"
    rows = [f"{' '.join(map(str, row))},{number % 2}" for number, row in enumerate(ids)]
    path.write_text("\n".join(["tokens,label", *rows]))
    variant = converted("tokens", tmp_path / "build") / "float32.tflite"
    assert evaluate([variant], data=path).dataset.samples == 30
    for wrong in (50, -1):
        path.write_text("\n".join(["tokens,label", *rows, f"{' '.join(['3'] * 19)} {wrong},1"]))
        with pytest.raises(
            DataError, match=rf"'line 32' has the value {wrong} in the input 'tokens', .* table of 50: 0 to 49"
        ):
            evaluate([variant], data=path)
    inputs = read_graph(TOKENS).inputs
    stored = store_calibration(open_dataset(path), inputs, PRESETS["raw"], tmp_path / "c", Progress())
    with pytest.raises(DataError, match="The calibration sample 30 has the value -1"):
        stored.check_vocabularies({"tokens": 50})
    with pytest.raises(DataError, match=r"'line 32' has the value -1 in the input 'tokens'"):  # as soon as it is read
        store_calibration(open_dataset(path), inputs, PRESETS["raw"], tmp_path / "d", Progress(), {"tokens": 50})


def test_words_where_the_model_takes_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("tokens,label\nthe cat sat,1\n")
    with pytest.raises(DataError, match=r"column 'tokens' of .* holds 'the cat sat', and the model takes numbers"):
        evaluate([converted("tokens", tmp_path / "build") / "float32.tflite"], data=path)
