"""Files with the inputs and outputs of published detectors, whose answers are the picture's own pixels, and pictures to fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from flatbuffers import flexbuffers
from PIL import Image
from tiny_network import Network

ROWS = 6
"""Candidates in a picture."""
SPARSE = {1: "person", 2: "bicycle", 5: "bus", 7: "boat", 11: "hydrant", 13: "sign", 14: "meter"}
"""Categories whose ids have gaps, as COCO's have."""
CLASSES = 14


def ssd(path: Path, *, shapes: bool = True, quantized: bool = True) -> Path:
    """Writes a network that ends in TensorFlow Lite's post-processing of `CLASSES` classes and a background.

    Args:
        quantized: Whether it takes and computes in uint8; else it takes pixels from -1 to 1.
        shapes: Whether the file has the shapes of its outputs, which those of the older converter have not.
    """
    width = 4 + CLASSES + 1
    network = Network(1, ROWS, width, 3)

    def typed(tensor: int, scale: float = 1 / 128, zero_point: int = 128) -> int:
        return network.retype(tensor, kind="uint8", scale=scale, zero_point=zero_point) if quantized else tensor

    typed(network.input)

    def part(source: int, name: str, begin: Sequence[int], size: Sequence[int]) -> int:
        corner, extent = (network.tensor(f"{name}/{i}", [len(v)], v, "int32") for i, v in enumerate((begin, size)))
        return typed(network.add("SLICE", [source, corner, extent], size, name, options="SliceOptions"))

    grey = part(network.input, "grey", [0, 0, 0, 0], [1, ROWS, width, 1])
    rows = typed(network.reshape(grey, "rows", 1, ROWS, width))
    boxes = part(rows, "boxes", [0, 0, 0], [1, ROWS, 4])
    classes = part(rows, "classes", [0, 0, 4], [1, ROWS, CLASSES + 1])
    tenths = np.asarray([[5, 5, 3, 3]] * ROWS)
    anchors = network.tensor(
        "anchors", [ROWS, 4], tenths if quantized else tenths / 10, "uint8" if quantized else "float32"
    )
    typed(anchors, 0.1, 0)
    options = flexbuffers.Dumps(
        {
            "max_detections": ROWS, "max_classes_per_detection": 1, "num_classes": CLASSES, "nms_score_threshold": 0.05,
            "nms_iou_threshold": 0.6, "y_scale": 1.0, "x_scale": 1.0, "h_scale": 5.0, "w_scale": 5.0,
        }
    )  # fmt: skip
    known = [[1, ROWS, 4], [1, ROWS], [1, ROWS], [1]] if shapes else [[]] * 4
    outputs = network.add_custom("TFLite_Detection_PostProcess", [boxes, classes, anchors], known, options)
    path.write_bytes(network.finish(*outputs))
    return path


def ssd_scenes(folder: Path, pictures: int = 16) -> Path:
    """Writes pictures for `ssd`, and annotations of what it finds there; its classes are the ids of `SPARSE` less one."""

    def row(kind: int, y: int, x: int) -> tuple[list[int], list[float]]:
        scores = [0] * (CLASSES + 1)
        scores[kind] = 230
        return [y, x, 128, 128, *scores], [0.35 + 0.3 * (x - 128) / 128, 0.35 + 0.3 * (y - 128) / 128, 0.3, 0.3]

    return _scenes(folder, (ROWS, 4 + CLASSES + 1), SPARSE, row, pictures)


def _scenes(
    folder: Path,
    size: tuple[int, int],
    categories: dict[int, str],
    row: Callable[[int, int, int], tuple[list[int], list[float]]],
    pictures: int,
) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(3)
    images, annotations = [], []
    height, width = size
    for number in range(pictures):
        pixels = np.zeros(size, np.uint8)
        pixels[:, :4] = 128
        for place, x in enumerate((28, 128, 228)):
            kind = int(generator.choice(list(categories)))
            values, box = row(kind, int(generator.integers(30, 226)), x)
            pixels[place] = values
            in_pixels = [share * side for share, side in zip(box, (width, height, width, height), strict=True)]
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": kind, "bbox": in_pixels, "iscrowd": 0}
            )
        Image.fromarray(pixels).convert("RGB").save(folder / f"{number:02}.png")
        images.append({"id": number, "file_name": f"{number:02}.png", "width": width, "height": height})
    named = [{"id": number, "name": name} for number, name in categories.items()]
    content = {"images": images, "annotations": annotations, "categories": named}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def labelmap(first: str = "???") -> list[str]:
    """Names by id with a line for the background, as they are published; ids that are not used have a placeholder."""
    return [first, *(SPARSE.get(number, "???") for number in range(1, CLASSES + 1))]


__all__ = ["CLASSES", "ROWS", "SPARSE", "labelmap", "ssd", "ssd_scenes"]
