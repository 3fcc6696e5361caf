"""The scripts in converters/: each example in their README runs as it stands there, on a real model and real images."""

from __future__ import annotations

import runpy
import shlex
import shutil
import subprocess
import sys
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


def run(name: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


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
def test_script_makes_what_it_promises(
    name: str, workspace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in EXPECTED, f"converters/{name}.py is new: say here what it must make"
    file, input_dtype, integer_op_fraction, weight_dtype = EXPECTED[name]
    monkeypatch.chdir(workspace)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *example(name)])
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:  # in this process: the next script finds the worker that has TensorFlow
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    out, err = capfd.readouterr()
    assert not ended.value.code, err
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
def test_help(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"python converters/{name}.py model.keras" in done.stdout
    assert ("--calibration-limit" in done.stdout) == (name in CALIBRATED)


@pytest.mark.parametrize("name", CALIBRATED)
def test_missing_calibration_folder(name: str, models: Path, tmp_path: Path) -> None:
    missing = tmp_path / "no such photos"
    done = run(name, models / "shapes.keras", "--calibration", missing, "--out", tmp_path / "build", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"There is no data at {missing}." in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_failed_conversion(models: Path, tmp_path: Path) -> None:
    done = run("float32", models / "flex_saved_model", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "MatrixInverse" in done.stderr
    assert done.stdout == ""
