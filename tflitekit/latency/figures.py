"""From raw rounds to the figures of a report: percentiles, bootstrap intervals, ratios to the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.statistics import (
    bootstrap_interval,
    bootstrap_quantiles,
    bootstrap_weights,
    latency_verdict,
    percentile,
)
from tflitekit.results import Latency, LatencyRatio, Samples
from tflitekit.targets import Run, Target
from tflitekit.targets.protocols import BenchmarkProtocol

__all__ = ["compare_rounds", "recomputed", "to_latencies"]

_QUANTILES = {"median": 50, "p90": 90}


def to_latencies(
    runs: Mapping[str, Run], baseline: str | None, target: Target, threads: int, protocol: BenchmarkProtocol
) -> dict[str, Latency]:
    """Derives the figures of all files of one session."""
    return {
        name: _latency(run, target, threads, protocol).model_copy(
            update={"ratio": _ratio(runs, name, baseline, protocol.statistic)}
        )
        for name, run in runs.items()
    }


def _latency(run: Run, target: Target, threads: int, protocol: BenchmarkProtocol) -> Latency:
    rounds = run.rounds.rounds()
    deciding, q = _deciding(run, protocol.statistic)
    return Latency(
        target=target.name,
        target_kind=target.kind,
        good_for=target.good_for,
        threads=threads,
        protocol=protocol.name,
        statistic=protocol.statistic,
        **_figures(rounds, deciding, q, run.rounds.processes),
        throughput_per_s=_throughputs(run) if protocol.statistic == "throughput" else (),
        init_ms=float(np.median([load.init_us for load in run.loads])) / 1e3,
        first_ms=float(np.median([load.first_us for load in run.loads])) / 1e3,
        input_us=run.facts.input_us,
        output_us=run.facts.output_us,
        harness_us=float(np.median([load.harness_us for load in run.loads])),
        runs=sum(map(len, rounds)),
        rounds=len(rounds),
        warmup_runs=run.warmup_runs,
        stopped_by=cast(Literal["precision", "budget", "protocol"], run.stopped_by),
        input_shapes=dict(run.input_shapes),
        runtime=target.identity().get("runtime", "unknown"),
        machine=target.identity(),
        accelerator=run.facts.accelerator,
        conditions=run.facts.conditions,
        samples=Samples.of(rounds, run.rounds.processes),
    )


def _figures(
    rounds: Sequence[NDArray[np.float64]],
    deciding: Sequence[NDArray[np.float64]],
    q: float,
    processes: Sequence[int],
) -> dict[str, float | None]:
    """Returns the fields of `Latency` that the samples determine."""
    pooled = np.concatenate(rounds)
    weights = bootstrap_weights(processes)
    median = bootstrap_interval(bootstrap_quantiles(rounds, weights), processes)
    value = bootstrap_interval(bootstrap_quantiles(deciding, weights, q), processes)
    several = len(rounds) > 1
    return {
        "median_ms": percentile(pooled, 50) / 1e3,
        "median_low_ms": median.low / 1e3 if several else None,
        "median_high_ms": median.high / 1e3 if several else None,
        "p90_ms": percentile(pooled, 90) / 1e3,
        "p99_ms": percentile(pooled, 99) / 1e3,
        "mean_ms": float(pooled.mean()) / 1e3,
        "min_ms": float(pooled.min()) / 1e3,
        "value_ms": percentile(np.concatenate(deciding), q) / 1e3,
        "low_ms": value.low / 1e3 if several else None,
        "high_ms": value.high / 1e3 if several else None,
    }


def recomputed(latency: Latency, baseline: Latency | None, name: str | None) -> Latency:
    """Derives all figures of a benchmark that was taken elsewhere from its raw samples.

    Args:
        latency: With samples, and a median or a p90 that decides.
        baseline: The baseline's, of the same session; None for the baseline itself, or where it was not measured.
        name: The baseline's name.
    """
    assert latency.samples is not None
    q = _QUANTILES[latency.statistic]
    rounds = latency.samples.rounds()
    processes = latency.samples.processes or tuple(range(len(rounds)))
    ratio = None
    if baseline is not None and baseline.samples is not None and name is not None:
        ratio = compare_rounds(rounds, baseline.samples.rounds(), processes, q=q, baseline=name)
    counted = {"rounds": len(rounds), "throughput_per_s": (), "ratio": ratio}
    if latency.samples.kept_every == 1:
        counted["runs"] = sum(map(len, rounds))
    return latency.model_copy(update=_figures(rounds, rounds, q, processes) | counted)


def _throughputs(run: Run) -> tuple[float, ...]:
    return tuple(size / window for size, window in zip(run.rounds.round_sizes, run.windows_s, strict=True))


def _deciding(run: Run, statistic: str) -> tuple[list[NDArray[np.float64]], float]:
    """Returns the rounds and the percentile that the protocol decides by; a throughput is one time a window."""
    if statistic == "throughput":
        return [np.asarray([1e6 / rate]) for rate in _throughputs(run)], 50
    return run.rounds.rounds(), _QUANTILES[statistic]


def _ratio(runs: Mapping[str, Run], name: str, baseline: str | None, statistic: str) -> LatencyRatio | None:
    if baseline is None or name == baseline or baseline not in runs:
        return None
    own, q = _deciding(runs[name], statistic)
    others, _ = _deciding(runs[baseline], statistic)
    if runs[name] is runs[baseline]:  # the same file under two names was measured once
        return LatencyRatio(baseline=baseline, value=1.0, low=1.0, high=1.0, verdict="tie")
    return compare_rounds(own, others, runs[name].rounds.processes, q=q, baseline=baseline)


def compare_rounds(
    own: Sequence[NDArray[np.float64]],
    others: Sequence[NDArray[np.float64]],
    processes: Sequence[int],
    *,
    q: float = 50,
    baseline: str,
) -> LatencyRatio:
    """Compares two files that ran in the same rounds: the ratio of their percentiles, its interval paired by round."""
    count = min(len(own), len(others))
    own, others, weights = own[:count], others[:count], bootstrap_weights(processes[:count])
    ratios = bootstrap_quantiles(own, weights, q) / bootstrap_quantiles(others, weights, q)
    low, high = bootstrap_interval(ratios, processes[:count])
    value = percentile(np.concatenate(own), q) / percentile(np.concatenate(others), q)
    return LatencyRatio(baseline=baseline, value=value, low=low, high=high, verdict=latency_verdict(low, high))
