"""How long `tflitekit optimize` takes beside a straightforward script that does the same work, in one run.

    python -m edge_benchmarks.optimize_speed MODEL --data TEST --calibration TRAIN [--rounds 2]

All do the six schemes, 500 calibration images, the whole evaluation folder and the same number of latency runs (the script is given
the counts that the kit's protocol took); once more the kit evaluates each variant only until it is decided (`--until-certain`). Order
alternates from round to round; ratios are of sums.
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
    taken_s: dict[str, list[float]] = {"kit": [], "kit --until-certain": [], "plain script": []}
    runs: dict[str, tuple[int, int]] = {}
    for round_index in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:

            def job(name: str, folder: Path = Path(folder)) -> None:
                if name == "plain script":
                    line = [
                        sys.executable,
                        str(PLAIN),
                        *common,
                        "--out",
                        str(folder / name),
                        "--runs",
                        json.dumps(runs),
                    ]
                else:
                    option = name.split()[1:]
                    line = [
                        sys.executable,
                        "-m",
                        "tflitekit",
                        "optimize",
                        *common,
                        *option,
                        "--out",
                        str(folder / name),
                    ]
                taken_s[name].append(timed(line))
                if name == "kit":
                    report = json.loads((folder / name / "report.json").read_text())
                    found = {variant["name"]: variant["latency"] for variant in report["variants"]}
                    runs.update({name: (latency["runs"], latency["warmup_runs"]) for name, latency in found.items()})

            for name in taken_s if round_index % 2 == 0 else reversed(taken_s):
                job(name)
        print(", ".join(f"{name} {seconds[-1]:.1f} s" for name, seconds in taken_s.items()), flush=True)
    for name in list(taken_s)[:2]:
        print(f"{name} / plain script = {sum(taken_s[name]) / sum(taken_s['plain script']):.3f}")


if __name__ == "__main__":
    main()
