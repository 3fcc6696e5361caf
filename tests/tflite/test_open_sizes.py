"""Models that leave sizes open: samples of unlike sizes one by one, and time and memory at a size that is said."""

import shutil

import numpy as np
import pytest
from conftest import run_json
from open_model import SIZES, feed, plain
from PIL import Image
from scripted_target import ScriptedTarget

from tflitekit import Constraints, benchmark, bundle, evaluate
from tflitekit.accuracy.evaluation import named_variants
from tflitekit.core.errors import BundleError, DataError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.calibration import store_calibration
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.latency.benchmarking import measure_variants
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import VariantReport
from tflitekit.results.comparison.latency import unlike_latency
from tflitekit.results.recommendation import recommend
from tflitekit.targets import CheckedTarget


def test_samples_of_unlike_sizes_are_scored_one_by_one(models):
    found = evaluate([models / "open.tflite"], data=feed(models / "open.tflite"))
    assert found.dataset.samples == len(SIZES)
    assert found.variants[0].accuracy.value == pytest.approx(0, abs=1e-5)
    assert found.input_shapes == {"image": (9, 10, 3)}  # the most frequent


def test_images_keep_their_size_where_the_model_leaves_it_open(models, tmp_path):
    (tmp_path / "data" / "only").mkdir(parents=True)
    generator, sums = np.random.default_rng(0), []
    for number, (height, width) in enumerate(SIZES):
        pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "only" / f"{number}.png")
        sums.append(float(plain(models / "open.tflite", pixels.astype(np.float32)).sum()))
    (tmp_path / "total.py").write_text("def total(output, label):\n    return float(output.sum())\n")
    found = evaluate(
        [models / "open.tflite"], data=tmp_path / "data", preprocess="raw", metric=f"{tmp_path / 'total.py'}:total"
    )
    assert found.variants[0].accuracy.value == pytest.approx(np.mean(sums), rel=1e-5)


def test_a_size_that_the_model_cannot_take_is_named_with_its_sample(models):
    small = np.zeros((2, 9, 3), np.float32)

    def samples():
        yield from feed(models / "open.tflite")()
        yield small, np.zeros((1, 7, 1))

    message = rf"The sample 'item {len(SIZES)}': open.tflite cannot take the shape \[1, 2, 9, 3\] for its input 'image'"
    with pytest.raises(DataError, match=message):
        evaluate([models / "open.tflite"], data=samples)


def test_calibration_samples_keep_their_sizes(tmp_path):
    def samples():
        yield from (np.full((size, 2), size, np.float32) for size in (3, 5, 3))

    def stored(batch):
        spec = TensorSpec(name="x", shape=(batch, -1, 2), dtype="float32")
        data = open_dataset(samples, need_labels=False)
        return store_calibration(data, [spec], PRESETS["raw"], tmp_path, Progress())

    found = [batch["x"] for batch in stored(1).batches(1)]
    assert [(array.shape, array.min(), array.max()) for array in found] == [
        ((1, 3, 2), 3, 3), ((1, 5, 2), 5, 5), ((1, 3, 2), 3, 3),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"'item 1' has the shape \[\[5, 2\]\], the ones before it \[\[3, 2\]\]"):
        stored(4)


@pytest.mark.slow
def test_benchmark_wants_to_know_the_size(models, variants, cli):
    path = models / "open.tflite"
    code, _, err = cli("benchmark", path)
    assert code == 2
    assert "open leaves the size of its input 'image' open ([?, ?, 3] without batch)" in err
    assert "--input-shape image=224,224,3" in err
    for shapes, message in (
        ({"image": (8, 8)}, r"The shape \[8, 8\] does not fit the input 'image' of open, which takes \[\?, \?, 3\]"),
        ({"image": (8, 8, 4)}, "does not fit"),
        ({"photo": (8, 8, 3), "image": (8, 8, 3)}, "cannot be used for 'photo': open is only image"),
    ):
        with pytest.raises(UsageError, match=message):
            benchmark([path], input_shapes=shapes)
    with pytest.raises(UsageError, match="no file leaves the size of an input open"):
        benchmark([variants / "int8.tflite"], input_shapes={"": (12, 12, 1)})
    options = ("--input-shape", "16,12,3", "--runs", 5, "--profile")
    (row,) = run_json(cli("benchmark", path, *options, "--json"))["variants"]
    assert row["latency"]["input_shapes"] == {"image": [1, 16, 12, 3]}
    assert [op["op"] for op in row["profile"]["ops"]] == ["CONV_2D"]
    assert "measured with 'image' 1 x 16 x 12 x 3." in " ".join(cli("benchmark", path, *options)[1].split())


def test_no_limit_is_judged_where_the_size_is_not_known(models):
    variants = named_variants([models / "open.tflite"])
    rows = [VariantReport.of(variant) for variant in variants]
    (row,), _ = measure_variants(
        rows, variants, CheckedTarget(ScriptedTarget()), BenchmarkOptions(), "open", Progress()
    )
    assert (row.latency, row.peak_memory_bytes) == (None, None)
    assert any("'image' open" in note.message for note in row.warnings if note.kind == "latency-not-measured")
    answer = recommend([row], Constraints(max_latency_ms=1, deploy_on="host"), baseline="open")
    assert "its latency was not measured" in str(answer)


def test_another_size_is_another_measurement(models, tmp_path, monkeypatch):
    monkeypatch.setattr("tflitekit.latency.benchmarking.NOT_KEPT", ())  # whatever else this machine does
    shutil.copy(models / "open.tflite", tmp_path / "float32.tflite")
    variants = named_variants([tmp_path / "float32.tflite"])
    rows, found, calls = [VariantReport.of(variant) for variant in variants], [], []
    for size in (8, 9, 8):
        target, how = ScriptedTarget(), BenchmarkOptions(runs=5, input_shapes={"image": (size, size, 3)})
        measured, _ = measure_variants(
            rows, variants, CheckedTarget(target), how, "float32", Progress(), cache=tmp_path
        )
        found.append(measured[0].latency)
        calls.append(len(target.calls) > 0)
    assert calls == [True, True, False]
    assert [latency.input_shapes["image"] for latency in found] == [(1, 8, 8, 3), (1, 9, 9, 3), (1, 8, 8, 3)]
    assert "the sizes of the inputs" in unlike_latency(*found[:2])[0]
    assert unlike_latency(found[0], found[2]) == ()


def test_a_bundle_refuses_an_open_size(models, tmp_path):
    with pytest.raises(BundleError, match=r"leaves the size of its input 'image' open \(\[\?, \?, \?, 3\]\)"):
        bundle([models / "open.tflite"], data=feed(models / "open.tflite"), out=tmp_path / "bundle")
