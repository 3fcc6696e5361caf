"""Each lint on data or a real small model that provokes it, and silence on the healthy ones."""

import shutil

import numpy as np
import pytest
from conftest import CLASSES, LINTS, converted, shape_arrays
from edit_tflite import edit_weights
from PIL import Image

from tflitekit import evaluate
from tflitekit.accuracy.evaluation import evaluate_variants
from tflitekit.accuracy.lints.calibration import lint_calibration
from tflitekit.core.errors import DataError
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.calibration import store_calibration
from tflitekit.data.dataset import open_dataset
from tflitekit.data.facts import smoothness
from tflitekit.data.preprocessing import PRESETS
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.tflite.variant import load_variant

CONV1, DENSE = (16, 3, 3, 1), (3, 24)
"""Shapes of the kernels of the small classifier's first and last layer."""


def kinds(findings):
    return {finding.kind for finding in findings}


@pytest.fixture
def lint(variants, shapes, tmp_path):
    """Evaluates the float32 classifier, prepares calibration samples as `optimize` does, and lints them."""

    def run(calibration, *, data=shapes / "test", preprocess="raw", limit=None):
        variant, _ = load_variant(variants / "float32.tflite", preprocessing=PRESETS[preprocess], labels=CLASSES)
        dataset = open_dataset(data, labels=CLASSES)
        evaluation = evaluate_variants(
            [variant], dataset, EvaluateOptions(jobs=1, baseline="float32"), progress=Progress(), advise=False
        )
        samples = open_dataset(calibration, labels=CLASSES, limit=limit, need_labels=False)
        stored = store_calibration(
            samples, variant.contract.inputs, PRESETS[preprocess], tmp_path / "calibration", Progress()
        )
        return lint_calibration(
            stored,
            samples.location,
            pictures=samples.kind == "images",
            evaluation=evaluation.inputs,
            dataset=dataset,
            prepared=variant,
        )

    return run


@pytest.fixture(scope="module")
def pictures():
    """Samples that are made as those of the fixture `shapes`, with other seeds; from 0 to 255."""
    return shape_arrays(150, 77)


def test_healthy_calibration_is_silent(lint, pictures, tmp_path):
    images, labels = pictures
    assert lint((images, labels)) == []
    assert lint({"x": images}) == []  # without labels
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / "train" / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0].astype(np.uint8)).save(folder / f"{index}.png")
    assert lint(tmp_path / "train") == []
    assert lint(tmp_path / "train", preprocess="-1-1") == []


def test_few_samples_and_copies_of_few(lint, pictures):
    images, labels = pictures
    (finding,) = lint((images, labels), limit=60)
    assert finding.kind == "few-calibration-samples"
    assert "Only 60 calibration samples; TensorFlow Lite's guide asks for 100 to 500" in finding.message
    (finding,) = lint((np.tile(images[:12], (20, 1, 1, 1)), np.tile(labels[:12], 20)))
    assert "Only 12 of the 240 calibration samples differ" in finding.message


def test_one_class(lint, pictures):
    (finding,) = lint((np.concatenate([pictures[0], shape_arrays(300, 5)[0]])[::3], np.zeros(150, int)))
    assert finding.kind == "one-class-calibration"
    assert "All 150 calibration samples are of the class 'circle'" in finding.message
    squares = pictures[0][pictures[1] == 1], np.ones(50, int)
    assert "one-class-calibration" not in kinds(lint(squares, data=squares))  # the evaluation data have no others


def test_the_same_pictures_in_calibration_and_evaluation(lint, shapes, tmp_path, pictures):
    copies = tmp_path / "copies"
    shutil.copytree(shapes / "test", copies)
    for path in list(copies.rglob("*.png")):
        with Image.open(path) as image:
            image.save(path.with_suffix(".bmp"))  # the same content in another file
        path.unlink()
    found = {finding.kind: finding for finding in lint(copies)}
    assert set(found) == {"calibration-leak"}
    assert "120 of 120 calibration samples were evaluated on" in found["calibration-leak"].message
    tests = [np.asarray(Image.open(path), np.float32) for path in sorted((shapes / "test").rglob("*.png"))]
    mixed = np.concatenate([pictures[0], np.stack(tests[::10])[..., None]])
    assert kinds(lint({"x": mixed})) == {"calibration-leak"}  # 12 of 162, as arrays
    assert kinds(lint({"x": np.concatenate([pictures[0], tests[0][None, ..., None]])})) == set()  # one of 151
    assert "use the same data" in lint(shapes / "test")[-1].message


def test_other_scales(lint, pictures, tmp_path):
    images, labels = pictures
    np.savez(tmp_path / "scaled.npz", x=images / 255, y=labels)
    (finding,) = lint(tmp_path / "scaled.npz")  # missing in one of the two: calibrated on 0 to 1, evaluated on 0 to 255
    assert finding.kind == "calibration-range"
    assert "spans 0 to " in finding.message and "100% of one set leave the range" in finding.message
    assert kinds(lint((images / 127.5 - 1, labels), data=(shape_arrays(60, 3)[0] / 255, shape_arrays(60, 3)[1]))) == {
        "calibration-range"
    }
    found = {f.kind: f for f in lint(tmp_path / "scaled.npz", preprocess="0-1")}  # scaled, then scaled again
    assert set(found) == {"calibration-range", "double-normalization"}
    assert "span 0 to 0.003" in found["double-normalization"].message
    assert "pixels from 0 to 255 would span 0 to 1" in found["double-normalization"].message


def test_double_normalization_of_the_evaluation_data(variants):
    images, labels = shape_arrays(60, 3)
    found = evaluate([variants / "float32.tflite"], data=(images / 255, labels), preprocess="0-1")
    assert "double-normalization" in kinds(found.warnings)
    assert "double-normalization" not in kinds(
        evaluate([variants / "float32.tflite"], data=(images, labels), preprocess="0-1").warnings
    )


def test_constant_samples(lint, pictures):
    images, labels = pictures
    assert kinds(lint((np.repeat(images[:1], 150, axis=0), labels))) == {"constant-input", "few-calibration-samples"}
    blank = images.copy()
    blank[::5] = np.arange(30, dtype=np.float32)[:, None, None, None]  # thirty grey pictures without anything on them
    (finding,) = lint((blank, labels))
    assert finding.kind == "constant-input"
    assert "30 of 150 calibration samples hold a single value in the input 'image'" in finding.message


def test_nan_names_the_sample(lint, pictures):
    images, labels = pictures[0].copy(), pictures[1]
    images[7, 3, 3] = np.nan
    with pytest.raises(DataError, match="'row 7' has NaN or infinite values in the input 'image'"):
        lint((images, labels))


def test_noise(lint, pictures):
    generator = np.random.default_rng(0)
    noise = generator.uniform(0, 255, (150, 12, 12, 1)).astype(np.float32)
    (finding,) = lint((noise, pictures[1]))
    assert finding.kind == "noise-calibration"
    assert (
        lint((noise, pictures[1]), data=(noise[::-1][:60] * 0.99, pictures[1][:60])) == []
    )  # all the data are like this


def test_smoothness_of_noise_and_of_a_slope():
    generator = np.random.default_rng(0)
    # The standard deviation of a lag-one correlation of n independent values is about 1 / sqrt(n).
    assert abs(smoothness(generator.normal(size=(200, 200, 3)))) < 5 / np.sqrt(64 * 64 * 3)
    assert smoothness(np.add.outer(np.arange(40.0), np.arange(40.0))[..., None]) > 0.99
    assert np.isnan(smoothness(np.ones((9, 9, 1))))


def test_dead_channel(tmp_path):
    from tflitekit.accuracy.lints.inputs import lint_inputs

    generator = np.random.default_rng(0)
    colours = generator.uniform(0, 255, (120, 8, 8, 3)).astype(np.float32)

    def stored(images):
        spec = TensorSpec(name="image", shape=(1, 8, 8, images.shape[-1]), dtype="float32")
        data = open_dataset({"x": images}, need_labels=False)
        inputs = store_calibration(data, [spec], PRESETS["raw"], tmp_path / "c", Progress()).inputs
        return lint_inputs(inputs, what="calibration", preprocessing=PRESETS["raw"], pictures=False)

    assert stored(colours) == []
    without = colours.copy()
    without[..., 2] = 0
    (finding,) = stored(without)
    assert finding.kind == "dead-channel"
    assert "Channel 2 (of 0 to 2) has the same value in all 120 calibration samples" in finding.message
    assert stored(np.concatenate([colours, np.full((120, 8, 8, 1), 255, np.float32)], axis=-1)) == []  # alpha


@pytest.fixture(scope="module")
def sick(variants, tmp_path_factory):
    """Copies of the float32 classifier with changed weights."""
    folder = tmp_path_factory.mktemp("sick")
    source = variants / "float32.tflite"
    edit_weights(source, folder / "constant.tflite", lambda w: w * 0, shape=DENSE)
    first = np.array([[True], [False], [False]])  # features are not negative, so the first class gets the highest score
    edit_weights(source, folder / "one_class.tflite", lambda w: np.where(first, w.max(axis=0) + 0.01, w), shape=DENSE)
    edit_weights(source, folder / "flat.tflite", lambda w: w * 0.05, shape=DENSE)
    edit_weights(source, folder / "sharp.tflite", lambda w: w * 1000, shape=DENSE)
    edit_weights(source, folder / "large.tflite", lambda w: w * 1e5, shape=CONV1)
    edit_weights(source, folder / "heavy.tflite", lambda w: np.where(w == w.max(), 7e4, w), shape=CONV1)
    return folder


def test_healthy_variants_are_silent(variants, shapes):
    found = evaluate(sorted(variants.glob("*.tflite")), data=shapes / "test", labels=CLASSES)
    assert found.warnings == ()
    assert {kind for row in found.variants for kind in kinds(row.warnings)} & LINTS == set()


def test_constant_outputs(variants, sick, shapes):
    files = [variants / "float32.tflite", *(sick / f"{name}.tflite" for name in ("constant", "one_class", "sharp"))]
    rows = {row.name: row for row in evaluate(files, data=shapes / "test", labels=CLASSES).variants}
    assert rows["float32"].warnings == rows["sharp"].warnings == ()  # one-hot outputs are not the same output
    (finding,) = rows["constant"].warnings
    assert finding.kind == "constant-output"
    assert "for all 120 samples, which differ" in finding.message
    (finding,) = rows["one_class"].warnings
    assert "The output is the class 0 ('circle') for all 120 samples" in finding.message


def test_collapsed_confidence(variants, sick, shapes):
    rows = evaluate([variants / "float32.tflite", sick / "flat.tflite"], data=shapes / "test").variants
    (finding,) = rows[1].warnings
    assert finding.kind == "collapsed-confidence"
    assert "(a guess would have 33.3%)" in finding.message
    assert rows[1].confidence.mean_confidence < rows[0].confidence.mean_confidence - 0.3


@pytest.mark.slow
def test_values_beyond_float16(variants, sick, shapes):
    assert evaluate([variants / "float32.tflite"], data=shapes / "test").warnings == ()
    found = {f.kind: f for f in evaluate([sick / "large.tflite"], data=shapes / "test").warnings}
    assert "float16-overflow" in found
    assert "Beyond the largest float16, 65,504: on 16 samples, activations of '" in found["float16-overflow"].message
    assert "''" not in found["float16-overflow"].message  # a kernel's scratch memory has no name
    found = {f.kind: f for f in evaluate([sick / "heavy.tflite"], data=shapes / "test").warnings}
    assert "(7e+04)" in found["float16-weights"].message
    # int8 and float16 files are no measure of the float32 model
    assert "float16-overflow" not in kinds(evaluate([variants / "int8.tflite"], data=shapes / "test").warnings)


@pytest.mark.slow
def test_an_integer_file_with_inputs_in_another_scale(variants, shapes):
    """Missing and double normalization of any int8 file, also of one that the kit did not make."""
    for name in ("int8", "int8-io-uint8"):  # calibrated on 0 to 255
        (row,) = evaluate([variants / f"{name}.tflite"], data=shapes / "test", preprocess="0-1").variants
        found = {f.kind: f for f in row.warnings}
        assert "coarse-input" in found
        assert "holds 0 to 2" in found["coarse-input"].message
        assert "the samples only span 0 to 0." in found["coarse-input"].message


def test_the_search_for_large_values_takes_batches_and_several_inputs(tmp_path):
    converted("two_inputs_batch", tmp_path / "batch")
    generator = np.random.default_rng(0)
    data = {
        "left": generator.normal(size=(40, 4)) * 1e6,
        "a-right": generator.normal(size=(40, 3)),
        "y": np.arange(40) % 2,
    }
    found = {f.kind: f for f in evaluate([tmp_path / "batch" / "float32.tflite"], data=data).warnings}
    assert "float16-overflow" in found
    assert "float16-not-checked" not in found


@pytest.fixture(scope="module")
def regressions(tmp_path_factory):
    """int8 files of the regression model, calibrated well, on a fifth of the range, and with one extreme sample."""
    folder = converted("regression", tmp_path_factory.mktemp("regressions"))
    (folder / "int8.tflite").rename(folder / "good.tflite")
    for name in ("narrow", "extreme"):
        shutil.copy(converted(f"regression_{name}", folder / name) / "int8.tflite", folder / f"{name}.tflite")
    return folder


def test_saturated_clipped_and_coarse(regressions, models):
    names = ("float32", "good", "narrow", "extreme")
    found = evaluate([regressions / f"{name}.tflite" for name in names], data=models / "regression.npz")
    rows = {row.name: {f.kind: f for f in row.warnings} for row in found.variants}
    assert rows["float32"] == rows["good"] == {}
    assert set(rows["narrow"]) == {"clipped-input", "saturated-output"}
    assert "are cut off" in rows["narrow"]["clipped-input"].message
    assert "clipped there" in rows["narrow"]["saturated-output"].message
    assert {"coarse-input", "coarse-output"} <= set(rows["extreme"])
    assert "(standard deviation)" in rows["extreme"]["coarse-output"].message
