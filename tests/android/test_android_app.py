"""The Android app on the JVM: its real activities on Android's own classes, with a real runtime and the default bundle."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from android_jvm import DEMO, LONGEST_S, maven, maven_command
from PIL import Image

import tflitekit as tk
from tflitekit.bundling import read_bundle
from tflitekit.results import read_report

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = DEMO / "app" / "src" / "main" / "assets" / "bundle"
TASKS = ROOT / "tests" / "data" / "tasks"
PICTURES = ROOT / "docs" / "images"
WIDTH = 540

pytestmark = pytest.mark.timeout(LONGEST_S)


@dataclass(frozen=True)
class Run:
    """One build of all with its tests.

    Attributes:
        suites: The reports of the test classes, by module.
        results: What the tests left: the benchmark's and the verification's files, and the pictures.
    """

    suites: dict[str, list[ET.Element]]
    results: Path


def task_bundle(out: Path, task: str) -> Path:
    """Bundles the detector or the segmentation network of the tests."""
    folder = TASKS / task
    data = folder / "scenes" / "images" if task == "detection" else folder / "scenes"
    named = {"reader": "yolov8:agnostic=true"} if task == "detection" else {}
    files = [folder / "float32.tflite"]
    tk.bundle(files, data=data, labels=folder / "labels.txt", preprocess="0-1", out=out, samples=3, **named)
    return out


@pytest.fixture(scope="session")
def run(android_tools: None, project: Path) -> Run:
    results = project / "results"
    tasks = {task: task_bundle(project / task, task) for task in ("detection", "segmentation")}
    given = maven_command(project, "verify", bundle=BUNDLE, screens=results, results=results, **tasks)
    maven(*given, "-Dmaven.test.failure.ignore=true")
    reports = {name: (project / name / "target" / "surefire-reports").glob("TEST-*.xml") for name in ("core", "app")}
    return Run({name: [ET.parse(path).getroot() for path in sorted(found)] for name, found in reports.items()}, results)


@pytest.mark.parametrize(("module", "at_least"), [("core", 50), ("app", 40)])
def test_every_test_ran_and_passed(run: Run, module: str, at_least: int) -> None:
    """That the core has nothing above the minimum API level is a check of the same build."""
    cases = [case for suite in run.suites[module] for case in suite.iter("testcase")]
    broken = [
        f"{case.get('classname')}.{case.get('name')}: {problem.get('message') or problem.text}"
        for case in cases
        for kind in ("failure", "error", *(["skipped"] if module == "app" else []))
        for problem in case.iter(kind)
    ]
    assert broken == []
    classes = {path.stem for path in (DEMO / module / "src" / "test" / "java").rglob("*Test.java")}
    assert {str(suite.get("name")).rpartition(".")[2] for suite in run.suites[module]} == classes
    assert sum(not list(case.iter("skipped")) for case in cases) > at_least


def test_the_benchmark_of_the_app_is_a_report_of_the_kit(run: Run) -> None:
    bundle = read_bundle(BUNDLE)
    report = read_report(run.results / "report.json")
    assert {row.name for row in report.variants} == {variant.name for variant in bundle.variants}
    for row in report.variants:
        latency = row.latency
        assert latency is not None
        assert latency.target.startswith("android:")
        assert latency.median_low_ms is not None and latency.median_high_ms is not None
        assert 0 < latency.median_low_ms <= latency.median_ms <= latency.median_high_ms
        assert latency.runs > 0


def test_the_verification_of_the_app_passed(run: Run) -> None:
    bundle = read_bundle(BUNDLE)
    result = json.loads((run.results / "verification.json").read_text(encoding="utf-8"))
    assert result["passed"] is True, result["summary"]
    ran = {(check["variant"], check["actual_accelerator"]) for check in result["runs"]}
    assert ran >= {(variant.name, "cpu") for variant in bundle.variants}
    assert [image["pixel_difference"] for image in result["images"]] == [0] * len(bundle.golden.samples)


def test_pictures_in_the_documentation_are_those_of_the_screens(run: Run) -> None:
    drawn = {path.stem for path in run.results.glob("*.png")}
    committed = {path.stem.removeprefix("android-"): path for path in PICTURES.glob("android-*.png")}
    assert set(committed) == drawn
    for name, path in committed.items():
        assert path.stat().st_size < 80_000
        with Image.open(path) as small, Image.open(run.results / f"{name}.png") as large:
            assert small.width == WIDTH
            assert small.height == round(large.height * WIDTH / large.width)
