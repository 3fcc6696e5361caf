"""Start-up of the command line: `--help` and `inspect`, medians of fresh processes that take turns.

python -m edge_benchmarks.startup FILE.tflite [--runs 15]

On a machine that others use, processor time (user and system) says more than the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time


def run_s(command: list[str]) -> tuple[float, float]:
    """Returns the seconds by the clock and those of the processor; modules are compiled once, as those of an installed package are."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    python, kit = [sys.executable, "-c"], [sys.executable, "-m", "tflitekit"]
    commands = {
        "python -c pass": [*python, "pass"],
        "import of the format's schema, with NumPy": [*python, "import ai_edge_litert.schema_py_generated"],
        "tflitekit --help": [*kit, "--help"],
        "tflitekit inspect": [*kit, "inspect", arguments.file],
    }
    turns = [[run_s(command) for command in commands.values()] for _ in range(arguments.runs)]
    for name, times in zip(commands, zip(*turns, strict=True), strict=True):
        clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name}: {clock:.3f} s, of the processor {processor:.3f} s")


if __name__ == "__main__":
    main()
