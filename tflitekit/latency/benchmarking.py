"""The verb *benchmark*: latency and memory of files on a target, measured in interleaved rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tflitekit._version import __version__
from tflitekit.accuracy.evaluation import choose_baseline, named_variants
from tflitekit.core.arguments import as_list
from tflitekit.core.errors import TflitekitError, UsageError
from tflitekit.core.files import hash_json
from tflitekit.core.machine import Load, LoadWatch, describe_machine, machine_name
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_record, write_record
from tflitekit.core.tensor import TensorSpec, shown_shape
from tflitekit.latency.bundles import measure_bundle
from tflitekit.latency.figures import to_latencies
from tflitekit.latency.interleaving import measure_interleaved
from tflitekit.latency.lints import lint_board, lint_profile, lint_session, lint_sustained, lint_variant
from tflitekit.latency.sustained import sustain
from tflitekit.latency.unmeasured import unmeasured
from tflitekit.options.base import takes
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import Constraints, Finding, Latency, OpRow, Profile, Report, VariantReport, only_here
from tflitekit.targets import AWAY, CheckedTarget, Run, Shapes, TimingTarget, open_target
from tflitekit.targets.protocols import BenchmarkProtocol, find_protocol
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant

__all__ = ["benchmark", "measure_variants"]

_DAY_S = 86_400.0
NOT_KEPT = {"noisy-machine", "budget-spent"}
"""Doubts about a measurement that the next run takes anew."""


def rules_of(how: BenchmarkOptions) -> BenchmarkProtocol:
    """Returns the protocol with what was asked for."""
    rules = find_protocol(how.protocol)
    if how.runs is None:
        return rules
    each = -(-how.runs // rules.rounds)
    return rules.model_copy(
        update={
            "round_runs": each,
            "name": f"{rules.name}, {how.runs} runs",
            "precision": None,
            "budget_s": _DAY_S,
        }
    )


@takes(BenchmarkOptions)
def benchmark(
    files: str | Path | Sequence[str | Path], *, how: BenchmarkOptions, progress: Progress | None = None
) -> Report:
    """Measures any ``.tflite`` files: initialization, first inference, steady state, peak memory.

    Args:
        files: One or several, made by the kit or not.
        progress: Receives progress.

    Returns:
        A report without accuracy and recommendation.

    Raises:
        ModelError: A file is damaged or the runtime refuses it.
        UsageError: A file leaves a size open, and ``input_shapes`` does not give it.

    Example:
        >>> report = tk.benchmark(["build/float32.tflite", "build/int8.tflite"], threads=(1, 2))
        >>> print({row.name: row.latency.value_ms for row in report.variants})
    """
    files = as_list(files)
    variants = named_variants(files)
    _check_shapes(variants, how.input_shapes)
    chosen = choose_baseline(variants, files, how.baseline)
    rows = [VariantReport.of(variant) for variant in variants]
    with open_target(how.target) as place:
        place.check(how)
        measured, findings = measure_variants(rows, variants, place, how, chosen, progress or Progress(), strict=True)
    return Report.made_now(
        source=None,
        dataset=None,
        contract=None,
        baseline=chosen,
        constraints=Constraints(),
        variants=only_here(measured),
        recommendation=None,
        warnings=tuple(findings),
    )


def _with_ops(row: VariantReport, variant: Variant) -> VariantReport:
    if variant.status != "ok":
        return row
    ops = tuple(OpRow(**asdict(op)) for op in read_graph(variant.path).ops)
    return row.model_copy(update={"ops": ops})


def measure_variants(
    rows: Sequence[VariantReport],
    variants: Sequence[Variant],
    target: CheckedTarget,
    how: BenchmarkOptions,
    baseline: str | None,
    progress: Progress,
    *,
    cache: Path | None = None,
    strict: bool = False,
    data: Any = None,
) -> tuple[tuple[VariantReport, ...], list[Finding]]:
    """Adds latency and memory to the rows of the variants that can run.

    Args:
        rows: In the order of ``variants``.
        cache: Folder for finished measurements; a run with the same files, target and protocol takes them from there.
        strict: Raise where no file can be measured, instead of noting it in the rows.
        data: Of which a target that measures bundles verifies some samples; random ones when not given.

    Returns:
        The rows, and what is doubtful about the measurement as a whole.
    """
    able = [v for v in variants if v.status == "ok" and v.runnable]
    if "measures bundles" in target.abilities:
        rows = [_with_ops(row, variant) for row, variant in zip(rows, variants, strict=True)]
        return measure_bundle(rows, able, target, how, baseline, progress, cache=cache, strict=strict, data=data)
    shapes, untold = _shapes(able, how.input_shapes)
    usable = [v for v in able if v.name in shapes]
    rows = [_with_ops(row, variant) for row, variant in zip(rows, variants, strict=True)]
    by_name = {row.name: row for row in rows}
    for name, error in untold.items():
        by_name[name] = unmeasured(by_name[name], error)
    findings: list[Finding] = []
    refused: list[TflitekitError] = []
    for threads in how.threads if usable else ():
        path = _cache_path(usable, shapes, target, threads, how, cache)
        runs, load, machine = _measure(usable, shapes, target, threads, how, progress, path)
        good = {name: run for name, run in runs.items() if isinstance(run, Run)}
        latencies = to_latencies(good, baseline, target, threads, rules_of(how))
        doubts = _doubts(rows, latencies, target, load)
        findings += doubts
        if path is not None and any(doubt.kind in NOT_KEPT for doubt in doubts):
            path.unlink(missing_ok=True)  # the next run measures anew
        refused += [run for run in runs.values() if isinstance(run, TflitekitError)]
        for name, run in runs.items():
            told = threads if len(how.threads) > 1 else None
            by_name[name] = _with_run(by_name[name], run, latencies.get(name), told).at(measured=machine)
    if strict and refused and all(by_name[v.name].latency is None for v in usable):
        raise refused[0]
    _profile(by_name, [v for v in usable if by_name[v.name].latency is not None], shapes, target, how, progress)
    if how.sustained_minutes is not None:
        jobs = {v.name: (v.path, shapes[v.name]) for v in usable if by_name[v.name].latency is not None}
        curves, doubts = sustain(jobs, target, how.sustained_minutes, how.threads[0], rules_of(how), progress)
        for name, curve in curves.items():
            by_name[name] = by_name[name].model_copy(update={"sustained": curve})
        findings += lint_sustained(list(by_name.values())) + doubts
    return tuple(by_name[row.name] for row in rows), list(dict.fromkeys(findings))


def _with_run(
    row: VariantReport, run: Run | TflitekitError, latency: Latency | None, threads: int | None
) -> VariantReport:
    """Adds one run to a row, or why there is none.

    Args:
        latency: What was derived of it; None where there is none.
        threads: As of `unmeasured`.
    """
    if isinstance(run, TflitekitError) or latency is None:
        assert isinstance(run, TflitekitError)
        return unmeasured(row, run, threads)
    if row.latency is not None:
        return row.model_copy(update={"other_latencies": (*row.other_latencies, latency)})
    lints = lint_variant(row, latency, min(load.timer_us for load in run.loads))
    return row.model_copy(
        update={
            "latency": latency,
            "peak_memory_bytes": run.facts.peak_memory_bytes,
            "arena_bytes": run.facts.arena_bytes,
            "warnings": (*row.warnings, *lints),
        }
    )


def _doubts(
    rows: Sequence[VariantReport], latencies: Mapping[str, Latency], target: CheckedTarget, load: Load
) -> list[Finding]:
    """Returns what is doubtful about one session."""
    if target.kind not in AWAY:
        return lint_session(rows, latencies, load, describe_machine())
    return lint_session(rows, latencies, Load(), {}) + (
        lint_board(target.name, latencies) if target.kind == "board" else []
    )


def _check_shapes(variants: Sequence[Variant], given: Mapping[str, Sequence[int]]) -> None:
    """Raises `UsageError` where a size is open and not told, or told and not open."""
    _, untold = _shapes(variants, given)
    if untold:
        raise next(iter(untold.values()))
    inputs = {spec.name for v in variants for spec in read_graph(v.path).open_inputs}
    for name in given:
        if name not in inputs and not (name == "" and inputs):
            fixed = "no file leaves the size of an input open" if not inputs else f"open is only {', '.join(inputs)}"
            raise UsageError(
                f"--input-shape cannot be used for '{name}': {fixed}."
                if name
                else f"--input-shape has no effect: {fixed}."
            )


def _shapes(
    variants: Sequence[Variant], given: Mapping[str, Sequence[int]]
) -> tuple[dict[str, Shapes], dict[str, TflitekitError]]:
    """Returns by variant the shapes to measure at, and what is wrong where they are not told."""
    found: dict[str, Shapes] = {}
    untold: dict[str, TflitekitError] = {}
    for variant in variants:
        graph = read_graph(variant.path)
        alone = given.get("", ()) if len(graph.open_inputs) == 1 else ()
        try:
            found[variant.name] = {
                spec.name: _shape(variant.name, spec, given.get(spec.name, alone)) for spec in graph.open_inputs
            }
        except UsageError as error:
            untold[variant.name] = error
    return found, untold


def _shape(name: str, spec: TensorSpec, given: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape of an open input with its batch."""
    wanted = spec.shape[1:]
    if not given:
        raise UsageError(
            f"{name} leaves the size of its input '{spec.name}' open ({shown_shape(wanted)} without batch), and its time and memory "
            "depend on it.",
            fix=f"Say which size to measure: --input-shape {spec.name}={','.join('224' if d < 0 else str(d) for d in wanted)} "
            "(with your own numbers).",
        )
    if len(given) != len(wanted) or any(w not in (-1, g) for w, g in zip(wanted, given, strict=True)):
        raise UsageError(
            f"The shape {shown_shape(given)} does not fit the input '{spec.name}' of {name}, which takes {shown_shape(wanted)} "
            "(both without batch)."
        )
    return (max(1, spec.shape[0]), *given)


def _cache_path(
    usable: Sequence[Variant],
    shapes: Mapping[str, Shapes],
    target: TimingTarget,
    threads: int,
    how: BenchmarkOptions,
    cache: Path | None,
) -> Path | None:
    if cache is None:
        return None
    parts = {
        "files": sorted({str(v.sha256) for v in usable}),
        "shapes": {str(v.sha256): dict(shapes[v.name]) for v in usable},
        "kit": __version__,
        "target": target.identity(),
        "protocol": rules_of(how).model_dump(),
        "threads": threads,
        "seed": how.seed,
    }
    return cache / f"latency-{hash_json(parts)[:32]}.json"


def _measure(
    usable: Sequence[Variant],
    shapes: Mapping[str, Shapes],
    target: TimingTarget,
    threads: int,
    how: BenchmarkOptions,
    progress: Progress,
    path: Path | None,
) -> tuple[dict[str, Run | TflitekitError], Load, str | None]:
    """Returns a run or an error for each file, how busy the machine was, and its name."""
    distinct = {str(v.sha256): v for v in reversed(usable)}  # the same bytes are measured once
    kept = read_record(path, _Kept) if path is not None else None
    if kept is not None and set(kept.runs) == set(distinct):
        found: tuple[Mapping[str, Run | TflitekitError], Load] = kept.runs, kept.load
        machine = kept.machine
    else:
        watch = LoadWatch()
        taken = measure_interleaved(
            {sha256: (variant.path, shapes[variant.name]) for sha256, variant in distinct.items()},
            target,
            threads=threads,
            protocol=rules_of(how),
            seed=how.seed,
            progress=progress,
            partial=path.with_suffix(f".{hash_json(machine_name())[:8]}.partial.json") if path else None,
            after_round=watch.sample,
        )
        found, machine = (taken, watch.finish()), machine_name()
        _save(path, *found)
    runs, load = found
    return {v.name: runs[str(v.sha256)] for v in usable}, load, machine


class _Kept(BaseModel):
    """Runs of an earlier benchmark of the same files, by their hashes, and how busy the machine was."""

    runs: dict[str, Run]
    load: Load
    machine: str | None = None


def _save(path: Path | None, runs: Mapping[str, Run | TflitekitError], load: Load) -> None:
    complete = {name: run.model_dump(mode="json") for name, run in runs.items() if isinstance(run, Run)}
    if path is not None and len(complete) == len(runs):
        write_record(path, {"runs": complete, "load": load._asdict(), "machine": machine_name()})


def _profile(
    rows: dict[str, VariantReport],
    usable: Sequence[Variant],
    shapes: Mapping[str, Shapes],
    target: TimingTarget,
    how: BenchmarkOptions,
    progress: Progress,
) -> None:
    if not how.profile:
        return
    with progress.task("Profiling operators", len(usable)) as advance:
        done: dict[str | None, Profile | TflitekitError] = {}
        for variant in usable:
            if variant.sha256 not in done:
                try:
                    done[variant.sha256] = target.profile(
                        variant.path, threads=how.threads[0], shapes=shapes[variant.name]
                    )
                except TflitekitError as error:
                    done[variant.sha256] = error
            found = done[variant.sha256]
            row = rows[variant.name]
            if isinstance(found, TflitekitError):
                note = Finding(kind="profile-not-measured", message=found.what, advice=found.fix)
                rows[variant.name] = row.model_copy(update={"warnings": (*row.warnings, note)})
            else:
                coarse = lint_profile(found)
                rows[variant.name] = row.model_copy(update={"profile": found, "warnings": (*row.warnings, *coarse)})
            advance(1)
