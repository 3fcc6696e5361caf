"""Weight only: weights as int8 or int4, computed on in float. No calibration data needed.

Use it where dynamic_range.py loses too much: the activations are never rounded. The file is as small, and no faster than
float32, because weights become float again before each operator computes. --bits 4 is for downloads: look at the accuracy.

    python converters/weight_only.py model.keras --bits 4 --out build
"""

import argparse
import sys

import tflitekit as tk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Keras model (.keras, .h5), SavedModel folder or float .tflite file")
    parser.add_argument("--out", default="build", metavar="FOLDER", help="for the file and its sidecar [%(default)s]")
    parser.add_argument("--preprocess", metavar="NAME", help="preset or JSON file [raw]; -1 to 1 is --preprocess=-1-1")
    parser.add_argument("--labels", metavar="FILE", help="file with one class name per line, in output order")
    parser.add_argument("--bits", type=int, choices=[8, 4], default=8, help="of a weight [%(default)s]")
    arguments = parser.parse_args()

    try:
        result = tk.convert(
            arguments.model,
            schemes=[f"weight_only_int{arguments.bits}"],
            out=arguments.out,
            preprocess=arguments.preprocess,
            labels=arguments.labels,
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
