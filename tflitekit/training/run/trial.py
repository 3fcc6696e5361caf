"""Converts and runs a model before it is trained: what the file of a scheme cannot be is known in seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import ConversionError
from tflitekit.engines.variants import make_file
from tflitekit.schemes import Request
from tflitekit.source.keras_export import export_model
from tflitekit.source.prepared import Exported

__all__ = ["try_conversion"]

_SAMPLES = 4


def try_conversion(
    model: Any,
    request: Request,
    samples: Sequence[Any],
    *,
    left_float: bool,
    allow_select_tf_ops: bool = False,
    batch: int = 1,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Makes a file of a model that is not trained yet, checks what its scheme promises, and runs it once.

    Args:
        model: As the last stage of training leaves it, but for its weights: quantized where the scheme quantizes.
        samples: Real inputs, one array ``(samples, ...)`` for each input.
        left_float: Whether layers stay float although the scheme promises integers.

    Raises:
        ConversionError: The converter refuses the model, or the file does not run or breaks the promise.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved_model"
        source = export_model(model, saved, batch=batch, input_shapes=input_shapes or {})
        rows = _Rows({name: np.asarray(column) for name, column in zip(model.input_names, samples, strict=True)})
        try:
            make_file(
                request, source, Exported(saved), rows, allow_select_tf_ops, Path(folder) / "trial.tflite", left_float
            )
        except ConversionError as error:
            raise ConversionError(
                f"{error.what} (Found before training, on the untrained model.)", why=error.why, fix=error.fix
            ) from error


@dataclass(frozen=True)
class _Rows:
    """A few samples in place of the calibration samples."""

    columns: Mapping[str, Any]

    def batches(self, batch: int) -> Iterator[dict[str, Any]]:
        for start in range(_SAMPLES):
            yield {
                name: np.take(column, range(start, start + batch), axis=0, mode="wrap")
                for name, column in self.columns.items()
            }
