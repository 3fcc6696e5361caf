"""Masks: scores of classes, one score for the foreground, or classes themselves, at each place of a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.frame import Frame
from tflitekit.tasks.found import score_columns
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Columns, reader
from tflitekit.tasks.resampling import Resampler

__all__ = ["MaskReader", "map_layouts"]

_VALUES = ("auto", "scores", "foreground", "classes")
_LAYOUTS = ("auto", "channels_last", "channels_first")


@reader("mask", task="segmentation")
def open_mask(
    interface: Interface, *, values: str = "auto", layout: str = "auto", threshold: float = 0.5
) -> MaskReader | None:
    """Takes a map over the input: scores of classes [h, w, classes] or [classes, h, w], one score [h, w, 1], or classes [h, w].

    Where a score is that of the foreground, pixels above the threshold are class 1; a threshold is a probability, also for logits.
    """
    _check("values", values, _VALUES)
    _check("layout", layout, _LAYOUTS)
    if not 0 < threshold < 1:
        raise UsageError(
            f"The option threshold of the reader 'mask' is {threshold:g}, and a probability lies between 0 and 1."
        )
    specs = [interface.output] if interface.scored is not None else interface.outputs
    found = ((spec, _form(spec, interface, values, layout)) for spec in specs)
    spec, form = next(((spec, form) for spec, form in found if form is not None), (None, None))
    if spec is None or form is None:
        return None
    probabilities = interface.meanings.get(spec.name) == "probabilities"
    limit = threshold if probabilities else math.log(threshold / (1 - threshold))
    return MaskReader((spec.name,), *form, float(np.float32(limit)))


def _check(option: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise UsageError(
            f"'{given}' is not a value of the option {option} of the reader 'mask'.",
            fix=f"Choose from: {', '.join(known)}.",
        )


def _form(spec: TensorSpec, interface: Interface, values: str, layout: str) -> tuple[str, str, int | None] | None:
    """Returns what a map holds, its layout and its number of classes where it tells; None for an output that is no such map.

    Where it can be read in two layouts, the one with as many channels as there are names of classes is taken, else the last channels.
    """
    whole = spec.quantization is None and spec.dtype.startswith(("int", "uint"))
    fitting: list[tuple[str, str, int | None]] = []
    for one in map_layouts(spec, interface) if layout == "auto" else [layout]:
        sides, channels = _split(spec.shape[1:], one)
        alone = "classes" if whole else "foreground"
        holds = values if values != "auto" else alone if channels == 1 else "scores"
        if sides is not None and (channels == 1) != (holds == "scores"):
            fitting.append((holds, one, {"scores": channels, "foreground": 2, "classes": None}[holds]))
    named = [form for form in fitting if interface.classes is not None and form[2] == len(interface.classes)]
    return next(iter(named or fitting), None)


def map_layouts(spec: TensorSpec, interface: Interface) -> list[str]:
    """Returns the layouts in which an output can be a map over the input; one of the input's proportions, if those are known."""
    size = interface.picture_size()
    return [layout for layout in _LAYOUTS[1:] if _over_input(_split(spec.shape[1:], layout)[0], size)]


def _split(shape: tuple[int, ...], layout: str) -> tuple[tuple[int, int] | None, int]:
    """Returns height and width of a map, and its channels; without those, it has one."""
    if len(shape) == 2:
        return ((shape[0], shape[1]), 1) if layout == "channels_last" else (None, 0)
    if len(shape) != 3:
        return None, 0
    sides, channels = (shape[:2], shape[2]) if layout == "channels_last" else (shape[1:], shape[0])
    return (sides[0], sides[1]), channels


def _over_input(sides: tuple[int, int] | None, size: tuple[int, int] | None) -> bool:
    if sides is None or -1 in sides:
        return sides is not None
    if min(sides) < 2:
        return False
    return size is None or abs(sides[0] * size[0] - sides[1] * size[1]) <= max(size)


@dataclass
class MaskReader:
    """Reads a map; see `open_mask`.

    Attributes:
        values: 'scores', 'foreground' or 'classes'.
        layout: 'channels_last' or 'channels_first'; without channels the first.
        classes: How many there are, where the output tells.
        threshold: In the output's own values.
    """

    outputs: tuple[str, ...]
    values: str
    layout: str
    classes: int | None
    threshold: float
    name: str = "mask"
    task: str = "segmentation"

    def columns(self, classes: Sequence[str] | None) -> dict[str, Columns]:
        """Returns the channels of a map of scores."""
        if self.values != "scores" or self.classes is None:
            return {}
        return {
            self.outputs[0]: Columns(3 if self.layout == "channels_last" else 1, score_columns(self.classes, classes))
        }

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> NDArray[np.int32]:
        """Returns the class of each pixel of the picture: scores are enlarged bilinearly before the highest one is chosen."""
        (values,) = outputs
        if values.ndim == 2:
            values = values[..., None]
        planes = np.moveaxis(values, -1, 0) if self.layout == "channels_last" else values
        planes = np.ascontiguousarray(planes)
        picture = Resampler(frame, (planes.shape[1], planes.shape[2]))
        if self.values == "classes":
            return np.asarray(np.rint(picture.nearest(planes[0])), np.int32)
        if self.values == "foreground":
            return (picture.values(planes[0]) > self.threshold).astype(np.int32)
        return picture.best(planes)

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "outputs": list(self.outputs),
            "values": self.values,
            "layout": self.layout,
            "classes": self.classes,
        }
        if self.values == "foreground":
            found["threshold"] = self.threshold
        return found | {"resize": "nearest" if self.values == "classes" else "bilinear"}
