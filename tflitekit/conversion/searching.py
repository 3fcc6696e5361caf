"""What the schemes that search judge candidates on: never what is evaluated on."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.conversion.spec import ConversionSpec
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.process.crew import Pool
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import CalibrationSet, store_calibration
from tflitekit.data.dataset import Dataset, InputPipeline, Selection, UnreadableSampleError, open_dataset
from tflitekit.data.facts import input_facts
from tflitekit.data.samples import same_place
from tflitekit.options.convert import ConvertOptions
from tflitekit.schemes import Request
from tflitekit.search import Clock, Found, Search, Selected, Setting
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.variant import Variant

__all__ = ["refuse_without_clock", "search_key", "search_variant", "searches_by_latency", "select"]

_FEWEST = 100
"""Fewer further samples than this say less than those that were calibrated on."""
_MOST, _MOST_BYTES = 5000, 1 << 30
_SHARED = 0.01
"""As `tflitekit.accuracy.lints.calibration` has it: a few duplicates are in many published data sets."""


def select(
    spec: ConversionSpec,
    options: ConvertOptions,
    calibration: CalibrationSet,
    data: Dataset,
    source: PreparedSource,
    work: Path,
    progress: Progress,
) -> Selected | None:
    """Prepares the samples that candidates are judged on; None where no scheme searches.

    Those of ``--search-data``; else further ones of the calibration data; else, where there are too few of these, the
    calibration samples themselves.

    Raises:
        DataError: They are among the evaluation data.
    """
    if not any(request.scheme.search for request in spec.requests):
        return None
    most = options.search_samples or _most(source)
    chosen = _given(spec, options, most) if options.search_data is not None else _further(spec, options, data, most)
    if chosen is None:
        selected = Selected(calibration, data.location, True)
    else:
        samples = store_calibration(chosen, source.inputs, spec.preprocessing, work / "selection", progress)
        selected = Selected(samples, chosen.location, False)
    if spec.evaluation is not None:
        _refuse_shared(selected, spec.evaluation, InputPipeline(source.inputs, spec.preprocessing))
    return selected


def search_key(spec: ConversionSpec, options: ConvertOptions, selected: Selected | None, whole: bool) -> dict[str, Any]:
    """Returns what the result of a search depends on, beside the model, the scheme and the calibration.

    Args:
        whole: Else what its candidates depend on: neither the budget nor the limits, so that a search goes on with others where it was.
    """
    budget = options.search_budget
    return {
        "by_agreement": spec.limits.by_agreement,
        "limits": asdict(spec.limits) if whole else None,
        "clock": _identity(spec) if whole else None,
        "budget": budget.model_dump(mode="json") if budget and whole else None,
        "samples": selected.samples.sha256 if selected else None,
        "labels": selected.labels if selected else None,
    }


def _identity(spec: ConversionSpec) -> dict[str, Any] | None:
    clock = spec.clock
    if clock is None:
        return None
    return {"target": clock.target.identity(), "threads": clock.threads, "limit_ms": clock.limit_ms}


def searches_by_latency(request: Request) -> bool:
    """Whether a scheme looks for the fastest file, which only the target tells."""
    return request.scheme.search is not None and request.options.get("minimize") == "latency"


def refuse_without_clock(requests: Sequence[Request], clock: Clock | None) -> None:
    """Raises `UsageError` where the fastest file is asked for, and nothing is known that tells what is fast."""
    for request in requests:
        if searches_by_latency(request) and clock is None:
            raise UsageError(
                f"{request.scheme.name}:minimize=latency needs to measure where the model will run.",
                why="Only latency of the hardware that --deploy-on names counts, which this host's is not for a phone; 'convert' measures nothing, "
                "and an app on a phone measures only what is finished.",
                fix="Use 'tflitekit optimize' with --deploy-on host if it will run on this machine, or with a --target that is of that hardware and "
                "has a profiler; else minimize=size, and measure the file there.",
            )


def search_variant(
    setting: Setting,
    key: str,
    submit: Callable[[Found, str], Future[Any]],
    pool: Pool,
    progress: Progress,
) -> Variant:
    """Searches for a file; the best so far lies in its place, for when the search is stopped.

    Args:
        key: Of the finished variant. What is not finished has none, so that the next run goes on.
        submit: Has a worker make a variant of what was found.

    Raises:
        TflitekitError: Nothing was found, or what was found does not keep the scheme's promise.
    """

    def publish(found: Found, key: str = "") -> Variant:
        return Variant.model_validate(wait_for(submit(found, key)))

    _remove_others(setting.folder)
    found = Search(setting, pool, progress, publish).run()
    variant = publish(found, key)
    if found.record.ended == "finished":
        shutil.rmtree(setting.folder, ignore_errors=True)
    return variant


def _remove_others(folder: Path) -> None:
    """Removes what earlier searches for the same variant left that were stopped, on other data or of another model."""
    start = folder.name.rpartition("-")[0]
    for other in folder.parent.glob(f"{glob.escape(start)}-{'[0-9a-f]' * 16}"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _most(source: PreparedSource) -> int:
    """Returns how many samples are judged on where that is not told."""
    each = sum(4 * prod(max(1, size) for size in spec.shape[1:]) for spec in source.inputs)  # bytes
    return int(np.clip(_MOST_BYTES // max(1, each), _FEWEST, _MOST))


def _given(spec: ConversionSpec, options: ConvertOptions, most: int) -> Dataset:
    return open_dataset(options.search_data, labels=spec.labels, limit=most, seed=options.seed, need_labels=False)


def _further(spec: ConversionSpec, options: ConvertOptions, data: Dataset, most: int) -> Dataset | None:
    """Returns samples of the calibration data that are not calibrated on; None where there are too few."""
    limit = options.calibration_limit + most
    where: Any = spec.calibration if spec.calibration is not None else data
    more = open_dataset(where, labels=spec.labels, limit=limit, seed=options.seed, need_labels=False)
    taken = {sample.key for sample in data}
    rest = [position for position, sample in enumerate(more) if sample.key not in taken]
    return Selection(more, rest[:most]) if len(rest) >= _FEWEST else None


def _refuse_shared(selected: Selected, evaluation: Dataset, pipeline: InputPipeline) -> None:
    inputs = selected.samples.inputs
    assert inputs is not None
    content = np.unique(inputs.facts["content"])
    shared = len(content)
    if not same_place(selected.location, evaluation.location):
        found = []
        for sample in evaluation:
            try:
                found.append(input_facts([pipeline.prepare(sample.read(), sample.key)])["content"])
            except UnreadableSampleError:
                continue
        shared = int(np.isin(content, np.concatenate(found)).sum()) if found else 0
    if shared > _SHARED * len(content):
        raise DataError(
            f"The search would choose by what is evaluated: {shared:,} of the {len(content):,} samples of {selected.location} "
            f"that candidates are judged on are in the evaluation data {evaluation.location} too.",
            why="The best of many candidates looks better on the data that it was chosen on than it is.",
            fix="Give other data with --search-data or --calibration, such as a part of the training data.",
        )
