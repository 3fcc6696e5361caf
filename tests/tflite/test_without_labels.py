"""Data without labels: the float model's outputs are the reference, and what is measured is called fidelity."""

import shutil

import numpy as np
import pytest
from conftest import CLASSES, DATA, converted, run_json, shape_arrays
from scipy.stats import t as student

from tflitekit import Constraints, evaluate, open_dataset
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.runtime import Model


@pytest.fixture(scope="module")
def flat(shapes, tmp_path_factory):
    """The images of all classes in one folder."""
    folder = tmp_path_factory.mktemp("flat")
    for path in (shapes / "test").rglob("*.png"):
        shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    return folder


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    return converted("regression", tmp_path_factory.mktemp("regression"))


@pytest.fixture(scope="module")
def files(variants, tmp_path_factory):
    """A float file, one that does nearly the same, and one that often answers otherwise."""
    worse = tmp_path_factory.mktemp("worse") / "worse.tflite"
    shutil.copy(DATA / "converted" / "shapes_worse" / "int8.tflite", worse)
    shutil.copy(DATA / "converted" / "shapes_worse" / "int8.json", worse.with_suffix(".json"))
    return [variants / "float32.tflite", variants / "int8.tflite", worse]


def outputs(path, rows):
    model = Model(path)
    return np.array([model.run([row[None].astype(np.float32)])[0][0] for row in rows])


def test_classes_are_compared_with_the_float_model(files, flat):
    found = evaluate(files[::-1], data=flat)
    images = [sample.read() for sample in open_dataset(flat, need_labels=False)]
    pixels = np.array([np.asarray(image, np.float32)[..., None] for image in images])
    expected = outputs(files[0], pixels)
    assert (found.baseline, found.dataset.reference, found.dataset.samples) == ("float32", "baseline", 120)
    rows = {row.name: row for row in found.variants}
    for path in files[1:]:
        row, own = rows[path.stem], outputs(path, pixels)
        same = (own.argmax(axis=1) == expected.argmax(axis=1)).mean()
        assert row.likeness.metric == "agreement"
        assert row.likeness.value == row.agreement.value == pytest.approx(same)
        assert row.likeness.low <= same <= row.likeness.high
        p, q = (np.maximum(values, 1 / 512).astype(float) for values in (expected, own))
        p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
        assert row.other_metrics[0].metric == "divergence"
        assert row.other_metrics[0].value == pytest.approx((p * np.log(p / q)).sum(axis=1).mean(), abs=1e-4)
    assert rows["worse"].likeness.value < 0.9 < rows["int8"].likeness.value  # or the test shows nothing
    assert rows["float32"].likeness.value == 1
    for row in found.variants:  # nothing that only labels could tell
        assert row.accuracy is row.drop is row.hits is row.confidence is row.flips is None
        assert row.per_class == ()


def test_values_are_compared_column_by_column(regression, tmp_path, models):
    x = np.load(models / "regression.npz")["x"]
    np.savez(tmp_path / "inputs.npz", x=x)
    found = evaluate(
        sorted(regression.glob("*.tflite")), data=tmp_path / "inputs.npz", constraints=Constraints(min_fidelity=99.9)
    )
    before, after = (outputs(regression / f"{name}.tflite", x)[:, 0].astype(float) for name in ("float32", "int8"))
    squared = np.square(before - after)
    row = found.variants[1]
    assert (row.likeness.metric, row.likeness.n) == ("fidelity", 200)
    assert row.likeness.value == pytest.approx(1 - squared.mean() / before.var(), abs=1e-5)
    half = student.ppf(0.975, 199) * squared.std(ddof=1) / np.sqrt(200) / before.var()
    assert row.likeness.high - row.likeness.low == pytest.approx(2 * half, abs=1e-5)
    output = row.fidelity[0]
    assert (output.explained, output.low, output.high) == (row.likeness.value, row.likeness.low, row.likeness.high)
    assert [(part.column, part.explained) for part in output.worst] == [(0, output.explained)]
    assert found.broken == ()
    assert found.warnings == ()


def test_a_limit_on_fidelity_is_judged(files, flat):
    found = evaluate(files, data=flat, constraints=Constraints(min_fidelity=90))
    assert [broken.name for broken in found.broken] == ["worse"]
    assert found.broken[0].reasons[0].startswith("agrees with the baseline on ")
    assert found.broken[0].reasons[0].endswith("less than the limit of 90%")
    assert evaluate(files, data=flat, constraints=Constraints(min_fidelity=1)).broken == ()


def test_until_certain_decides_about_the_share_of_other_classes(files, flat):
    found = evaluate(files, data=flat, until_certain=True, constraints=Constraints(min_fidelity=50))
    row = found.variants[1]
    assert row.sequential.decision == "meets"
    assert row.sequential.decided_at < 120
    decided = evaluate(files, data=flat, until_certain=True)
    assert [row.sequential.decision for row in decided.variants[1:]] == ["meets", "breaks"]
    assert [broken.name for broken in decided.broken] == ["worse"]
    with pytest.raises(UsageError, match="--until-certain is for classification"):
        evaluate(files, data=flat, until_certain=True, metric="fidelity")


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["int8", "int4x8"], {}, r"(?s)None of the files is a float model: int8, int4x8\..*have no labels.*--baseline"),
        (["float32"], {}, "There is nothing to compare float32 with"),
        (["float32", "int8"], {"metric": "top1"}, "--metric top1 needs labels, and the data at .* have none"),
        (["float32", "int8"], {"metric": "own.py:score"}, "--metric own.py:score needs labels"),
        (["float32", "int8"], {"constraints": Constraints(max_accuracy_drop=1)}, "(?s)--max-accuracy-drop needs labels.*--min-fidelity"),
        (["float32", "int8"], {"constraints": Constraints(max_class_drop=1)}, "--max-class-drop needs labels"),
    ],
)  # fmt: skip
def test_what_needs_labels_is_refused(variants, flat, names, options, words):
    with pytest.raises(UsageError, match=words):
        evaluate([variants / f"{name}.tflite" for name in names], data=flat, **options)


def test_labels_can_be_left_aside_and_a_limit_without_them_says_so(variants, shapes):
    files = [variants / f"{name}.tflite" for name in ("float32", "int8")]
    limits = Constraints(min_fidelity=90)
    with pytest.raises(
        UsageError, match=r"(?s)these data have labels.*--max-accuracy-drop instead; or --metric agreement"
    ):
        evaluate(files, data=shapes / "test", constraints=limits)
    found = evaluate(files, data=shapes / "test", constraints=limits, metric="agreement", limit=30)
    assert found.dataset.reference == "baseline"
    assert found.variants[1].accuracy is None
    assert found.variants[1].likeness.n == 30


def test_a_quantized_file_can_be_named_as_the_reference(variants, flat):
    files = [variants / f"{name}.tflite" for name in ("int8", "int8-io-uint8")]
    found = evaluate(files, data=flat, baseline="int8")
    assert (found.baseline, found.variants[1].likeness.metric) == ("int8", "agreement")


def test_too_few_samples_to_tell(regression, variants, flat):
    found = evaluate(sorted(regression.glob("*.tflite")), data={"x": np.random.default_rng(0).normal(size=(5, 8))})
    assert found.variants[1].likeness is None
    assert [finding.kind for finding in found.variants[1].warnings] == ["too-few-samples"]
    few = evaluate([variants / "float32.tflite", variants / "int8.tflite"], data=flat, limit=8)
    assert few.variants[1].likeness.high - few.variants[1].likeness.low > 0.1


def test_the_terminal_never_speaks_of_accuracy(cli, files, flat):
    code, out, _ = cli("evaluate", *files, "--data", flat)
    assert code == 0
    for words in ("Agreement", "Difference", "reference", "another class for", "the same class for all 120"):
        assert words in out
    assert not {"Accuracy", "accuracy", "Change", "drop"} & set(out.split())
    assert (
        "too few samples to tell (the same class for all 8)" in cli("evaluate", *files, "--data", flat, "--limit", 8)[1]
    )
    found = run_json(cli("evaluate", *files, "--data", flat, "--json"))
    assert found["dataset"]["reference"] == "baseline"


def chosen(final_op=None, shape=(1, 10), labels=None):
    spec = TensorSpec(name="out", shape=shape, dtype="float32")
    data = open_dataset({"x": np.zeros((2, 4))}, need_labels=False)
    return choose_metric(None, data, [spec], None, labels=labels, final_op=final_op).name


def test_classes_are_recognized_by_a_softmax_or_by_names():
    assert chosen("SOFTMAX") == "agreement"
    assert chosen("FULLY_CONNECTED") == "fidelity"
    assert chosen("LOGISTIC") == "fidelity"  # each value may be a class of its own
    assert chosen("SOFTMAX", (1, 8, 8, 3)) == "fidelity"
    assert chosen("FULLY_CONNECTED", labels=[str(i) for i in range(10)]) == "agreement"
    with pytest.raises(ContractError, match="There are 3 labels, but the model has 10 outputs"):
        chosen("SOFTMAX", labels=CLASSES)


def test_values_that_may_be_classes_are_said_to_be_taken_for_values(tmp_path):
    folder = converted("two_inputs", tmp_path)
    generator = np.random.default_rng(0)
    data = {"left": generator.normal(size=(30, 4)), "a-right": generator.normal(size=(30, 3))}
    found = evaluate(sorted(folder.glob("*.tflite")), data=data)
    assert [finding.kind for finding in found.warnings] == ["taken-for-values"]
    assert (
        "the output 'zeta' holds scores of classes: its 2 values are compared as they are" in found.warnings[0].message
    )
    assert found.baseline == "float32"  # not float16, whose name comes first
    named = evaluate(sorted(folder.glob("*.tflite")), data=data, metric="agreement")
    assert (named.warnings, named.variants[0].likeness.metric) == ((), "agreement")


def test_one_folder_that_is_no_class(variants, flat, tmp_path):
    shutil.copytree(flat, tmp_path / "all" / "photos")
    files = [variants / "float32.tflite", variants / "int8.tflite"]
    with pytest.raises(
        DataError, match=r"(?s)1 class folder, fewer than .* If photos is not a class, give .*photos itself"
    ):
        evaluate(files, data=tmp_path / "all")
    with pytest.raises(DataError, match=r"(?s)photos is not in the labels file.*If photos is not a class"):
        evaluate(files, data=tmp_path / "all", labels=CLASSES)


def test_images_beside_class_folders_are_mentioned(variants, shapes, flat, tmp_path):
    shutil.copytree(shapes / "test", tmp_path / "test")
    shutil.copy(next(flat.iterdir()), tmp_path / "test" / "stray.png")
    found = evaluate([variants / "float32.tflite"], data=tmp_path / "test", limit=30)
    notes = [finding.message for finding in found.warnings if finding.kind == "left-out"]
    assert len(notes) == 1
    assert "1 image in " in notes[0]
    assert "(stray.png) is in none of its 3 class folders" in notes[0]
    assert found.variants[0].accuracy is not None


def test_a_label_that_is_missing_among_others(variants):
    images, labels = shape_arrays(4, 0)

    def samples():
        yield from (
            (image, label if i < 2 else None) for i, (image, label) in enumerate(zip(images, labels, strict=True))
        )

    with pytest.raises(DataError, match="The sample 'item 2' has no label, and the first one has"):
        evaluate([variants / "float32.tflite"], data=samples)
