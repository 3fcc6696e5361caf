"""The verb *bundle*: what an app needs of a model, with the proof that a device computes what the host computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tflitekit.bundling.app_code import check_templates, write_template
from tflitekit.bundling.assembly import Assembly
from tflitekit.bundling.contents import (
    Bundle,
    is_unicode,
    read_bundle,
)
from tflitekit.bundling.firmware import FIRMWARE
from tflitekit.bundling.fitness import check_hardware
from tflitekit.bundling.selection import Selection, select
from tflitekit.bundling.target import check_target, parent_of, put_in_place, write_zip, zip_of
from tflitekit.core.arguments import as_list
from tflitekit.core.errors import BundleError, UsageError, disk_errors
from tflitekit.core.lifetime import temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.data.contract import resolve_labels
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.options.base import takes
from tflitekit.options.bundle import BundleOptions

__all__ = ["Bundle", "bundle", "read_bundle"]


@takes(BundleOptions)
def bundle(
    sources: str | Path | Sequence[str | Path],
    *,
    data: Any,
    out: str | Path,
    how: BundleOptions,
    progress: Progress | None = None,
) -> Bundle:
    """Writes a folder, and a zip of it, with everything that an app needs: models, their contract, and golden samples.

    The same input gives the same files, byte for byte.

    Args:
        sources: One report (``report.json`` or its folder), or ``.tflite`` files.
        data: Samples of which some become golden; see `open_dataset`. Labels are not needed.
        out: The folder to write, with ``out.zip`` beside it. An older bundle there is replaced.
        progress: Receives progress.

    Returns:
        The content of ``bundle.json``.

    Raises:
        BundleError: A variant cannot be shipped, or ``out`` exists and is not a bundle.
        ModelError: A file is missing, damaged, or not the one that the report measured.
        DataError: The data do not fit.

    Example:
        >>> tk.bundle("build/report.json", data="photos/test", variants=("int8", "float32"), out="build/bundle")
    """
    progress = progress or Progress()
    if how.name is not None and not (how.name.strip() and is_unicode(how.name)):
        raise UsageError("The name of a bundle (--name) must be Unicode text that is not empty.")
    check_templates(how.templates, how.package)
    selection = select(
        as_list(sources),
        variants=how.variants,
        preprocessing=load_preprocessing(how.preprocess) if how.preprocess is not None else None,
        labels=resolve_labels(how.labels),
    )
    dataset = open_dataset(data, labels=selection.classes, limit=how.samples, seed=how.seed, need_labels=False)
    if how.preprocess is None and selection.report is None:
        selection = selection.with_stored_pixels(dataset)
    _refuse_text(selection)
    _refuse_unfit(selection, how, progress)
    out = Path(out).resolve()
    check_target(out, data)
    with disk_errors(out), temporary_folder(parent_of(out), ".bundle-") as temporary:
        folder = temporary / out.name
        made = Assembly(selection, dataset, folder, how.seed, progress, how.reader).write(how.name)
        for name in how.templates:
            write_template(name, made, selection, folder, package=how.package, progress=progress)
        read_bundle(folder)
        archive = temporary / f"{out.name}.zip"
        write_zip(archive, folder, made)
        check_target(out, data)
        put_in_place(folder, out)
        archive.replace(zip_of(out))
    return made


def _refuse_unfit(selection: Selection, how: BundleOptions, progress: Progress) -> None:
    if how.deploy_on is not None:
        check_hardware(selection.variants, how.deploy_on, progress)
    if FIRMWARE in how.templates:  # as far as that can be told without the interpreter
        check_hardware([selection.recommended_variant], "microcontroller", progress)


def _refuse_text(selection: Selection) -> None:
    for chosen in selection.variants:
        text = [spec.name for spec in (*chosen.graph.inputs, *chosen.graph.outputs) if spec.is_text]
        if text:
            raise BundleError(
                f"The variant '{chosen.name}' has text in {', '.join(text)}, which a bundle cannot hold: golden samples are numbers.",
                fix="Ship the .tflite file and its sidecar, or look up words in the app and use a model that takes numbers.",
            )
