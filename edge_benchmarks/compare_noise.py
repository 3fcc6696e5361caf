"""How often `tflitekit compare` calls noise a regression: A/A comparisons of real benchmarks of the same files.

    python -m edge_benchmarks.compare_noise FOLDER [--pairs 20] [--limits 2,5,10]

FOLDER holds what `tflitekit optimize` wrote. All its files are benchmarked anew, twice for each pair, and the two runs are
compared. The second report gets other content hashes, because `compare` knows that the same file cannot have become
slower: so it has to judge as it does with a retrained model. Each pair is judged with the baseline as control (the
same file in both) and without. Besides false alarms the table shows how far the changes spread, and what a real slowdown
by twice the limit, multiplied into the new samples, is called.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from tflitekit import Report, benchmark, compare, read_report
from tflitekit.results import Latency, Samples


def measured(report: Report, folder: Path, *, threads: int) -> Report:
    """Returns the report with latencies that were measured just now."""
    usable = [v for v in report.variants if v.latency is not None and v.file is not None]
    found = benchmark([folder / str(v.file) for v in usable], threads=threads)
    rows = {row.name: row for row in found.variants}
    fresh = {v.name: rows[Path(str(v.file)).stem].latency for v in usable}
    kept = tuple(v.model_copy(update={"latency": fresh[v.name]}) for v in usable)
    return report.model_copy(update={"variants": kept})


def disguised(report: Report, *, control: bool) -> Report:
    """Returns the report with other content hashes; the baseline keeps its own where it serves as control."""
    rows = [
        v if control and v.name == report.baseline else v.model_copy(update={"sha256": f"not {v.sha256}"})
        for v in report.variants
    ]
    return report.model_copy(update={"variants": tuple(rows)})


def slowed(report: Report, factor: float) -> Report:
    """Returns the report with all times but the baseline's multiplied."""

    def slower(latency: Latency) -> Latency:
        times = [name for name in type(latency).model_fields if name.endswith("_ms")]
        changed = {name: v * factor for name in times if (v := getattr(latency, name)) is not None}
        assert latency.samples is not None
        rounds = [part * factor for part in latency.samples.rounds()]
        samples = Samples.of(rounds, latency.samples.processes)
        throughput = tuple(value / factor for value in latency.throughput_per_s)
        return latency.model_copy(update=changed | {"samples": samples, "throughput_per_s": throughput})

    rows = [
        v.model_copy(update={"latency": slower(v.latency)}) if v.latency and v.name != report.baseline else v
        for v in report.variants
    ]
    return report.model_copy(update={"variants": tuple(rows)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--limits", default="2,5,10", help="percent")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    limits = [float(part) for part in arguments.limits.split(",")]
    report = read_report(arguments.folder)
    noise: Counter[tuple[bool, float, str]] = Counter()
    found: Counter[tuple[bool, float, str]] = Counter()
    spread: dict[bool, list[float]] = {True: [], False: []}
    for index in range(arguments.pairs):
        old, again = (measured(report, arguments.folder, threads=arguments.threads) for _ in range(2))
        for control in (True, False):
            new = disguised(again, control=control)
            changes = [v.change("latency") for v in compare(old, new).variants if v.name != report.baseline]
            spread[control] += [change.value for change in changes if change is not None]
            for limit in limits:
                for counter, judged in ((noise, new), (found, slowed(new, 1 + limit / 50))):
                    gates = compare(old, judged, max_latency_increase=limit).gates
                    counter.update((control, limit, g.state) for g in gates if g.variant != report.baseline)
        print(f"pair {index + 1} of {arguments.pairs} done", flush=True)
    print("\n| Control | Limit | A/A: false alarms | A/A: undecided | Slowed by twice the limit: broken | undecided |")
    print("|---|---|---|---|---|---|")
    for control in (True, False):
        for limit in limits:
            cells = []
            for counter in (noise, found):
                total = sum(counter[control, limit, state] for state in ("broken", "undecided", "kept"))
                cells += [f"{counter[control, limit, state]} of {total}" for state in ("broken", "undecided")]
            print(f"| {'baseline' if control else 'none'} | {limit:g}% | {' | '.join(cells)} |")
    for control, values in spread.items():
        low, median, high = np.percentile(values, [2.5, 50, 97.5]) * 100
        name = "with control" if control else "without"
        print(f"Changes {name}: median {median:+.1f}%, 95 % of them between {low:+.1f}% and {high:+.1f}%")


if __name__ == "__main__":
    main()
