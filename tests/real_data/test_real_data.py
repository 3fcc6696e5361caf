"""The shared CIFAR-10 images and MLPerf Tiny models: figures in line with what plain tools give."""

import pytest
from conftest import LINTS, run_json
from real_browser import DESKTOP, PHONE, check_sound, open_browser

from tflitekit import evaluate, optimize, read_graph


@pytest.fixture(scope="module")
def job(shared, tmp_path_factory):
    """The folder and the report of the whole job on a real model, without int16x8, which takes forty times as long an image."""
    out = tmp_path_factory.mktemp("resnet8")
    return out, optimize(
        shared / "models" / "resnet8_cifar10.h5",
        data=shared / "cifar10" / "test",
        calibration=shared / "cifar10" / "train",
        preprocess="raw",
        schemes=["float16", "dynamic_range", "int8"],
        limit=2000,
        out=out,
    )


def test_resnet8_accuracies(shared, job):
    out, _ = job
    files = [
        out / "float32.tflite",
        out / "int8.tflite",
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


def test_no_lint_fires_on_the_clean_run_of_the_whole_job(job):
    _, report = job
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


def test_one_point_is_decided_on_far_fewer_images(shared, job):
    out, _ = job
    files = [out / f"{name}.tflite" for name in ("dynamic_range", "float16", "float32")]
    found = evaluate(files, data=shared / "cifar10" / "test", until_certain=True)
    assert found.dataset.samples <= 2500
    assert {v.sequential.decision for v in found.variants if v.sequential} == {"meets"}
    assert found.broken == ()


@pytest.mark.browser
def test_the_page_of_the_whole_job_is_sound(job):
    page = job[0] / "report.html"
    assert page.stat().st_size < 2_000_000
    with open_browser() as browser:
        for width in (DESKTOP, PHONE):
            check_sound(browser.open(page, width), page)
