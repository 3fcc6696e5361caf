"""How often `tflitekit history` takes chance for a shift, how soon it finds one, and whether its intervals cover it: simulated series, seeded.

    python -m edge_benchmarks.shifts [--series 1000]

Three tables: series without a shift in which one is found, by kind of noise and number of reports; series with one shift in normal noise, how often
it is found, and its place and size lie within their intervals; drops of accuracy, where each series has test samples of its own, so that their choice
counts, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.change_points import find_shifts
from tflitekit.core.packing import pack_hits
from tflitekit.core.statistics import wilson_interval
from tflitekit.store.history import Change, Judge, Point, Series
from tflitekit.store.scored import Scored

Noise = Callable[[np.random.Generator, int], NDArray[np.float64]]
REPORTS = (8, 15, 30, 100)


def _alike(correlation: float) -> Noise:
    """Normal noise in which each report resembles the one before it: an autoregressive series of the first order."""

    def drawn(generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        values = generator.standard_normal(n)
        for number in range(1, n):
            values[number] = correlation * values[number - 1] + np.sqrt(1 - correlation**2) * values[number]
        return values

    return drawn


NOISES: dict[str, Noise] = {
    "normal": lambda g, n: g.standard_normal(n),
    "Student's t with 2 degrees of freedom": lambda g, n: g.standard_t(2, n),
    "log-normal": lambda g, n: g.lognormal(0, 1, n),
    "one report in 20 ten times as noisy": lambda g, n: g.standard_normal(n) * np.where(g.random(n) < 0.05, 10, 1),
    "accuracy of 98 % on 50 samples": lambda g, n: g.binomial(50, 0.98, n) / 50,
    "twice as noisy from the middle on": lambda g, n: g.standard_normal(n) * np.where(np.arange(n) < n // 2, 1, 2),
    "neighbours alike, correlation 0.2": _alike(0.2),
    "neighbours alike, correlation 0.4": _alike(0.4),
    "neighbours alike, correlation 0.7": _alike(0.7),
    "drift by one standard deviation in all": lambda g, n: g.standard_normal(n) + np.linspace(0, 1, n),
}
SHIFTS = ((8, 4), (15, 10), (30, 15), (30, 28), (30, 27), (30, 25), (100, 50), (100, 95))
"""Numbers of reports, and of those before the shift."""
SIZES = (1, 2, 3, 5)


def false_alarms(count: int) -> None:
    print(f"| Noise | {' | '.join(f'{n} reports' for n in REPORTS)} |\n|---|{'---|' * len(REPORTS)}")
    for name, noise in NOISES.items():
        shares = []
        for n in REPORTS:
            generator = np.random.default_rng(n)
            shares.append(np.mean([bool(find_shifts(noise(generator, n))) for _ in range(count)]))
        print(f"| {name} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)


def detection(count: int) -> None:
    print(
        "\n| Reports before and after | Shift, standard deviations | Found | Place covered | Size covered |\n|---|---|---|---|---|"
    )
    for n, at in SHIFTS:
        for size in SIZES:
            generator = np.random.default_rng((n, at, size))
            found = []
            for _ in range(count):
                values = generator.standard_normal(n)
                values[at:] += size
                found += sorted(find_shifts(values), key=lambda shift: abs(shift.at - at))[:1]
            place = np.mean([shift.earliest <= at <= shift.latest for shift in found])
            covered = np.mean([abs(shift.value - size) <= shift.half for shift in found])
            print(f"| {at} + {n - at} | {size} | {len(found) / count:.0%} | {place:.0%} | {covered:.0%} |", flush=True)


def accuracy(count: int) -> None:
    """12 reports before, 8 after; a few answers differ from report to report."""
    print(
        "\n| Samples | Accuracy before | Drop | Which were right is known | Shift found | Called worse | Called better | Drop covered |\n|---|---|---|---|---|---|---|---|"
    )
    for samples in (30, 200, 1000):
        for before in (0.9, 0.99):
            for drop in (0.0, 0.03, 0.1):
                for known in (True, False):
                    generator = np.random.default_rng((samples, int(before * 100), int(drop * 100)))
                    series = [_simulated(generator, samples, before, drop, known=known) for _ in range(count)]
                    found = [sorted(one, key=lambda change: abs(change.at - 12))[0] for one in series if one]
                    worse, better = (
                        sum(c.verdict == verdict for c in found) / count for verdict in ("worse", "better")
                    )
                    covered = [
                        c.low is not None and c.high is not None and c.low <= drop * (1 - 2 * FLIPPED) <= c.high
                        for c in found
                    ]
                    told = f"{np.mean(covered):.0%}" if covered else "–"
                    print(f"| {samples} | {before:.0%} | {drop:.0%} | {'yes' if known else 'no'} | {len(found) / count:.1%} | {worse:.1%} | {better:.1%} | {told} |", flush=True)  # fmt: skip


FLIPPED = 0.005
"""The share of answers that differ by chance in each report."""


def _simulated(
    generator: np.random.Generator, n: int, before: float, drop: float, *, known: bool
) -> tuple[Change, ...]:
    right = generator.random(n) < before
    lost = right & (generator.random(n) < drop / before)
    points, scored = [], {}
    for day in range(20):
        hits = (right & ~lost if day >= 12 else right) ^ (generator.random(n) < FLIPPED)
        value, (low, high) = float(hits.mean()), wilson_interval(int(hits.sum()), n)
        points.append(Point(str(day), f"2026-01-{day + 1:02d}T00:00:00+00:00", None, None, None, value, low, high))
        row = {
            "name": "int8",
            "accuracy": {"metric": "top1", "value": value, "n": n},
            "hits": pack_hits(hits) if known else None,
        }
        scored[str(day)] = Scored.model_validate(
            {"dataset": {"sha256": "0", "samples": n, "available": n}, "variants": [row]}
        )
    series = Series(model="m", variant="int8", device="d", figure="accuracy", metric="top1", higher_is_better=True, points=tuple(points))  # fmt: skip
    return Judge(scored.__getitem__)(series)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    count = parser.parse_args().series
    false_alarms(count)
    detection(count)
    accuracy(max(1, count // 5))


if __name__ == "__main__":
    main()
