"""TensorFlow Lite's operator for detection: files of its older converter leave the shapes of its outputs out, and its options tell them.

Source: ``tensorflow/lite/kernels/detection_postprocess.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from tflitekit.tflite.flatbuffer import Reader

__all__ = ["PostProcess", "post_process"]

_OPERATOR = "TFLite_Detection_PostProcess"


@dataclass(frozen=True)
class PostProcess:
    """The operator.

    Attributes:
        tensors: Of boxes, classes, scores and their number. What stands behind that number is not written: it is whatever was in memory.
        rows: Boxes at most.
        classes: Those that it tells apart, without a background.
    """

    tensors: tuple[int, ...]
    rows: int
    classes: int

    @property
    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Of its outputs, by tensor."""
        return dict(zip(self.tensors, ((1, self.rows, 4), (1, self.rows), (1, self.rows), (1,)), strict=True))


def post_process(reader: Reader, subgraph: Any) -> PostProcess | None:
    """Returns the operator of a graph; None without one."""
    for i in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(i)
        if reader.operator_name(operator) != _OPERATOR or operator.OutputsLength() != 4:
            continue
        options = operator.CustomOptionsAsNumpy()
        if isinstance(options, int):
            return None
        told = flexbuffers.GetRoot(bytearray(np.asarray(options, np.uint8).tobytes())).AsMap.Value
        rows = int(told["max_detections"]) * int(told.get("max_classes_per_detection", 1))
        return PostProcess(tuple(map(operator.Outputs, range(4))), rows, int(told["num_classes"]))
    return None
