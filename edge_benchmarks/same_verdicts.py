"""Do two runs of `tflitekit optimize` give the same verdicts?

    python -m edge_benchmarks.same_verdicts MODEL --data TEST --calibration TRAIN [--preprocess raw] [--runs 2]

Each run starts from nothing, in a folder of its own. Compared are
the chosen variant, the verdict on every drop, and faster, slower or tie for every latency.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import tflitekit as tk


def verdicts(report: tk.Report) -> dict[str, str]:
    found = {"chosen": str(report.recommendation.chosen)}
    for row in report.variants:
        if row.drop is not None:
            found[f"{row.name}, accuracy"] = row.drop.verdict
        if row.latency is not None and row.latency.ratio is not None:
            found[f"{row.name}, latency"] = row.latency.ratio.verdict
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--preprocess", default="raw")
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    reports = []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            reports.append(
                tk.optimize(
                    arguments.model,
                    data=arguments.data,
                    calibration=arguments.calibration,
                    preprocess=arguments.preprocess,
                    out=Path(folder) / "out",
                )
            )
    first, *others = map(verdicts, reports)
    for key, value in first.items():
        differing = [other.get(key) for other in others if other.get(key) != value]
        print(f"{key}: {value}" + (f"   DIFFERS: {', '.join(map(str, differing))}" if differing else ""))
    for row in reports[0].variants:
        ratios = [report.variant(row.name).latency.ratio for report in reports]
        if all(ratios):
            print(f"{row.name}: times float32's time {', '.join(f'{r.value:.3f}' for r in ratios)}")
    same = all(other == first for other in others)
    print(f"{len(first)} verdicts, {arguments.runs} runs: {'all the same' if same else 'NOT the same'}")


if __name__ == "__main__":
    main()
