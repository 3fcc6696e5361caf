"""The Android app on the JVM: its real activities on Android's own classes, with a real runtime and the default bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from android_jvm import maven_command
from PIL import Image

from tflitekit.bundling import read_bundle
from tflitekit.results import read_report

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "android_demo"
BUNDLE = DEMO / "app" / "src" / "main" / "assets" / "bundle"
PICTURES = ROOT / "docs" / "images"
WIDTH = 540


@dataclass(frozen=True)
class Run:
    """One build with all tests.

    Attributes:
        printed: What Maven said.
        suites: The reports of the app's test classes.
        results: What the tests left: the benchmark's and the verification's files, and the pictures.
    """

    printed: str
    suites: list[ET.Element]
    results: Path


@pytest.fixture(scope="session")
def run(android_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Builds and tests a copy of the project, so that builds do not meet; without the network where the cache has all."""
    folder = tmp_path_factory.mktemp("android_app")
    results = folder / "results"
    for name in ("core", "app"):
        shutil.copytree(DEMO / name, folder / name, ignore=shutil.ignore_patterns("target", "build"))
    for name in ("pom.xml", "gradle.properties"):
        shutil.copy(DEMO / name, folder)
    command = maven_command(folder, bundle=BUNDLE, screens=results, results=results)
    command.append("-Dmaven.test.failure.ignore=true")
    done = None
    for more in (["--offline"], []):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=580)
        if done.returncode == 0:
            break
    assert done is not None and done.returncode == 0, done.stdout[-6000:]
    reports = sorted((folder / "app" / "target" / "surefire-reports").glob("TEST-*.xml"))
    return Run(done.stdout, [ET.parse(path).getroot() for path in reports], results)


def test_every_test_of_the_app_ran_and_passed(run: Run) -> None:
    cases = [case for suite in run.suites for case in suite.iter("testcase")]
    broken = [
        f"{case.get('classname')}.{case.get('name')}: {problem.get('message') or problem.text}"
        for case in cases
        for kind in ("failure", "error", "skipped")
        for problem in case.iter(kind)
    ]
    assert broken == []
    classes = {path.stem for path in (DEMO / "app" / "src" / "test" / "java").rglob("*Test.java")}
    assert {str(suite.get("name")).rpartition(".")[2] for suite in run.suites} == classes
    assert len(cases) > 40


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
