"""Evaluation of detectors beside the interpreter's own rate: decoding, reading of boxes, suppression, matching and draws included.

    python -m edge_benchmarks.detection_throughput [--pictures 300] [--rounds 3] [--detector NAME ...] [--folder WORK]
    python -m edge_benchmarks.detection_throughput --memory 500 2000

Pictures are JPEG files of 640 x 480 pixels with COCO annotations. The detectors are not trained: every candidate has scores that have to be looked at,
which is the worst case for suppression. It measures as `edge_benchmarks.evaluation_throughput` does, or, with ``--memory``, the peak of one file on few and
on many pictures as `edge_benchmarks.evaluation_memory` does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from edge_benchmarks.detectors import DETECTORS, prepared, write_pictures
from edge_benchmarks.evaluation_memory import peak_bytes
from edge_benchmarks.evaluation_throughput import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", choices=DETECTORS, nargs="+", default=list(DETECTORS))
    parser.add_argument("--memory", type=int, nargs=2, metavar=("FEW", "MANY"))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        for name in arguments.detector:
            files = prepared(name, folder)
            print(f"{name}: {', '.join(path.stem for path in files)}", flush=True)
            if arguments.memory is None:
                measure(files, str(_data(folder, name, arguments.pictures)), None, arguments.rounds)
            else:
                _compare_memory(files[0], [_data(folder, name, count) for count in arguments.memory])


def _data(folder: Path, name: str, pictures: int) -> Path:
    classes = DETECTORS[name][0]
    data = folder / f"{pictures} pictures of {classes} classes"
    write_pictures(data, pictures, classes)
    return data


def _compare_memory(file: Path, data: list[Path]) -> None:
    peaks = []
    for folder in data:
        peaks.append(peak_bytes([sys.executable, "-m", "tflitekit", "evaluate", str(file), "--data", str(folder)]))
        print(f"{folder.name}: {peaks[-1] / 1e6:.0f} MB", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
