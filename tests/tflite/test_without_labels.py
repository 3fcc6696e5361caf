"""Data without labels: the float model's outputs are the reference, and what is measured is called fidelity."""

import csv
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CLASSES, DATA, converted, run_json, shape_arrays
from scipy.stats import t as student

from tflitekit import Constraints, compare, evaluate, open_dataset, optimize, recommend
from tflitekit.accuracy.fidelity import pairs_of
from tflitekit.accuracy.lints.parts import outputs_beside
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.results import Measured, OutputFidelity, VariantReport
from tflitekit.tasks.interface import Interface
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.training_record import TrainingRecord


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
    (worse,) = (row for row in found.variants if row.name == "worse")
    assert len(worse.differing) == 12
    scored = [example.confidence for example in worse.differing]
    assert scored == sorted(scored, reverse=True)
    keys = [sample.key for sample in open_dataset(flat, need_labels=False)]
    own = outputs(files[2], pixels)
    for example in worse.differing:
        at = keys.index(example.sample)
        assert (example.label, example.answer) == (str(expected[at].argmax()), str(own[at].argmax()))
        assert example.label != example.answer
        assert example.image is not None
    assert rows["float32"].differing == ()
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
    assert (output.mean, output.low, output.high) == (row.likeness.value, row.likeness.low, row.likeness.high)
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
    with pytest.raises(UsageError, match="--until-certain decides about shares of right answers"):
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
    return choose_metric(data, Interface((), (spec,), classes=labels, final_op=final_op), ScoringOptions()).name


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
    with pytest.raises(DataError, match=r"(?s)photos is not among the labels of the model.*If photos is not a class"):
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


@pytest.fixture(scope="module")
def optimized(flat, shapes, tmp_path_factory):
    """The whole way on images without classes: the variants of a float file, beside which nothing has labels."""
    out = tmp_path_factory.mktemp("optimized")
    model = DATA / "converted" / "shapes" / "float32.tflite"
    report = optimize(
        model,
        data=flat,
        calibration=flat,
        out=out,
        schemes=["dynamic_range", "int8"],
        calibration_curve=(10,),
        limit=60,
    )
    return report, out


def test_optimize_recommends_by_agreement(optimized):
    report, _ = optimized
    assert (report.dataset.reference, report.baseline, report.constraints.min_fidelity) == ("baseline", "float32", None)
    rows = {row.name: row for row in report.variants}
    assert rows["int8"].likeness.metric == "agreement"
    assert rows["int8"].accuracy is rows["int8"].drop is None
    answer = report.recommendation
    assert answer.constraints_met
    said = "\n".join(answer.reasons)
    assert re.search(
        r"agrees with the baseline on \d+\.\d% of the samples \(.*\); n = 60, limit 95%, the default", said
    )
    assert "how closely it matches the float model, not how often it is right" in said
    assert "accuracy" not in said
    (point,) = report.calibration_curve
    assert (point.accuracy, point.drop, point.likeness.metric) == (None, None, "agreement")


def test_no_view_speaks_of_accuracy(optimized, cli):
    report, out = optimized
    _, shown, _ = cli("report", out)
    page, markdown = ((out / name).read_text() for name in ("report.html", "report.md"))
    page = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    for view in (shown, page, markdown):
        assert "Agreement" in view
        assert not re.search(r"accuracy|\bdrops?\b|McNemar|recall", view, re.IGNORECASE)
    assert "Fidelity to float32" in page
    assert "Agreement with float32 on 60 samples of" in markdown
    rows = list(csv.DictReader((out / "report.csv").open()))
    int8 = next(row for row in rows if row["variant"] == "int8")
    assert (int8["metric"], float(int8["fidelity_value"])) == ("agreement", report.variant("int8").likeness.value)


def test_optimize_refuses_limits_that_need_labels_before_it_converts(flat, tmp_path):
    model = DATA / "converted" / "shapes" / "float32.tflite"
    with pytest.raises(UsageError, match="--max-accuracy-drop needs labels"):
        optimize(model, data=flat, out=tmp_path / "out", constraints=Constraints(max_accuracy_drop=1))
    with pytest.raises(UsageError, match="--metric mae needs labels"):
        optimize(model, data=flat, out=tmp_path / "out", metric="mae")
    assert not list((tmp_path / "out").glob("*.tflite"))


def row(name, size, *, value, low, metric="agreement", outputs=()):
    found = Measured(metric=metric, value=value, low=low, high=1.0, n=500, higher_is_better=True)
    return VariantReport(
        name=name,
        scheme=name,
        status="ok",
        sha256=name,
        size_bytes=size,
        deflated_bytes=size,
        likeness=found,
        fidelity=outputs,
    )


def output(explained):
    return OutputFidelity(
        output="box",
        scored=False,
        values=500,
        columns=4,
        compared=4,
        explained=explained,
        lowest=explained,
        mean=explained,
    )


def test_the_recommendation_goes_by_the_limit_on_fidelity():
    base = row("float32", 1000, value=1.0, low=None)
    close, far = row("int8", 300, value=0.955, low=0.93), row("int4", 200, value=0.9, low=0.87)
    found = recommend([base, close, far], Constraints(), baseline="float32")
    assert found.chosen == "int8"
    assert "caution: the interval reaches down to 93.0%; more data would decide it" in found.reasons
    (why,) = next(other.reasons for other in found.rejected if other.name == "int4")
    assert why == "agrees with the baseline on 90.0% of the samples (87.0 to 100.0), less than the limit of 95%"
    assert recommend([base, close, far], Constraints(min_fidelity=90), baseline="float32").chosen == "int4"
    assert recommend([base, close, far], Constraints(min_fidelity=99), baseline="float32").chosen == "float32"
    assert recommend([close, far], Constraints(min_fidelity=99)).nearest == "int8"


def test_every_output_has_to_keep_to_the_limit():
    base = row("float32", 1000, value=1.0, low=None)
    other = row("int8", 300, value=0.99, low=0.98, outputs=(output(0.8),))
    found = recommend([base, other], Constraints(), baseline="float32")
    assert found.chosen == "float32"
    assert (
        "keeps 80.0% of the baseline's variance in the output 'box', less than the limit of 95%"
        in found.rejected[0].reasons
    )


def test_compare_judges_fidelity(optimized, cli, tmp_path):
    report, out = optimized
    worse = report.model_copy(
        update={
            "variants": tuple(
                row.model_copy(
                    update={"likeness": row.likeness.model_copy(update={"value": 0.5, "low": 0.4, "high": 0.6})}
                )
                if row.name == "int8"
                else row
                for row in report.variants
            )
        }
    )
    found = compare(report, worse, max_fidelity_drop=5)
    change = found.variants[[variant.name for variant in found.variants].index("int8")].change("fidelity")
    assert (change.metric, change.method) == ("agreement", "unpaired")
    assert change.value == pytest.approx(report.variant("int8").likeness.value - 0.5)
    assert [gate.variant for gate in found.broken] == ["int8"]
    assert found.broken[0].message.startswith("int8: agreement drops ")
    assert all(variant.change("accuracy") is None for variant in found.variants)
    with pytest.raises(UsageError, match="both reports were made on data without labels"):
        compare(report, worse, max_accuracy_drop=1)
    code, shown, _ = cli("compare", out, out, "--max-fidelity-drop", 1)
    assert code == 0
    assert "accuracy" not in shown.lower()


def test_a_bundle_has_golden_samples_without_labels(optimized, flat, cli, tmp_path):
    _, out = optimized
    code, shown, err = cli(
        "bundle", out, "--data", flat, "--variant", "int8", "--out", tmp_path / "bundle", "--samples", 4
    )
    assert code == 0, err
    assert "Accuracy" not in shown
    made = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert made["task"] == "classification"
    assert made["variants"][0]["accuracy"] is made["variants"][0]["accuracy_drop"] is None
    assert [sample["label"] for sample in made["golden"]["samples"]] == [None] * 4
    assert all(sample["results"][0]["top_k"] for sample in made["golden"]["samples"])


def trained(name, size, value, low):
    record = TrainingRecord.model_construct(data="train", stages=())
    return row(name, size, value=value, low=low).model_copy(update={"training": record})


def test_a_trained_variant_is_preferred_only_if_it_is_measurably_closer():
    base, plain = row("float32", 1000, value=1.0, low=None), row("int8", 300, value=0.96, low=0.95)
    plain = plain.model_copy(update={"likeness": plain.likeness.model_copy(update={"high": 0.97})})
    closer, alike = trained("qat", 300, 0.99, 0.98), trained("qat", 300, 0.97, 0.96)
    found = recommend([base, plain, closer], Constraints(), baseline="float32", data="test")
    assert found.chosen == "qat"
    assert any("answers otherwise than the float model, it may be right" in reason for reason in found.reasons)
    found = recommend([base, plain, alike], Constraints(), baseline="float32", data="test")
    assert found.chosen == "int8"
    why = next(other.reasons for other in found.rejected if other.name == "qat")
    assert why == (
        "meets the limits, but is not measurably closer to the float model than int8, which needs no training",
    )


def test_a_float_model_that_gives_nan_is_no_reference(files, tmp_path):
    broken = converted("nan_output", tmp_path) / "float32.tflite"
    shape = Model(broken).graph.inputs[0].shape[1:]
    data = {"x": np.random.default_rng(0).normal(size=(25, *shape))}
    other = tmp_path / "other.tflite"
    shutil.copy(broken, other)
    found = evaluate([broken, other], data=data, baseline="float32")
    assert found.variants[0].status == "failed"
    assert [finding.kind for finding in found.warnings if finding.kind == "no-baseline"]
    assert found.variants[1].likeness is None


def test_a_part_that_is_lost_shows_in_the_figure_of_its_output():
    generator = np.random.default_rng(0)
    before = generator.normal(size=(200, 7)).astype(np.float32)
    after = before.copy()
    after[:, 4:] = 0
    spec = TensorSpec(name="both", shape=(1, 7), dtype="float32")
    graph = SimpleNamespace(outputs=(spec,), inner_outputs=(spec,), operators=[])
    (found,) = outputs_beside(graph, None, {0: pairs_of(before, after)}, other_weights=False)
    assert found.explained == 1  # the median
    assert found.mean == pytest.approx(4 / 7, abs=1e-4)
    assert found.scored
    assert found.losses[0].text.startswith("columns 4 to 6 of the output 'both': constant")
