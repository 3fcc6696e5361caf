"""Evaluation throughput beside the interpreter's own: how much of cores x single-thread `invoke()` arrives.

    python -m edge_benchmarks.evaluation_throughput FILE.tflite ... --data TEST [--rounds 3]

For each round, in one process: the single-thread rate of bare `invoke()` over all files, then the kit's evaluation of all
files with decoding, scoring and statistics. 100 % is every core invoking all the time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tflitekit.accuracy.evaluation import evaluate_variants
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import open_dataset
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.variant import load_variant


def invoke_seconds(path: Path, least_s: float = 1.0) -> float:
    """Returns the mean time of one bare `invoke()` on one thread."""
    model = Model(path)
    model.set_inputs([np.zeros([max(1, d) for d in spec.shape], np.float32) for spec in model.inputs])
    for _ in range(5):
        model.invoke()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < least_s:
        model.invoke()
        count += 1
    return (time.perf_counter() - start) / count


def measure(files: Sequence[Path], data: str, limit: int | None, rounds: int) -> None:
    """Prints each round, and the median of the shares."""
    cores = os.cpu_count() or 1
    opened = [load_variant(path)[0] for path in files]
    shares = []
    for _ in range(rounds):
        invokes_s = sum(invoke_seconds(path) for path in files)
        dataset = open_dataset(data, limit=limit)
        start = time.perf_counter()
        found = evaluate_variants(
            opened,
            dataset,
            EvaluateOptions(baseline=opened[0].name),
            progress=Progress(),
            advise=False,
        )
        elapsed_s = time.perf_counter() - start
        shares.append(found.dataset.samples * invokes_s / (elapsed_s * cores))
        print(
            f"{found.dataset.samples} images x {len(opened)} files in {elapsed_s:.2f} s; "
            f"bare invoke() {invokes_s * 1e3:.3f} ms on one thread; {shares[-1]:.1%} of {cores} cores",
            flush=True,
        )
    print(f"median {statistics.median(shares):.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.files, arguments.data, arguments.limit, arguments.rounds)


if __name__ == "__main__":
    main()
