"""The scripts in converters/: each example in their README runs as it stands there, on a real model and real images."""

from __future__ import annotations

import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CLASSES

from tflitekit import read_graph
from tflitekit.core.files import content_hash

FOLDER = Path(__file__).resolve().parents[2] / "converters"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
CALIBRATED = [name for name in SCRIPTS if "--calibration" in (FOLDER / f"{name}.py").read_text(encoding="utf-8")]


# Per script: the file that its README example makes, type of the input, share of integer operators, type of weights.
# The small classifier has an int8 kernel for each of its operators, so nothing falls back to float.
EXPECTED = {
    "float32": ("float32.tflite", "float32", 0.0, "float32"),
    "float16": ("float16.tflite", "float32", 0.0, "float16"),
    "dynamic_range": ("dynamic_range.tflite", "float32", 0.0, "int8"),
    "int8": ("int8-io-uint8.tflite", "uint8", 1.0, "int8"),
    "int8_float_fallback": ("int8_float_fallback.tflite", "float32", 1.0, "int8"),
    "int16x8": ("int16x8.tflite", "float32", 1.0, "int8"),
    "weight_only": ("weight_only_int4.tflite", "float32", 0.0, "int4"),
    "int4": ("int4x8.tflite", "float32", 1.0, "int4"),
    "quantization_aware": ("qat.tflite", "float32", 1.0, "int8"),
    "pruning": ("pruned-sparsity-0.6.tflite", "float32", 1.0, "int8"),
    "clustering": ("clustered.tflite", "float32", 1.0, "int8"),
    "collaborative": ("pruned_clustered_qat.tflite", "float32", 1.0, "int8"),
}
# What scripts that train print besides, by its first word.
PRINTED = {
    "quantization_aware": ["deflated", "top1"],
    "pruning": ["deflated", "zeros", "top1"],
    "clustering": ["deflated", "weights", "top1"],
    "collaborative": ["deflated", "zeros", "weights", "top1"],
}


Run = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a script in this process, where the next one finds the worker that has TensorFlow; returns how it ended, and what it printed."""

    def run(name: str, *arguments: str | Path) -> tuple[object, str, str]:
        monkeypatch.syspath_prepend(FOLDER)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return ended.value.code or 0, *capfd.readouterr()

    return run


def example(name: str) -> list[str]:
    """Returns the arguments of the script's example in the README."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    start = f"`python converters/{name}.py "
    assert readme.count(start) == 1, f"the table in converters/README.md needs one example of {name}.py"
    return shlex.split(readme.partition(start)[2].partition("`")[0])


@pytest.fixture(scope="module")
def workspace(models: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README's examples name."""
    folder = tmp_path_factory.mktemp("converters")
    shutil.copy(models / "shapes.keras", folder / "model.keras")
    shutil.copytree(shapes / "train", folder / "photos" / "train")
    (folder / "labels.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_makes_what_it_promises(name: str, workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert name in EXPECTED, f"converters/{name}.py is new: say here what it must make"
    file, input_dtype, integer_op_fraction, weight_dtype = EXPECTED[name]
    monkeypatch.chdir(workspace)
    code, out, err = run(name, *example(name))
    assert code == 0, err
    path = workspace / "build" / file
    graph = read_graph(path)
    assert [spec.dtype for spec in graph.inputs] == [input_dtype]
    assert graph.integer_op_fraction == integer_op_fraction
    assert graph.weight_bytes_by_dtype.get(weight_dtype, 0) > 0
    lines = out.splitlines()
    size = path.stat().st_size
    assert lines[0] == f"{Path('build', file)}  {size:,} bytes  sha256 {content_hash(path)}"
    assert lines[1:3] == [f"input   {graph.inputs[0].describe()}", f"output  {graph.outputs[0].describe()}"]
    rest = [line for line in lines[3:] if not line.startswith("warning ")]
    assert [line.split()[0] for line in rest] == PRINTED.get(name, [])
    assert err == ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name: str, run: Run) -> None:
    code, out, err = run(name, "--help")
    assert code == 0, err
    assert f"python converters/{name}.py model.keras" in out
    assert ("--calibration-limit" in out) == (name in CALIBRATED)


def test_a_script_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "float32.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "model.keras" in done.stdout


@pytest.mark.parametrize("name", CALIBRATED)
def test_missing_calibration_folder(name: str, models: Path, tmp_path: Path, run: Run) -> None:
    missing = tmp_path / "no such photos"
    code, out, err = run(name, models / "shapes.keras", "--calibration", missing, "--out", tmp_path / "build")
    assert code == 2, err
    assert f"There is no data at {missing}." in err
    assert "Traceback" not in err
    assert out == ""


def test_failed_conversion(models: Path, workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    code, out, err = run("float32", models / "flex_saved_model")
    assert code == 1, err
    assert "MatrixInverse" in err
    assert out == ""
