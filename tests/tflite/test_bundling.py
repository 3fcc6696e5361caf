"""Bundles of real variants: everything in them is computed again here, and every way of being wrong is refused."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, converted, run_json, shape_arrays
from PIL import Image

import tflitekit as tk
from tflitekit.bundling import golden
from tflitekit.bundling.tolerances import tolerances
from tflitekit.cli.views.bundle import show_bundle
from tflitekit.core.errors import BundleError, ContractError, DataError, ModelError, StorageError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.results import Measured
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model, dequantize


def values(folder, entry):
    return np.frombuffer((folder / entry.file).read_bytes(), entry.dtype).reshape(entry.shape)


def runs_again(folder, found, preprocessing):
    """Computes every golden result from the image alone, as an app does."""
    for sample in found.golden.samples:
        image = Image.open(folder / sample.image.file)
        for result in sample.results:
            model = Model(folder / found.variant(result.variant).file)
            pixels = preprocessing.pixels(image, model.inputs[0].shape[1:])
            np.testing.assert_array_equal(pixels, values(folder, sample.pixels))
            real = preprocessing.normalized(pixels, pixels.shape)
            np.testing.assert_array_equal(real, values(folder, sample.inputs[0])[0])
            answer = model.run([real[None]])[0]
            stored = values(folder, result.outputs[0])
            np.testing.assert_array_equal(answer, dequantize(stored, model.outputs[0]))
            order = np.argsort(-answer[0], kind="stable")
            assert [ranked.index for ranked in result.top_k] == list(order[:5])
            assert [ranked.score for ranked in result.top_k] == [float(answer[0, i]) for i in order[:5]]


def test_a_report_becomes_a_bundle(optimized, shapes, tmp_path, cli):
    out = tmp_path / "app" / "bundle"
    done = cli(
        "bundle", optimized / "report.json", "--data", shapes / "test", "--variant", "all", "--out", out, "--json"
    )
    assert done[0] == 0, done[2]
    found = tk.read_bundle(out)
    assert run_json(done) == json.loads((out / "bundle.json").read_text())
    report = tk.read_report(optimized)
    assert [v.name for v in found.variants] == ["float32", "dynamic_range", "int8"]
    assert found.recommended == report.recommendation.chosen
    assert found.labels == tuple(sorted(CLASSES)) == tuple((out / "labels.txt").read_text().split())
    for variant in found.variants:
        row = report.variant(variant.name)
        assert (variant.accuracy, variant.accuracy_drop) == (row.accuracy, row.drop)
        assert variant.measured_sha256 == row.sha256
        assert variant.min_runtime_version == row.min_runtime_version
    assert {s.label for s in found.golden.samples} == {0, 1, 2}
    runs_again(out, found, found.preprocessing)


def test_only_what_an_app_needs(optimized, shapes, tmp_path):
    found = tk.bundle(optimized, data=shapes / "test", out=tmp_path / "b", samples=3)
    assert [v.name for v in found.variants] == [tk.read_report(optimized).recommendation.chosen]
    named = {e.file for e in found.files()} | {"bundle.json", "labels.txt"}
    assert {str(p.relative_to(tmp_path / "b")) for p in (tmp_path / "b").rglob("*") if p.is_file()} == named
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert set(archive.namelist()) == named
        assert all(archive.read(name) == (tmp_path / "b" / name).read_bytes() for name in named)


def test_the_same_input_gives_the_same_bytes(optimized, shapes, tmp_path):
    digests = set()
    for name in ("one", "two"):
        tk.bundle(optimized, data=shapes / "test", out=tmp_path / name, samples=3)
        digests.add(hashlib.sha256((tmp_path / f"{name}.zip").read_bytes()).hexdigest())
    assert len(digests) == 1
    other = tk.bundle(optimized, data=shapes / "test", out=tmp_path / "one", samples=3, seed=1)
    assert [s.key for s in other.golden.samples] != [s.key for s in tk.read_bundle(tmp_path / "two").golden.samples]


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic_range", "int8", "int8-io-uint8", "int16x8"])
def test_every_scheme(variants, shapes, tmp_path, scheme):
    found = tk.bundle(
        variants / f"{scheme}.tflite", data=shapes / "test", out=tmp_path / "b", samples=2, preprocess="raw"
    )
    runs_again(tmp_path / "b", found, found.preprocessing)
    bound = found.variants[0].tolerances[0].cpu
    integer = scheme.startswith("int")
    assert (bound.max_difference == 0) == integer
    assert bound.unit == ("steps" if scheme == "int8-io-uint8" else "real")
    stored = found.golden.samples[0].results[0]
    assert stored.inputs[0].dtype == ("uint8" if scheme == "int8-io-uint8" else "float32")


def test_what_two_sets_of_kernels_disagree_on_is_tolerated(variants):
    graph = read_graph(variants / "dynamic_range.tflite")
    one = np.array([[0.5, 0.25, 0.25]], np.float32)
    (apart,) = tolerances(graph, [[one]], [[one + np.float32(0.01)]])
    assert apart.cpu.max_difference == pytest.approx(0.04, rel=0.01)
    assert apart.nnapi.max_difference is None
    integer = read_graph(variants / "int8-io-uint8.tflite")
    steps = np.array([[3, 4, 5]], np.uint8)
    (apart,) = tolerances(integer, [[steps]], [[steps + np.uint8(2)]])
    assert (apart.cpu.max_difference, apart.cpu_builtin.max_difference) == (0, 3)
    assert "2 steps" in apart.cpu_builtin.reason


def test_lossy_originals_come_with_a_lossless_copy(variants, shapes, tmp_path):
    folder = tmp_path / "photos" / "circle"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.jpg", quality=60)
    found = tk.bundle(
        variants / "int8.tflite", data=tmp_path / "photos", labels=CLASSES, out=tmp_path / "b", preprocess="raw"
    )
    sample = found.golden.samples[0]
    assert (tmp_path / "b" / sample.original.file).read_bytes() == (folder / "photo.jpg").read_bytes()
    assert (sample.original.width, sample.original.height) == (60, 40)
    copy = Image.open(tmp_path / "b" / sample.image.file)
    assert copy.mode == "L"
    np.testing.assert_array_equal(np.asarray(copy), np.asarray(Image.open(folder / "photo.jpg").convert("L")))
    runs_again(tmp_path / "b", found, found.preprocessing)


def test_arrays_of_pixels_are_images(variants, tmp_path):
    images, labels = shape_arrays(6, 3)
    np.savez(tmp_path / "digits.npz", x=images.astype(np.uint8), y=labels)
    found = tk.bundle(variants / "float32.tflite", data=tmp_path / "digits.npz", out=tmp_path / "b", preprocess="raw")
    assert found.input_kind == "image"
    runs_again(tmp_path / "b", found, found.preprocessing)
    scaled = tk.bundle(variants / "float32.tflite", data=(images / 255, labels), out=tmp_path / "b")
    assert scaled.input_kind == "tensors"
    assert scaled.golden.samples[0].image is None


def test_several_inputs_and_no_classes(tmp_path):
    converted("two_inputs", tmp_path / "c")
    files = [tmp_path / "c" / "float32.tflite", tmp_path / "c" / "float16.tflite"]
    specs = read_graph(files[0]).inputs
    generator = np.random.default_rng(1)
    data = {s.name: generator.random((4, *s.shape[1:])).astype(np.float32) for s in specs}
    found = tk.bundle(files, data=data, out=tmp_path / "b", samples=2)
    assert (found.input_kind, found.task, found.labels) == ("tensors", "other", None)
    assert len(found.golden.samples) == 2
    for sample in found.golden.samples:
        assert sample.results[0].top_k == ()
        real = [values(tmp_path / "b", entry) for entry in sample.inputs]
        for index, answer in enumerate(Model(files[0]).run(real)):
            np.testing.assert_array_equal(answer, values(tmp_path / "b", sample.results[0].outputs[index]))
        assert sample.results[0].inputs == sample.inputs  # the same content is written once


def test_one_output_for_two_classes(tmp_path):
    converted("tokens", tmp_path / "c")
    file = tmp_path / "c" / "float32.tflite"
    spec = read_graph(file).inputs[0]
    tokens = np.random.default_rng(2).integers(0, 5, (6, *spec.shape[1:]))
    found = tk.bundle(file, data=(tokens, np.array([0, 1] * 3)), labels=["no", "yes"], out=tmp_path / "b")
    assert found.task == "binary"
    for sample in found.golden.samples:
        answer = Model(file).run([values(tmp_path / "b", sample.inputs[0])])[0].reshape(-1)[0]
        got = {ranked.label: np.float32(ranked.score) for ranked in sample.results[0].top_k}
        assert got == {"yes": answer, "no": np.float32(1) - answer}


def test_scores():
    assert golden.scores(np.array([[2.5]], np.float32), "binary", probabilities=False).tolist() == [-2.5, 2.5]
    ties = golden._top(np.array([0.25, 0.5, 0.5], np.float32), None, 2)
    assert [ranked.index for ranked in ties] == [1, 2]


def test_wrong_use(optimized, variants, shapes, tmp_path):
    data = shapes / "test"
    with pytest.raises(UsageError, match="cannot be bundled together"):
        tk.bundle([optimized / "report.json", variants / "int8.tflite"], data=data, out=tmp_path / "b")
    with pytest.raises(UsageError, match="--variant names variants of a report"):
        tk.bundle(variants / "int8.tflite", data=data, out=tmp_path / "b", variants=["int8"])
    with pytest.raises(BundleError, match=r"no variant 'int4'.\n.*float32, dynamic_range, int8"):
        tk.bundle(optimized, data=data, out=tmp_path / "b", variants=["int4"])
    with pytest.raises(UsageError, match="No variant was named"):
        tk.bundle(optimized, data=data, out=tmp_path / "b", variants=[])
    with pytest.raises(UsageError, match="--package names the package of the wrappers"):
        tk.bundle(optimized, data=data, out=tmp_path / "b", package="com.example")
    with pytest.raises(UsageError, match="samples cannot be 0"):
        tk.bundle(optimized, data=data, out=tmp_path / "b", samples=0)
    with pytest.raises(UsageError, match="Two variants have the name 'int8'"):
        tk.bundle([variants / "int8.tflite", optimized / "int8.tflite"], data=data, out=tmp_path / "b")
    with pytest.raises(ContractError, match="There are 2 labels, but the model has 3 outputs"):
        tk.bundle(variants / "int8.tflite", data=data / "circle", labels=["a", "b"], out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_contract_that_was_not_measured_is_refused(optimized, shapes, tmp_path):
    with pytest.raises(BundleError, match=r"measured with preprocessing 'raw'(?s:.*)optimize"):
        tk.bundle(optimized, data=shapes / "test", out=tmp_path / "b", preprocess="0-1")
    with pytest.raises(BundleError, match="measured with the labels circle, square, stripe"):
        tk.bundle(optimized, data=shapes / "test", out=tmp_path / "b", labels=["stripe", "square", "circle"])
    assert tk.bundle(optimized, data=shapes / "test", out=tmp_path / "b", labels=CLASSES).labels == CLASSES


def test_what_lies_there_already(optimized, variants, shapes, tmp_path):
    def again():
        return tk.bundle(variants / "int8.tflite", data=shapes / "test", out=tmp_path / "b", samples=1)

    again()
    (tmp_path / "b" / "models" / "int8.tflite").unlink()
    again()  # a damaged bundle is replaced
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="has other files in it"):
        again()
    assert (tmp_path / "b" / "notes.txt").read_text() == "mine"
    (tmp_path / "b.zip").write_bytes(b"holiday pictures")
    (tmp_path / "b" / "notes.txt").unlink()
    with pytest.raises(StorageError, match=r"b\.zip already exists and is not the zip of a bundle"):
        again()
    assert (tmp_path / "b.zip").read_bytes() == b"holiday pictures"
    with pytest.raises(StorageError, match="lies inside the data"):
        tk.bundle(variants / "int8.tflite", data=shapes / "test", out=shapes / "test" / "bundle")


def test_an_interrupted_swap_keeps_the_old_bundle(variants, shapes, tmp_path, monkeypatch):
    tk.bundle(variants / "int8.tflite", data=shapes / "test", out=tmp_path / "b", samples=1)
    before = (tmp_path / "b" / "bundle.json").read_bytes()
    real, calls = Path.rename, []

    def rename(self, target):
        calls.append(target)
        if len(calls) == 2:  # the old one is out of the way, the new one not yet there
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        tk.bundle(variants / "float32.tflite", data=shapes / "test", out=tmp_path / "b", samples=1)
    assert (tmp_path / "b" / "bundle.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "b.zip"]


def test_variants_of_different_models(variants, shapes, tmp_path):
    converted("shapes_worse", tmp_path / "same")
    (tmp_path / "same" / "float32.tflite").rename(tmp_path / "same" / "worse.tflite")
    files = [variants / "int8.tflite", tmp_path / "same" / "worse.tflite"]
    assert len(tk.bundle(files, data=shapes / "test", out=tmp_path / "b", samples=1).variants) == 2
    converted("lstm", tmp_path / "other")
    (tmp_path / "other" / "float32.tflite").rename(tmp_path / "other" / "lstm.tflite")
    with pytest.raises(BundleError, match="inputs of different shapes"):
        tk.bundle(
            [variants / "int8.tflite", tmp_path / "other" / "lstm.tflite"], data=shapes / "test", out=tmp_path / "c"
        )


def test_labels_decide_what_the_output_is(variants, tmp_path):
    images, _ = shape_arrays(6, 3)
    unlabelled = tk.bundle(variants / "float32.tflite", data=images, out=tmp_path / "a", samples=1)
    assert unlabelled.task == "classification"  # it ends in a softmax
    assert [ranked.label for ranked in unlabelled.golden.samples[0].results[0].top_k] == [None] * 3
    converted("regression", tmp_path / "r")
    shape = read_graph(tmp_path / "r" / "float32.tflite").inputs[0].shape[1:]
    data = (np.zeros((3, *shape), np.float32), np.array([120, 80, 300]))
    found = tk.bundle(tmp_path / "r" / "float32.tflite", data=data, out=tmp_path / "b")
    assert found.task == "other"


def test_a_folder_that_is_no_bundle_is_kept(variants, shapes, tmp_path):
    precious = tmp_path / "b" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(StorageError, match="is not a bundle"):
        tk.bundle(variants / "int8.tflite", data=shapes / "test", out=tmp_path / "b")
    assert precious.read_text() == "years of work"
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_report_with_nothing_to_ship(optimized, shapes, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(optimized, copy)
    content = json.loads((copy / "report.json").read_text())
    content["recommendation"]["chosen"] = None
    content["variants"][1] |= {"status": "failed", "error": "The converter crashed."}
    (copy / "report.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"recommends no variant(?s:.*)--variant: float32, int8"):
        tk.bundle(copy, data=shapes / "test", out=tmp_path / "b")
    with pytest.raises(BundleError, match=r"was not converted: it failed\.\nThe converter crashed"):
        tk.bundle(copy, data=shapes / "test", out=tmp_path / "b", variants=["dynamic_range"])
    with (copy / "int8.tflite").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelError, match="is not the file that the report measured"):
        tk.bundle(copy, data=shapes / "test", out=tmp_path / "b", variants=["int8"])


def test_models_that_no_app_can_run(shapes, tmp_path):
    converted("nan_output", tmp_path / "nan")
    file = tmp_path / "nan" / "float32.tflite"
    shape = read_graph(file).inputs[0].shape[1:]
    with pytest.raises(BundleError, match=r"gives NaN or infinite values for the sample"):
        tk.bundle(file, data=np.zeros((2, *shape), np.float32), out=tmp_path / "b")
    converted("shapes_batch", tmp_path / "four")
    with pytest.raises(BundleError, match=r"takes batches(?s:.*)--batch 1"):
        tk.bundle(tmp_path / "four" / "float32.tflite", data=shapes / "test", out=tmp_path / "b")


def test_what_would_not_run_on_the_hardware_is_refused_and_what_falls_back_is_told(variants, shapes, tmp_path):
    notes = []

    class Notes(Progress):
        def note(self, message):
            notes.append(message)

    what = {"data": shapes / "test", "out": tmp_path / "bundle", "samples": 1, "progress": Notes()}
    with pytest.raises(
        BundleError, match=r"(?s)'dynamic_range' would not run on the hardware 'microcontroller'.*--variant"
    ):
        tk.bundle(variants / "dynamic_range.tflite", deploy_on="microcontroller", **what)
    tk.bundle(variants / "int8.tflite", deploy_on="microcontroller", **what)
    assert notes == []
    tk.bundle(variants / "int8.tflite", deploy_on="ethos-u55-128", **what)
    assert len(notes) == 1 and notes[0].startswith("int8 on ethos-u55-128: 2 of ")


def test_data_that_do_not_fit(variants, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(DataError, match=r"'broken.png' cannot be read"):
        tk.bundle(variants / "int8.tflite", data=folder, out=tmp_path / "b")
    with pytest.raises(DataError, match="does not fit the model's input"):
        tk.bundle(variants / "int8.tflite", data=np.zeros((2, 5, 5, 1), np.float32), out=tmp_path / "b")


@pytest.fixture
def made(optimized, shapes, tmp_path):
    tk.bundle(optimized, data=shapes / "test", out=tmp_path / "b", samples=2, variants=["int8", "float32"])
    return tmp_path / "b"


def change(folder, **fields):
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_damaged_bundles_are_refused(made):
    model = made / "models" / "int8.tflite"
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    with pytest.raises(BundleError, match=r"int8.tflite is not the file(?s:.*)SHA-256"):
        tk.read_bundle(made)
    model.unlink()
    with pytest.raises(BundleError, match=r"lacks models/int8.tflite"):
        tk.read_bundle(made)
    model.write_bytes(content)
    assert tk.read_bundle(made).recommended == "int8"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema_version": 3}, r"schema version 3; this kit reads versions 1 to 2(?s:.*)Update tflitekit"),
        ({"schema_version": True}, "no schema version"),
        ({"labels": ["only", "two"]}, "There are 2 labels, but the model has 3 outputs"),
        ({"recommended": "int4"}, "has no variant 'int4'"),
        ({"variants": "many"}, "malformed at variants"),
        ({"labels": ["circle", "square", "disc"]}, "labels.txt does not have the labels"),
    ],
)
def test_malformed_descriptions_are_refused(made, fields, message):
    change(made, **fields)
    with pytest.raises((BundleError, ContractError), match=message):
        tk.read_bundle(made)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content["variants"].append(content["variants"][0]), "names a variant twice"),
        (lambda content: content["variants"][0].update(size_bytes=1), "but bundle.json says 1"),
        (lambda content: content["variants"][0].update(primary_output=1), "has no output 1"),
        (lambda content: content["variants"][0].update(tolerances=[]), "1 outputs and 0 tolerances"),
        (lambda content: result(content).update(variant="int4"), "has no variant 'int4'"),
        (lambda content: result(content)["inputs"].clear(), "does not have the tensors"),
        (lambda content: result(content)["outputs"][0].update(dtype="int16"), "does not have the tensors"),
        (lambda content: result(content)["outputs"][0].update(dtype="object"), "not a type of stored numbers"),
        (lambda content: result(content)["outputs"][0].update(shape=[1, 4]), "but bundle.json says 16"),
        (lambda content: result(content)["top_k"][0].update(index=3), "names a class"),
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(made, spoil, message):
    content = json.loads((made / "bundle.json").read_text())
    spoil(content)
    change(made, **content)
    with pytest.raises(BundleError, match=message):
        tk.read_bundle(made)


def result(content):
    return content["golden"]["samples"][0]["results"][0]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "models\\x", "C:x", "models/../../x"])
def test_files_outside_of_the_bundle_are_refused(made, name):
    content = json.loads((made / "bundle.json").read_text())
    content["variants"][0]["file"] = name
    change(made, **content)
    with pytest.raises(BundleError, match="not a path inside the folder"):
        tk.read_bundle(made)


def test_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="There is no bundle"):
        tk.read_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="is not JSON"):
        tk.read_bundle(tmp_path)


def test_photos_that_are_larger_than_the_input(tmp_path):
    """In colour, for a model of grey images, cropped and normalized."""
    converted("shapes", tmp_path / "c")
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 255, (31, 47 + index, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    preprocessing = Preprocessing(fit="center_crop", crop_fraction=0.875, divisor=127.5, mean=(1.0,), std=(0.5,))
    found = tk.bundle(
        tmp_path / "c" / "float32.tflite", data=folder, preprocess=preprocessing, labels=CLASSES, out=tmp_path / "b"
    )
    runs_again(tmp_path / "b", found, preprocessing)


def test_only_models_of_classes_are_asked_for_labels(made, capsys):
    found = tk.read_bundle(made)
    figure = Measured(metric="pck", value=0.9, low=0.8, high=0.95, n=40, higher_is_better=True)
    points = tuple(variant.model_copy(update={"accuracy": figure}) for variant in found.variants)
    show_bundle(found.model_copy(update={"labels": None, "task": "keypoints", "variants": points}), made)
    assert "PCK" in (told := "".join(capsys.readouterr())) and "labels" not in told
    show_bundle(found.model_copy(update={"labels": None}), made)
    assert "an app can only show class numbers" in "".join(capsys.readouterr())
