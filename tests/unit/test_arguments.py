"""What verbs and commands take: one thing or several, one seed for everything, and options that stand in one place."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import click
import numpy as np
import pytest
from click.shell_completion import ShellComplete
from pydantic import Field

import tflitekit as tk
from tflitekit.cli import app
from tflitekit.cli.commands import command
from tflitekit.cli.options import takes_options
from tflitekit.core.errors import UsageError
from tflitekit.optimization import run as optimization
from tflitekit.options.base import Option, Panel, takes
from tflitekit.options.convert import ConvertOptions, LoadOptions
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.render import write_views

DATA = (np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda one, out: tk.benchmark(one), "none.tflite"),
        (lambda one, out: tk.evaluate(one, data=DATA), "none.tflite"),
        (lambda one, out: tk.bundle(one, data=DATA, out=out), "none.tflite"),
        (lambda one, out: tk.convert("m.keras", schemes="int9", out=out), "no scheme 'int9'"),
        (lambda one, out: write_views(None, out, "pdf"), "no report format 'pdf'"),
    ],
)
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_one_is_not_read_letter_by_letter(tmp_path, call, words, kind):
    with pytest.raises(tk.TflitekitError, match=words):
        call(kind(tmp_path / "none.tflite"), tmp_path / "out")


def test_one_scheme_of_optimize(tmp_path):
    (tmp_path / "m.keras").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(tk.TflitekitError, match="no scheme 'int9'"):
        tk.optimize(tmp_path / "m.keras", data=DATA, out=tmp_path, schemes="int9")


@pytest.mark.parametrize(
    ("seed", "options", "expected"),
    [
        (7, None, 7),
        (7, ConvertOptions(batch=2), 7),
        (None, ConvertOptions(seed=5), 5),
        (7, ConvertOptions(seed=5), 7),
        (None, None, ConvertOptions().seed),
    ],
)
def test_one_seed_for_everything(tmp_path, monkeypatch, seed, options, expected):
    """What draws calibration samples gets the seed that draws evaluation samples."""
    (tmp_path / "m.keras").write_bytes(b"\x89HDF\r\n\x1a\n")
    drawn = {}

    class StopError(Exception):
        pass

    def stop(*arguments, options, **others):
        drawn["calibration"] = options.seed
        raise StopError

    monkeypatch.setattr(optimization, "convert_unlocked", stop)
    real = optimization.open_dataset
    monkeypatch.setattr(
        optimization,
        "open_dataset",
        lambda *a, seed, **others: drawn.update(data=seed) or real(*a, seed=seed, **others),
    )
    with pytest.raises(StopError):
        tk.optimize(tmp_path / "m.keras", data=DATA, out=tmp_path / "out", seed=seed, options=options)
    assert drawn == {"calibration": expected, "data": expected}


class More(EvaluateOptions):
    """Options of *evaluate*, and a new one."""

    weight: Annotated[float, Field(ge=0), Option(Panel.DATA, "Weight of the first class.")] = 1.0


@takes(More)
def verb(files, *, how):
    """Does something.

    Args:
        files: One or several.
    """
    return how.weight


@command("tflitekit verb --weight 2")
@takes_options(More, "how")
def run(how):
    """Does something."""
    print(verb([], **how.given()))
    return 0


def test_one_field_is_an_option_everywhere(capfd):
    """In Python with its default and help, on the command line with its range, and in the key of what depends on it."""
    assert verb("a") == 1.0 and verb("a", weight=2) == 2.0
    assert inspect.signature(verb).parameters["weight"].default == 1.0
    assert "weight: Weight of the first class." in verb.__doc__
    with pytest.raises(UsageError, match="weight cannot be -1"):
        verb("a", weight=-1)
    with pytest.raises(UsageError, match="no option 'wieght'"):
        verb("a", wieght=1)
    assert More(weight=3).key()["weight"] == 3.0

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run(arguments, prog_name="tflitekit verb")
        return stopped.value.code, *capfd.readouterr()

    assert call("--weight", "3")[:2] == (0, "3.0\n")
    code, _, err = call("--weight", "-1")
    assert (code, "--weight cannot be -1." in err) == (2, True)
    code, _, err = call("--weight", "much")
    assert (code, "--weight cannot be 'much'." in err) == (2, True)
    _, out, _ = call("--help")
    assert out.index("Examples:") < out.index("Data:") < out.index("--weight NUMBER") < out.index("Measuring:")
    assert "[default: 1; at least 0]" in " ".join(out.split())


def test_options_are_written_as_text_and_as_values():
    assert tk.Constraints(max_size_bytes="1.5MB").max_size_bytes == 1_500_000
    shapes = LoadOptions(input_shapes=["8,8,3", "mask=4,4"]).input_shapes
    assert shapes == {"": (8, 8, 3), "mask": (4, 4)} == LoadOptions(input_shapes=shapes).input_shapes
    for wrong in ({"batch": 0}, {"input_shapes": "0,3"}, {"input_shapes": "x"}):
        with pytest.raises(UsageError, match=f"{next(iter(wrong))} cannot be"):
            LoadOptions(**wrong)
    with pytest.raises(UsageError, match=r"max_size_bytes cannot be 'small'"):
        tk.Constraints(max_size_bytes="small")
    with pytest.raises(UsageError, match="max_accuracy_drop cannot be nan"):
        tk.Constraints(max_accuracy_drop=float("nan"))
    with pytest.raises(UsageError, match="no option 'max_size'"):
        tk.Constraints(max_size=3)


@pytest.mark.parametrize("name", app.list_commands(None))
def test_every_command_begins_its_help_with_examples(name):
    """And the one line of it that the list of commands has is its own."""
    found = app.load(name)
    assert 2 <= len(found.examples) <= 3
    assert all(example.startswith(f"tflitekit {name}") for example in found.examples)
    assert (found.help or "").splitlines()[0] == app.lazy[name][1]
    with click.Context(found, info_name=name) as context:
        assert found.get_help(context).index("Examples:") < found.get_help(context).index("--help")


def test_choices_are_completed():
    complete = ShellComplete(app, {}, "tflitekit", "_TFLITEKIT_COMPLETE").get_completions
    assert [item.value for item in complete(["optimize", "--deploy-on"], "android-")] == [
        "android-cpu",
        "android-gpu",
        "android-npu",
    ]
    assert [item.value for item in complete(["benchmark", "--protocol"], "mlperf")] == ["mlperf-mobile", "mlperf-tiny"]
    assert [item.value for item in complete([], "opt")] == ["optimize"]


def test_the_page_of_options_is_fresh():
    script = Path(__file__).resolve().parents[2] / "scripts" / "options_page.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_training_data_may_come_first_without_their_name():
    assert tk.TrainingOptions("photos", epochs=2) == tk.TrainingOptions(data="photos", epochs=2)
    with pytest.raises(TypeError, match="data"):
        tk.TrainingOptions("photos", data="others")
    with pytest.raises(UsageError, match="data is missing"):
        tk.TrainingOptions()
