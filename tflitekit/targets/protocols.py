"""Named benchmark protocols: how long to warm up, how much to measure, which figure decides."""

from __future__ import annotations

import math
import os
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import UsageError

__all__ = ["BUDGET_VARIABLE", "PROTOCOLS", "BenchmarkProtocol", "find_protocol"]


class BenchmarkProtocol(BaseModel):
    """How one benchmark is taken, in interleaved rounds over all files.

    A round is at least ``round_runs`` **and** ``round_s`` of `invoke()` for one file. Protocols that name a precision go on
    until the 95 % interval of every median is narrower than that share of it; the others take ``rounds`` rounds.

    Attributes:
        name: Part of every result; results of different protocols are not compared.
        statistic: The figure that decides.
        warmup_runs: At least this many **and** ``warmup_s`` before a fresh process measures.
        rewarm_runs: Unmeasured runs at the start of each further round, because others ran in between.
        rounds: How many are taken; at least, where there is a precision.
        rounds_per_process: After so many rounds each file gets a fresh process, so that the luck of one
            process's memory layout is in the interval (T. Mytkowicz et al., 'Producing wrong data without doing
            anything obviously wrong!', ASPLOS 2009); None keeps the process.
        precision: Width of the interval over the median; None takes ``rounds`` rounds.
        budget_s: Seconds a file, warm-up and all, after which no further round starts.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    statistic: Literal["median", "p90", "throughput"] = "median"
    warmup_runs: int
    warmup_s: float
    rewarm_runs: int = 1
    round_runs: int
    round_s: float
    rounds: int
    rounds_per_process: int | None = None
    precision: float | None = None
    budget_s: float


BUDGET_VARIABLE = "TFLITEKIT_QUICK_BUDGET_S"


def _quick_budget_s() -> float:
    """Seconds that ``quick`` may take for a file: on a busy CI machine it would spend ten on each, to be no more certain."""
    text = os.environ.get(BUDGET_VARIABLE, "10")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f"{BUDGET_VARIABLE} is '{text}'.", why="It must be a number of seconds above 0.")
    return seconds


PROTOCOLS: dict[str, BenchmarkProtocol] = {
    protocol.name: protocol
    for protocol in (
        BenchmarkProtocol(
            name="quick",
            summary=f"until the interval of every median is narrower than 2 %, at most {_quick_budget_s():g} s per file",
            warmup_runs=3,
            warmup_s=0.02,
            round_runs=7,
            round_s=0.02,
            rounds=15,
            rounds_per_process=3,
            precision=0.02,
            budget_s=_quick_budget_s(),
        ),
        # TensorFlow Lite's benchmark_model: warm-up of 1 run and 0.5 s, then 50 runs and 1 s, at most 150 s a file.
        BenchmarkProtocol(
            name="benchmark-model",
            summary="TensorFlow Lite's own: at least 50 runs and 1 s after 0.5 s of warm-up",
            warmup_runs=1,
            warmup_s=0.5,
            round_runs=5,
            round_s=0.1,
            rounds=10,
            budget_s=150,
        ),
        # MLPerf Mobile, single stream: at least 1,024 queries and 60 s, the 90th percentile.
        BenchmarkProtocol(
            name="mlperf-mobile",
            summary="MLPerf Mobile single stream: at least 1,024 queries and 60 s per file, p90",
            statistic="p90",
            warmup_runs=5,
            warmup_s=0.5,
            round_runs=64,
            round_s=3.75,
            rounds=16,
            budget_s=86_400,
        ),
        # MLPerf Tiny: five windows of at least 10 s after a warm-up, the median of their throughputs.
        BenchmarkProtocol(
            name="mlperf-tiny",
            summary="MLPerf Tiny: five windows of at least 10 s per file, median of the throughputs",
            statistic="throughput",
            warmup_runs=10,
            warmup_s=0.5,
            rewarm_runs=10,
            round_runs=10,
            round_s=10.0,
            rounds=5,
            budget_s=86_400,
        ),
    )
}


def find_protocol(name: str) -> BenchmarkProtocol:
    """Returns a protocol by name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"There is no benchmark protocol '{name}'.", fix=f"Choose from: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
