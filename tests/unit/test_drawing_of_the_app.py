"""The Android app draws as the page does: its colors, bones and least score are those of `tflitekit.tasks.drawing`."""

from __future__ import annotations

import re
from pathlib import Path

from tflitekit.tasks import drawing

JAVA = Path(__file__).resolve().parents[2] / "android_demo"


def java(name: str) -> str:
    (found,) = JAVA.rglob(f"src/*/java/**/{name}.java")
    return found.read_text(encoding="utf-8")


def test_colors_that_the_app_is_tested_with() -> None:
    pairs = re.findall(r"\{(\d+), 0x([0-9A-F]{6})\}", java("ColorsTest"))
    assert len(pairs) == 7
    for number, color in pairs:
        assert bytes(drawing.color_of(int(number))).hex().upper() == color


def test_bones_and_the_least_score() -> None:
    bones = re.findall(r"\{(\d+), (\d+)\}", java("Skeleton"))
    assert tuple((int(one), int(other)) for one, other in bones) == drawing._BONES
    assert f"THRESHOLD = {drawing.SHOWN_SCORE}f;" in java("ClassifyWork")
