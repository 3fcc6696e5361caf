"""The verb *benchmark*: latency and memory of variants on a target, one at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tflitekit.errors import TflitekitError, UsageError
from tflitekit.evaluation import named_variants
from tflitekit.files import hash_json, write_json
from tflitekit.progress import Progress
from tflitekit.results import Latency, Samples, VariantReport
from tflitekit.statistics import percentile
from tflitekit.targets import QUICK, BenchmarkProtocol, Run, Target, open_target
from tflitekit.variant import Variant

__all__ = ["benchmark", "measure_variants", "to_latency"]


def benchmark(
    files: Sequence[str | Path],
    *,
    threads: int = 1,
    target: str = "host",
    runs: int | None = None,
    progress: Progress | None = None,
) -> tuple[VariantReport, ...]:
    """Measures any ``.tflite`` files: initialization, first inference, steady state, peak memory.

    Args:
        files: Made by the kit or not.
        threads: Of the interpreter.
        target: Where to run.
        runs: At least this many measured runs; the protocol's when not given.

    Raises:
        ModelError: A file is damaged or the runtime refuses it.
    """
    if threads < 1:
        raise UsageError(f"The number of threads must be at least 1, not {threads}.")
    if runs is not None and runs < 1:
        raise UsageError(f"The number of runs must be at least 1, not {runs}.")
    protocol = QUICK if runs is None else QUICK.model_copy(update={"runs": runs, "name": f"quick, {runs} runs"})
    variants = named_variants(files)
    with open_target(target) as place:
        found = measure_variants(variants, place, threads=threads, protocol=protocol, progress=progress or Progress())
    rows = []
    for variant in variants:
        run = found[variant.name]
        if isinstance(run, TflitekitError):
            raise run
        rows.append(
            VariantReport.of(variant).model_copy(
                update={"latency": to_latency(run), "peak_memory_bytes": run.peak_memory_bytes}
            )
        )
    return tuple(rows)


def measure_variants(
    variants: Sequence[Variant],
    target: Target,
    *,
    threads: int,
    protocol: BenchmarkProtocol,
    progress: Progress,
    cache: Path | None = None,
) -> dict[str, Run | TflitekitError]:
    """Benchmarks every variant that can run, one after the other on a quiet machine; each result is kept at once.

    Args:
        cache: Folder for finished results; a run with the same file, target, protocol and threads takes them from there.
    """
    results: dict[str, Run | TflitekitError] = {}
    usable = [v for v in variants if v.status == "ok" and v.runnable]
    with progress.task(f"Measuring latency on {target.name}", len(usable)) as advance:
        for variant in usable:
            results[variant.name] = _measure_one(variant, usable, results, target, threads, protocol, cache)
            advance(1)
    return results


def _measure_one(
    variant: Variant,
    all_variants: Sequence[Variant],
    done: Mapping[str, Run | TflitekitError],
    target: Target,
    threads: int,
    protocol: BenchmarkProtocol,
    cache: Path | None,
) -> Run | TflitekitError:
    for other in all_variants:  # the same bytes need no second measurement
        if other.name in done and other.sha256 == variant.sha256:
            return done[other.name]
    path = None
    if cache is not None:
        parts = {"target": target.identity(), "protocol": protocol.model_dump(), "threads": threads}
        path = cache / f"latency-{hash_json(parts | {'file': variant.sha256})[:32]}.json"
    run = _load(path)
    if run is None:
        try:
            run = target.measure(variant.path, threads=threads, protocol=protocol)
        except TflitekitError as error:
            return error
        if path is not None:
            write_json(path, run.model_dump(mode="json"))
    return run


def _load(path: Path | None) -> Run | None:
    if path is None or not path.is_file():
        return None
    try:
        return Run.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return None


def to_latency(run: Run) -> Latency:
    """Derives the figures of a report from raw samples."""
    samples = run.samples_us
    return Latency(
        target=run.target,
        threads=run.threads,
        median_ms=percentile(samples, 50) / 1000,
        p90_ms=percentile(samples, 90) / 1000,
        p99_ms=percentile(samples, 99) / 1000,
        mean_ms=sum(samples) / len(samples) / 1000,
        min_ms=min(samples) / 1000,
        init_ms=run.init_us / 1000,
        first_ms=run.first_us / 1000,
        runs=len(samples),
        warmup_runs=run.warmup_runs,
        protocol=run.protocol,
        runtime=run.runtime,
        machine=run.machine,
        samples=Samples.of([samples]),
    )
