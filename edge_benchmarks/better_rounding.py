"""What better rounding of weights brings: size and accuracy of int4 files, rounded to nearest and by `tflitekit.engines.rounding`.

    python -m edge_benchmarks.better_rounding FLOAT.tflite... --data TEST --calibration TRAIN [--samples 500]

Files are float `.tflite` files that take one image with values from 0 to 255. No label is used to quantize. Layers that the
quantizer has no int4 for (depthwise and transposed convolutions, products with constant matrices) are int8 throughout.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from tflitekit.engines.rounding import measure_deviation, round_weights, weight_layers
from tflitekit.tflite.graph import parse_graph

HAS_INT4 = {"CONV_2D", "FULLY_CONNECTED"}


def read_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images of a folder per class, and the numbers of their classes."""
    images, labels = [], []
    for label, of_class in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for path in sorted(of_class.iterdir()):
            images.append(np.asarray(Image.open(path).convert("RGB"), np.float32))
            labels.append(label)
    return np.stack(images), np.array(labels)


def accuracy(content: bytes, images: np.ndarray, labels: np.ndarray) -> float:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given, wanted = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    right = 0
    for image, label in zip(images, labels, strict=True):
        interpreter.set_tensor(given, image[None])
        interpreter.invoke()
        right += int(interpreter.get_tensor(wanted)[0].argmax() == label)
    return right / len(labels)


def quantize(content: bytes, bits: Mapping[str, int]) -> bytes:
    """Stores weights in integers, activations dynamically: with the largest weight of each channel as the end of its grid."""
    from litert_quantizer import qtyping, quantizer

    made = quantizer.Quantizer(content)
    for name, count in bits.items():
        weights = qtyping.TensorQuantizationConfig(num_bits=count, granularity=qtyping.QuantGranularity.CHANNELWISE)
        config = qtyping.OpQuantizationConfig(weight_tensor_config=weights, compute_precision="INTEGER")
        made.update_quantization_recipe(re.escape(name), "*", config, "min_max_uniform_quantize")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return bytes(made.quantize().quantized_model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--calibration", required=True, type=Path)
    parser.add_argument("--samples", type=int, default=500)
    arguments = parser.parse_args()
    images, labels = read_images(arguments.data)
    pool, _ = read_images(arguments.calibration)
    chosen = pool[np.random.default_rng(0).choice(len(pool), arguments.samples, replace=False)]
    print("| network | int8 layers | rounding | bytes | top-1 | deviation | seconds |\n|---|---|---|---|---|---|---|")
    for path in arguments.models:
        content = path.read_bytes()
        [given] = parse_graph(content, str(path)).inputs
        samples = [{given.name: image[None]} for image in chosen]
        print(
            f"| {path.stem} | float32 | | {len(content):,} | {accuracy(content, images, labels):.2%} | | |", flush=True
        )
        layers = weight_layers(content)
        least = {layer.name: 4 if layer.operator in HAS_INT4 else 8 for layer in layers}
        ends = least | {layers[0].name: 8, layers[-1].name: 8}
        for words, bits in (("those without int4", least), ("and first and last", ends)):
            for rounding in ("nearest", "gptq"):
                start = time.perf_counter()
                float_file = content if rounding == "nearest" else round_weights(content, samples, bits).content
                took_s = time.perf_counter() - start
                file = quantize(float_file, bits)
                [deviation] = measure_deviation(float_file, file, samples[:50])
                # Of a file whose weights are not rounded beforehand, it is what rounding them costs too.
                shown = f"{deviation.relative:.3f}" if rounding == "gptq" else ""
                score = accuracy(file, images, labels)
                print(f"| | {words} | {rounding} | {len(file):,} | {score:.2%} | {shown} | {took_s:.1f} |", flush=True)


if __name__ == "__main__":
    main()
