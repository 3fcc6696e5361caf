"""ONNX and PyTorch: how converters in other environments are called, what is proved of what they return, and what goes wrong."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import run_json
from conversions import compared

from tflitekit.conversion.proving import refuse
from tflitekit.core.errors import BusyError, CrashError, MissingDependencyError, ModelError, StorageError, UsageError
from tflitekit.core.files import locked
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.environments import environment as environments
from tflitekit.environments import find_environment, set_up
from tflitekit.environments import python as setup
from tflitekit.environments.known.onnx import ONNX
from tflitekit.source.foreign import converters
from tflitekit.source.foreign.call import call
from tflitekit.source.foreign.converters import CONVERTERS, Choice
from tflitekit.source.foreign.module import on_disk
from tflitekit.source.models import identify, prepare, prove
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.proof import Proof

DATA = Path(__file__).resolve().parents[1] / "data" / "foreign"
RECORDED = ("onnx-conv", "onnx-lstm", "onnx-attention", "torch-conv", "torch-attention")

_STAND_IN = """
import json, shutil, sys
from pathlib import Path
folder = Path(sys.argv[1]).parent
assert json.loads(Path(sys.argv[1]).read_text())["protocol"] == 1
for file in Path({recorded!r}).iterdir():
    shutil.copy(file, folder)
"""


def run(tmp_path, program, timeout_s=300.0, python=sys.executable):
    script = tmp_path / "script.py"
    script.write_text(program)
    work = tmp_path / "work"
    work.mkdir()
    return call(
        Path(python), script, Path("net.onnx"), work, task="convert", batch=1, input_shapes={}, layout="auto", repair="tflitekit setup onnx",
        timeout_s=timeout_s,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_conversions_are_proved_equal(name):
    found = compared(DATA / name)
    assert found.holds and found.samples == 2
    assert found.relative < 1e-5  # the same sums in another order


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
        ("import sys, pathlib; pathlib.Path(sys.argv[1]).with_name('answer.json').write_text('{\"protocol\": 1}')", CrashError, "left no model"),
        ("print('done')", CrashError, "left no answer"),
        ("import sys, pathlib; pathlib.Path(sys.argv[1]).with_name('answer.json').write_bytes(bytes(range(256)) * 99)", CrashError, "left no answer"),
        ("import os, sys; os.write(1, bytes(range(256)) * 999); os.kill(os.getpid(), 11)", CrashError, "was ended by SIGSEGV"),
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


def empty_venv(folder, name, **versions):
    """Makes an environment without installing anything: its Python runs, and finds packages of these versions."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    base = Path(sys._base_executable)
    python.symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    packages = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    for package in find_environment(name).packages:
        info = packages / f"{package.replace('-', '_')}-1.dist-info"
        info.mkdir(parents=True)
        version = versions.get(package.replace("-", "_"), find_environment(name).pins[package])
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    return python


def made(name, **versions):
    """Makes a named environment as `tflitekit setup` leaves it."""
    environment = find_environment(name)
    empty_venv(environment.folder, name, **versions)
    environment.mark.write_text("{}")
    return environment


def package(environment, name):
    (found,) = environment.folder.glob(f"lib/*/site-packages/{name}-1.dist-info")
    return found


def test_environments_that_are_missing_unfinished_broken_or_outdated(cache):
    with pytest.raises(MissingDependencyError, match="no environment for ONNX models yet") as error:
        CONVERTERS["onnx"].choose(None)
    assert "tflitekit setup onnx" in error.value.fix
    environment = made("onnx")
    assert CONVERTERS["onnx"].choose(None) == Choice(environment.python, "tflitekit setup onnx")
    assert environment.status().versions["onnx2tf"] == "1.29.24"
    environment.mark.unlink()
    with pytest.raises(MissingDependencyError, match="is unfinished"):
        CONVERTERS["onnx"].choose(None)
    environment.mark.write_text("{}")
    metadata = package(environment, "onnx2tf") / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.29.24", "1.28.0"))
    assert environment.status().state == "outdated"
    with pytest.raises(MissingDependencyError, match=r"outdated\.\nIt has onnx2tf 1\.28\.0 where 1\.29\.24 was tested"):
        CONVERTERS["onnx"].choose(None)
    shutil.rmtree(package(environment, "onnx2tf"))
    with pytest.raises(MissingDependencyError, match=r"is broken\.\nIt lacks onnx2tf"):
        CONVERTERS["onnx"].choose(None)
    environment.python.unlink()
    with pytest.raises(MissingDependencyError, match=r"is broken\.\n.*cannot be started"):
        CONVERTERS["onnx"].choose(None)


def test_setup_leaves_a_whole_environment_alone_and_mends_a_broken_one(cache, monkeypatch):
    environment = made("onnx")
    assert set_up(environment, Progress()) is False
    environment.python.unlink()
    monkeypatch.setattr(setup, "_creation", lambda folder: [sys.executable, "-c", ""])
    monkeypatch.setattr(setup, "_installation", lambda _: [sys.executable, "-c", "raise SystemExit('no network')"])
    with pytest.raises(MissingDependencyError, match="could not be made") as error:
        set_up(environment, Progress())
    assert "no network" in error.value.why
    assert not environment.mark.exists()
    empty_venv(environment.folder, "onnx")
    monkeypatch.setattr(setup, "_has_installer", lambda _: True)
    monkeypatch.setattr(setup, "_installation", lambda _: [sys.executable, "-c", ""])
    assert set_up(environment, Progress()) is True
    assert environment.status().state == "ready"


_KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from tflitekit.core.progress import Progress
from tflitekit.environments import environment as environments, python as setup, set_up
from tflitekit.environments.known.onnx import ONNX
environments.cache_folder = lambda: Path(sys.argv[1])
download = "import tempfile; tempfile.NamedTemporaryFile(delete=False).write(bytes(10)); import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
setup._has_installer = lambda _: True
setup._installation = lambda _: [sys.executable, "-c", download]
set_up(ONNX, Progress())
"""


def test_what_a_killed_setup_left_is_removed_by_the_next_one(cache, monkeypatch):
    environment = made("onnx")
    environment.mark.unlink()
    half = package(environment, "onnx2tf").parent / "~nnx2tf"
    half.mkdir()
    assert subprocess.run([sys.executable, "-c", _KILLED, cache], check=False).returncode == -signal.SIGKILL
    assert [path.stat().st_size for path in environment.folder.parent.glob("setup-*/tmp*")] == [10]
    half.mkdir()
    monkeypatch.setattr(setup, "_has_installer", lambda _: True)
    monkeypatch.setattr(setup, "_installation", lambda _: [sys.executable, "-c", ""])
    assert set_up(environment, Progress()) is True
    assert not list(environment.folder.parent.glob("setup-*")) and not half.exists()


def test_setup_says_what_is_missing(cache, monkeypatch):
    environment = ONNX
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(setup, "_PYTHON", (3, 99))
    with pytest.raises(MissingDependencyError, match=r"needs Python 3\.99, and there is none"):
        set_up(environment, Progress())
    with pytest.raises(StorageError, match=r"takes 1000000000\.0 GB, and .* has .* GB left"):
        set_up(replace(environment, size_bytes=1e18), Progress())
    with locked(environment.folder.parent), pytest.raises(BusyError, match="Another 'tflitekit setup'"):
        set_up(environment, Progress())


def test_the_users_own_environment(cache, tmp_path):
    torch = CONVERTERS["torch"]
    python = empty_venv(tmp_path / "own", "torch", torch="2.14.1+cpu")
    assert torch.choose(str(python)) == Choice(python, f"{python} -m pip install litert-torch==0.10.0 torch==2.14.1")
    key = torch.key(str(python))
    other = empty_venv(tmp_path / "other", "torch", torch="2.8.0")
    assert torch.choose(str(other)).notes == (f"{other} has torch 2.8.0 where 2.14.1 was tested.",)
    assert torch.key(str(other)) != key != torch.key(None)
    with pytest.raises(MissingDependencyError, match="lacks onnx2tf, onnxslim, onnx, onnxruntime, tensorflow") as error:
        CONVERTERS["onnx"].choose(str(python))
    assert f"{python} -m pip install onnx2tf==1.29.24" in error.value.fix


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("no_such_python", "There is no program"),
        ("true", "does not run programs as Python"),
        ("#!/bin/sh\necho 'SyntaxError: old' >&2; exit 1", r"does not run programs as Python 3\.10 or newer does\.\nSyntaxError: old"),
        ('#!/bin/sh\necho \'{"python": [3, 8, 1], "packages": {}}\'', r"is Python 3\.8\.1, and the converters need 3\.10"),
    ],
)  # fmt: skip
def test_programs_that_are_no_python_for_converters(tmp_path, program, words):
    if program.startswith("#!"):
        script = tmp_path / "python"
        script.write_text(program)
        script.chmod(0o755)
        program = str(script)
    with pytest.raises(MissingDependencyError, match=words):
        CONVERTERS["onnx"].choose(program)


def test_with_is_for_foreign_models_only(cli, models, tmp_path):
    code, _, error = cli(
        "convert", models / "shapes.keras", "--scheme", "float32", "--with", sys.executable, "--out", tmp_path
    )
    assert code == 2
    assert f"--with {sys.executable} has no meaning for" in error


def test_new_scripts_and_packages_convert_again(monkeypatch, tmp_path):
    converter = CONVERTERS["onnx"]
    key = converter.key(None)
    assert converter.key(None) == key
    monkeypatch.setattr(setup.PythonEnvironment, "constraints", tmp_path / "constraints.txt")
    (tmp_path / "constraints.txt").write_text("onnx2tf==2.0\n")
    assert converter.key(None) != key
    monkeypatch.undo()
    scripts = shutil.copytree(converters.SCRIPTS, tmp_path / "scripts")
    monkeypatch.setattr(converters, "SCRIPTS", scripts)
    assert converter.key(None) == key
    with (scripts / "answering.py").open("a") as script:
        script.write("# new\n")
    assert converter.key(None) != key


def test_doctor_lists_environments(cli, cache):
    code, out, _ = cli("doctor", "--json")
    found = json.loads(out)
    assert {e["name"]: e["state"] for e in found["environments"]}.items() >= {
        "onnx": "missing",
        "torch": "missing",
    }.items()
    assert all(e["purpose"] for e in found["environments"])
    made("torch").mark.unlink()
    code, out, _ = cli("doctor", "--json")
    found = json.loads(out)
    assert code == 1
    (problem,) = (problem for problem in found["problems"] if "PyTorch" in problem)
    assert problem.endswith("unfinished: Its installation was not finished. Repair it with: tflitekit setup torch")


@pytest.mark.parametrize(("file", "recorded"), [("conv.onnx", "onnx-conv"), ("conv.pt2", "torch-conv")])
def test_a_foreign_model_becomes_a_float_tflite_with_its_proof(cache, tmp_path, monkeypatch, file, recorded):
    found = identify(DATA / file)
    made(found.kind)
    script = tmp_path / "stand_in.py"
    script.write_text(_STAND_IN.format(recorded=str(DATA / recorded)))
    monkeypatch.setattr(converters.Converter, "script", script)
    prepared = prepare(str(DATA / file), kind=found.kind, folder=str(tmp_path / "out"), options={}, samples={})
    assert prepared["form"] == "tflite"
    assert [tuple(spec["shape"]) for spec in prepared["inputs"]] == [(1, 16, 16, 3)]
    assert prepared["outputs"][0]["name"] == "scores"
    assert [spec["name"] for spec in prepared["inputs"]] == ["picture:0" if found.kind == "onnx" else "picture"]
    assert "NHWC" in prepared["notes"][0]
    exported = tmp_path / "out"
    assert sorted(path.name for path in exported.iterdir()) == ["model.tflite", "reference.npz"]
    proof = prove(path=str(exported / "model.tflite"), reference=str(exported / "reference.npz"), source=prepared)
    assert proof["samples"] == 2 and proof["relative"] < 1e-5
    assert not list(tmp_path.glob("foreign-*"))


def hand_out(tmp_path, name, recorded, **versions):
    """Returns a Python that says of its packages what the test wants, and hands out a recorded conversion."""
    script = tmp_path / "stand_in.py"
    script.write_text(_STAND_IN.format(recorded=str(recorded)))
    own = empty_venv(tmp_path / "own", name, **versions)
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$2" in *installed.py) exec {own} "$@";; *) exec {sys.executable} {script} "$3";; esac\n'
    )
    python.chmod(0o755)
    return python


@pytest.fixture
def recorded(tmp_path):
    """Returns a folder with a recorded conversion of an ONNX model, and the command that converts with it."""
    folder = tmp_path / "recorded"
    shutil.copytree(DATA / "onnx-conv", folder)
    python = hand_out(tmp_path, "onnx", folder)
    return folder, ("convert", DATA / "conv.onnx", "--with", python, "--out", tmp_path / "out", "--scheme")


def test_nothing_is_quantized_of_a_model_that_computes_something_else(recorded, cli, tmp_path):
    folder, command = recorded
    with np.load(folder / "reference.npz") as arrays:
        changed = {name: value * 1.01 if name.endswith("out/1") else value for name, value in arrays.items()}
    np.savez(folder / "reference.npz", **changed)
    code, _, err = cli(*command, "float32,dynamic_range")
    assert code == 2
    said = " ".join(err.split())
    assert (
        "does not compute what the model does: on 2 random samples, 'map/out' differs by 0.0099 of its largest" in said
    )
    assert "Nothing was quantized" in said
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        ("onnx", (1, 8, 8), r"which dimension of the input 'x' \[1, 8, 8\] is the channels.*as \.pt2"),
        ("onnx", (1, 8, 16), "with fixed sizes"),
        ("torch", (1, 8, 8), "with fixed sizes"),
    ],
)
def test_a_wrong_conversion_names_what_onnx2tf_cannot_tell(kind, shape, words):
    spec = TensorSpec(name="x", shape=shape, dtype="float32")
    source = PreparedSource(kind=kind, loader="ONNX Runtime", inputs=(spec,), outputs=(spec,), parameters=1)
    assert re.search(words, refuse(Proof(original="ONNX Runtime"), source, "net", None).fix)


def test_the_proof_is_in_sidecars_and_in_what_convert_prints(recorded, cli):
    code, out, _ = cli(*recorded[1], "float32")
    assert code == 0
    assert "The float model computes what the original does (ONNX Runtime 1.23.0) on 2 random" in " ".join(out.split())
    found = run_json(cli(*recorded[1], "float32", "--json"))
    proof = Proof.model_validate(found["source"]["proof"])
    assert proof.holds and found["variants"][0]["proof"] == found["source"]["proof"]
    assert found["variants"][0]["reused"]


def test_calibration_samples_that_do_not_fit_are_refused_before_anything_is_converted(recorded, cli, tmp_path):
    folder, command = recorded
    (folder / "model.tflite").unlink()
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 3, 16, 16), np.float32))
    code, _, err = cli(*command, "int8", "--calibration", tmp_path / "data.npz")
    assert code == 2
    assert "shape [3, 16, 16] does not fit the model's input 'picture:0', which takes [16, 16, 3]" in " ".join(
        err.split()
    )
    assert "Channels are last here in picture:0" in " ".join(err.split()) and "--layout keep" in err


def test_a_fixed_batch_stays(recorded, cli, tmp_path):
    folder, command = recorded
    file, shape = folder / "model.tflite", "[1, 16, 16, 3]"
    code, _, err = cli("convert", shutil.copy(file, tmp_path / "own.tflite"), "--scheme", "float32", "--batch", 8)
    assert code == 2 and "--batch 8 cannot be had of" in " ".join(err.split()) and shape in err
    file.unlink()  # it is said before the conversion
    code, _, err = cli(*command, "float32", "--batch", 8)
    assert code == 2 and "--batch 8 cannot be had of" in " ".join(err.split()) and shape in err


def test_layout_has_no_meaning_for_other_models(cli, tmp_path):
    path = DATA / "onnx-conv" / "model.tflite"
    code, _, err = cli("convert", path, "--scheme", "float32", "--layout", "keep", "--out", tmp_path)
    assert code == 2 and "--layout keep has no meaning for" in err


def test_with_converts_in_the_users_environment_and_again_when_that_changes(cli, tmp_path):
    python = hand_out(tmp_path, "torch", DATA / "torch-conv", torch="2.8.0")
    command = (
        "convert",
        DATA / "conv.pt2",
        "--scheme",
        "float32",
        "--with",
        python,
        "--out",
        tmp_path / "out",
        "--json",
    )
    found = run_json(cli(*command))
    assert f"{python} has torch 2.8.0 where 2.14.1 was tested." in found["source"]["notes"]
    assert [v["status"] for v in found["variants"]] == ["ok"]
    assert run_json(cli(*command))["variants"][0]["reused"]
    empty_venv(tmp_path / "newer", "torch")
    shutil.rmtree(tmp_path / "own")
    (tmp_path / "newer").rename(tmp_path / "own")
    found = run_json(cli(*command))
    assert not found["variants"][0]["reused"]
    assert not any("was tested" in note for note in found["source"]["notes"])


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


@pytest.fixture
def answering():
    """What the converters share, which they import without the kit."""
    spec = importlib.util.spec_from_file_location("answering", CONVERTERS["onnx"].script.with_name("answering.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_open_sizes_are_refused_with_the_flags_to_add(answering):
    request = {"model": "yolo.onnx", "batch": 1, "input_shapes": {}}
    shapes = {"images": ["batch", 3, "height", "width"], "my ids": ["batch", "?"], "scale": ["batch", 2]}
    with pytest.raises(answering.Refusal) as error:
        answering.fixed_shapes(shapes, request)
    assert error.value.words["what"] == (
        "Inputs of yolo.onnx leave sizes open: images [batch, 3, height, width], my ids [batch, ?]."
    )
    assert error.value.words["fix"].endswith("--input-shape images=3,320,320 --input-shape 'my ids=128'")
    given = {"images": [3, 64, 32], "my ids": [7]}
    found = answering.fixed_shapes(shapes, request | {"batch": 2, "input_shapes": given})
    assert found == {"images": [2, 3, 64, 32], "my ids": [2, 7], "scale": [2, 2]}
    with pytest.raises(answering.Refusal, match="asks for"):
        answering.fixed_shapes(shapes, request | {"input_shapes": given | {"images": [1, 64, 32]}})
    with pytest.raises(answering.Refusal, match="has no input 'image'"):
        answering.fixed_shapes(shapes, request | {"input_shapes": {"image": [3, 64, 32]}})


def test_example_inputs_belong_to_pytorch_modules(tmp_path):
    with pytest.raises(UsageError, match=r"no meaning for net\.onnx"):
        on_disk("net.onnx", (1,), tmp_path)
    assert on_disk("net.onnx", None, tmp_path) == "net.onnx"
    module = type("Net", (type("Module", (), {"__module__": "torch.nn.modules.module"}),), {})
    for examples in (None, {"x": 1}):
        with pytest.raises(UsageError, match="The PyTorch module Net needs example_inputs"):
            on_disk(module(), examples, tmp_path)
    assert not list(tmp_path.iterdir())
