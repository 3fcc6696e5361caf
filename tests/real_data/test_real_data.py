"""The shared CIFAR-10 images and MLPerf Tiny models: figures in line with what plain tools give."""

import pytest
from conftest import LINTS, run_json

from tflitekit import convert, evaluate, optimize, read_graph


def test_resnet8_accuracies(shared, tmp_path):
    result = convert(
        shared / "models" / "resnet8_cifar10.h5",
        schemes=["float32", "int8"],
        calibration=shared / "cifar10" / "train",
        out=tmp_path,
    )
    assert [v.status for v in result.variants] == ["ok", "ok"]
    files = [
        tmp_path / "float32.tflite",
        tmp_path / "int8.tflite",
        shared / "models" / "resnet8_cifar10_reference_int8.tflite",
    ]
    float32, int8, published = evaluate(files, data=shared / "cifar10" / "test").variants
    assert float32.accuracy.value == pytest.approx(0.7644, abs=0.001)
    assert int8.accuracy.value == pytest.approx(float32.accuracy.value, abs=0.006)
    assert published.accuracy.value == pytest.approx(0.7588, abs=0.001)
    assert 90_000 < int8.size_bytes < 100_000
    assert int8.drop.verdict == "no measurable drop"


def test_visual_wake_words_model_converts_and_inspects(shared, tmp_path, cli):
    model = shared / "models" / "mobilenet_v1_025_96_vww.h5"
    found = run_json(
        cli("convert", model, "--scheme", "float32", "--scheme", "dynamic_range", "--out", tmp_path, "--json")
    )
    assert found["source"]["loader"].startswith("tf_keras")
    assert [v["status"] for v in found["variants"]] == ["ok", "ok"]
    assert cli("inspect", tmp_path / "dynamic_range.tflite")[0] == 0
    graph = read_graph(tmp_path / "float32.tflite")
    assert graph.inputs[0].shape == (1, 96, 96, 3)
    assert any(op.name == "DEPTHWISE_CONV_2D" for op in graph.ops)


def test_no_lint_fires_on_the_clean_run_of_the_whole_job(shared, tmp_path):
    report = optimize(
        shared / "models" / "resnet8_cifar10.h5",
        data=shared / "cifar10" / "test",
        calibration=shared / "cifar10" / "train",
        preprocess="raw",
        limit=2000,
        out=tmp_path,
    )
    assert {warning.kind for warning in report.warnings} & LINTS == set()
    assert {warning.kind for row in report.variants for warning in row.warnings} & LINTS == set()
    assert all(row.status == "ok" for row in report.variants)
    int8 = report.variant("int8")
    assert len(int8.per_class) == len(int8.confusion) == 10
    assert sum(map(sum, int8.confusion)) == 2000
    assert len(int8.flips.examples) == 12
    assert (
        abs(int8.confidence.ece - report.variant("float32").confidence.ece) < 0.01
    )  # both intervals are 2 points wide


def test_one_point_is_decided_on_far_fewer_images(shared, tmp_path):
    convert(
        shared / "models" / "resnet8_cifar10.h5",
        schemes=["float32", "float16", "dynamic_range"],
        out=tmp_path,
    )
    found = evaluate(sorted(tmp_path.glob("*.tflite")), data=shared / "cifar10" / "test", until_certain=True)
    assert found.dataset.samples <= 2500
    assert {v.sequential.decision for v in found.variants if v.sequential} == {"meets"}
    assert found.broken == ()
