"""Peak memory of `tflitekit evaluate` on few and on many images: it must not grow with the folder.

    python -m edge_benchmarks.evaluation_memory FILE.tflite --data TEST [--few 500] [--many 50000]

The images of TEST are linked as often as needed. Memory is the highest sum of the resident sets of the process and its
children, read every 20 ms (shared pages count in each process, alike in both runs).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def link_images(source: Path, target: Path, count: int) -> None:
    """Makes a folder of ``count`` images with the class folders of ``source``."""
    classes = sorted(p for p in source.iterdir() if p.is_dir())
    each = count // len(classes)
    for folder in classes:
        images = sorted(folder.iterdir())
        (target / folder.name).mkdir(parents=True)
        for index in range(each):
            original = images[index % len(images)]
            (target / folder.name / f"{index:06d}{original.suffix}").symlink_to(original.resolve())


def peak_bytes(command: list[str]) -> int:
    """Runs a command and returns the highest sum of resident sets of its process tree."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            total = 0
            try:
                for member in (process, *process.children(recursive=True)):
                    total += member.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            peak = max(peak, total)
            time.sleep(0.02)
        if child.returncode:
            raise SystemExit(f"{command} failed")
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--few", type=int, default=500)
    parser.add_argument("--many", type=int, default=50_000)
    arguments = parser.parse_args()
    peaks = []
    for count in (arguments.few, arguments.many):
        with tempfile.TemporaryDirectory() as folder:
            link_images(arguments.data, Path(folder), count)
            peaks.append(peak_bytes([sys.executable, "-m", "tflitekit", "evaluate", arguments.file, "--data", folder]))
        print(f"{count} images: {peaks[-1] / 1e6:.0f} MB", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
