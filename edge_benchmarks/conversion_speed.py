"""How long a float `.tflite` file takes to six variants: read, calibrated on 500 images, written, each promise checked.

    python -m edge_benchmarks.conversion_speed FLOAT.tflite --calibration TRAIN [--rounds 5]

As a user sees it: the command `tflitekit convert`, and `tk.convert` in a Python process whose workers wait since the call before.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tflitekit as tk

SCHEMES = ("float32", "float16", "dynamic_range", "int8", "int16x8", "int8:io=int8")


def seconds(convert: Callable[[Path], None]) -> float:
    """Returns how long a conversion takes, which must leave all six files in the folder that it is given."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        convert(Path(folder))
        took_s = time.perf_counter() - start
        found = len(list(Path(folder).glob("*.tflite")))
    assert found == len(SCHEMES), f"{found} files"
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    given = [arguments.model, "--calibration", arguments.calibration, "--scheme", ",".join(SCHEMES)]

    def command(out: Path) -> None:
        line = [sys.executable, "-m", "tflitekit", "convert", *given, "--out", str(out)]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def warm(out: Path) -> None:
        tk.convert(arguments.model, schemes=SCHEMES, calibration=arguments.calibration, out=out)

    seconds(warm)
    for name, convert in (("tflitekit convert", command), ("tk.convert, workers warm", warm)):
        taken = [seconds(convert) for _ in range(arguments.rounds)]
        print(f"{name}: median {statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f})", flush=True)


if __name__ == "__main__":
    main()
