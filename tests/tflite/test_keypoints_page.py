"""The commands of docs/keypoints.md run as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import DATA

import tflitekit as tk

pytest.importorskip("cv2", reason="OpenCV is not installed: '.[tasks]'")
pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")

PAGE = (Path(__file__).parents[2] / "docs" / "keypoints.md").read_text(encoding="utf-8")


def test_the_commands_find_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    shutil.copy(DATA / "tasks" / "keypoints" / "float32.tflite", tmp_path / "pose.tflite")
    shutil.copytree(DATA / "tasks" / "keypoints" / "figures", tmp_path / "figures")
    monkeypatch.chdir(tmp_path)
    told = []
    for command in re.findall(r"^tflitekit (.*)$", PAGE, re.MULTILINE):
        verb, *arguments = shlex.split(command)
        code, out, err = cli(verb, *arguments)
        assert code == 0, err
        told.append((verb, " ".join((out + err).split())))
    assert [verb for verb, _ in told] == ["convert", "evaluate", "optimize", "evaluate", "bundle"]
    assert "PCK" in told[1][1] and "100.00% (no interval)" in told[1][1]  # all points of all pictures are right
    assert "Recommended" in told[2][1] and "Keypoint agreement" in told[3][1]
    assert "PCK" in told[4][1] and "class numbers" not in told[4][1]
    assert tk.read_bundle(tmp_path / "app").task == "keypoints"
