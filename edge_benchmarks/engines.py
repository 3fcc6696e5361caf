"""The two engines, scheme by scheme: size, nearness to the float model, integer operators and time.

    python -m edge_benchmarks.engines [MODEL --calibration DATA --preprocess NAME] [--out FOLDER]

Without a model, the small networks of `edge_benchmarks.networks` are made, with random weights from a fixed seed. Each line is one file.
The difference is the root mean square of the outputs' over the spread of the float model's, on samples that were not calibrated on;
latency is the shortest of single-threaded runs, taken in turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tflitekit as tk
from edge_benchmarks.networks import NETWORKS
from tflitekit.tflite.runtime import Model

BOTH = ("float16", "dynamic_range", "int8", "int8_float_fallback", "int16x8")
ONLY_QUANTIZER = ("weight_only_int8", "weight_only_int4", "dynamic_int4", "int4x8")
SCHEMES = [
    "float32",
    *(f"{name}:engine={engine}" for name in BOTH for engine in ("tflite_converter", "litert_quantizer")),
    *ONLY_QUANTIZER,
]


def settle(model: Any, x: Any, rng: np.random.Generator) -> None:
    """Gives batch normalization the statistics of data, and channels scales of their own, as training does."""
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.gamma.assign(rng.lognormal(0, 0.5, layer.gamma.shape))
            layer.momentum = 0.0
    model(x, training=True)


def compare(
    model: str, out: Path, calibration: Any, held_out: list[np.ndarray[Any, Any]], preprocess: str | None
) -> list[str]:
    """Returns the lines of the table for one model."""
    options = tk.ConvertOptions(jobs=1)
    found = tk.convert(
        model, schemes=SCHEMES, out=out, calibration=calibration, preprocess=preprocess, options=options
    ).variants
    good = [variant for variant in found if variant.status == "ok"]
    runs = {variant.name: Model(variant.path) for variant in good}
    expected = np.stack([runs["float32"].run([x])[0] for x in held_out])
    times: dict[str, list[float]] = {name: [] for name in runs}
    errors = {
        name: np.sqrt(np.mean((np.stack([run.run([x])[0] for x in held_out]) - expected) ** 2))
        for name, run in runs.items()
    }
    for _ in range(60):
        for name, run in runs.items():
            start = time.perf_counter()
            run.invoke()
            times[name].append(time.perf_counter() - start)
    lines = []
    for variant in found:
        if variant.status != "ok":
            lines.append(f"| `{variant.name}` | fails: {(variant.error or '').splitlines()[0][:160]} | | | | |")
            continue
        share = "–" if variant.integer_op_fraction is None else f"{variant.integer_op_fraction:.0%}"
        lines.append(
            f"| `{variant.name}` | {variant.size_bytes:,} | {errors[variant.name] / (expected.std() or 1):.2%} | {share} "
            f"| {min(times[variant.name]) * 1e6:.0f} µs | {variant.conversion_s:.2f} s |"
        )
    return lines


HEAD = "| Scheme | Bytes | Difference | Integer operators | Latency | Conversion |\n|---|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--calibration")
    parser.add_argument("--preprocess", default="raw")
    parser.add_argument("--out")
    parser.add_argument(
        "--limit", type=int, default=300, help="calibration samples [%(default)s]; 100 more are compared on"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(arguments.out or scratch)
        out.mkdir(parents=True, exist_ok=True)
        if arguments.model:
            from tflitekit.data.dataset import InputPipeline, open_dataset
            from tflitekit.data.preprocessing import load_preprocessing

            whole = open_dataset(arguments.calibration, limit=arguments.limit + 100, need_labels=False)
            (probe,) = tk.convert(arguments.model, schemes=["float32"], out=out / "probe").variants
            assert probe.contract is not None
            pipeline = InputPipeline(probe.contract.inputs, load_preprocessing(arguments.preprocess))
            rows = [pipeline.prepare(sample.read(), sample.key)[0] for sample in whole]
            chosen = np.random.default_rng(0).permutation(len(rows))
            x = np.stack([rows[i] for i in chosen])
            print(f"\n**{Path(arguments.model).name}**\n\n{HEAD}", flush=True)
            print(
                "\n".join(compare(arguments.model, out, {"x": x[:-100]}, [r[None] for r in x[-100:]], None)), flush=True
            )
            return
        import keras

        for name, build in NETWORKS.items():
            keras.utils.set_random_seed(0)
            rng = np.random.default_rng(0)
            model = build(keras)
            x = rng.normal(0, 1, (arguments.limit + 100, *model.input_shape[1:])).astype(np.float32)
            settle(model, x[:200], rng)
            path = out / f"{name}.keras"
            model.save(path)
            print(f"\n**{name}**\n\n{HEAD}", flush=True)
            print(
                "\n".join(compare(str(path), out / name, {"x": x[:-100]}, [r[None] for r in x[-100:]], None)),
                flush=True,
            )


if __name__ == "__main__":
    main()
