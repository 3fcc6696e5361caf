"""int8 where an integer kernel exists, float where not.

Use it when int8.py fails on an operator and the target has a CPU to run the rest. The warnings name what stayed float;
integer-only accelerators cannot run that. Calibrate on a few hundred samples like those in the field, with the
preprocessing that the app has.

    python converters/int8_float_fallback.py model.keras --calibration photos/train --out build
"""

import argparse
import sys

import tflitekit as tk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Keras model (.keras, .h5), SavedModel folder or float .tflite file")
    parser.add_argument("--out", default="build", metavar="FOLDER", help="for the file and its sidecar [%(default)s]")
    parser.add_argument("--calibration", required=True, metavar="DATA", help="image folder, .npz or module:function")
    parser.add_argument("--calibration-limit", type=int, default=500, metavar="N", help="samples to use [%(default)s]")
    parser.add_argument(
        "--io", choices=["float32", "int8", "uint8"], default="float32", help="type in and out [%(default)s]"
    )
    parser.add_argument("--preprocess", metavar="NAME", help="preset or JSON file [raw]; -1 to 1 is --preprocess=-1-1")
    parser.add_argument("--labels", metavar="FILE", help="file with one class name per line, in output order")
    arguments = parser.parse_args()

    try:
        result = tk.convert(
            arguments.model,
            schemes=[f"int8_float_fallback:io={arguments.io}"],
            out=arguments.out,
            calibration=arguments.calibration,
            preprocess=arguments.preprocess,
            labels=arguments.labels,
            options=tk.ConvertOptions(calibration_limit=arguments.calibration_limit),
        )
    except tk.TflitekitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    (variant,) = result.variants
    if variant.status != "ok":
        print(variant.error, file=sys.stderr)
        return 1

    print(f"{variant.path}  {variant.size_bytes:,} bytes  sha256 {variant.sha256}")
    for tensor in variant.contract.inputs:
        print("input  ", tensor.describe())
    for tensor in variant.contract.outputs:
        print("output ", tensor.describe())
    for warning in (*result.source.notes, *variant.warnings):
        print("warning", warning)
    return 0


if __name__ == "__main__":
    sys.exit(main())
