"""How many samples `--until-certain` needs, and how often it decides against the answer on all data.

    python -m edge_benchmarks.sequential_error OUT --data TEST [--repetitions 200]

OUT is the folder of a finished `tflitekit optimize` on TEST. Right and wrong of each sample are taken from its report and
drawn again in many seeded orders, for a clear limit and for limits close to the drop on all data, where the answer flips.
No share of wrong decisions may exceed alpha by more than chance.
"""

from __future__ import annotations

import argparse
import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.sequential import DrawOrder, SequentialDrop
from tflitekit.data.dataset import open_dataset
from tflitekit.results import Report, read_report

POINT = 0.01
CLOSE = 0.0005  # of the drop on all data: 2.5 samples of 5,000


def hits(report: Report, name: str) -> NDArray[np.int8]:
    """Returns 1 for each sample that a variant has right, in the data's order."""
    row = report.variant(name)
    assert row.hits is not None and row.accuracy is not None
    bits = np.unpackbits(np.frombuffer(base64.b64decode(row.hits), np.uint8))
    return bits[: row.accuracy.n].astype(np.int8)


def decide(differences: NDArray[np.int8], order: DrawOrder, limit: float, alpha: float) -> tuple[str, int, bool]:
    """Returns the decision, after how many samples it fell, and whether the interval always held the drop."""
    test = SequentialDrop(order, limit=limit, alpha=alpha)
    drawn, truth, held = differences[order.positions], float(differences.mean()), True
    for start, stop in order.blocks():
        test.add(drawn[start:stop])
        low, high = test.interval()
        held &= low - 1e-12 <= truth <= high + 1e-12
        if test.decision is not None:
            return test.decision, stop, held
    raise AssertionError("the end of the data decides")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.05)
    arguments = parser.parse_args()
    report = read_report(arguments.out)
    labels = [sample.label for sample in open_dataset(arguments.data)]
    assert report.baseline is not None
    baseline = hits(report, report.baseline)
    assert len(labels) == len(baseline), "the report is of other data"
    orders = [DrawOrder.of(labels, seed) for seed in range(arguments.repetitions)]
    seen = set()
    print("variant              drop   flips  limit  answer  samples: median   90 %  wrong  interval missed")
    for row in report.variants:
        if row.name == report.baseline or row.status != "ok" or row.sha256 in seen:
            continue
        seen.add(row.sha256)
        differences = baseline - hits(report, row.name)
        drop = float(differences.mean())
        for limit in (POINT, POINT / 2, drop + CLOSE, drop - CLOSE):
            truth = "meets" if drop <= limit else "breaks"
            found = [decide(differences, order, limit, arguments.alpha) for order in orders]
            counts = [count for _, count, _ in found]
            wrong = np.mean([decision != truth for decision, _, _ in found])
            missed = np.mean([not held for _, _, held in found])
            print(
                f"{row.name:<18} {drop * 100:+.2f}  {np.mean(differences != 0):6.2%}  {limit * 100:+.2f}  {truth:<6}  "
                f"{np.median(counts):15,.0f} {np.quantile(counts, 0.9):6,.0f} {wrong:6.1%} {missed:7.1%}",
                flush=True,
            )
    everything = [
        max(decide(baseline - hits(report, row.name), order, POINT, arguments.alpha)[1] for row in report.variants)
        for order in orders
    ]
    print(
        f"all variants decided, limit 1 point: median {np.median(everything):,.0f}, 90 % {np.quantile(everything, 0.9):,.0f}"
    )


if __name__ == "__main__":
    main()
