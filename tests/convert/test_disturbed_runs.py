"""Conversions in a folder that holds other files, or loses its own."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

import tflitekit as tk
from tflitekit.core.errors import StorageError
from tflitekit.core.progress import Progress

_MARK = "TFLITEKIT_TEST_RUN"


@pytest.fixture
def place(tmp_path):
    """A folder for temporary files, and the environment of a run that can be found among all processes."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder, os.environ | {"TMPDIR": str(folder), _MARK: str(folder)}


def test_files_of_the_working_directory_are_not_run(place, models, shapes, optimized, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for name in ("json", "random", "numpy", "keras", "tensorflow", "tflite", "click", "ai_edge_litert"):
        (here / f"{name}.py").write_text(f"open({str(here / 'ran')!r}, 'a').write('{name} ')\nraise ImportError\n")
    commands = [
        ["convert", models / "shapes.keras", "--scheme", "float32", "--out", tmp_path / "out"],
        ["benchmark", optimized / "float32.tflite", "--runs", 5],
    ]
    # An empty part of PYTHONPATH is the working directory, for the workers too if it were passed on.
    empty = "import os; os.environ['PYTHONPATH'] = ':/nowhere'; from tflitekit.__main__ import main; main()"
    for command, how in zip(commands, (["-m", "tflitekit"], ["-P", "-c", empty]), strict=True):
        done = subprocess.run([sys.executable, *how, *map(str, command)],
                              cwd=here, env=place[1], capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert not (here / "ran").exists(), (here / "ran").read_text()
    assert not list(place[0].iterdir())


class _Disturbed(Progress):
    """Does something while a run converts."""

    def __init__(self, disturb):
        self._disturb = disturb

    @contextmanager
    def task(self, description, total):
        with super().task(description, total) as advance:
            yield advance
        if description == "Converting":
            self._disturb()


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_was_removed_in_the_middle_is_not_said_to_be_written(models, optimized, tmp_path, what):
    out = tmp_path / "out"
    shutil.copytree(optimized, out)
    file = out / "float32.tflite"
    disturb = {"folder": lambda: shutil.rmtree(out, ignore_errors=True), "file": lambda: file.unlink(missing_ok=True)}
    with pytest.raises(StorageError, match="removed or replaced it while this run was writing"):
        tk.convert(models / "shapes.keras", schemes=["float32"], out=out, progress=_Disturbed(disturb[what]))
