"""Evaluation of a detector beside the interpreter's own rate: decoding, reading of boxes, suppression, matching and draws included.

    python -m edge_benchmarks.detection_throughput [--side 320] [--pictures 300] [--rounds 3] [--folder WORK]

Makes scenes of digits with boxes and the quickstart's detector at that size, not trained: every candidate has scores that have to be looked at, which
is the worst case for suppression. Then it measures as `edge_benchmarks.evaluation_throughput` does, all in one run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import tflitekit as tk
from edge_benchmarks.evaluation_throughput import measure
from tflitekit.optimization.quickstart import detector
from tflitekit.optimization.quickstart.scene_files import write_coco
from tflitekit.optimization.quickstart.scenes import scenes

_SCHEMES = ("float32", "dynamic_range", "int8")


def prepare(folder: Path, side: int, pictures: int) -> list[Path]:
    """Writes scenes and variants into a folder; returns the variants."""
    write_coco(folder / "scenes", scenes("test", pictures, side))
    model = folder / "detector.keras"
    detector.network(side, (16, 32, 64)).save(model)
    made = tk.convert(
        model,
        schemes=_SCHEMES,
        calibration=folder / "scenes" / "images",
        preprocess="raw",
        out=folder / "build",
    )
    return [variant.path for variant in made.variants if variant.path is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        build = folder / "build"
        files = sorted(build.glob("*.tflite")) or prepare(folder, arguments.side, arguments.pictures)
        measure(files, str(folder / "scenes"), None, arguments.rounds)


if __name__ == "__main__":
    main()
