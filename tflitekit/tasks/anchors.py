"""Anchors of single-shot detectors: from a file, or by the rules of TensorFlow's Object Detection API."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, UnreadableError
from tflitekit.core.structured import read_json

__all__ = ["RULES", "generated_anchors", "read_anchors"]

RULES = ("ssd", "retina", "efficientdet")


def generated_anchors(rule: str, size: tuple[int, int]) -> NDArray[np.float32]:
    """Returns anchors ``(n, 4)``: center, width and height as shares of the input's size.

    Args:
        rule: 'ssd': six layers at strides from 16 on, scales from 0.2 to 0.95, ratios 1, 2, 1/2, 3, 1/3 and one between the scales; three
            on the first layer, as in SSD MobileNet. 'retina': levels 3 to 7, three scales an octave, from four strides on, and ratios
            1, 2, 1/2, as in RetinaNet. 'efficientdet': the same with the scales of an octave before the ratios, as google/automl has them.
        size: Of the input, width and height.

    Source: ``multiple_grid_anchor_generator.create_ssd_anchors`` and ``multiscale_grid_anchor_generator`` of
    https://github.com/tensorflow/models/tree/master/research/object_detection.
    """
    made = _ssd(size) if rule == "ssd" else _retina(size, ratios_first=rule == "retina")
    return np.asarray(list(itertools.chain.from_iterable(made)), np.float32).reshape(-1, 4)


def _ssd(size: tuple[int, int]) -> Iterator[list[tuple[float, float, float, float]]]:
    grids = [tuple(math.ceil(side / 16) for side in size)]
    for _ in range(5):
        grids.append(tuple(math.ceil(side / 2) for side in grids[-1]))
    scales = [0.2 + (0.95 - 0.2) * layer / 5 for layer in range(6)] + [1.0]
    for layer, grid in enumerate(grids):
        scale, following = scales[layer], scales[layer + 1]
        shapes = [(scale, ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)] + [(math.sqrt(scale * following), 1.0)]
        if layer == 0:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        shortest = min(size)
        yield _grid(
            grid,
            [(s * math.sqrt(r) * shortest / size[0], s / math.sqrt(r) * shortest / size[1]) for s, r in shapes],
        )


def _retina(size: tuple[int, int], *, ratios_first: bool) -> Iterator[list[tuple[float, float, float, float]]]:
    for level in range(3, 8):
        stride = 2**level
        grid = tuple(math.ceil(side / stride) for side in size)
        octaves, ratios = range(3), (1.0, 2.0, 0.5)
        # That code's meshgrid lets scales vary fastest.
        both = [(o, r) for r in ratios for o in octaves] if ratios_first else [(o, r) for o in octaves for r in ratios]
        shapes = [
            (4.0 * stride * 2 ** (octave / 3) * math.sqrt(ratio), 4.0 * stride * 2 ** (octave / 3) / math.sqrt(ratio))
            for octave, ratio in both
        ]
        yield _grid(grid, [(width / size[0], height / size[1]) for width, height in shapes])


def _grid(grid: tuple[int, ...], shapes: list[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    columns, rows = grid
    return [
        ((column + 0.5) / columns, (row + 0.5) / rows, width, height)
        for row in range(rows)
        for column in range(columns)
        for width, height in shapes
    ]


def read_anchors(path: Path, form: str) -> NDArray[np.float32]:
    """Reads anchors ``(n, 4)`` from a .npy, .npz (its only array) or .json file.

    Args:
        form: What a row holds: 'cxcywh' or 'yxhw' (center and size), 'xyxy' or 'yxyx' (edges).

    Returns:
        Center, width and height.

    Raises:
        DataError: It cannot be read, or holds something else.
    """
    fix = "Give a .npy, .npz or .json file with a row of four numbers for each anchor."
    try:
        rows = np.asarray(_rows(path), np.float32)
    except UnreadableError as error:
        raise DataError(f"The anchors at {path} cannot be read: {error.reason}.", fix=fix) from error
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DataError(f"The anchors at {path} cannot be read: {error}.", fix=fix) from error
    if rows.ndim != 2 or rows.shape[1] != 4 or not np.isfinite(rows).all():
        raise DataError(f"The anchors at {path} are of the shape {list(rows.shape)}, or not finite.", fix=fix)
    if form in ("yxhw", "yxyx"):
        rows = rows[:, [1, 0, 3, 2]]
    if form in ("xyxy", "yxyx"):
        rows = np.concatenate([(rows[:, :2] + rows[:, 2:]) / 2, rows[:, 2:] - rows[:, :2]], axis=1)
    return rows


def _rows(path: Path) -> object:
    if path.suffix == ".json":
        return read_json(path)
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.lib.npyio.NpzFile):
        return found
    with found:
        if len(found.files) != 1:
            raise ValueError(f"it has the arrays {', '.join(found.files)}, not one")
        return found[found.files[0]]
