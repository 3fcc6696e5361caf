"""What a user writes without the kit: one converter per scheme, a loop over the images, the same latency runs.

The comparison for ``optimize_speed.py``; deliberately straightforward, one step after the other.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

INT16X8 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
INT8 = tf.lite.OpsSet.TFLITE_BUILTINS_INT8


def load_image(path):
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)[None]


def labelled_images(folder):
    classes = sorted(p.name for p in Path(folder).iterdir())
    return [(path, index) for index, name in enumerate(classes) for path in sorted(Path(folder, name).iterdir())]


def convert(model, scheme, calibration):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if scheme != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme.startswith("int"):
        converter.representative_dataset = lambda: ([load_image(path)] for path, _ in calibration)
    if scheme == "int8":
        converter.target_spec.supported_ops = [INT8]
    if scheme == "int16x8":
        converter.target_spec.supported_ops = [INT16X8]
    return converter.convert()


def open_interpreter(path):
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter, interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]


def accuracy(path, images):
    interpreter, input_index, output_index = open_interpreter(path)
    right = 0
    for image, label in images:
        interpreter.set_tensor(input_index, load_image(image))
        interpreter.invoke()
        right += int(interpreter.get_tensor(output_index).argmax() == label)
    return right / len(images)


def latency(path, runs, warmups):
    interpreter, input_index, _ = open_interpreter(path)
    interpreter.set_tensor(input_index, np.zeros(interpreter.get_input_details()[0]["shape"], np.float32))
    for _ in range(warmups):
        interpreter.invoke()
    samples = []
    for _ in range(runs):
        start = time.perf_counter()
        interpreter.invoke()
        samples.append(time.perf_counter() - start)
    return float(np.median(samples) * 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=json.loads, default={}, help="JSON: measured and warm-up runs by scheme")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    images, candidates = labelled_images(arguments.data), labelled_images(arguments.calibration)
    calibration = candidates[:: len(candidates) // 500][:500]
    model = keras.saving.load_model(arguments.model, compile=False)
    results = {}
    for scheme in ("float32", "float16", "dynamic_range", "int8", "int8_float_fallback", "int16x8"):
        path = arguments.out / f"{scheme}.tflite"
        path.write_bytes(convert(model, scheme, calibration))
        runs, warmups = arguments.runs.get(scheme, (100, 10))
        results[scheme] = {
            "size_bytes": path.stat().st_size,
            "top1": accuracy(path, images),
            "median_ms": latency(path, runs, warmups),
        }
        print(scheme, results[scheme])
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
