"""Writes the files of one bundle."""

from __future__ import annotations

from pathlib import Path

from tflitekit.accuracy.metrics.classification import takes_classes
from tflitekit.bundling.contents import (
    LABELS_FILE,
    Bundle,
    BundledVariant,
    DataOrigin,
    SourceOrigin,
    Task,
    Tolerances,
    class_count,
    labels_file,
)
from tflitekit.bundling.decoding import choose_decoding
from tflitekit.bundling.golden import GoldenRun, Recording, find_input_kind, record
from tflitekit.bundling.metadata import with_metadata
from tflitekit.bundling.selection import Chosen, Selection
from tflitekit.core.files import content_hash, write_json, write_whole
from tflitekit.core.progress import Progress
from tflitekit.data.contract import labels_mismatch
from tflitekit.data.dataset import Dataset
from tflitekit.data.sound_format import check_same_rate
from tflitekit.tasks.interface import Interface
from tflitekit.tflite.variant import tool_versions

__all__ = ["TOP_K", "Assembly"]

TOP_K = 5


class Assembly:
    """Writes one bundle into an empty folder."""

    def __init__(
        self, selection: Selection, dataset: Dataset, folder: Path, seed: int, progress: Progress, reader: str | None
    ) -> None:
        self._selection, self._dataset, self._folder = selection, dataset, folder
        self._seed, self._progress = seed, progress
        self._first = selection.variants[0]
        asked = self._first.contract.sound
        check_same_rate(
            {f"what {selection.variants[0].variant.name} was made for": asked, dataset.location: dataset.sound}
        )
        self._sound = asked or dataset.sound
        self._input_kind = find_input_kind(dataset, self._first.graph, self._first.contract.preprocessing)
        self._decoding = choose_decoding(selection, dataset, reader)
        self._task = self._decoding.task if self._decoding else self._choose_task()
        self._labels = self._choose_labels()

    def write(self, name: str | None) -> Bundle:
        """Writes all files of the bundle but the wrappers; ``name`` instead of the source model's."""
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
            open=self._decoding.reader if self._decoding else None,
        )
        with self._progress.task("Recording golden samples", self._dataset.size) as advance:
            recorded = record(runs, self._dataset, how, seed=self._seed, advance=advance)
        report = self._selection.report
        made = Bundle(
            schema_version=2 if self._decoding else 1,
            reader=self._decoding.description if self._decoding else None,
            tool=tool_versions(),
            name=name,
            input_kind=self._input_kind,
            task=self._task,
            recommended=self._selection.recommended,
            baseline=report.baseline if report else None,
            preprocessing=contract.preprocessing,
            sound=self._sound,
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
        elif row is not None and row.likeness is not None and row.likeness.metric == "agreement":
            classes = True
        elif sample is not None and sample.label is not None:
            classes = takes_classes(self._dataset, Interface((), (spec,)))
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
