"""What searches find: `mixed` on one model, the smallest file and the fastest on this machine, and `repaired` on the models of `zoo`, which break when they are quantized.

    python -m edge_benchmarks.searches mixed MODEL --data TEST --calibration TRAIN
    python -m edge_benchmarks.searches fastest MODEL --data TEST --calibration TRAIN
    python -m edge_benchmarks.searches repaired ZOO

ZOO is the folder that `edge_benchmarks.broken_models --out ZOO` has filled. Candidates are judged on samples that were not calibrated on; the
accuracy is that of the finished files on the test data, measured once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import tflitekit as tk
from edge_benchmarks.zoo import ZOO
from tflitekit.results import VariantReport

MIXED = ("mixed", "mixed:integers=true")


def mixed(model: Path, data: str, calibration: str) -> None:
    """Prints size, accuracy and time of each search."""
    print("| Scheme | Bytes | Top-1 | Drop | Candidates | Search |\n|---|---|---|---|---|---|")
    for scheme in MIXED:
        with tempfile.TemporaryDirectory() as out:
            started = time.perf_counter()
            made = tk.convert(model, schemes=["float32", scheme], calibration=calibration, out=out)
            seconds = time.perf_counter() - started
            rows = tk.evaluate([each.path for each in made.variants], data=data, baseline="float32").variants
        found, row = made.variants[1], rows[1]
        assert found.search is not None and row.accuracy is not None and row.drop is not None
        print(
            f"| `{scheme}` | {found.size_bytes:,} | {row.accuracy.value:.2%} | {row.drop.value:.2%} | {found.search.tried} | {seconds:.0f} s |",
            flush=True,
        )


def fastest(model: Path, data: str, calibration: str) -> None:
    """Prints what `mixed:minimize=latency` measured side by side at the end, and what its file loses."""
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        report = tk.optimize(
            model, data=data, calibration=calibration, schemes=["mixed:minimize=latency"], preprocess="raw", out=out,
            constraints=tk.Constraints(deploy_on="host"),
        )  # fmt: skip
        seconds = time.perf_counter() - started
    row = report.variant("mixed-minimize-latency")
    assert row.search is not None and row.accuracy is not None and row.drop is not None
    print("| File | Median, µs | Bytes | Keeps the limit |\n|---|---|---|---|")
    for one in row.search.timings:
        name = f"**{one.name}**" if one.chosen else one.name
        print(f"| {name} | {one.latency_ms * 1e3:.1f} | {one.size_bytes:,} | {'yes' if one.within else 'no'} |")
    print(
        f"\n{row.search.tried} candidates; the file has {row.accuracy.value:.2%}, {row.drop.value:.2%} less than float32. The whole command: {seconds:.0f} s."
    )


def repaired(zoo: Path) -> None:
    """Prints what each broken file loses, what its repaired one does, and what was changed."""
    for name, specimen in ZOO.items():
        if specimen.scheme == "float16":
            continue
        folder = zoo / name
        with tempfile.TemporaryDirectory() as out:
            made = tk.convert(
                folder / "build" / "float32.tflite",
                schemes=["float32", specimen.scheme, f"repaired:of={specimen.scheme}"],
                calibration=folder / "calibration.npz",
                out=out,
                options=tk.ConvertOptions(calibration_limit=100),
            )
            files = [each.path for each in made.variants if each.status == "ok"]
            rows = {
                row.scheme: row for row in tk.evaluate(files, data=folder / "test.npz", baseline="float32").variants
            }
        record = made.variants[-1].search
        assert record is not None
        kept = "; ".join(each.change for each in record.changes if each.kept) or "nothing"
        print(f"{name}: {_lost(rows.get(specimen.scheme))} become {_lost(rows.get('repaired'))} by {kept}", flush=True)


def _lost(row: VariantReport | None) -> str:
    if row is None:
        return "a refused file"
    if row.drop is not None:
        return f"{row.drop.value:.2%}"
    return "nothing" if row.likeness is None else f"{1 - row.likeness.value:.2%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("mixed", "fastest"):
        one = kinds.add_parser(kind)
        one.add_argument("model", type=Path)
        one.add_argument("--data", required=True)
        one.add_argument("--calibration", required=True)
    other = kinds.add_parser("repaired")
    other.add_argument("zoo", type=Path)
    arguments = parser.parse_args()
    if arguments.kind == "repaired":
        repaired(arguments.zoo)
        return
    run = mixed if arguments.kind == "mixed" else fastest
    run(arguments.model, arguments.data, arguments.calibration)


if __name__ == "__main__":
    main()
