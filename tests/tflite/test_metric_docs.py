"""The pages on metrics and on several outputs say what is so: their commands run, and all metrics are in the list."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA

from tflitekit.accuracy.metrics import metrics

DOCS = Path(__file__).parents[2] / "docs"


def commands(page):
    blocks = re.findall(r"^```\w*\n(.*?)^```", (DOCS / page).read_text(), flags=re.S | re.M)
    return [line for block in blocks for line in block.splitlines() if line.startswith("tflitekit evaluate")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the pages name; their outputs are called otherwise."""
    folder = tmp_path_factory.mktemp("docs")
    for name, scheme in (("float32", "float32"), ("int8", "float16")):
        for suffix in (".tflite", ".json"):
            source = DATA / "converted" / "two_inputs" / f"{scheme}{suffix}"
            shutil.copy(source, folder / f"{name}{suffix}")
    (folder / "int8.json").unlink()
    generator = np.random.default_rng(0)
    inputs = {"a-right": generator.normal(size=(40, 3)), "left": generator.normal(size=(40, 4))}
    labels = {"y.zeta": generator.integers(0, 2, 40), "y.alpha": generator.normal(size=(40, 5))}
    np.savez(folder / "test.npz", **inputs, **labels)
    np.savez(folder / "grades.npz", **inputs, y=labels["y.zeta"])
    return folder


@pytest.mark.parametrize("command", [*commands("several-outputs.md"), *commands("metrics.md")])
def test_its_commands_run(command, folder, cli, monkeypatch):
    monkeypatch.chdir(folder)
    words = command.replace("kind", "zeta").replace("age=", "alpha=").split()
    code, out, err = cli(*words[1:])
    assert (code, err) == (0, "")
    if "test.npz" in command:
        assert "zeta" in out and "alpha" in out


def test_all_metrics_are_listed():
    listed = set(re.findall(r"`([a-z0-9-]+)`", (DOCS / "metrics.md").read_text()))
    own = {name: kind for name, kind in metrics().items() if kind.make.__module__.startswith("tflitekit")}
    general = {name for name, kind in own.items() if kind.task in (None, "classification", "regression", "multi-label")}
    assert len(general) > 9
    assert general <= listed
