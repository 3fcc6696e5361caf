"""Examples of flips: samples that the baseline has right and a variant has wrong, or, without labels, that get another class."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.accuracy.metrics import Scores
from tflitekit.accuracy.scored import together
from tflitekit.data.dataset import Dataset, Raw, UnreadableSampleError
from tflitekit.results import Flip

__all__ = ["as_picture", "flip_examples", "thumbnail"]

_EXAMPLES = 12
_LONGEST_SIDE = 96
_QUALITY = 70


def flip_examples(
    dataset: Dataset, scores: Mapping[str, Scores], baseline: Scores, class_name: Callable[[int], str]
) -> dict[str, tuple[Flip, ...]]:
    """Returns the most confident losses of each variant against the baseline, the most confident first; without labels, those samples
    that get another class.

    Args:
        dataset: What was scored; the samples that are shown are read again, each once.
        scores: By variant, as `tflitekit.accuracy.scoring.score` returns them.
        baseline: Those of the baseline, on the same samples and perhaps others.
        class_name: From a class to its name.
    """
    expected = {name: _expected(baseline, own) for name, own in scores.items()}
    chosen = {name: _losses(baseline, own) for name, own in scores.items()}
    positions = {int(scores[name]["position"][row]) for name, rows in chosen.items() for row in rows}
    seen = {}
    wanted = sorted(positions)
    for position, sample in zip(wanted, dataset.pick(wanted), strict=True):
        try:
            image = thumbnail(sample.read())
        except UnreadableSampleError:
            image = None
        seen[position] = (sample.key, image)
    return {
        name: tuple(
            Flip(
                sample=seen[int(scores[name]["position"][row])][0],
                label=class_name(int(expected[name][row])),
                answer=class_name(int(scores[name]["predicted"][row])),
                confidence=round(float(scores[name]["confidence"][row]), 4),
                image=seen[int(scores[name]["position"][row])][1],
            )
            for row in rows
        )
        for name, rows in chosen.items()
    }


def _expected(baseline: Scores, variant: Scores) -> NDArray[Any]:
    """Returns the true classes; without labels, the baseline's."""
    return variant["label"] if "label" in variant else together(variant, baseline)[1]["predicted"]


def _losses(baseline: Scores, variant: Scores) -> list[int]:
    _, beside = together(variant, baseline)
    changed = ~variant["agrees"] if "agrees" in variant else beside["correct"] & ~variant["correct"]
    lost = np.flatnonzero(changed & variant["finite"])
    order = np.lexsort((lost, -variant["confidence"][lost]))
    return [int(row) for row in lost[order[:_EXAMPLES]]]


def thumbnail(raw: Raw) -> str | None:
    """Returns a JPEG of at most 96 pixels a side as base64; None for samples that are no pictures."""
    try:
        picture = as_picture(raw)
        if picture is None:
            return None
        small = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
        small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        stream = io.BytesIO()
        small.save(stream, "JPEG", quality=_QUALITY)
    except (OSError, ValueError):  # modes that Pillow cannot turn into RGB
        return None
    return base64.b64encode(stream.getvalue()).decode()


def as_picture(raw: Raw) -> Image.Image | None:
    """Returns a sample as a picture; None for one that is none.

    Arrays are taken for pictures where they have 1, 3 or 4 channels and values from 0 to 255 or from 0 to 1.
    """
    if isinstance(raw, Image.Image):
        return raw
    if len(raw) != 1:
        return None
    (values,) = raw.values()
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    picture = values.ndim == 2 or (values.ndim == 3 and values.shape[-1] in (3, 4))
    if not picture or min(values.shape[:2]) < 8 or values.dtype.kind not in "iuf":
        return None
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):
        return None
    scale = 255 if values.dtype.kind == "f" and high <= 1 else 1
    return Image.fromarray(np.rint(values * scale).astype(np.uint8))
