"""What a report says of trained variants: the control, the doubts, and the views. Records are made up; nothing trains."""

import csv
import io
import json
import re
import shutil

import pytest
from sample_reports import compression, extended, stage, trained, training

from tflitekit import evaluate
from tflitekit.accuracy.lints.training import lint_training
from tflitekit.cli import console
from tflitekit.cli.views.report import show_report
from tflitekit.render import html, markdown, spreadsheet, training_text
from tflitekit.results import DatasetRecord, Drop, Measured, VariantReport, read_report
from tflitekit.tflite.training_record import Score, ThreeWay
from tflitekit.tflite.variant import read_sidecar

QAT, CONTROL = training(stage("quantize")), training(stage("finetune"))
IMAGES = DatasetRecord(location="data/test", kind="images", samples=100, sha256="5a")


def row(record, *, gain=0.0, half=0.005, scheme="qat", **update):
    drop = Drop(value=-gain, low=-gain - half, high=-gain + half, p_value=0.01, n=100, verdict="gains 2.0 ± 0.5 points")
    accuracy = Measured(metric="top1", value=0.8, low=0.7, high=0.9, n=100)
    made = {"name": scheme, "scheme": scheme, "status": "ok", "training": record, "accuracy": accuracy, "drop": drop}
    return VariantReport(**(made | update))


def kinds(found):
    return [finding.kind for finding in found.warnings]


@pytest.mark.parametrize(
    ("options", "dataset"),
    [
        ({"data": "data/test"}, IMAGES),
        ({"data": "./data/../data/test/"}, IMAGES),
        ({"data": "elsewhere", "data_sha256": "5a"}, IMAGES),
        ({"validation": "data/test"}, IMAGES),
        ({"data": "mine.py:samples"}, DatasetRecord(location="mine.py:samples", kind="factory", samples=9)),
    ],
)
def test_training_on_the_evaluation_data_is_found(options, dataset):
    (finding,) = lint_training(row(QAT.model_copy(update=options)), dataset, "float32").warnings
    assert finding.kind == "trained-on-evaluation-data"
    assert dataset.location in finding.message
    assert ("decided which epoch" in finding.message) == ("validation" in options)


def test_other_data_are_not_taken_for_the_same():
    arrays = DatasetRecord(location="arrays in memory", kind="arrays", samples=9)
    assert kinds(lint_training(row(QAT.model_copy(update={"data": "arrays in memory"})), arrays, None)) == []
    assert kinds(lint_training(row(QAT), IMAGES, None)) == []
    no_hash = IMAGES.model_copy(update={"sha256": None})
    assert kinds(lint_training(row(QAT), no_hash, None)) == []
    untrained = row(None)
    assert lint_training(untrained, IMAGES, None) is untrained


def test_a_gain_without_a_control_asks_for_one():
    (finding,) = lint_training(row(QAT, gain=0.02), IMAGES, "float32").warnings
    assert finding.kind == "trained-gain"
    assert "better than float32 (gains 2.0 ± 0.5 points)" in finding.message
    assert "--control" in finding.advice
    assert kinds(lint_training(row(QAT, gain=0.004), IMAGES, "float32")) == []  # its interval holds 0
    assert kinds(lint_training(row(QAT, gain=-0.02), IMAGES, "float32")) == []
    assert kinds(lint_training(row(CONTROL, gain=0.02, scheme="finetuned"), IMAGES, "float32")) == []
    against = Drop(value=0, low=-0.01, high=0.01, p_value=1, n=100, verdict="no measurable drop")
    compared = row(QAT, gain=0.02, control="finetuned", drop_from_control=against)
    assert kinds(lint_training(compared, IMAGES, "float32")) == []


def test_trained_variants_are_compared_with_the_control_of_as_many_steps(optimized, shapes, tmp_path):
    def place(name, like, record, **update):
        shutil.copy(optimized / f"{like}.tflite", tmp_path / f"{name}.tflite")
        sidecar = read_sidecar(optimized / f"{like}.tflite")
        made = {"name": name, "scheme": name.split("-")[0], "file": f"{name}.tflite", "folder": tmp_path}
        sidecar.model_copy(update=made | {"training": record} | update).save()
        return tmp_path / f"{name}.tflite"

    twice = training(stage("prune", sparsity=0.5), stage("quantize"))
    files = [
        place("float32", "float32", None),
        place("finetuned", "dynamic_range", CONTROL),
        place("finetuned-rounds-2", "float32", training(stage("finetune"), stage("finetune"))),
        place("qat", "int8", QAT),
        place("pruned_qat", "int8", twice, compression=compression(sparsity=0.5)),
        place("clustered_qat", "int8", training(stage("quantize", epochs=9))),  # no control has as many steps
        place("finetuned-then-int8", "int8", CONTROL, options={"rounds": 1, "then": "int8"}),  # no control, and has one
        place("pruned", "float32", training(stage("prune", sparsity=0.5)), source_sha256="of another model"),
    ]
    found = evaluate(files, data=shapes / "test", labels=["circle", "square", "stripe"])
    rows = {r.name: r for r in found.variants}
    assert {name: r.control for name, r in rows.items()} == {
        "float32": None, "finetuned": None, "finetuned-rounds-2": None, "qat": "finetuned",
        "pruned_qat": "finetuned-rounds-2", "clustered_qat": None, "finetuned-then-int8": "finetuned",
        "pruned": None,
    }  # fmt: skip
    for name, r in rows.items():
        assert (r.drop_from_control is None) == (r.control is None), name
        if r.drop_from_control is not None:
            expected = rows[r.control].accuracy.value - r.accuracy.value
            assert r.drop_from_control.value == pytest.approx(expected, abs=1e-12)
            assert r.drop_from_control.n == r.accuracy.n
    assert rows["pruned_qat"].compression.target_sparsity == 0.5
    leaked = place("qat", "int8", QAT.model_copy(update={"data": str(shapes / "test")}))
    found = evaluate([files[0], leaked], data=shapes / "test", labels=["circle", "square", "stripe"])
    assert "trained-on-evaluation-data" in kinds(found.variants[1])


def test_reports_without_the_new_fields_read(optimized, tmp_path):
    content = json.loads((optimized / "report.json").read_text())
    for variant in content["variants"]:
        for name in ("training", "compression", "control", "drop_from_control"):
            assert variant.pop(name) is None
    (tmp_path / "report.json").write_text(json.dumps(content))
    report = read_report(tmp_path)
    assert report.variants[0].training is None
    assert "## Training" not in markdown.render(report)
    assert 'id="training"' not in html.render(report)
    assert training_text.compared(report) == []


@pytest.fixture(scope="module")
def report(optimized):
    return trained(extended(read_report(optimized)))


def test_trained_reports_come_back_from_json(report, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report.to_json()))
    assert read_report(tmp_path) == report


def test_the_control_stands_beside_what_it_is_compared_with(report):
    names = [r.name for r in training_text.compared(report)]
    assert names[:5] == ["float32", "finetuned", "finetuned-rounds-2", "int8", "pruned"]
    titles, rows = training_text.table(report)
    cells = {line[0]: dict(zip(titles, line, strict=True)) for line in rows}
    assert cells["float32"]["Stages"] == "not trained"
    assert cells["int8"]["Stages"] == "quantized after training"
    assert cells["finetuned-rounds-2"]["Stages"] == "fine-tuned (2 rounds)"
    assert cells["pruned_qat-sparsity-0.75"]["Stages"] == "pruned to 75%, then quantized in training"
    quantized = report.variant("pruned").model_copy(update={"options": {"then": "int8"}})
    assert training_text.stages(quantized, report) == "pruned to 75%, then quantized after it"
    assert cells["clustered_qat-clusters-16"]["Trained for"] == "8 of 10 epochs"
    assert cells["finetuned"]["Against control (points)"] == "control"
    assert cells["qat"]["Against float (points)"] == "+1.00 (+0.4 to +1.6)"
    assert cells["qat"]["Against control (points)"] == "−0.20 (−0.8 to +0.4)"
    assert cells["pruned_clustered_qat"]["Verified"] == "parity, 75.2% zeros, 16 values"
    assert cells["qat"]["Verified"] == "parity"
    assert cells["finetuned"]["Verified"] == "–"
    sizes, differences = training_text.remarks(report)
    assert "do not shrink the file" in sizes
    assert "for int8 what quantization after training costs" in differences
    without = report.model_copy(update={"variants": tuple(r for r in report.variants if r.scheme != "finetuned")})
    assert "--control" in training_text.remarks(without)[-1]


def test_figures_of_training_samples_are_not_called_validation(report):
    def without(row):
        if row.training is None:
            return row
        three_way = row.training.three_way and row.training.three_way.model_copy(update={"origin": "training"})
        none = {"validation": "none", "validation_samples": 0, "three_way": three_way}
        return row.model_copy(update={"training": row.training.model_copy(update=none)})

    shown = report.model_copy(update={"variants": tuple(map(without, report.variants))})
    assert "on 1,000 training samples (gap" in markdown.render(shown)
    page = html.render(shown)
    assert "with none held out for validation." in page
    assert "of none" not in page
    assert "checked after each epoch on 1,000 held out of them." in html.render(report)


def test_every_view_shows_training(report, monkeypatch):
    shown = markdown.render(report)
    assert re.search(r"\| qat \| quantized in training \| 5 epochs, 355 steps \|.*control|## Training", shown)
    line = "float 76.4%, fake-quantized 76.2%, .tflite 76.1% on 1,000 validation samples (gap 0.1 points, 95% interval −0.5 to +0.7)"
    assert f"- **qat**: {line}" in shown
    assert "- **pruned**:" not in shown  # its gap is no error: it was quantized after training
    page = html.render(report)
    for words in ("Zeros and distinct weights, by layer", "How they were trained", "Every epoch", "left alone"):
        assert words in page
    plots = json.loads(re.search(r'<script type="application/json" id="plots">(.*?)</script>', page, re.S)[1])["specs"]
    assert len(plots["training-curves"]) == 12  # six variants, loss and metric
    assert {key.split()[0] for key in plots["tradeoff"]} == {"0", "1", "2"}  # size, latency and deflated size
    rows = {r["variant"]: r for r in csv.DictReader(io.StringIO(spreadsheet.render(report)))}
    assert rows["qat"]["control"] == "finetuned"
    assert float(rows["qat"]["drop_from_control_value"]) == pytest.approx(0.002)
    assert float(rows["pruned"]["sparsity"]) == report.variant("pruned").compression.sparsity
    assert rows["float32"]["training_steps"] == ""

    from rich.console import Console

    for width in (80, 120, 160):
        screen = Console(width=width, file=io.StringIO(), highlight=False)
        monkeypatch.setattr(console, "stdout", screen)
        show_report(report)
        text = screen.file.getvalue()
        assert max(map(len, text.splitlines())) <= width
        assert "Pruning and clustering do not shrink the file" in " ".join(text.split())
        assert line in " ".join(text.split())
        assert ("75.2% zeros" in text) == (width > 80)


@pytest.mark.parametrize("metric", [0.8, None])
def test_one_trained_variant_needs_no_switch(report, metric):
    short = stage("quantize", epochs=1)
    short = short.model_copy(
        update={"history": tuple(e.model_copy(update={"metric": metric, "val_metric": None}) for e in short.history)}
    )
    only = report.variant("qat").model_copy(update={"training": training(short)})
    page = html.render(report.model_copy(update={"variants": (report.variants[0], only)}))
    plots = json.loads(re.search(r'<script type="application/json" id="plots">(.*?)</script>', page, re.S)[1])["specs"]
    assert list(plots["training-curves"]) == (["0", "1"] if metric else [""])


def test_long_trainings_keep_the_page_small(report):
    long = training(stage("prune", epochs=300, sparsity=0.5), stage("quantize", epochs=300))
    trained = report.variant("qat").model_copy(update={"training": long, "search": None})
    many = tuple(trained.model_copy(update={"name": f"qat-{i}"}) for i in range(30))
    page = html.render(report.model_copy(update={"variants": (*report.variants, *many)}))
    assert len(page.encode()) < 2_000_000
    assert re.search(r"[\d,]+ more epochs can be found in report\.json", page)


def test_a_file_that_does_not_compute_what_was_trained_is_a_failure():
    scores = [Score(value=value) for value in (0.764, 0.762, 0.712)]
    found = ThreeWay(
        metric="top1", samples=500, float_model=scores[0], fake_quantized=scores[1], tflite=scores[2],
        gap=0.05, gap_low=0.02, gap_high=0.08, p_value=0.001, layer="conv2d_3",
    )  # fmt: skip
    assert found.is_failure
    assert training_text.parity(found).endswith(
        "the file does not compute what was trained, from the layer conv2d_3 on"
    )
    assert not found.model_copy(update={"p_value": 0.02}).is_failure
    error = found.model_copy(update={"metric": "mae", "gap_low": None, "gap_high": None})
    assert training_text.parity(error).startswith("mae: float 0.764, fake-quantized 0.762, .tflite 0.712 on 500 ")
    assert not error.is_failure
