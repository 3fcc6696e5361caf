"""Can the host's latencies be trusted? Four experiments in one run.

    python -m edge_benchmarks.latency_trust MODEL [--repetitions 100] [--rounds 5]

1. A/A: the same file under two names, really measured twice (the copy carries one more byte behind its end, which no
   runtime reads); how often the verdict is 'tie'.
2. The model with one more convolution against the model itself; how often it is told apart, and the ratio.
3. The vendor's own host benchmark beside ours, alternating: the ratio of the medians per round, with sixteen images at
   once, because its median is rounded to 10 us.
4. What our loop adds to each `invoke()`, and the sum of the operator profile over the whole.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tflitekit as tk


def with_extra_convolution(model: Path, folder: Path) -> Path:
    """Converts the model with one more 3x3 convolution behind its last one."""
    import tf_keras

    def extend(layer, inputs):
        outputs = layer(inputs)
        if layer is last:
            filters = int(outputs.shape[-1])
            outputs = tf_keras.layers.Conv2D(filters, 3, padding="same", name="extra")(outputs)
        return outputs

    original = tf_keras.models.load_model(model, compile=False)
    last = [layer for layer in original.layers if isinstance(layer, tf_keras.layers.Conv2D)][-1]
    values: dict[str, object] = {}
    for layer in original.layers:
        if isinstance(layer, tf_keras.layers.InputLayer):
            values[layer.output.name] = layer.output
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        given = [values[tensor.name] for tensor in inputs]
        values[layer.output.name] = extend(layer, given[0] if len(given) == 1 else given)
    path = folder / "extended.h5"
    tf_keras.Model(original.inputs, [values[t.name] for t in original.outputs]).save(path)
    tk.convert(path, schemes=["float32"], out=folder / "extended")
    return folder / "extended" / "float32.tflite"


def compare(first: Path, second: Path, seed: int):
    report = tk.benchmark([first, second], baseline=first, seed=seed)
    return report.variants[1].latency.ratio


def vendor_ms(path: Path, folder: Path) -> float:
    """Returns the median of the vendor's own host benchmark."""
    result = folder / "vendor.json"
    command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model", f"--model={path}",
               "--num_runs=500", "--warmup_runs=20", f"--result_json={result}"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return json.loads(result.read_text())["latency"]["median_ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a Keras 2 model that tf_keras loads")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tk.convert(arguments.model, schemes=["float32", "dynamic_range"], out=folder / "plain")
        for scheme in ("float32", "dynamic_range"):
            file = folder / "plain" / f"{scheme}.tflite"
            copy = folder / f"copy-of-{scheme}.tflite"
            copy.write_bytes(file.read_bytes() + b"\0")
            verdicts: collections.Counter[str] = collections.Counter()
            off = []
            for seed in range(arguments.repetitions):
                ratio = compare(file, copy, seed)
                verdicts[ratio.verdict] += 1
                off.append(abs(ratio.value - 1))
            print(
                f"A/A {scheme}: {dict(verdicts)} of {arguments.repetitions}; the ratio is off by "
                f"{np.median(off):.2%} (median), {np.quantile(off, 0.95):.2%} (95 %), {max(off):.2%} (most)",
                flush=True,
            )
        batch = tk.ConvertOptions(batch=16)
        tk.convert(arguments.model, schemes=["float32", "dynamic_range"], out=folder / "sixteen", options=batch)
        extended = with_extra_convolution(arguments.model, folder)
        ratios = [compare(folder / "plain" / "float32.tflite", extended, seed) for seed in range(20)]
        told = sum(ratio.verdict == "slower" for ratio in ratios)
        print(f"one more convolution: {told} of 20 told apart, ratio {np.median([r.value for r in ratios]):.3f}")
        for scheme in ("float32", "dynamic_range"):
            file = folder / "plain" / f"{scheme}.tflite"
            large = folder / "sixteen" / f"{scheme}.tflite"
            found = []
            for number in range(arguments.rounds):
                ours = tk.benchmark([large], seed=number).variants[0].latency
                found.append(ours.median_ms / vendor_ms(large, folder))
            print(f"{scheme}: ours / vendor's = {np.median(found):.3f} (rounds {', '.join(f'{r:.3f}' for r in found)})")
            profile = tk.benchmark([file], profile=True).variants[0].profile
            print(
                f"{scheme}: the loop adds {ours.harness_us:.2f} us per invoke(); profile: {profile.sum_us:.1f} us of "
                f"{profile.whole_us:.1f} us ({profile.sum_us / profile.whole_us:.1%}), of it shared out for rounding "
                f"{profile.rounding_us:.1f} us",
                flush=True,
            )


if __name__ == "__main__":
    main()
