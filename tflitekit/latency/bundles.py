"""Latency on targets that measure bundles by themselves, as the app on a phone does: a bundle goes there, reports come back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tflitekit.bundling import bundle
from tflitekit.core.errors import TflitekitError
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.latency.merging import merge
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
    try:
        with temporary_folder(scratch(), "bundle-") as folder:
            files = [variant.path for variant in able]
            given = _random_samples(able[0].path) if data is None else data
            bundle(files, data=given, out=folder / "bundle", samples=_SAMPLES, seed=how.seed)
            found = target.benchmark(folder / "bundle", how, progress=progress, keep=cache)
        merged = merge(_bare(rows, baseline), found.reports)
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
    shapes = {spec.name: (_SAMPLES, *spec.shape[1:]) for spec in inputs}
    return {spec.name: values for spec, values in zip(inputs, random_values(inputs, shapes), strict=True)}
