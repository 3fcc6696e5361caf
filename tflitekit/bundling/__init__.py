"""The verb *bundle*: what an app needs of a model, with the proof that a device computes what the host computed."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tflitekit.accuracy.metrics.classification import takes_classes
from tflitekit.bundling.contents import (
    LABELS_FILE,
    Bundle,
    BundledVariant,
    DataOrigin,
    SourceOrigin,
    Tolerances,
    class_count,
    is_unicode,
    labels_file,
    read_bundle,
    read_description,
)
from tflitekit.bundling.golden import GoldenRun, Recording, Task, find_input_kind, record
from tflitekit.bundling.metadata import with_metadata
from tflitekit.bundling.selection import Chosen, Selection, select
from tflitekit.bundling.wrappers import check_request, write_wrapper
from tflitekit.core.arguments import as_list
from tflitekit.core.errors import BundleError, StorageError, UsageError, disk_errors
from tflitekit.core.files import content_hash, write_json, write_whole
from tflitekit.core.lifetime import temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.data.contract import labels_mismatch, resolve_labels
from tflitekit.data.dataset import Dataset, open_dataset
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.options.base import takes
from tflitekit.options.bundle import BundleOptions
from tflitekit.tflite.variant import tool_versions

__all__ = ["TOP_K", "Bundle", "bundle", "read_bundle"]

TOP_K = 5
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same bundle is the same file


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
        out: The folder to write; ``out.zip`` beside it. A bundle that is there is replaced.
        progress: Receives progress.

    Returns:
        What stands in ``bundle.json``.

    Raises:
        BundleError: A variant cannot be shipped, or ``out`` is no bundle.
        ModelError: A file is missing, damaged, or not the one that the report measured.
        DataError: The data do not fit.
    """
    progress = progress or Progress()
    if how.name is not None and not (how.name.strip() and is_unicode(how.name)):
        raise UsageError("The name of a bundle (--name) must be Unicode text that is not empty.")
    if how.package is not None and not how.templates:
        raise UsageError(
            "--package names the package of the wrappers, but no wrappers were asked for.",
            fix="Add --templates kotlin,java.",
        )
    for language in how.templates:
        check_request(language, how.package)
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
    out = Path(out).resolve()
    _check_target(out, data)
    with disk_errors(out), temporary_folder(_parent(out), ".bundle-") as temporary:
        folder = temporary / out.name
        made = _Assembly(selection, dataset, folder, how.seed, progress).write(how.name)
        for language in how.templates:
            write_wrapper(made, folder / "wrappers", language=language, package=how.package)
        read_bundle(folder)
        archive = temporary / f"{out.name}.zip"
        _write_zip(archive, folder, made)
        _check_target(out, data)
        _replace(folder, out)
        archive.replace(_zip_of(out))
    return made


def _refuse_text(selection: Selection) -> None:
    for chosen in selection.variants:
        text = [spec.name for spec in (*chosen.graph.inputs, *chosen.graph.outputs) if spec.is_text]
        if text:
            raise BundleError(
                f"The variant '{chosen.name}' has text in {', '.join(text)}, which a bundle cannot hold: golden samples are numbers.",
                fix="Ship the .tflite file and its sidecar, or look up words in the app and use a model that takes numbers.",
            )


class _Assembly:
    """Writes one bundle into an empty folder."""

    def __init__(self, selection: Selection, dataset: Dataset, folder: Path, seed: int, progress: Progress) -> None:
        self._selection, self._dataset, self._folder = selection, dataset, folder
        self._seed, self._progress = seed, progress
        self._first = selection.variants[0]
        self._input_kind = find_input_kind(dataset, self._first.graph, self._first.contract.preprocessing)
        self._task = self._choose_task()
        self._labels = self._choose_labels()

    def write(self, name: str | None) -> Bundle:
        contract = self._first.contract
        name = name or self._default_name()
        runs = [self._ship(chosen, name) for chosen in self._selection.variants]
        how = Recording(
            folder=self._folder,
            preprocessing=contract.preprocessing,
            labels=self._labels,
            input_kind=self._input_kind,
            task=self._task,
            probabilities=contract.output_meaning == "probabilities",
            top_k=TOP_K,
        )
        with self._progress.task("Recording golden samples", self._dataset.size) as advance:
            recorded = record(runs, self._dataset, how, seed=self._seed, advance=advance)
        report = self._selection.report
        made = Bundle(
            tool=tool_versions(),
            name=name,
            input_kind=self._input_kind,
            task=self._task,
            recommended=self._selection.recommended,
            baseline=report.baseline if report else None,
            preprocessing=contract.preprocessing,
            labels=self._labels,
            output_meaning=contract.output_meaning,
            source=SourceOrigin(location=Path(report.source.location).name, sha256=report.source.sha256)
            if report and report.source
            else None,
            dataset=DataOrigin(
                location=Path(report.dataset.location).name,
                samples=report.dataset.samples,
                sha256=report.dataset.sha256,
            )
            if report and report.dataset
            else None,
            variants=tuple(
                self._variant(chosen, run, recorded.tolerances[run.name])
                for chosen, run in zip(self._selection.variants, runs, strict=True)
            ),
            golden=recorded.golden,
        )
        write_json(self._folder / "bundle.json", made.model_dump(mode="json"))
        if self._labels is not None:
            write_whole(self._folder / LABELS_FILE, labels_file(self._labels))
        return made

    def _ship(self, chosen: Chosen, name: str) -> GoldenRun:
        """Writes the variant's file with metadata in it."""
        target = self._folder / "models" / f"{chosen.stem}.tflite"
        names = [spec.name for spec in chosen.graph.outputs]
        primary_output = names.index(chosen.contract.outputs[0].name)
        content = with_metadata(
            chosen.variant.path.read_bytes(),
            chosen.graph,
            name=name,
            primary_output=primary_output,
            preprocessing=chosen.contract.preprocessing if self._input_kind == "image" else None,
            labels=self._labels,
            task=self._task,
            scheme=chosen.variant.scheme,
            accuracy=chosen.row.accuracy if chosen.row else None,
        )
        write_whole(target, content)
        return GoldenRun(
            name=chosen.name,
            shipped=target,
            measured=chosen.variant.path,
            graph=chosen.graph,
            primary_output=primary_output,
        )

    def _variant(self, chosen: Chosen, run: GoldenRun, tolerances: tuple[Tolerances, ...]) -> BundledVariant:
        variant, graph, row = chosen.variant, chosen.graph, chosen.row
        return BundledVariant(
            name=chosen.name,
            scheme=variant.scheme,
            file=f"models/{run.shipped.name}",
            sha256=content_hash(run.shipped),
            size_bytes=run.shipped.stat().st_size,
            measured_sha256=content_hash(run.measured),
            min_runtime_version=graph.min_runtime_version,
            operators=len(graph.operators),
            integer_op_fraction=graph.integer_op_fraction,
            keeps_state=graph.keeps_state,
            inputs=graph.inputs,
            outputs=graph.outputs,
            primary_output=run.primary_output,
            accuracy=row.accuracy if row else None,
            accuracy_drop=row.drop if row else None,
            tolerances=tolerances,
        )

    def _choose_task(self) -> Task:
        """Returns what the primary output is: what evaluation takes it for, else what labels or a softmax make of it."""
        spec = self._first.contract.outputs[0]
        sizes = [d for d in spec.shape[1:] if d != 1]
        row, sample = self._first.row, next(iter(self._dataset), None)
        if row is not None and row.accuracy is not None:
            classes = row.accuracy.metric == "top1"
        elif sample is not None and sample.label is not None:
            classes = takes_classes(self._dataset, spec)
        else:
            softmax = bool(sizes) and self._first.contract.output_meaning == "probabilities"
            classes = self._selection.classes is not None or softmax
        if len(sizes) > 1 or not classes:
            return "other"
        return "classification" if sizes else "binary"

    def _choose_labels(self) -> tuple[str, ...] | None:
        """Returns the labels of the contract, else the class folders'.

        Raises:
            ContractError: Their number is not that of the output's classes.
        """
        found = self._selection.classes
        if found is None and self._task != "other":
            found = self._dataset.classes
        wanted = class_count(self._task, self._first.contract.outputs[0])
        if found is not None and wanted is not None and len(found) != wanted:
            raise labels_mismatch(len(found), wanted)
        return found

    def _default_name(self) -> str:
        report = self._selection.report
        return Path(report.source.location).stem if report and report.source else self._first.variant.path.stem


def _parent(out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def _zip_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.zip")


def _check_target(out: Path, data: Any) -> None:
    """Refuses to write over what is no bundle, and into the data."""
    if isinstance(data, str | Path) and out.is_relative_to(Path(data).resolve()):
        raise StorageError(
            f"{out} lies inside the data {data} and would become part of them.", fix="Choose another --out."
        )
    archive = _zip_of(out)
    if out.exists() and not _is_bundle(out):
        raise StorageError(
            f"{out} already exists and is not a bundle, or has other files in it.",
            fix="Choose another folder with --out, or remove it.",
        )
    if archive.exists() and not _is_archive(archive):
        raise StorageError(
            f"{archive} already exists and is not the zip of a bundle.",
            fix="Choose another folder with --out, or remove it.",
        )


def _is_bundle(out: Path) -> bool:
    """Whether a folder is empty, or holds a bundle and nothing else; its files may be damaged."""
    if not out.is_dir():
        return False
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    try:
        named = {entry.file for entry in read_description(out).files()} | {"bundle.json", LABELS_FILE}
    except BundleError:
        return not found
    return all(name in named or name.startswith("wrappers/") for name in found)


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "bundle.json" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _replace(folder: Path, out: Path) -> None:
    """Puts the finished folder into place; what was there stays until it is."""
    before = folder.with_name("replaced")  # removed with the temporary folder
    if out.exists():
        out.rename(before)
    try:
        folder.rename(out)
    except BaseException:
        if before.exists():
            before.rename(out)
        raise


def _write_zip(target: Path, folder: Path, made: Bundle) -> None:
    names = ["bundle.json", *([LABELS_FILE] if made.labels is not None else []), *(e.file for e in made.files())]
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)
