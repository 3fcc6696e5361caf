"""Latency on targets that measure bundles by themselves, as the app on a phone does: a bundle goes there, reports come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tflitekit.bundling import bundle
from tflitekit.core.errors import TflitekitError
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.latency.merging import merge
from tflitekit.latency.unmeasured import unmeasured
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import Constraints, Finding, Report, VariantReport
from tflitekit.targets import CheckedTarget
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import random_values
from tflitekit.tflite.variant import Variant

__all__ = ["measure_bundle"]

_SAMPLES = 8


def measure_bundle(
    rows: Sequence[VariantReport],
    able: Sequence[Variant],
    target: CheckedTarget,
    how: BenchmarkOptions,
    baseline: str | None,
    progress: Progress,
    *,
    cache: Path | None,
    strict: bool,
    data: Any,
) -> tuple[tuple[VariantReport, ...], list[Finding]]:
    """Adds what the target measured to the rows: latency, sustained load, and how golden samples came out.

    Args:
        able: The variants that can run.
        strict: Raise where nothing could be measured, instead of noting it.
        data: As of `measure_variants`.
    """
    if not able:
        return tuple(rows), []
    try:
        with temporary_folder(scratch(), "bundle-") as folder:
            refused = _bundle(able, data, folder, how.seed)
            found = target.benchmark(folder / "bundle", how, progress=progress, keep=cache)
        told = [unmeasured(row, refused[row.name]) if row.name in refused else row for row in rows]
        merged = merge(_bare(told, baseline), found.reports)
    except TflitekitError as error:
        if strict:
            raise
        text = f"Latency was not measured: {error.what}"
        return tuple(rows), [Finding(kind="latency-not-measured", message=text, advice=error.fix)]
    measured = [
        row.model_copy(update={"on_targets": (*row.on_targets, *found.checks.get(row.name, ()))})
        for row in merged.variants
    ]
    return tuple(measured), [*found.doubts, *merged.warnings]


def _bundle(able: Sequence[Variant], data: Any, folder: Path, seed: int) -> Mapping[str, TflitekitError]:
    """Writes ``bundle`` into a folder, of the variants that can be bundled.

    Returns:
        Why each of the others cannot, by name.

    Raises:
        TflitekitError: None can, or not all of them in one bundle.
    """

    def write(variants: Sequence[Variant], name: str) -> None:
        given = _random_samples(variants[0].path) if data is None else data
        bundle([v.path for v in variants], data=given, out=folder / name, samples=_SAMPLES, seed=seed)

    try:
        write(able, "bundle")
    except TflitekitError:
        refused = {}
        for number, variant in enumerate(able):
            try:
                write([variant], f"alone-{number}")
            except TflitekitError as error:
                refused[variant.name] = error
        if not refused or len(refused) == len(able):
            raise
        write([variant for variant in able if variant.name not in refused], "bundle")
        return refused
    return {}


def _bare(rows: Sequence[VariantReport], baseline: str | None) -> Report:
    """Returns a report of nothing but the rows, for reports of devices to join."""
    return Report(
        tool={},
        created="",
        machine={},
        source=None,
        dataset=None,
        contract=None,
        baseline=baseline,
        constraints=Constraints(),
        variants=tuple(rows),
        recommendation=None,
    )


def _random_samples(path: Path) -> dict[str, NDArray[Any]]:
    """Returns values from 0 to 1 for inputs that take real values, zeros for indices, by the name of the input."""
    inputs = read_graph(path).inputs
    shapes = {spec.name: (_SAMPLES, *(max(1, size) for size in spec.shape[1:])) for spec in inputs}
    return {spec.name: values for spec, values in zip(inputs, random_values(inputs, shapes), strict=True)}
