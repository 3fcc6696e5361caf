"""`tflitekit history` and `tflitekit index` on a store of a thousand reports: medians of fresh processes, with Python's start.

python -m edge_benchmarks.store_speed REPORT [--reports 1000] [--models 10] [--store FOLDER_OR_URL ...]

REPORT is a real one; the others are made of it. Accuracies, sizes and latencies vary, and those of every second model shift once.
On a machine that others use, processor time says more than the clock.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from edge_benchmarks.startup import run_s
from tflitekit.results import Report, VariantReport, read_report
from tflitekit.store import open_store

VARIANTS = 8
START = datetime(2026, 1, 1, tzinfo=UTC)


def vary(report: Report, count: int, models: int) -> Iterator[Report]:
    """Yields valid reports of several models in turns, each with `VARIANTS` variants."""
    generator = np.random.default_rng(0)
    rows = [row for row in report.variants if row.status == "ok" and row.accuracy is not None]
    rows = [
        rows[i % len(rows)].model_copy(
            update={"name": rows[i].name if i < len(rows) else f"{rows[i % len(rows)].name}-{i}"}
        )
        for i in range(VARIANTS)
    ]
    for number in range(count):
        model, turn = number % models, number // models
        shifted = model % 2 == 0 and turn >= count // models * 0.6
        name = f"model-{model}.keras"
        yield report.model_copy(
            update={
                "created": (START + timedelta(hours=6 * number)).isoformat(),
                "source": report.source.model_copy(update={"location": f"models/{name}"}) if report.source else None,
                "variants": tuple(_varied(row, generator, shifted=shifted) for row in rows),
            }
        )


def _varied(row: VariantReport, generator: np.random.Generator, *, shifted: bool) -> VariantReport:
    assert row.accuracy is not None
    n = row.accuracy.n
    hits = generator.random(n) < (0.86 if shifted else 0.9)
    value = float(hits.mean())
    latency = row.latency
    if latency is not None:
        factor = float(generator.lognormal(0, 0.04)) * (1.15 if shifted else 1)
        names = ("median_ms", "median_low_ms", "median_high_ms", "value_ms", "low_ms", "high_ms", "p90_ms")
        known = {name: getattr(latency, name) for name in names}
        latency = latency.model_copy(update={name: v * factor for name, v in known.items() if v is not None})
    return row.model_copy(
        update={
            "accuracy": row.accuracy.model_copy(
                update={"value": value, "low": value - 0.05, "high": min(1.0, value + 0.05)}
            ),
            "hits": base64.b64encode(np.packbits(hits).tobytes()).decode() if row.hits is not None else None,
            "size_bytes": None if row.size_bytes is None else row.size_bytes + (2048 if shifted else 0),
            "latency": latency,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--store", action="append", default=[], metavar="STORE")
    arguments = parser.parse_args()
    report = read_report(arguments.report)
    with tempfile.TemporaryDirectory() as folder:
        for store in arguments.store or [f"{folder}/store", f"sqlite:///{folder}/store.db"]:
            home, start = open_store(store), time.perf_counter()
            for number, made in enumerate(vary(report, arguments.reports, arguments.models)):
                home.add(made, commit=f"{number:040x}")
            took = time.perf_counter() - start
            print(f"{home.name}: {arguments.reports} reports added in {took:.1f} s")
            pages = ["--out", f"{folder}/page.html"]
            commands = {
                "history": ["history"],
                "history of one model": ["history", "--model", "model-0.keras"],
                "history with its page": ["history", *pages],
                "index": ["index", *pages],
            }
            for name, command in commands.items():
                run = [sys.executable, "-m", "tflitekit", *command, "--store", store]
                clock, processor = zip(*(run_s(run) for _ in range(arguments.runs)), strict=True)
                size = Path(pages[1]).stat().st_size / 1e6 if command[-1] == pages[1] else 0
                page = f", a page of {size:.1f} MB" if size else ""
                told = f"{statistics.median(clock):.2f} s, of the processor {statistics.median(processor):.2f} s"
                print(f"  {name}: {told}{page}")


if __name__ == "__main__":
    main()
