"""The rule that keeps the kit installable on a board: measuring and inspecting never load TensorFlow."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from light_process import run_light

from tflitekit import open_store


@pytest.mark.parametrize("arguments", [["--help"], ["schemes"], ["presets"], ["doctor", "--json"], ["--version"]])
def test_commands_without_a_model(arguments):
    done = run_light(*arguments)
    misses_something = arguments[0] == "doctor" and importlib.util.find_spec("tensorflow") is None
    assert done.returncode == misses_something, done.stderr


def test_help_starts_at_once():
    done = run_light("--help", absent="numpy pydantic rich scipy PIL ai_edge_litert")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [([], "pydantic scipy PIL ai_edge_litert.interpreter"), (["--json"], "pydantic scipy PIL rich")],
)
def test_inspecting_imports_only_what_reads_a_file(variants, arguments, absent):
    done = run_light("inspect", variants / "int8.tflite", *arguments, absent=absent)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_commands_on_a_tflite_file(variants, shapes, tmp_path):
    for arguments in (
        ["inspect", variants / "int8.tflite"],
        ["benchmark", variants / "int8.tflite", "--runs", 5],
        ["evaluate", variants / "float32.tflite", variants / "int8.tflite", "--data", shapes / "test", "--limit", 30],
        ["bundle", variants / "int8.tflite", "--data", shapes / "test", "--out", tmp_path / "bundle"],
    ):
        done = run_light(*arguments)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_comparing_reports():
    old = Path(__file__).parents[1] / "data" / "report-version-1.json"
    done = run_light("compare", old, old, "--max-accuracy-drop", 1)
    assert done.returncode == 0, done.stderr


def test_the_index_of_a_store_needs_no_numbers(tmp_path):
    open_store(tmp_path / "s").add(Path(__file__).parents[1] / "data" / "report-version-1.json")
    done = run_light("index", "--store", tmp_path / "s", "--out", tmp_path / "i.html", absent="numpy scipy PIL")
    assert done.returncode == 0, done.stderr


def test_importing_the_package_is_light():
    program = "import sys, tflitekit; assert not {'numpy', 'tensorflow', 'scipy', 'pydantic'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_public_name_resolves():
    import tflitekit

    for name in tflitekit.__all__:
        assert getattr(tflitekit, name) is not None


def test_rendering_a_report(optimized, tmp_path):
    done = run_light("report", optimized, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()


def test_the_package_lists_its_public_names():
    program = "import sys, tflitekit as tk; assert set(tk.__all__) <= set(dir(tk)); assert 'numpy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
