"""Does `explain` name the layer that was spoilt? Eleven models that break when they are quantized, and five that do not.

    python -m edge_benchmarks.broken_models [--out DIR] [NAMES]

The models are trained first, in a process of their own (see `zoo`), then converted by `tflitekit convert`. A flaw is found where the first
culprit is the layer that was spoilt and has the right pattern; a clean model must have no culprit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge_benchmarks.zoo import ZOO, Specimen
from tflitekit import convert, explain
from tflitekit.results.explanation import Explanation


def explained(folder: Path, specimen: Specimen) -> Explanation:
    """Converts a model and explains its quantized file."""
    made = convert(
        folder / "model.keras",
        schemes=["float32", specimen.scheme],
        calibration=folder / "calibration.npz",
        preprocess="raw",
        out=folder / "build",
    )
    for variant in made.variants:
        if variant.error is not None:
            raise SystemExit(f"{folder.name}: {variant.error}")
    return explain(made.variants[1].path, data=folder / "test.npz")


def found(specimen: Specimen, explanation: Explanation) -> bool:
    """Returns whether the explanation is right."""
    if not specimen.layers:
        return not explanation.culprits
    first = next(iter(explanation.culprits), None)
    return first is not None and first.layer in specimen.layers and first.pattern in specimen.patterns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ZOO))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = arguments.names or list(ZOO)
    out = arguments.out or Path(tempfile.mkdtemp(prefix="zoo-"))
    absent = [name for name in names if not (out / name / "test.npz").exists()]
    if absent:
        subprocess.run(
            [sys.executable, "-m", "edge_benchmarks.zoo", str(out), *absent], check=True, stdout=subprocess.DEVNULL
        )
    right = {}
    for name in names:
        start = time.perf_counter()
        explanation = explained(out / name, ZOO[name])
        right[name] = found(ZOO[name], explanation)
        told = ", ".join(f"{one.layer}: {one.pattern}" for one in explanation.culprits[:3]) or "no culprit"
        print(
            f"{'right' if right[name] else 'WRONG'}  {name}: {told} ({time.perf_counter() - start:.1f} s)", flush=True
        )
        for one in explanation.culprits[:1]:
            print(f"       {one.message}", flush=True)
    flawed = [name for name in right if ZOO[name].layers]
    print(
        f"{sum(right[name] for name in flawed)} of {len(flawed)} flaws found; "
        f"{sum(right[name] for name in right if name not in flawed)} of {len(right) - len(flawed)} clean models without a culprit"
    )


if __name__ == "__main__":
    main()
