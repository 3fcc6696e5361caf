"""How long `tflitekit optimize` takes beside a straightforward script that does the same work, in one run.

    python -m edge_benchmarks.optimize_speed MODEL --data TEST --calibration TRAIN [--rounds 2]

Both do all six schemes, 500 calibration images, the whole evaluation folder and the same number of latency runs (the
script is given the counts that the kit's protocol took). Order alternates from round to round; the ratio is of sums.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = Path(__file__).parent / "baselines" / "plain_script.py"


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    common = [arguments.model, "--data", arguments.data, "--calibration", arguments.calibration]
    kit_s, plain_s = [], []
    runs: dict[str, tuple[int, int]] = {}
    for round_index in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:

            def kit(out: Path = Path(folder, "kit")) -> None:
                kit_s.append(timed([sys.executable, "-m", "tflitekit", "optimize", *common, "--out", str(out)]))
                report = json.loads((out / "report.json").read_text())
                for variant in report["variants"]:
                    found = variant["latency"]
                    runs[variant["name"]] = (found["runs"], found["warmup_runs"])

            def plain(out: Path = Path(folder, "plain")) -> None:
                plain_s.append(
                    timed([sys.executable, str(PLAIN), *common, "--out", str(out), "--runs", json.dumps(runs)])
                )

            for job in (kit, plain) if round_index % 2 == 0 else (plain, kit):
                job()
        print(f"round {round_index + 1}: kit {kit_s[-1]:.1f} s, plain script {plain_s[-1]:.1f} s", flush=True)
    print(f"kit / plain script = {sum(kit_s) / sum(plain_s):.3f}")


if __name__ == "__main__":
    main()
