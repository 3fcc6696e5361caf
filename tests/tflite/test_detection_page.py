"""The commands of docs/detection.md run as they stand there, and its tables have every reader, option and kind of data."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import DATA

from tflitekit.tasks.readers import readers

pytest.importorskip("cv2", reason="OpenCV is not installed: '.[tasks]'")

PAGE = (Path(__file__).parents[2] / "docs" / "detection.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(DATA / "tasks" / "detection" / "float32.tflite", tmp_path / "detector.tflite")
    shutil.copytree(DATA / "tasks" / "detection" / "scenes", tmp_path / "scenes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_find_what_the_page_says(folder: Path, cli) -> None:
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    told = []
    for command in (line for block in _blocks("sh") for line in block.splitlines()):
        program, verb, *arguments = shlex.split(command)
        assert program == "tflitekit"
        code, out, err = cli(verb, *arguments)
        assert code == 0, err
        told.append((verb, " ".join(out.split())))
    assert [verb for verb, _ in told] == ["convert", "evaluate", "optimize", "evaluate"]
    assert "mAP" in told[1][1] and "AR100" in told[1][1] and "the output mixes ranges" in told[1][1]
    assert "Recommended" in told[2][1]
    assert "Box F1" in told[3][1] and "Box IoU" in told[3][1]


def test_the_reader_of_ones_own_finds_as_much(folder: Path, cli) -> None:
    (block,) = _blocks("python")
    (folder / "my_reader.py").write_text(block)
    code, out, err = cli(
        "evaluate", "detector.tflite", "--data", "scenes", "--preprocess", "0-1", "--reader", "my_reader.py:read"
    )
    assert code == 0 and "mAP" in out, err


def test_every_reader_and_option_is_on_the_page() -> None:
    rows = {row.partition("`")[2].partition("`")[0]: row for row in PAGE.splitlines() if row.startswith("| `")}
    for name, kind in readers("detection").items():
        for option in set(kind.options) - {"score", "most"}:
            assert f"`{option}`" in rows[name], f"{name}: {option}"
