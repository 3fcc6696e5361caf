"""Which variants a bundle takes: from a report, or files by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tflitekit.core.errors import BundleError, ModelError, UsageError
from tflitekit.core.files import is_file
from tflitekit.core.tensor import shown_shape
from tflitekit.data.contract import Contract
from tflitekit.data.dataset import Dataset
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.results import Report, VariantReport, read_report
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.variant import Variant, load_variant, with_stored_pixels

__all__ = ["Chosen", "Selection", "select"]


@dataclass(frozen=True)
class Chosen:
    """A variant that goes into the bundle, and its row where a report has one.

    Attributes:
        stem: Its name as part of a file's name.
    """

    name: str
    stem: str
    variant: Variant
    graph: Graph
    row: VariantReport | None

    @property
    def contract(self) -> Contract:
        assert self.variant.contract is not None
        return self.variant.contract


@dataclass(frozen=True)
class Selection:
    """What a bundle is made of."""

    variants: tuple[Chosen, ...]
    recommended: str
    report: Report | None

    @property
    def recommended_variant(self) -> Chosen:
        """The recommended variant."""
        return next(chosen for chosen in self.variants if chosen.name == self.recommended)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The labels of the contract, else the class names that the report's accuracy belongs to."""
        return self.variants[0].contract.labels or _classes_measured(self.report)

    def with_stored_pixels(self, dataset: Dataset) -> Selection:
        """Feeds foreign files of which no preprocessing is known as apps do (see `tflitekit.tflite.variant.with_stored_pixels`)."""
        chosen = tuple(replace(c, variant=with_stored_pixels(c.variant, dataset)) for c in self.variants)
        _same_model(chosen)
        return replace(self, variants=chosen)


def select(
    sources: Sequence[str | Path],
    *,
    variants: Sequence[str] | None,
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
) -> Selection:
    """Finds the files of a bundle.

    Args:
        sources: One ``report.json`` (or its folder), or ``.tflite`` files.
        variants: Names from the report, or 'all'; the recommended one when not given.

    Raises:
        UsageError: The sources are mixed, or names are given for files.
        ModelError: A file is missing, damaged or not the one that was measured.
        BundleError: A variant cannot be shipped.
    """
    paths = [Path(source) for source in sources]
    files = [path for path in paths if path.suffix.lower() == ".tflite"]
    if files and len(files) != len(paths):
        raise UsageError(
            "A report and .tflite files cannot be bundled together.", fix="Give one report, or only files."
        )
    if files:
        if variants:
            raise UsageError(
                "--variant names variants of a report.", fix="With .tflite files, give only those you want."
            )
        return _from_files(files, preprocessing, labels)
    if len(paths) != 1:
        raise UsageError(f"A bundle is made from one report, not from {len(paths)}.", fix="Give one report.json.")
    return _from_report(paths[0], variants, preprocessing, labels)


def _from_files(
    files: Sequence[Path], preprocessing: Preprocessing | None, labels: tuple[str, ...] | None
) -> Selection:
    chosen: list[Chosen] = []
    for path in files:
        variant, graph = load_variant(path, preprocessing=preprocessing, labels=labels)
        chosen.append(_checked(variant, graph, None))
    _same_model(chosen)
    return Selection(tuple(chosen), chosen[0].name, None)


def _from_report(
    path: Path,
    variants: Sequence[str] | None,
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
) -> Selection:
    report = read_report(path)
    folder = path if path.is_dir() else path.parent
    _check_contract(report, preprocessing, labels)
    recommended = report.recommendation.chosen if report.recommendation else None
    names = _names(report, variants, recommended)
    chosen = []
    for name in names:
        row = report.variant(name)
        if row.status != "ok" or row.file is None:
            raise BundleError(
                f"The variant '{name}' was not converted: it {row.status}.",
                why=row.error,
                fix="Name another with --variant.",
            )
        file = folder / row.file
        if not is_file(file):
            raise ModelError(
                f"There is no file {file}, which the report names.",
                fix="Give a report that has its files beside it, or run 'tflitekit optimize' again.",
            )
        variant, graph = load_variant(file, preprocessing=preprocessing or _reported(report), labels=labels)
        if variant.sha256 != row.sha256:
            raise ModelError(
                f"{file} is not the file that the report measured: its content has changed.",
                fix="Run 'tflitekit optimize' again, or give the file that belongs to the report.",
            )
        chosen.append(_checked(variant.model_copy(update={"name": name}), graph, row))
    _same_model(chosen)
    return Selection(tuple(chosen), recommended if recommended in names else names[0], report)


def _check_contract(report: Report, preprocessing: Preprocessing | None, labels: tuple[str, ...] | None) -> None:
    """Refuses a contract under which the report's accuracies were not measured."""
    reported = _reported(report)
    what = None
    if preprocessing is not None and reported is not None and preprocessing != reported:
        what = f"preprocessing '{reported.name}'"
    known = (report.contract.labels if report.contract else None) or _classes_measured(report)
    if labels is not None and known is not None and labels != known:
        what = f"the labels {', '.join(known[:5])}{', ...' if len(known) > 5 else ''}"
    if what is not None:
        raise BundleError(
            f"The report was measured with {what}, but the bundle would have others.",
            why="Its accuracies would not hold for what an app runs.",
            fix="Run 'tflitekit optimize' with them, or bundle the .tflite files instead of the report.",
        )


def _classes_measured(report: Report | None) -> tuple[str, ...] | None:
    return report.dataset.classes if report and report.dataset else None


def _reported(report: Report) -> Preprocessing | None:
    return report.contract.preprocessing if report.contract else None


def _names(report: Report, variants: Sequence[str] | None, recommended: str | None) -> list[str]:
    usable = [v.name for v in report.variants if v.status == "ok"]
    if variants is None:
        if recommended is None:
            raise BundleError(
                "The report recommends no variant, so none is chosen automatically.",
                fix=f"Name one or more with --variant: {', '.join(usable)}.",
            )
        return [recommended]
    if "all" in variants:
        if not usable:
            raise BundleError("The report has no converted variant.", fix="Its errors say why.")
        return usable
    if not variants:
        raise UsageError("No variant was named.", fix=f"Give one or more with --variant: {', '.join(usable)}.")
    known = [v.name for v in report.variants]
    for name in variants:
        if name not in known:
            raise BundleError(f"The report has no variant '{name}'.", fix=f"It has {', '.join(known)}.")
    return list(dict.fromkeys(variants))


def _checked(variant: Variant, graph: Graph, row: VariantReport | None) -> Chosen:
    if graph.select_tf_ops:
        raise BundleError(
            f"The variant '{variant.name}' needs the TensorFlow operators {', '.join(graph.select_tf_ops)}.",
            why="An app's runtime lacks them, and this host cannot run them for the golden samples.",
            fix="Convert without --allow-select-tf-ops, or leave the variant out.",
        )
    if graph.keeps_state and not graph.resettable:
        raise BundleError(
            f"The variant '{variant.name}' keeps values between inferences in variables.",
            why="The runtime cannot reset them, so an answer would depend on earlier samples.",
            fix="Export the model without them: in Keras, recurrent layers with stateful=False.",
        )
    for spec in graph.inputs:
        if not spec.shape or spec.shape[0] not in (1, -1):
            raise BundleError(
                f"The variant '{variant.name}' takes batches: its input '{spec.name}' has the shape {list(spec.shape)}.",
                why="An app runs one sample at a time.",
                fix="Convert with --batch 1.",
            )
    for spec in graph.open_inputs:
        raise BundleError(
            f"The variant '{variant.name}' leaves the size of its input '{spec.name}' open ({shown_shape(spec.shape)}).",
            why="The app and the golden samples need one size, and latency depends on it.",
            fix=f"Convert with a fixed size: --input-shape {spec.name}=...",
        )
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", variant.name).strip(".") or "model"
    return Chosen(variant.name, stem, variant, graph, row)


def _same_model(chosen: Sequence[Chosen]) -> None:
    """Refuses files that one set of samples cannot serve."""
    for attribute in ("name", "stem"):
        values = [getattr(c, attribute) for c in chosen]
        double = next((v for v in values if values.count(v) > 1), None)
        if double is not None:
            raise UsageError(f"Two variants have the name '{double}'.", fix="Rename one of the files.")
    first = chosen[0]
    for other in chosen[1:]:
        if [s.shape[1:] for s in other.graph.inputs] != [s.shape[1:] for s in first.graph.inputs]:
            raise BundleError(
                f"'{other.name}' and '{first.name}' take inputs of different shapes.",
                fix="Bundle only variants of the same model, and make one bundle per model.",
            )
        answers = [(c.contract.outputs[0].shape, c.contract.output_meaning) for c in (other, first)]
        if answers[0] != answers[1]:
            raise BundleError(
                f"'{other.name}' and '{first.name}' answer differently: {answers[0][1]} of the shape "
                f"{list(answers[0][0])}, and {answers[1][1]} of the shape {list(answers[1][0])}.",
                fix="Bundle only variants of the same model, and make one bundle per model.",
            )
        if other.contract.preprocessing != first.contract.preprocessing:
            raise BundleError(
                f"'{other.name}' and '{first.name}' were made for different preprocessing.",
                fix="Give the right one for all with --preprocess.",
            )
