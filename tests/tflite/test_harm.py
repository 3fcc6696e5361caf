"""What the average hides: classes, flips, confidence, limits on them; and evaluation that stops when it is certain."""

import base64
import io

import numpy as np
import pytest
from conftest import CLASSES, converted, run_json, shape_arrays
from edit_tflite import edit_weights
from PIL import Image

from tflitekit import Constraints, evaluate, open_dataset, optimize
from tflitekit.accuracy.evaluation import evaluate_variants
from tflitekit.accuracy.flips import thumbnail
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.confidence import calibration
from tflitekit.core.errors import UsageError
from tflitekit.core.progress import Progress
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.variant import load_variant

DENSE = (3, 24)


@pytest.fixture(scope="module")
def weak(variants, tmp_path_factory):
    """The float32 classifier with a last layer that is off for the class 'square'."""
    target = tmp_path_factory.mktemp("weak") / "weak.tflite"
    away = np.array([[1.0], [-0.05], [1.0]])
    return edit_weights(variants / "float32.tflite", target, lambda w: w * away, shape=DENSE)


def answers(path, shapes):
    """Returns labels, answers and highest scores, by a plain loop over the files."""
    model, rows = Model(path), []
    for label, folder in enumerate(sorted((shapes / "test").iterdir())):
        for file in sorted(folder.iterdir()):
            scores = model.run([np.asarray(Image.open(file), np.float32)[None, ..., None]])[0][0]
            rows.append((label, int(scores.argmax()), float(scores.max()), f"{folder.name}/{file.name}"))
    labels, predicted, confidence, names = (np.array(column) for column in zip(*rows, strict=True))
    return labels, predicted, confidence, names


def test_classes_confusion_hits_and_flips_agree_with_a_plain_loop(variants, weak, shapes):
    before, after = evaluate([variants / "float32.tflite", weak], data=shapes / "test").variants
    labels, predicted, confidence, names = answers(weak, shapes)
    _, reference, _, _ = answers(variants / "float32.tflite", shapes)
    assert after.confusion == tuple(
        tuple(int(np.sum((labels == i) & (predicted == j))) for j in range(3)) for i in range(3)
    )
    bits = np.unpackbits(np.frombuffer(base64.b64decode(after.hits), np.uint8))
    assert (bits[:120].astype(bool) == (predicted == labels)).all()
    for index, entry in enumerate(after.per_class):
        of_class = labels == index
        lost = np.sum(of_class & (reference == labels) & (predicted != labels))
        won = np.sum(of_class & (reference != labels) & (predicted == labels))
        assert entry.drop.value == pytest.approx((lost - won) / of_class.sum())
        assert entry.drop.n == of_class.sum() == 40
    assert [entry.drop for entry in before.per_class] == [None] * 3
    turned_wrong = (reference == labels) & (predicted != labels)
    assert after.flips.lost == turned_wrong.sum() > 12
    assert after.flips.won == 0
    assert before.flips is None
    shown = after.flips.examples
    order = np.argsort(-confidence[turned_wrong], kind="stable")[:12]
    assert [flip.sample for flip in shown] == list(names[turned_wrong][order])
    assert {flip.label for flip in shown} == {"square"}
    assert [flip.confidence for flip in shown] == sorted((flip.confidence for flip in shown), reverse=True)
    with Image.open(io.BytesIO(base64.b64decode(shown[0].image))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (12, 12))
    again = evaluate([variants / "float32.tflite", weak], data=shapes / "test", jobs=1).variants[1]
    assert again == after


def test_examples_of_arrays_and_of_a_factory(variants, weak):
    images, labels = shape_arrays(90, 4)

    def feed():
        yield from zip(images, labels, strict=True)

    files = [variants / "float32.tflite", weak]
    arrays = evaluate(files, data=(images, labels), labels=CLASSES).variants[1].flips
    factory = evaluate(files, data=feed, labels=CLASSES).variants[1].flips
    assert arrays.lost == factory.lost > 0
    row = int(arrays.examples[0].sample.removeprefix("row "))
    assert labels[row] == CLASSES.index(arrays.examples[0].label)
    assert arrays.examples[0].image is not None
    assert factory.examples[0].sample == f"item {row}"
    assert factory.examples[0].image is None  # it is not run again


def test_thumbnails():
    def size(raw):
        text = thumbnail(raw)
        if text is None:
            return None
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            return picture.size

    assert size(Image.new("CMYK", (960, 480))) == (96, 48)
    assert size(Image.new("P", (20, 30))) == (20, 30)
    assert size({"x": np.zeros((200, 100, 3), np.uint8)}) == (48, 96)
    assert size({"x": np.full((16, 16, 1), 0.5, np.float32)}) == (16, 16)
    assert size({"x": np.full((16, 16), -1.0)}) is None  # standardized: no pixels
    assert size({"x": np.zeros(40)}) is None
    assert size({"a": np.zeros((9, 9)), "b": np.zeros((9, 9))}) is None


def test_confidence_of_probabilities_logits_and_single_outputs():
    logits = np.array([[1.0, 2.0, 4.0], [500.0, 0.0, 0.0]], np.float32)
    exact = np.exp(logits[0].astype(float) - 4) / np.exp(logits[0].astype(float) - 4).sum()
    found = Classification(None, 3).score(logits, [2, 0], meaning="values")
    assert found["confidence"] == pytest.approx([exact.max(), 1.0])
    assert found["confidence"].dtype == np.float32
    found = Classification(None, 3).score(np.array([[0.2, 0.7, 0.1]], np.float32), [1], meaning="probabilities")
    assert found["confidence"] == pytest.approx([0.7])
    found = Classification(None, 1).score(np.array([[0.9], [0.2]], np.float32), [1, 1], meaning="probabilities")
    assert found["confidence"] == pytest.approx([0.9, 0.8])
    found = Classification(None, 1).score(np.array([[0.0], [-2.0]], np.float32), [0, 0], meaning="values")
    assert found["confidence"] == pytest.approx([0.5, 1 / (1 + np.exp(-2.0))])


def test_calibration_error_agrees_with_its_definition():
    generator = np.random.default_rng(5)
    confidence = generator.uniform(0.2, 1, 4000).astype(np.float32)
    correct = generator.random(4000) < confidence - 0.1
    found = calibration(confidence, correct)
    bins = np.minimum((confidence.astype(float) * 15).astype(int), 14)
    by_hand = sum(
        abs(correct[bins == b].mean() - confidence[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)
    )
    assert found.ece == pytest.approx(by_hand, abs=1e-6)
    assert found.low < 0.1 < found.high
    assert found.mean_confidence == pytest.approx(confidence.mean(), abs=1e-6)
    assert [b.n for b in found.bins] == [int(np.sum(bins == b)) for b in np.unique(bins)]
    assert found == calibration(confidence, correct)  # seeded
    # The standard error of a mean gap of about 0.1 is sqrt(0.25 / 4000) = 0.008; the interval has about four of them.
    assert 0.02 < found.high - found.low < 0.05
    sure = calibration(np.ones(50, np.float32), np.ones(50, bool))
    assert (sure.ece, sure.low, sure.high) == (0, 0, 0)


@pytest.mark.slow
def test_limits_decide_the_exit_code_of_evaluate(variants, weak, shapes, cli):
    base = ["evaluate", variants / "float32.tflite", weak, "--data", shapes / "test"]
    code, out, _ = cli(*base)
    assert code == 0
    assert "Class that lost most, points" in out
    assert "square -" in out
    code, out, _ = cli(*base, "--max-class-drop", 5)
    assert code == 1
    assert "Limit broken: weak: the recall of 'square' falls from 100.0% to " in out
    assert "more than the limit of 5 for a class" in out
    assert cli(*base, "--max-accuracy-drop", 1)[0] == 1
    assert cli(*base, "--max-accuracy-drop", 100, "--max-class-drop", 100)[0] == 0
    assert cli(*base, "--max-class-drop", -1)[0] == 2
    found = run_json(cli(*base, "--max-class-drop", 5, "--json"))
    assert [broken["name"] for broken in found["broken"]] == ["weak"]
    healthy = [variants / "float32.tflite", variants / "float16.tflite"]
    assert cli("evaluate", *healthy, "--data", shapes / "test", "--max-class-drop", 1)[0] == 0


def test_class_limits_need_classes(models, tmp_path):
    converted("regression", tmp_path)
    files = [tmp_path / "float32.tflite"]
    with pytest.raises(UsageError, match=r"needs figures by class, which this metric \(mae\) does not have"):
        evaluate(files, data=models / "regression.npz", constraints=Constraints(max_class_drop=1))
    with pytest.raises(UsageError, match="--until-certain decides about shares of right answers"):
        evaluate(files, data=models / "regression.npz", until_certain=True)


@pytest.fixture(scope="module")
def many():
    """Enough samples that there is something to stop before."""
    return shape_arrays(1500, 21)


@pytest.mark.slow
def test_a_healthy_and_a_weak_variant_are_decided_early(variants, weak, many):
    files = [variants / "float32.tflite", variants / "float16.tflite", weak]
    whole = evaluate(files, data=many)
    found = evaluate(files, data=many, until_certain=True)
    assert found.dataset.samples < 1500 == whole.dataset.samples
    assert found.dataset.available == 1500
    record = found.dataset.adaptive
    assert (record.samples, record.available, record.alpha, record.limit) == (found.dataset.samples, 1500, 0.05, 0.01)
    assert "Waudby-Smith" in record.method
    assert found.dataset.sha256 != whole.dataset.sha256  # two reports on other samples are not paired
    _, half, bad = found.variants
    assert (half.sequential.decision, bad.sequential.decision) == ("meets", "breaks")
    assert half.sequential.low <= whole.variants[1].drop.value <= half.sequential.high
    assert half.drop.verdict.startswith("within the limit of 1 point, decided on ")
    assert bad.drop.verdict.startswith("beyond the limit of 1 point, decided on ")
    assert bad.accuracy.n < half.accuracy.n == found.variants[0].accuracy.n == found.dataset.samples  # it left first
    assert [bad.drop.n, bad.agreement.n, sum(entry.drop.n for entry in bad.per_class)] == [bad.accuracy.n] * 3
    alone = evaluate([files[0], weak], data=many, until_certain=True)
    assert alone.variants[1] == bad  # who else is undecided makes no difference
    assert [broken.name for broken in found.broken] == ["weak"]
    classes = [entry.n for entry in half.per_class]
    assert max(classes) - min(classes) <= 1  # balanced like the data
    assert "stopped-early" in {warning.kind for warning in found.warnings}
    assert found == evaluate(files, data=many, until_certain=True, jobs=1)
    assert evaluate(files, data=many, until_certain=True, seed=5).dataset.sha256 != found.dataset.sha256


@pytest.mark.slow
def test_a_stopped_evaluation_continues_and_is_not_taken_for_a_whole_one(variants, weak, many, tmp_path):
    opened = [load_variant(path)[0] for path in (variants / "float32.tflite", weak, variants / "float16.tflite")]
    dataset = open_dataset(many)
    options = {
        "progress": Progress(),
        "cache": tmp_path,
    }

    certain = EvaluateOptions(jobs=1, baseline="float32", until_certain=True, error_rate=0.05, seed=1)

    def run(variants, how=certain):
        return evaluate_variants(variants, dataset, how, **options)

    short = run(opened[:2])  # the weak one is decided first
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.glob("scores-*.npz")}
    assert len(stored) == 2
    assert run(opened[:2]) == short
    assert {path: path.stat().st_mtime_ns for path in stored} == stored  # nothing was scored again
    long = run(opened)  # goes on where the others stopped
    assert long.dataset.samples > short.dataset.samples
    assert long.variants[1] == short.variants[1]  # the weak one does not
    fresh = evaluate_variants(opened, dataset, certain, **options | {"cache": None})
    assert long == fresh
    assert run(opened[:2]) == short  # the longer scores are cut to what this one would have drawn
    assert run(opened[:2], EvaluateOptions(jobs=1, baseline="float32")).dataset.samples == 1500
    assert run(opened[:2]) == short


def test_small_data_are_used_up_and_decide_exactly(variants, weak, shapes):
    found = evaluate([variants / "float32.tflite", weak], data=shapes / "test", until_certain=True)
    whole = evaluate([variants / "float32.tflite", weak], data=shapes / "test")
    assert found.dataset.sha256 == whole.dataset.sha256
    assert found.variants[1].accuracy == whole.variants[1].accuracy
    assert found.variants[1].hits == whole.variants[1].hits
    assert found.variants[1].sequential.decision == "breaks"
    assert "stopped-early" not in {warning.kind for warning in found.warnings}


@pytest.mark.slow
def test_unreadable_samples_while_stopping_early(variants, weak, tmp_path, many):
    for index, (image, label) in enumerate(zip(*many, strict=True)):
        folder = tmp_path / CLASSES[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(image[..., 0].astype(np.uint8)).save(folder / f"{index:04d}.bmp")
    for index in (0, 30, 60, 90):
        (tmp_path / CLASSES[0] / f"{index:04d}.bmp").write_bytes(b"nothing")
    files = [variants / "float32.tflite", variants / "dynamic_range.tflite"]
    found = evaluate(files, data=tmp_path, until_certain=True, error_rate=0.01)
    assert found.dataset.samples + len(found.dataset.skipped) == found.dataset.adaptive.samples
    whole = evaluate(files, data=tmp_path)
    assert len(whole.dataset.skipped) == 4


def test_what_cannot_stop_early_says_why(variants, many):
    both = [variants / "float32.tflite", variants / "float16.tflite"]

    def feed():
        yield from zip(*many, strict=True)

    with pytest.raises(UsageError, match="is a factory"):
        evaluate(both, data=feed, until_certain=True)
    with pytest.raises(UsageError, match="only the baseline was given"):
        evaluate(both[:1], data=many, until_certain=True)
    with pytest.raises(UsageError, match="--max-class-drop, or --until-certain"):
        evaluate(both, data=many, until_certain=True, constraints=Constraints(max_class_drop=3))
    with pytest.raises(UsageError, match=r"(?s)error_rate cannot be 0.7.*less than 0.5"):
        evaluate(both, data=many, until_certain=True, error_rate=0.7)


def test_what_cannot_be_decided_early_is_told_before_anything_is_converted(variants, shapes, tmp_path):
    asked = {"data": shapes / "test", "preprocess": "raw", "metric": "balanced-accuracy", "until_certain": True}
    with pytest.raises(UsageError, match="--until-certain decides about shares of right answers"):
        optimize(variants / "float32.tflite", schemes=["float16"], out=tmp_path, **asked)
    assert not list(tmp_path.glob("*.tflite"))
