"""Which file `optimize --deploy-on` recommends for each piece of hardware: the table of docs/hardware.md.

    python -m edge_benchmarks.hardware MODEL --data TEST --calibration TRAIN --out FOLDER

Variants are made once and reused for all profiles; latency of this host decides for `host` only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tflitekit as tk
from tflitekit.hardware import profile_names


def main() -> None:
    """Prints a row for each profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=2000, help="Samples to evaluate on.")
    parser.add_argument("--profile", action="append", help="Only these; all when not given.")
    given = parser.parse_args()
    print("| Profile | Tried | Recommended | Bytes | There | Why not the next |\n|---|---|---|---|---|---|")
    for profile in given.profile or profile_names():
        report = tk.optimize(
            given.model, data=given.data, calibration=given.calibration, preprocess="raw", limit=given.limit, out=given.out,
            constraints=tk.Constraints(deploy_on=profile),
        )  # fmt: skip
        print(_row(profile, report), flush=True)


def _row(profile: str, report: tk.Report) -> str:
    answer = report.recommendation
    assert answer is not None and answer.chosen is not None
    row = report.variant(answer.chosen)
    tried = ", ".join(each.name for each in report.variants if each.name != report.baseline)
    there = row.hardware.summary if row.hardware else ""
    others = next((f"{each.name}: {each.reasons[0]}" for each in answer.rejected), "")
    return f"| `{profile}` | {tried} | **{answer.chosen}** | {row.size_bytes:,} | {there} | {others} |"


if __name__ == "__main__":
    main()
