"""Labelled samples from folders of images, ``.npz`` files and Python factories: streamed, re-iterable,
keyed by input name. One file a kind; `open_dataset` tells them apart.

A `Sample` is cheap to make; reading and decoding happen in `Sample.read`, so that several threads can do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.user_code import load_function
from tflitekit.data.kinds.factory import Factory, is_pipeline
from tflitekit.data.kinds.images import ImageFolder
from tflitekit.data.kinds.npz import NpzFile
from tflitekit.data.pipeline import InputPipeline
from tflitekit.data.rows import Arrays, class_labels
from tflitekit.data.samples import (
    DEFAULT_SEED,
    Dataset,
    Raw,
    Sample,
    Selection,
    SkippedSamples,
    Subset,
    UnreadableSampleError,
    balanced,
)

__all__ = [
    "DEFAULT_SEED",
    "Dataset",
    "ImageFolder",
    "InputPipeline",
    "Raw",
    "Sample",
    "Selection",
    "SkippedSamples",
    "Subset",
    "UnreadableSampleError",
    "balanced",
    "class_labels",
    "open_dataset",
]


def open_dataset(
    source: Any,
    *,
    labels: tuple[str, ...] | None = None,
    limit: int | None = None,
    seed: int = DEFAULT_SEED,
    need_labels: bool = True,
) -> Dataset:
    """Opens a data set.

    Args:
        source: A folder with one sub-folder per class; an ``.npz`` with ``x`` (or one array per input name)
            and ``y``; ``module:function``; in Python also ``(x, y)``, a dict of arrays, a function, a tf.data
            pipeline (batches are taken apart), or a `Dataset`.
        labels: Class names in the order of the model's output; class folders are matched to them by name.
        limit: A seeded, class-balanced sample of this many.
        seed: Seed of that sample.
        need_labels: Whether missing labels are an error (calibration does without).

    Raises:
        DataError: The data are missing, empty or malformed.
        UsageError: The source is of no known kind.
    """
    options: dict[str, Any] = {"labels": labels, "limit": limit, "seed": seed, "need_labels": need_labels}
    if isinstance(source, Dataset):
        return source if limit is None else Subset(source, limit=limit, seed=seed)
    if isinstance(source, tuple) and len(source) == 2:
        return Arrays({"x": source[0], "y": source[1]}, **options)
    if isinstance(source, np.ndarray):
        return Arrays({"x": source}, **options)
    if isinstance(source, Mapping):
        return Arrays(source, **options)
    if is_pipeline(source):
        return Factory("tf.data pipeline", lambda: source, **options)
    if callable(source):
        return Factory(getattr(source, "__name__", "data function"), source, **options)
    if not isinstance(source, str | Path):
        raise UsageError(
            f"A {type(source).__name__} is not a data set.",
            fix="Give a path, 'module:function', (x, y), a tf.data pipeline, or a function without arguments that returns the samples "
            "(inputs, label) one by one, anew each time: of batches, lambda: (pair for batch in batches for pair in zip(*batch)).",
        )
    path = Path(source)
    if path.is_dir():
        return ImageFolder(path, **options)
    if path.is_file():
        if path.suffix.lower() != ".npz":
            raise DataError(
                f"{path} is a {path.suffix or 'file without a suffix'}, not a data set that the kit reads.",
                fix="Give a folder with one sub-folder per class, an .npz file, or a factory 'module:function'.",
            )
        return NpzFile(path, **options)
    if ":" in str(source):
        return Factory(str(source), load_function(str(source), "data factory"), **options)
    raise DataError(
        f"There is no data at {path}.",
        fix="Give a folder with one sub-folder per class, an .npz file, or a factory 'module:function'.",
    )
