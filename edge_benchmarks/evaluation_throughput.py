"""Evaluation throughput beside the interpreter's own: how much of cores x single-thread `invoke()` arrives.

    python -m edge_benchmarks.evaluation_throughput FILE.tflite ... --data TEST [--rounds 3]

For each round, in one process: the single-thread rate of bare `invoke()` over all files, then the kit's evaluation of all
files with decoding, scoring and statistics. 100 % is every core invoking all the time. Beside it stands how much of the processor time
of all processes of the evaluation was that of its own `invoke()` calls, which other programs on the machine change little.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.accuracy.evaluation import evaluate_variants
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import open_dataset
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.variant import load_variant


def invoke_seconds(path: Path, least_s: float = 1.0) -> float:
    """Returns the mean processor time of one bare `invoke()` on one thread, which is its time where nothing else runs."""
    model = Model(path)
    model.set_inputs([np.zeros([max(1, d) for d in spec.shape], np.float32) for spec in model.inputs])
    for _ in range(5):
        model.invoke()
    start, count = time.thread_time(), 0
    while time.thread_time() - start < least_s:
        model.invoke()
        count += 1
    return (time.thread_time() - start) / count


@contextmanager
def counted_invokes() -> Iterator[Any]:
    """Gives the processor seconds that all processes spend in `Model.invoke()` meanwhile, as ``value``."""
    spent, plain = multiprocessing.get_context("fork").Value("d", 0.0), Model.invoke

    def invoke(self: Model) -> None:
        start = time.thread_time()
        plain(self)
        with spent.get_lock():
            spent.value += time.thread_time() - start

    Model.invoke = invoke  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        Model.invoke = plain  # type: ignore[method-assign]


def processor_seconds() -> tuple[float, float]:
    """Returns the processor time of this process, and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def measure(files: Sequence[Path], data: str, limit: int | None, rounds: int) -> None:
    """Prints each round, and the medians of the shares."""
    cores = os.cpu_count() or 1
    opened = [load_variant(path)[0] for path in files]
    shares, parts = [], []
    for _ in range(rounds):
        invokes_s = sum(invoke_seconds(path) for path in files)
        dataset = open_dataset(data, limit=limit)
        start, before = time.perf_counter(), processor_seconds()
        with counted_invokes() as spent:
            found = evaluate_variants(
                opened,
                dataset,
                EvaluateOptions(baseline=opened[0].name),
                progress=Progress(),
                advise=False,
            )
        elapsed_s = time.perf_counter() - start
        own_s, workers_s = (now - then for now, then in zip(processor_seconds(), before, strict=True))
        shares.append(found.dataset.samples * invokes_s / (elapsed_s * cores))
        parts.append(spent.value / (own_s + workers_s))
        print(
            f"{found.dataset.samples} images x {len(opened)} files in {elapsed_s:.2f} s; "
            f"bare invoke() {invokes_s * 1e3:.3f} ms on one thread; {shares[-1]:.1%} of {cores} cores; "
            f"processor time {workers_s:.2f} s in workers and {own_s:.2f} s beside, {parts[-1]:.1%} of it invoke()",
            flush=True,
        )
    print(f"median {statistics.median(shares):.1%} of {cores} cores, {statistics.median(parts):.1%} of processor time")


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
