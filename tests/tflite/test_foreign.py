"""ONNX and PyTorch: how converters in other environments are called, what is proved of what they return, and what goes wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tflitekit.core.errors import CrashError, MissingDependencyError, ModelError
from tflitekit.core.progress import Progress
from tflitekit.source.foreign import environments
from tflitekit.source.foreign.call import Answer, call
from tflitekit.source.foreign.environments import ENVIRONMENTS
from tflitekit.source.foreign.proof import prove
from tflitekit.source.models import identify, prepare

DATA = Path(__file__).resolve().parents[1] / "data" / "foreign"
RECORDED = ("onnx-conv", "onnx-lstm2", "onnx-attention", "torch-conv", "torch-attention")

_STAND_IN = """
import json, shutil, sys
from pathlib import Path
folder = Path(sys.argv[1]).parent
assert json.loads(Path(sys.argv[1]).read_text())["protocol"] == 1
for file in Path({recorded!r}).iterdir():
    shutil.copy(file, folder)
"""


def run(tmp_path, program, timeout_s=20.0, python=sys.executable):
    script = tmp_path / "script.py"
    script.write_text(program)
    work = tmp_path / "work"
    work.mkdir()
    return call(
        Path(python), script, Path("net.onnx"), work, batch=1, input_shapes={}, layout="auto", repair="tflitekit setup onnx",
        timeout_s=timeout_s,
    )  # fmt: skip


def proof(folder):
    answer = Answer.model_validate_json((folder / "answer.json").read_text())
    return prove(
        folder / "model.tflite", folder / "proof.npz", inputs=answer.inputs, outputs=answer.outputs, original=answer.original,
        origin="net.onnx",
    )  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_conversions_are_proved_equal(name):
    found = proof(DATA / name)
    assert found.samples == 2
    assert 0 < found.relative < 1e-5  # the same sums in another order


def test_another_network_is_not_proved_equal(tmp_path):
    shutil.copytree(DATA / "onnx-conv", tmp_path / "other")
    with np.load(tmp_path / "other" / "proof.npz") as arrays:
        changed = {name: value * 1.01 if "/out/" in name else value for name, value in arrays.items()}
    np.savez(tmp_path / "other" / "proof.npz", **changed)
    with pytest.raises(ModelError, match=r"does not compute what the model does: '.*' differs by 0.0099"):
        proof(tmp_path / "other")


def test_outputs_of_other_shapes_are_not_equal(tmp_path):
    shutil.copytree(DATA / "onnx-conv", tmp_path / "other")
    with np.load(tmp_path / "other" / "proof.npz") as arrays:
        changed = {
            name: value.transpose(0, 3, 1, 2) if value.ndim == 4 and "/out/" in name else value
            for name, value in arrays.items()
        }
    np.savez(tmp_path / "other" / "proof.npz", **changed)
    with pytest.raises(ModelError, match="differs by inf"):
        proof(tmp_path / "other")


def test_a_refusal_is_the_users_error(tmp_path):
    program = (
        "import sys, pathlib\n"
        "pathlib.Path(sys.argv[1]).with_name('answer.json').write_text("
        '\'{"protocol": 1, "refused": {"what": "It has Foo.", "why": "No Foo here.", "fix": "Leave it out."}}\')'
    )
    with pytest.raises(ModelError) as error:
        run(tmp_path, program)
    assert (error.value.what, error.value.why, error.value.fix) == ("It has Foo.", "No Foo here.", "Leave it out.")


@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        ("import no_such_package", MissingDependencyError, "lacks a package"),
        ("raise SystemExit(3)", CrashError, r"failed \(exit code 3\)"),
        ("import os; os.abort()", CrashError, "was ended by SIGABRT"),
        ("print('done')", CrashError, "left no answer"),
        ("import sys, pathlib; pathlib.Path(sys.argv[1]).with_name('answer.json').write_text('{\"protocol\": 2}')", CrashError, "left no answer"),
    ],
)  # fmt: skip
def test_what_goes_wrong_there_is_one_error_with_a_way_out(tmp_path, program, kind, words):
    with pytest.raises(kind, match=words) as error:
        run(tmp_path, program)
    assert "tflitekit setup onnx" in error.value.fix


def test_a_converter_that_hangs_is_ended(tmp_path):
    with pytest.raises(CrashError, match="took more than 1 s"):
        run(tmp_path, "import time; time.sleep(600)", timeout_s=1.0)


def test_a_python_that_is_not_there(tmp_path):
    with pytest.raises(MissingDependencyError, match="cannot be started"):
        run(tmp_path, "", python=tmp_path / "python")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def made(cache, name):
    """Makes a folder that looks as `tflitekit setup` leaves it, with this Python in it."""
    environment = ENVIRONMENTS[name]
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environments.write_json(environment.folder / "tflitekit.json", {"wanted": environment._wanted()})
    return environment


def test_environments_that_are_missing_broken_or_old(cache):
    with pytest.raises(MissingDependencyError, match="no environment for ONNX") as error:
        ENVIRONMENTS["onnx"].require()
    assert "tflitekit setup onnx" in error.value.fix
    environment = made(cache, "onnx")
    assert environment.require() == environment.python
    environments.write_json(environment.folder / "tflitekit.json", {"wanted": "something else"})
    assert environment.state() == "outdated"
    (environment.folder / "tflitekit.json").unlink()
    with pytest.raises(MissingDependencyError, match="broken or was not finished"):
        environment.require()


def test_setup_leaves_a_whole_environment_alone_and_mends_a_broken_one(cache, monkeypatch):
    environment = made(cache, "onnx")
    assert environment.set_up(Progress()) is False
    environment.python.unlink()
    monkeypatch.setattr(
        type(environment), "_creation", lambda self: [sys.executable, "-m", "venv", "--without-pip", str(self.folder)]
    )
    monkeypatch.setattr(
        type(environment), "_installation", lambda self: [str(self.python), "-c", "raise SystemExit('no network')"]
    )
    with pytest.raises(MissingDependencyError, match="could not be made") as error:
        environment.set_up(Progress())
    assert "no network" in error.value.why
    assert environment.state() == "unfinished"
    monkeypatch.setattr(type(environment), "_installation", lambda self: [str(self.python), "-c", ""])
    assert environment.set_up(Progress()) is True
    assert environment.state() == "ready"


@pytest.mark.parametrize(("file", "recorded"), [("conv.onnx", "onnx-conv"), ("conv.pt2", "torch-conv")])
def test_a_foreign_model_becomes_a_float_tflite_with_its_proof(cache, tmp_path, monkeypatch, file, recorded):
    found = identify(DATA / file)
    made(cache, found.kind)
    script = tmp_path / "stand_in.py"
    script.write_text(_STAND_IN.format(recorded=str(DATA / recorded)))
    monkeypatch.setattr(environments.Environment, "script", script)
    prepared = prepare(
        str(DATA / file), kind=found.kind, folder=str(tmp_path / "out"), batch=1, unsafe_load=False, signature=None,
        input_shapes={}, custom_objects=None,
    )  # fmt: skip
    assert prepared["form"] == "tflite"
    assert [tuple(spec["shape"]) for spec in prepared["inputs"]] == [(1, 16, 16, 3)]
    assert prepared["outputs"][0]["name"] == "scores"
    assert "agrees with the original" in prepared["notes"][0]
    assert "NHWC" in prepared["notes"][1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.tflite"]
    assert not list(tmp_path.glob("foreign-*"))


@pytest.mark.parametrize(("file", "kind"), [("conv.onnx", "onnx"), ("conv.pt2", "torch")])
def test_files_are_recognized_whatever_was_imported_before(file, kind):
    """In a process of its own, as from the command line: PyTorch's programs are ZIP archives, as those of Keras are."""
    program = "import sys; from tflitekit.source.models import identify; print(identify(sys.argv[1]).kind)"
    done = subprocess.run([sys.executable, "-c", program, DATA / file], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == kind, done.stderr


def test_damaged_files_are_refused_by_name(tmp_path):
    for name in ("net.onnx", "net.pt2"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ModelError, match="is damaged or truncated"):
            identify(tmp_path / name)
