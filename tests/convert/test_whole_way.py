"""The whole way, on models and data that are out of the ordinary."""

import json
import shutil

import numpy as np
import pytest
from conftest import LINTS, run_json, shape_arrays
from open_model import SIZES, feed

from tflitekit import Constraints, evaluate, optimize
from tflitekit.tflite.graph import read_graph


@pytest.fixture(scope="module")
def many():
    """Enough samples that there is something to stop before."""
    return shape_arrays(1500, 21)


def test_optimize_stops_early_and_checks_the_curve(models, many, tmp_path, cli):
    np.savez(tmp_path / "many.npz", x=many[0], y=many[1])
    base = [
        "optimize",
        models / "shapes.keras",
        "--data",
        tmp_path / "many.npz",
        "--out",
        tmp_path / "out",
        "--scheme",
        "float16",
    ]
    assert cli(*base, "--calibration-curve", "10")[0] == 2  # without calibration data
    assert cli(*base, "--calibration-curve", "ten")[0] == 2
    assert cli(*base, "--calibration-curve", "5000", "--calibration", tmp_path / "many.npz")[0] == 2
    code, out, err = cli(*base, "--until-certain", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["recommendation"]["chosen"] == "float16"
    assert any("within the limit of 1 point, decided on" in reason for reason in report["recommendation"]["reasons"])
    assert report["dataset"]["adaptive"]["samples"] == report["dataset"]["samples"] < 1500
    assert "was evaluated until its drop was decided" in (tmp_path / "out" / "report.md").read_text()
    whole = json.loads(cli(*base, "--json")[1])
    assert whole["dataset"]["samples"] == 1500
    assert whole["dataset"]["adaptive"] is None
    shutil.rmtree(tmp_path / "out")


def test_a_sick_run_of_the_whole_job(models, shapes, tmp_path, cli):
    """Calibrated on 20 pictures of one class that were scaled before: the report says it all, and the curve what it costs."""
    images, labels = shape_arrays(90, 9)
    sick = labels == 2
    np.savez(tmp_path / "sick.npz", x=images[sick][:20] / 255, y=labels[sick][:20])
    code, out, err = cli(
        "optimize", models / "shapes.keras", "--data", shapes / "test", "--calibration", tmp_path / "sick.npz",
        "--preprocess", "raw", "--scheme", "int8", "--calibration-curve", "20,5,10", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert code in (0, 1), err
    report = json.loads(out)
    warned = {warning["kind"] for warning in report["warnings"]} & LINTS
    assert warned == {"few-calibration-samples", "one-class-calibration", "calibration-range"}
    int8 = report["variants"][1]
    assert "clipped-input" in {warning["kind"] for warning in int8["warnings"]}
    curve = report["calibration_curve"]
    assert [(point["scheme"], point["samples"]) for point in curve] == [("int8", 5), ("int8", 10), ("int8", 20)]
    assert curve[-1]["accuracy"] == int8["accuracy"]  # on all of them
    assert all(point["drop"]["n"] == 120 and point["error"] is None for point in curve)
    assert {path.name for path in (tmp_path / "out").glob("*.tflite")} == {"float32.tflite", "int8.tflite"}


def test_broken_scores_beside_boxes_are_no_recommendation(models, tmp_path, cli):
    """The average error does not see them, and every other output of the same model is well."""
    data = models / "detector.npz"
    code, out, err = cli(
        "optimize", models / "detector.keras", "--data", data, "--calibration", data, "--preprocess", "raw",
        "--scheme", "float32,int8", "--output", "both", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    report = run_json((code, out, err))
    row = next(v for v in report["variants"] if v["name"] == "int8")
    assert row["drop"]["value"] < 0.05 * row["accuracy"]["value"]  # within the limit
    assert report["recommendation"]["chosen"] == "float32"
    (rejected,) = (r for r in report["recommendation"]["rejected"] if r["name"] == "int8")
    assert rejected["reasons"][0].startswith("columns 4 to 6 of the output 'both': constant (0)")
    found = {output["output"]: output for output in row["fidelity"]}
    assert set(found) == {"both", "boxes", "scores"}
    assert [output["losses"] for name, output in found.items() if name != "both"] == [[], []]
    assert found["scores"]["lowest"] > 0.95
    assert found["both"]["losses"][0]["broken"]
    assert row["warnings"][0]["kind"] == "broken-part"

    files = [tmp_path / "out" / f"{name}.tflite" for name in ("float32", "int8")]
    for jobs in (1, 2):
        rows = evaluate(files, data=models / "detector_boxes.npz", output="boxes", jobs=jobs).variants
        assert (
            rows[1].warnings[0].message.startswith("Columns 4 to 6 of the output 'both', which is not scored: constant")
        )
    assert {finding.kind for finding in rows[0].warnings} & LINTS == set()


@pytest.mark.slow
def test_the_whole_way_at_the_sizes_of_the_data(models, tmp_path):
    limits = Constraints(max_latency_ms=1000, deploy_on="host")
    report = optimize(
        models / "open.keras",
        data=feed(models / "open.tflite"),
        calibration=feed(models / "open.tflite", labelled=False),
        schemes=["float32", "int8:io=int8", "int16x8"],
        constraints=limits,
        out=tmp_path,
    )
    assert [row.error for row in report.variants] == [None] * 3
    assert read_graph(tmp_path / "int16x8.tflite").outputs[0].shape == (
        1,
        -1,
        -1,
        1,
    )  # which the file itself does not say
    assert [row.latency.input_shapes for row in report.variants] == [{"image": (1, 9, 10, 3)}] * 3
    assert report.recommendation.chosen is not None
    assert (
        "measured with 'image' 1 x 9 x 10 x 3, most frequent in the evaluation data"
        in (tmp_path / "report.md").read_text()
    )
    (scale,) = read_graph(tmp_path / "int8-io-int8.tflite").inputs[0].quantization.scale
    assert 255 * scale == pytest.approx(
        len(SIZES), rel=0.05
    )  # the last sample, of another size, has the largest values
