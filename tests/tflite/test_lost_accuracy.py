"""The commands of docs/lost-accuracy.md run as they stand there, and find what it says."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA

from tflitekit.optimization.quickstart import load_digits

PAGE = (Path(__file__).parents[2] / "docs" / "lost-accuracy.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]


def write_data(folder):
    """The model of `rescaled_channels` in edge_benchmarks/zoo.py, and its data."""
    shutil.copy(DATA / "lost_accuracy" / "digits.tflite", folder)
    images, labels = load_digits()
    x, y = images[..., None].astype(np.float32) / 255, labels.astype(np.int32)
    test = np.arange(len(y)) % 4 == 0
    np.savez(folder / "calibration.npz", x=x[~test][:200])
    np.savez(folder / "test.npz", x=x[test], y=y[test])


def test_the_commands_find_what_the_page_says(tmp_path, cli, monkeypatch):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    told = {}
    for command in COMMANDS:
        program, verb, *arguments = shlex.split(command)
        assert program == "tflitekit"
        code, out, err = cli(verb, *arguments)
        assert code == 0, err
        told[verb] = " ".join(out.split())
    assert list(told) == ["convert", "evaluate", "explain", "optimize"]
    assert "drops 49" in told["evaluate"]
    assert "no measurable drop" in told["evaluate"]
    quoted = re.search(r"^> \*\*(wide_1)\*\*: (Channel .*? common grid\.)", PAGE, re.MULTILINE | re.DOTALL)
    assert f"{quoted[1]}: {quoted[2].replace('> ', '')}".replace("\n", " ") in told["explain"]
    assert "wide_1" in told["optimize"]
    assert (tmp_path / "nodes.json").is_file()


def test_every_pattern_is_on_the_page():
    source = Path(__file__).parents[2] / "tflitekit" / "explanation"
    names = set()
    for path in [*(source / "patterns").glob("*.py"), source / "blame.py"]:
        names |= set(re.findall(r'Match\(\s*"([a-z0-9-]+)"', path.read_text(encoding="utf-8")))
    assert len(names) > 12
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
