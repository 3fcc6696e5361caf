"""Samples from wherever people have them (see `tflitekit.data.kinds`): streamed, re-iterable, keyed by input name.
`open_dataset` opens them all.

A `Sample` is cheap to make; reading and decoding happen in `Sample.read`, so that several threads can do it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.remote import is_url, local_copy, shown_place
from tflitekit.data.kinds import open_kind
from tflitekit.data.kinds.images import ImageFolder
from tflitekit.data.pipeline import InputPipeline
from tflitekit.data.rows import class_labels
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
from tflitekit.data.settings import PLACES, split_settings

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
    "everywhere",
    "named_files",
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
        source: A folder of images or sounds, with one subfolder per class or without classes; a file (``.npz``, ``.csv``, ``.parquet``,
            ``.tfrecord``, ``.tar``) or a folder of shards; a data set that Hugging Face's ``datasets`` saved; ``module:function``; with
            settings behind it, as in ``weather.csv:x=temp,wind:label=rain`` (see docs/data.md), and any of these places behind a URL, as in ``s3://bucket/test``; in Python also ``(x, y)``, a dict of
            arrays, a function, a tf.data pipeline (batches are taken apart), or a `Dataset`.
        labels: Class names in the order of the model's output; class folders are matched to them by name.
        limit: A seeded, class-balanced sample of this many.
        seed: Seed of that sample.
        need_labels: Whether missing labels are an error. Without them `Dataset.labelled` is false.

    Returns:
        The samples, one by one and without a batch dimension. Images stay as decoded and are resized and normalized
        only for a model; arrays keep their shape and dtype: one row ``x[i]`` of ``x`` with shape ``(n, ...)``. A label is a
        class index (integer ``y`` of shape ``(n,)``), an array of targets (float ``y`` of shape ``(n, ...)``), a dict of these by
        output (``y.OUTPUT``), or None.

    Raises:
        DataError: The data are missing, empty or malformed.
        UsageError: The source is of no known kind.

    Example:
        >>> data = tk.open_dataset("photos/test", labels=("cat", "dog"), limit=100)
    """
    options: dict[str, Any] = {"labels": labels, "limit": limit, "seed": seed, "need_labels": need_labels}
    if isinstance(source, Dataset):
        return source if limit is None else Subset(source, limit=limit, seed=seed)
    found = open_kind(_here(source), **options)
    if found is not None:
        if isinstance(source, str | Path):
            found.recipe = options | {"source": everywhere(str(source))}
            place = split_settings(source)[0]
            if (shown := shown_place(place)) != place or is_url(source):
                found.location = f"{shown}{str(source).removeprefix(place)}"
        return found
    if not isinstance(source, str | Path):
        raise UsageError(
            f"A {type(source).__name__} is not a data set.",
            fix="Give a path, 'module:function', (x, y), a tf.data pipeline, or a function without arguments that returns the samples "
            "(inputs, label) one by one, starting over each time it is called. For batches: lambda: (pair for batch in batches for pair in zip(*batch)).",
        )
    path = Path(split_settings(source)[0])
    raise DataError(
        f"{path} is a {path.suffix or 'file without a suffix'}, which is not a kind of data that the kit reads."
        if path.exists()
        else f"There is no data at {path}.",
        fix="Give a folder of images or sounds (with one subfolder per class, or without classes), a file (.npz, .csv, .parquet, .tfrecord, "
        ".tar), or a factory 'module:function'.",
    )


def _here(source: Any) -> Any:
    """Returns a place on this machine: of data behind a URL their copy, with the settings."""
    if not is_url(source):
        return source
    place, _ = split_settings(source)
    return f"{local_copy(place)}{source.removeprefix(place)}"


def everywhere(source: str) -> str:
    """Returns a place so that it does not depend on the working directory; a function or a URL stays as it is."""
    place, settings = split_settings(source)
    if is_url(source) or not Path(place).exists():
        return source
    found = f"{Path(place).resolve()}{source.removeprefix(place)}"
    for name in PLACES & settings.keys():
        if Path(settings[name]).exists():
            found = found.replace(f":{name}={settings[name]}", f":{name}={Path(settings[name]).resolve()}")
    return found


def named_files(source: str) -> tuple[str, ...]:
    """Returns the files of pictures, sounds and labels that a list or annotations name, wherever they lie; none of other data.

    Raises:
        DataError: As `open_dataset` does.
        UsageError: As `open_dataset` does.
    """
    data = open_dataset(source, need_labels=False)
    if not data.pictures and data.sound is None:
        return ()
    own = (sample.path for sample in data if sample.path is not None)
    return tuple(dict.fromkeys((*own, *data.beside)))
