"""Start-up of the command line: `--help` and `inspect`, median of several fresh processes.

python -m edge_benchmarks.startup FILE.tflite [--runs 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def median_s(command: list[str], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    kit = [sys.executable, "-m", "tflitekit"]
    print(f"python -c pass: {median_s([sys.executable, '-c', 'pass'], arguments.runs):.3f} s")
    for name, command in (("--help", [*kit, "--help"]), ("inspect", [*kit, "inspect", arguments.file])):
        print(f"tflitekit {name}: {median_s(command, arguments.runs):.3f} s")


if __name__ == "__main__":
    main()
