"""A segmentation network from its files to examples: masks of a folder, without labels, drawn before and after."""

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tflitekit.accuracy.evaluation import evaluate
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.core.errors import DataError
from tflitekit.data.contract import load_labels
from tflitekit.data.dataset import open_dataset
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.tasks.interface import Interface
from tflitekit.tflite.runtime import Model

PAGE = Path(__file__).parents[2] / "docs" / "segmentation.md"
FOLDER = Path(__file__).parent.parent / "data" / "tasks" / "segmentation"
FILES = [FOLDER / "float32.tflite", FOLDER / "int8.tflite"]


@pytest.fixture(scope="module")
def found():
    return evaluate(FILES, data=FOLDER / "scenes", labels=FOLDER / "labels.txt", preprocess="0-1", jobs=1)


def answers(path, scale=255):
    model = Model(path)
    for picture in sorted((FOLDER / "scenes" / "images").iterdir()):
        pixels = np.asarray(Image.open(picture).convert("RGB"), np.float32)[None] / scale
        mask = np.asarray(Image.open(FOLDER / "scenes" / "masks" / picture.name))
        yield model.run([pixels])[0][0].argmax(axis=-1), mask


def test_figures_are_those_of_a_plain_loop(found):
    assert (found.dataset.kind, found.dataset.task, found.dataset.samples) == ("masks", "segmentation", 12)
    assert found.dataset.reader["values"] == "scores"
    for row, path in zip(found.variants, FILES, strict=True):
        confusion = np.zeros((11, 11))
        for answer, truth in answers(path):
            np.add.at(confusion, (truth.reshape(-1), answer.reshape(-1)), 1)
        right, union = confusion.diagonal(), confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
        assert row.accuracy.metric == "miou"
        assert row.accuracy.value == pytest.approx((right[union > 0] / union[union > 0]).mean(), abs=1e-6)
        labels = load_labels(FOLDER / "labels.txt")
        by_label = {entry.label: entry.value for entry in row.per_class}
        there = [label for label, pixels in zip(labels, confusion.sum(1), strict=True) if pixels]
        assert by_label == pytest.approx(
            {label: (right / np.maximum(union, 1))[labels.index(label)] for label in there}
        )
    base, quantized = found.variants
    assert quantized.drop.value == pytest.approx(base.accuracy.value - quantized.accuracy.value)
    assert quantized.drop.verdict.endswith("points)") or quantized.drop.verdict == "no measurable drop"


def test_the_worst_pictures_are_drawn_before_and_after(found):
    base, quantized = found.variants
    assert base.examples == ()
    losses = [example.lost for example in quantized.examples]
    assert 1 <= len(losses) <= 6
    assert losses == sorted(losses, reverse=True)
    assert min(losses) > 0
    worst = quantized.examples[0]
    assert [picture.title for picture in worst.pictures] == ["truth", "float32", "int8"]
    assert "; before: mean IoU" in worst.text
    drawings = [Image.open(io.BytesIO(base64.b64decode(picture.image))) for picture in worst.pictures]
    assert {drawing.size for drawing in drawings} == {(160, 160)}
    pixels = [np.asarray(drawing, float) for drawing in drawings]
    assert np.abs(pixels[0] - pixels[1]).max() > 60  # other classes have other colors
    name = Path(worst.sample).name
    mask = np.asarray(Image.open(FOLDER / "scenes" / "masks" / name).resize((160, 160), Image.Resampling.NEAREST))
    plain = np.asarray(Image.open(FOLDER / "scenes" / "images" / name).convert("RGB").resize((160, 160)), float)
    changed = np.abs(pixels[0] - plain).max(axis=-1) > 40
    assert changed[mask > 0].mean() > 0.7
    assert changed[mask == 0].mean() < 0.1


def test_without_labels_masks_are_those_of_the_float_model(found):
    alone = evaluate(
        FILES,
        data=FOLDER / "scenes" / "images",
        task="segmentation",
        labels=FOLDER / "labels.txt",
        preprocess="0-1",
        jobs=1,
    )
    base, quantized = alone.variants
    right, union = np.zeros(11), np.zeros(11)
    for (one, _), (other, _) in zip(answers(FILES[0]), answers(FILES[1]), strict=True):
        for number in range(11):
            right[number] += np.sum((one == number) & (other == number))
            union[number] += np.sum((one == number) | (other == number))
    assert quantized.likeness.metric == "mask-iou"
    assert quantized.likeness.value == pytest.approx((right[union > 0] / union[union > 0]).mean(), abs=1e-6)
    assert base.likeness.value == 1.0
    assert [picture.title for picture in quantized.examples[0].pictures] == ["float32", "int8"]


def test_what_is_wrong_with_masks_is_told_by_name(tmp_path):
    scenes = Path(shutil.copytree(FOLDER / "scenes", tmp_path / "scenes"))
    options = {"labels": FOLDER / "labels.txt", "preprocess": "0-1", "jobs": 1}
    path = scenes / "masks" / "0003.png"
    mask = np.array(Image.open(path))
    mask[0, :3] = 200
    Image.fromarray(mask.astype(np.uint8)).save(path)
    with pytest.raises(
        DataError,
        match=r"(?s)masks/0003\.png has the class 200, and the model's classes are 0 to 10.*--ignore-label 200",
    ):
        evaluate(FILES[:1], data=scenes, **options)
    model = Model(FILES[0])
    interface = Interface(tuple(model.inputs), tuple(model.outputs), classes=load_labels(FOLDER / "labels.txt"))
    with pytest.raises(DataError, match="--ignore-label 200"):  # before anything is converted
        choose_metric(open_dataset(scenes), interface, EvaluateOptions())
    ignored = evaluate(FILES[:1], data=scenes, ignore_label=200, **options)
    assert ignored.variants[0].accuracy.n == 12
    Image.fromarray(mask[:30].astype(np.uint8)).save(path)
    with pytest.raises(DataError, match=r"0003\.png has 64 x 30 pixels, and its picture 64 x 64"):
        evaluate(FILES[:1], data=scenes, ignore_label=200, **options)


def test_masks_that_know_nothing_of_the_picture_are_told(found):
    assert [warning.kind for warning in found.warnings] == []
    wrong = evaluate(FILES[:1], data=FOLDER / "scenes", labels=FOLDER / "labels.txt", preprocess="raw", jobs=1)
    (warning,) = wrong.warnings
    assert warning.kind == "chance"
    assert re.match(
        r"The baseline's mean IoU, 1\.\d%, is no better than that of always answering 'background' \(9\.\d%\)",
        warning.message,
    )
    assert "'raw' is not the one that it was trained with (--preprocess)" in warning.advice
    assert "than 'mask' does (--reader;" in warning.advice


@pytest.mark.parametrize("command", re.findall(r"^tflitekit (evaluate .*)$", PAGE.read_text(), flags=re.M))
def test_the_commands_of_the_page_run(command, cli, monkeypatch):
    monkeypatch.chdir(FOLDER)
    code, out, err = cli(*command.split(), "--jobs", "1")
    assert code == 0, err
    assert "int8" in out
