"""Magnitude pruning, then full integer: most weights are zero, so that the file deflates to a fraction.

Use it when the size of the download counts and some accuracy may go. The raw file does not shrink, and no runtime gets
faster by it. Training data serve for the calibration too. A killed run continues from its last epoch.

    python converters/pruning.py model.keras --data photos/train --epochs 3 --sparsity 0.6 --out build
"""

import argparse
import sys

import tflitekit as tk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Keras model (.keras, .h5); a SavedModel has no layers to train")
    parser.add_argument("--data", required=True, help="labelled training data: image folder, .npz or module:function")
    parser.add_argument("--epochs", type=int, default=3, metavar="N", help="of each stage of training [%(default)s]")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="the highest one [by the optimizer]")
    parser.add_argument("--augment", metavar="NAME", help="flip, crop, flip-crop or module:function")
    parser.add_argument("--sparsity", type=float, default=0.5, metavar="SHARE", help="of zeros [%(default)s]")
    parser.add_argument("--out", default="build", metavar="FOLDER", help="for the file and its sidecar [%(default)s]")
    parser.add_argument("--preprocess", metavar="NAME", help="preset or JSON file [raw]; -1 to 1 is --preprocess=-1-1")
    parser.add_argument("--labels", metavar="FILE", help="file with one class name per line, in output order")
    arguments = parser.parse_args()

    try:
        training = tk.TrainingOptions(
            arguments.data,
            epochs=arguments.epochs,
            learning_rate=arguments.learning_rate,
            augment=arguments.augment,
        )
        result = tk.convert(
            arguments.model,
            schemes=[f"pruned:sparsity={arguments.sparsity}"],
            out=arguments.out,
            preprocess=arguments.preprocess,
            labels=arguments.labels,
            options=tk.ConvertOptions(training=training),
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
    print(f"deflated {variant.deflated_bytes:,} bytes")
    print(f"zeros    {variant.compression.sparsity:.1%} of the weights of the pruned layers")
    parity = variant.training.three_way
    print(
        f"{parity.metric} on {parity.samples:,} {parity.origin} samples: float {parity.float_model.value:.4g}, "
        f"trained {parity.fake_quantized.value:.4g}, file {parity.tflite.value:.4g}"
    )
    for warning in (*result.source.notes, *variant.warnings):
        print("warning", warning)
    return 0


if __name__ == "__main__":
    sys.exit(main())
