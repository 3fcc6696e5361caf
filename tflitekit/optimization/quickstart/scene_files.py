"""Scenes as files: pictures with COCO annotations, or pictures with masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tflitekit.core.files import write_whole
from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scenes import COUNTS, Scene, scenes

__all__ = ["MASK_LABELS", "write_coco", "write_masks", "write_parts"]

MASK_LABELS = ("background", *LABELS)


def write_parts(folder: Path, side: int, write: Callable[[Path, Iterable[Scene]], None]) -> None:
    """Writes the scenes for training, calibration and tests, each into a folder of its own."""
    for part, count in COUNTS.items():
        write(folder / part, scenes(part, count, side))


def write_coco(folder: Path, scenes: Iterable[Scene], labels: Sequence[str] = LABELS, *, suffix: str = ".png") -> None:
    """Writes ``images/NUMBER.png`` and ``annotations.json`` in COCO's format, whose category ids count from 1.

    Args:
        labels: Names of the categories; the digits are the first ten.
        suffix: The pictures' kind.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes):
        name = _write_image(folder / "images", number, scene, suffix)
        height, width = scene.mask.shape
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for (left, top, right, bottom), digit in zip(scene.boxes.tolist(), scene.digits.tolist(), strict=True):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": digit + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": place, "name": name} for place, name in enumerate(labels, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_whole(folder / "annotations.json", json.dumps(content))


def write_masks(folder: Path, scenes: Iterable[Scene]) -> None:
    """Writes ``images/NUMBER.png`` and ``masks/NUMBER.png``, whose values count from 0 in the order of `MASK_LABELS`."""
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(scenes):
        name = _write_image(folder / "images", number, scene)
        Image.fromarray(scene.mask).save(folder / "masks" / name)


def _write_image(folder: Path, number: int, scene: Scene, suffix: str = ".png") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{number:04d}{suffix}"
    Image.fromarray(scene.image).save(folder / name)
    return name
