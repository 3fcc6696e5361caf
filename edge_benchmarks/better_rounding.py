"""What better rounding of weights brings: size and accuracy of int4 and int8 files, rounded to nearest and by GPTQ.

    python -m edge_benchmarks.better_rounding MODEL... --data TEST --calibration TRAIN [--samples 500]

Models take images with values from 0 to 255. No label is used to quantize.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import tflitekit as tk

INT4 = ("dynamic_int4", "int4x8")
INT8 = ("dynamic_range", "int8")
ROUNDINGS = ("nearest", "gptq")
SCHEMES = [
    *(f"{name}:first_last={ends},rounding={how}" for name in INT4 for ends in ("int4", "int8") for how in ROUNDINGS),
    *(f"{name}:engine=litert_quantizer,rounding={how}" for name in INT8 for how in ROUNDINGS),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--samples", type=int, default=500, help="calibration images [%(default)s]")
    arguments = parser.parse_args()
    options = tk.ConvertOptions(jobs=1, calibration_limit=arguments.samples)
    for path in arguments.models:
        with tempfile.TemporaryDirectory() as out:
            made = tk.convert(
                path, schemes=["float32", *SCHEMES], calibration=arguments.calibration, out=out, options=options
            ).variants
            files = [each.path for each in made if each.status == "ok"]
            scored = {row.name: row for row in tk.evaluate(files, data=arguments.data).variants}
        print(f"\n**{path.stem}**\n\n| Variant | Bytes | Top-1 | Drop | Conversion |\n|---|---|---|---|---|")
        for each in made:
            if each.name not in scored:
                print(f"| `{each.name}` | fails: {(each.error or '').splitlines()[0]} | | | |")
                continue
            row = scored[each.name]
            assert row.accuracy is not None
            drop = f"{row.drop.value:.2%}" if row.drop is not None else ""
            print(
                f"| `{each.name}` | {each.size_bytes:,} | {row.accuracy.value:.2%} | {drop} | {each.conversion_s:.1f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
