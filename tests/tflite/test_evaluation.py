"""Accuracy of real variants on real (drawn) data: figures worked out independently, and every error by name."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CLASSES, converted, run_json, shape_arrays

from tflitekit import evaluate
from tflitekit.accuracy.lints.chance import chance
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.data.preprocessing import PRESETS
from tflitekit.tflite.runtime import Model


def test_figures_agree_with_a_plain_loop(variants, shapes):
    found = evaluate([variants / "float32.tflite", variants / "int8.tflite"], data=shapes / "test")
    assert found.dataset.samples == 120
    assert found.baseline == "float32"
    from PIL import Image

    right = {}
    for name in ("float32", "int8"):
        model, hits = Model(variants / f"{name}.tflite"), []
        for label, folder in enumerate(sorted((shapes / "test").iterdir())):
            for path in sorted(folder.iterdir()):
                pixels = np.asarray(Image.open(path), np.float32)[None, ..., None]
                hits.append(model.run([pixels])[0].argmax() == label)
        right[name] = np.array(hits)
    for row in found.variants:
        assert row.accuracy.value == pytest.approx(right[row.name].mean())
        assert row.accuracy.n == 120
        assert row.accuracy.low <= row.accuracy.value <= row.accuracy.high
        assert row.drop.value == pytest.approx(right["float32"].mean() - right[row.name].mean())
        assert [c.label for c in row.per_class] == sorted(CLASSES)
        assert sum(c.value * c.n for c in row.per_class) == pytest.approx(right[row.name].sum())


def test_every_worker_count_gives_the_same(variants, shapes):
    one, four = (evaluate([variants / "int8.tflite"], data=shapes / "test", jobs=jobs) for jobs in (1, 4))
    assert one.variants == four.variants


def test_a_labels_file_allows_missing_classes(models, variants, shapes, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(CLASSES))  # circle, square, stripe: also the sorted order
    only = tmp_path / "only"
    shutil.copytree(shapes / "test" / "stripe", only / "stripe")
    found = evaluate([variants / "float32.tflite"], data=only, labels=labels)
    assert found.variants[0].accuracy.value > 0.9
    with pytest.raises(
        DataError,
        match=r"(?s)1 class folder, fewer than the model's 3 outputs.*--labels.*If stripe is not a class, give .*stripe itself",
    ):
        evaluate([variants / "float32.tflite"], data=only)
    shutil.copytree(shapes / "test" / "circle", only / "oval")
    shutil.copytree(shapes / "test" / "circle", only / "circle")
    shutil.copytree(shapes / "test" / "circle", only / "square")
    with pytest.raises(
        DataError, match=r"(?s)4 class folders, more than the model's 3 outputs.*: circle, oval, square, stripe\."
    ):
        evaluate([variants / "float32.tflite"], data=only)


def test_labels_of_the_wrong_length(variants, shapes):
    with pytest.raises(ContractError, match="There are 4 labels, but the model has 3 outputs"):
        evaluate([variants / "float32.tflite"], data=shapes / "test", labels=[*CLASSES, "more"])
    with pytest.raises(ContractError, match="background"):
        evaluate([variants / "float32.tflite"], data=(np.zeros((2, 12, 12, 1)), np.array([0, 1])), labels=CLASSES[:2])


def test_labels_beyond_the_outputs(variants):
    images, _ = shape_arrays(6, 0)
    with pytest.raises(DataError, match=r"class 7, but the model has 3"):
        evaluate([variants / "float32.tflite"], data=(images, np.array([0, 1, 2, 0, 1, 7])))


def test_wrong_input_shape_names_both(variants):
    with pytest.raises(DataError, match=r"\[28, 28\].*\[12, 12, 1\]"):
        evaluate([variants / "float32.tflite"], data=(np.zeros((4, 28, 28)), np.zeros(4, int)))


def test_unreadable_images_are_counted_and_named(variants, shapes, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(shapes / "test", data)
    (data / "circle" / "broken.png").write_bytes(b"\x89PNG nothing")
    found = evaluate([variants / "float32.tflite"], data=data)  # 1 of 121 is below 1 %
    assert found.dataset.samples == 120
    assert "circle/broken.png" in found.dataset.skipped[0]
    assert "skipped: 1 (circle/broken.png" in found.warnings[0].message
    (data / "circle" / "broken2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 122 samples cannot be read.*broken"):
        evaluate([variants / "float32.tflite"], data=data)


def test_wrong_preprocessing_is_noticed_and_the_right_one_found(variants, shapes):
    found = evaluate([variants / "float32.tflite"], data=shapes / "test", preprocess="0-1")
    assert found.variants[0].accuracy.value < 0.5
    (warning,) = found.warnings
    assert "no better than chance" in str(warning)
    assert "with --preprocess raw it reaches" in str(warning)


def test_npz_factory_and_several_outputs(models, variants, tmp_path):
    images, labels = shape_arrays(60, 8)
    np.savez(tmp_path / "d.npz", x=images, y=labels)
    folder = evaluate([variants / "float32.tflite"], data=(images, labels)).variants[0].accuracy
    assert evaluate([variants / "float32.tflite"], data=tmp_path / "d.npz").variants[0].accuracy == folder

    def feed():
        yield from zip(images, labels, strict=True)

    assert evaluate([variants / "float32.tflite"], data=feed, jobs=2).variants[0].accuracy == folder
    with pytest.raises(UsageError, match=r"(?s)no output 'logits'.*shape"):
        evaluate([variants / "float32.tflite"], data=(images, labels), output="logits")


@pytest.mark.slow
def test_regression_and_custom_metric(models, tmp_path):
    data = np.load(models / "regression.npz")
    converted("regression", tmp_path)
    files = [tmp_path / "float32.tflite", tmp_path / "int8.tflite"]
    float32, int8 = evaluate(files, data=models / "regression.npz").variants
    predicted = np.array([Model(files[0]).run([row[None]])[0].item() for row in data["x"]])
    assert float32.accuracy.metric == "mae"
    assert float32.accuracy.value == pytest.approx(np.abs(predicted - data["y"]).mean(), rel=1e-4)
    assert float32.other_metrics[0].value == pytest.approx(np.sqrt(np.square(predicted - data["y"]).mean()), rel=1e-4)
    assert int8.drop.value > 0
    assert int8.drop.p_value < 0.05
    assert int8.drop.verdict.startswith("worse by")

    noise = np.random.default_rng(1).normal(size=200) * 20  # nothing that the inputs could tell
    (doubt,) = evaluate(files[:1], data=(data["x"], noise)).warnings
    assert doubt.kind == "chance"
    assert "no better than that of always answering the mean of the targets" in doubt.message
    assert evaluate(files[:1], data=(data["x"][:19], noise[:19])).warnings == ()  # too few to say so

    (tmp_path / "mine.py").write_text("def within_one(output, label):\n    return abs(output[0] - label) < 1\n")
    (row,) = evaluate([files[0]], data=models / "regression.npz", metric=f"{tmp_path}/mine.py:within_one").variants
    assert row.accuracy.value == pytest.approx((np.abs(predicted - data["y"]) < 1).mean())
    assert row.accuracy.metric == "within_one"  # its path pushed all else out of the table
    (tmp_path / "bad.py").write_text("def metric(output, label):\n    raise KeyError('x')\n")
    with pytest.raises(DataError, match=r"The metric .* failed: KeyError"):
        evaluate([files[0]], data=models / "regression.npz", metric=f"{tmp_path}/bad.py:metric")
    with pytest.raises(DataError, match="gives 1 value per sample"):
        evaluate([files[0]], data=(data["x"], np.zeros((200, 3))))


def test_binary_classifier_with_one_output_and_batch(models, tmp_path):
    converted("tokens_batch", tmp_path)
    answers = np.load(models / "tokens.npz")
    tokens, labels = answers["x"], (answers["y"] > 0.5).astype(int)  # what Keras says
    (row,) = evaluate([tmp_path / "float32.tflite"], data={"tokens": tokens, "y": labels}).variants
    assert row.accuracy.metric == "top1"
    assert row.accuracy.value == 1.0
    assert row.accuracy.n == 30  # the last batch of four is filled up, and not counted


def test_outputs_that_are_not_finite_fail_the_variant(tmp_path):
    converted("nan_output", tmp_path)
    found = evaluate([tmp_path / "float32.tflite"], data=(np.ones((4, 6)), np.zeros(4, int)))
    (row,) = found.variants
    assert [(w.kind, w.message.partition(",")[0]) for w in found.warnings] == [
        ("no-baseline", "The baseline float32 failed")
    ]
    assert found.baseline is None
    assert row.status == "failed"
    assert "NaN or infinite values in the output for 4 of 4 samples" in row.error


def test_foreign_files_and_garbage(variants, shapes, tmp_path, cli):
    foreign = tmp_path / "foreign.tflite"
    shutil.copy(variants / "int8-io-uint8.tflite", foreign)  # without its sidecar
    found = run_json(cli("evaluate", foreign, "--data", shapes / "test", "--json"))
    assert found["variants"][0]["scheme"] is None
    assert found["variants"][0]["accuracy"]["value"] > 0.9
    foreign.write_bytes(foreign.read_bytes()[:5000])
    code, _, err = cli("evaluate", foreign, "--data", shapes / "test")
    assert code == 2
    assert "damaged or truncated" in err and "5,000 bytes end before what they refer to" in err
    code, out, _ = cli("evaluate", variants / "float32.tflite", variants / "int8.tflite", "--data", shapes / "test")
    assert code == 0
    assert "baseline" in out


def test_a_sidecar_of_another_file_is_ignored_aloud(variants, shapes, tmp_path):
    shutil.copy(variants / "int8.tflite", tmp_path / "x.tflite")
    shutil.copy(variants / "float32.json", tmp_path / "x.json")
    (row,) = evaluate([tmp_path / "x.tflite"], data=shapes / "test", limit=9).variants
    assert "describes another file" in row.warnings[0].message


def test_each_file_says_itself_what_its_output_holds(tmp_path):
    """One model as logits and with its softmax: the same answers, and the same confidence."""
    from edit_tflite import drop_last_operator

    converted("shapes", tmp_path)
    logits = tmp_path / "logits.tflite"
    logits.write_bytes(drop_last_operator((tmp_path / "float32.tflite").read_bytes()))
    images, labels = shape_arrays(60, 8)
    for files in ([logits, tmp_path / "float32.tflite"], [tmp_path / "float32.tflite", logits]):
        first, second = evaluate(files, data=(images, labels), baseline=files[0]).variants
        assert first.accuracy.value == second.accuracy.value > 0.9
        # Softmax in float32 here and there: a few units in the last place.
        assert first.confidence.mean_confidence == pytest.approx(second.confidence.mean_confidence, abs=1e-5)
        assert not [w for row in (first, second) for w in row.warnings]


def test_no_better_than_the_most_frequent_class(variants, shapes):
    images, labels = shape_arrays(300, 4)
    kept = np.flatnonzero((labels == 0) | (np.arange(300) % 10 == 0))  # three quarters are of one class
    wrong = images[kept] / 255  # scaled once more than the model wants
    found = evaluate([variants / "float32.tflite"], data=(wrong, labels[kept]))
    share = np.bincount(labels[kept]).max() / kept.size
    assert found.variants[0].accuracy.value <= share
    (doubt,) = [w for w in found.warnings if w.kind == "chance"]
    assert "no better than" in doubt.message


def test_a_useful_answer_on_lopsided_data_is_better_than_chance():
    """Fewer are right than by always answering the most frequent class, and yet most of the rare ones are found."""
    run = SimpleNamespace(contract=SimpleNamespace(preprocessing=PRESETS["raw"]))
    label = np.repeat([0, 1], [950, 50])
    right = np.concatenate([np.arange(950) % 12 > 0, np.arange(50) % 10 > 0])
    for correct, kinds in ((right, []), (label == 0, ["chance"])):
        scores = {"label": label, "correct": correct, "finite": np.ones(1000, bool), "predicted": label}
        found = chance(run, scores, SimpleNamespace(pictures=False), Classification(None, 2), 1)
        assert [finding.kind for finding in found] == kinds
