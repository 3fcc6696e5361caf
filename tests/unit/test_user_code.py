"""The one loader of a user's Python: files and modules, what lies beside them, and errors in them."""

import multiprocessing
import pickle
import sys

import numpy as np
import pytest

from tflitekit.accuracy.metrics.custom import CustomMetric
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.user_code import call_function, find_source, load_function, load_module
from tflitekit.data.dataset import open_dataset

DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass, field

@dataclass
class Weights:
    values: list[float] = field(default_factory=lambda: [1.0])
    scale: float = 2.0

def metric(output, label):
    return Weights().scale

def data():
    yield [0.0], 1
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory; what a test imports from it is forgotten, and `sys.path` stays as it is."""
    monkeypatch.chdir(tmp_path)
    before, modules = list(sys.path), set(sys.modules)
    yield
    assert sys.path == before
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["mine.py:metric", "mine:metric", "deep/my-metric.v2.py:metric", "deep.mine:metric"])
def test_postponed_annotations_and_dataclasses(tmp_path, name):
    for path in ("mine.py", "deep/mine.py", "deep/my-metric.v2.py"):
        write(tmp_path / path, DATACLASS)
    function = load_function(name, "metric")
    assert function(None, None) == 2.0
    assert sys.modules[function.__module__].metric is function
    assert pickle.loads(pickle.dumps(function)) is function
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(function, (None, 1)) == 2.0
    assert [
        sample.label for sample in open_dataset(name.replace("metric", "data", -1).replace("my-data", "my-metric"))
    ] == [1]


@pytest.mark.parametrize(
    "statement", ["from helpers import VALUE", "from .helpers import VALUE", "from sub.more import VALUE"]
)
def test_what_lies_beside_a_file_is_importable(tmp_path, statement):
    for folder, value in (("a", 1), ("b", 2)):  # files of one name in two folders, each with its own neighbours
        for neighbour in ("helpers.py", "sub/more.py"):
            write(tmp_path / folder / neighbour, f"VALUE = {value}\n")
        write(tmp_path / folder / "metric.py", f"{statement}\ndef own(output, label):\n    return VALUE\n")
    assert [load_function(f"{folder}/metric.py:own", "metric")(0, 0) for folder in "abab"] == [1, 2, 1, 2]


def test_neighbours_are_importable_later_and_replace_no_package(tmp_path):
    write(tmp_path / "later.py", "VALUE = 3\n")
    write(tmp_path / "colorsys.py", "raise RuntimeError('the standard library has that name')\n")
    write(
        tmp_path / "own.py", "def metric(a, b):\n    import colorsys\n    from later import VALUE\n    return VALUE\n"
    )
    sys.modules.pop("colorsys", None)
    assert load_function("own.py:metric", "metric")(0, 0) == 3


def test_a_module_of_the_working_directory_whose_name_is_taken(tmp_path):
    import statistics

    write(tmp_path / "statistics.py", "def metric(a, b):\n    return 4\n")
    assert load_function("statistics:metric", "metric")(0, 0) == 4
    assert sys.modules["statistics"] is statistics
    assert find_source("statistics") == tmp_path / "statistics.py"
    assert load_function("statistics:metric", "metric").__module__ != "statistics"


def test_a_package_may_import_from_its_own_parts(tmp_path):
    write(tmp_path / "pack/__init__.py", "")
    write(tmp_path / "pack/values.py", "VALUE = 5\n")
    write(tmp_path / "pack/inner/__init__.py", "")
    write(tmp_path / "pack/inner/own.py", "from ..values import VALUE\ndef metric(a, b):\n    return VALUE\n")
    assert load_function("pack.inner.own:metric", "metric")(0, 0) == 5
    assert find_source("pack.inner.own") == tmp_path / "pack/inner/own.py"
    assert find_source("pack.none") is None is find_source("none.py")


def test_a_file_is_executed_once_for_each_content(tmp_path):
    path = write(tmp_path / "own.py", "VALUE = 1\n")
    assert load_module("own.py", "test") is load_module(str(path), "test")
    write(path, "VALUE = 20\n")
    assert load_module("own.py", "test").VALUE == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import os\n\nmissing\n", "own.py, line 3: NameError: name 'missing' is not defined."),
        ("def f(:\n", "own.py, line 1: SyntaxError"),
        ("def g():\n    raise ValueError('too bad')\ng()\n", "own.py, line 2: ValueError: too bad."),
        ("import sys\nsys.exit(3)\n", "own.py, line 2: SystemExit: 3."),
        ("import no_package_of_this_name\n", "own.py, line 1: No module named 'no_package_of_this_name'"),
        ("def other(a, b):\n    return 1\n", "has no 'metric'.\nIt has other."),
        ("metric = 3\n", "is not a function.\nIt is a int: 3."),
    ],
)
@pytest.mark.parametrize("name", ["own.py", "own"])
def test_errors_of_the_users_file_have_file_and_line(tmp_path, text, words, name):
    write(tmp_path / "own.py", text)
    before = set(sys.modules)  # other tests have modules of this name
    with pytest.raises(UsageError) as caught:
        load_function(f"{name}:metric", "metric")
    assert words in str(caught.value)
    left = [module for module in set(sys.modules) - before if module.endswith(".own")]
    assert not left or "no 'metric'" in words or "3." in words


@pytest.mark.parametrize("name", ["none.py:metric", "none:metric", "own.py", ":metric", "own:"])
def test_names_of_nothing(name):
    with pytest.raises(UsageError):
        load_function(name, "metric")


def test_errors_while_it_runs_have_file_and_line(tmp_path):
    write(
        tmp_path / "own.py",
        "def metric(a, b):\n    return a[9]\ndef data():\n    yield 1 / 0\ndef make(x):\n    return x.y\n",
    )
    with pytest.raises(DataError, match=r"At own\.py, line 2\."):
        CustomMetric("own", load_function("own.py:metric", "metric")).score(np.zeros((1, 2)), [0], meaning="values")
    with pytest.raises(DataError, match=r"At own\.py, line 4\."):
        list(open_dataset("own.py:data", need_labels=False))
    with pytest.raises(UsageError, match=r"(?s)optimizer 'own:make' failed: AttributeError.*own\.py, line 6"):
        call_function("own:make", "optimizer", 3)
