"""How fast the kit's training loop is beside plain ``model.fit`` on the model of tensorflow-model-optimization, in one run.

    python -m edge_benchmarks.training_speed MODEL --data TRAIN [--epochs 3] [--rounds 3]

Both train quantization-aware with the same optimizer, loss, batch size, training and validation samples. The plain one has a
hand-tuned pipeline: everything decoded and in memory before, shuffled, batched, prefetched. Each run is a process of its own;
the order alternates. Compared is the time from ``compile`` to the end of the last epoch, with validation, tracing and the
kit's checkpoints in it; what comes before (imports, rebuilding, preflight, ranges) is reported apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH = 32
RATE = 1e-4


def kit(model: str, data: str, epochs: int, folder: Path) -> dict[str, float]:
    import tensorflow  # noqa: F401
    import tf_keras

    from tflitekit.core.progress import Progress
    from tflitekit.core.tensor import TensorSpec
    from tflitekit.data.preprocessing import load_preprocessing
    from tflitekit.source.models import identify
    from tflitekit.training.data.store import store_training_data

    loaded = tf_keras.models.load_model(model, compile=False)
    spec = TensorSpec(name=loaded.input_names[0], shape=(1, *loaded.input_shape[1:]), dtype="float32")
    stored = store_training_data(
        data,
        inputs=[spec],
        preprocessing=load_preprocessing("raw"),
        seed=1,
        folder=folder / "data",
        progress=Progress(),
    )
    started = time.perf_counter()
    from tflitekit.options.training import TrainingOptions
    from tflitekit.training.run.job import train_stage

    options = TrainingOptions(data=None, epochs=epochs, batch_size=BATCH, learning_rate=RATE).model_dump(
        exclude={"data"}
    )
    imported = time.perf_counter() - started
    facts = train_stage(
        source={"path": model, "kind": identify(model).kind, "unsafe_load": False, "custom_objects": None},
        stage={"kind": "quantize"}, options=options, data=stored.model_dump(mode="json"), folder=str(folder / "stage"),
        previous=None, seed=1, batch=1, input_shapes={}, tensorboard=None,
    )  # fmt: skip
    return {"before_s": imported + facts["preparing_s"], "loop_s": facts["record"]["seconds"]}


def plain(model: str, data: str, epochs: int, folder: Path) -> dict[str, float]:
    import numpy as np
    import tensorflow as tf
    import tf_keras
    from PIL import Image

    classes = sorted(path for path in Path(data).iterdir() if path.is_dir())
    files = [(path, label) for label, of_class in enumerate(classes) for path in sorted(of_class.iterdir())]
    images = np.stack([np.asarray(Image.open(path).convert("RGB")) for path, _ in files])
    labels = np.array([label for _, label in files])
    validation = np.zeros(len(files), bool)
    validation[np.random.default_rng(1).permutation(len(files))[: len(files) // 10]] = True

    def batches(chosen: Any, shuffle: bool) -> Any:
        found = tf.data.Dataset.from_tensor_slices((images[chosen], labels[chosen])).cache()
        found = (
            found.shuffle(int(chosen.sum()), seed=1).batch(BATCH, drop_remainder=True) if shuffle else found.batch(64)
        )
        as_float = found.map(lambda x, y: (tf.cast(x, tf.float32), y), num_parallel_calls=tf.data.AUTOTUNE)
        return as_float.prefetch(tf.data.AUTOTUNE)

    train, held_out = batches(~validation, True), batches(validation, False)
    started = time.perf_counter()
    import tensorflow_model_optimization as tfmot

    quantized = tfmot.quantization.keras.quantize_model(tf_keras.models.load_model(model, compile=False))
    before = time.perf_counter() - started
    started = time.perf_counter()
    quantized.compile(tf_keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    quantized.fit(train, validation_data=held_out, epochs=epochs, verbose=0)
    return {"before_s": before, "loop_s": time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["kit", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            run = {"kit": kit, "plain": plain}[arguments.only]
            found = run(arguments.model, arguments.data, arguments.epochs, Path(folder))
        print(json.dumps(found))
        return
    times: dict[str, list[dict[str, float]]] = {"kit": [], "plain": []}
    for index in range(arguments.rounds):
        for name in ("kit", "plain") if index % 2 == 0 else ("plain", "kit"):
            done = subprocess.run(
                [sys.executable, "-m", "edge_benchmarks.training_speed", *sys.argv[1:], "--only", name],
                check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            times[name].append(json.loads(done.stdout.splitlines()[-1]))
        one, other = times["kit"][-1], times["plain"][-1]
        print(
            f"round {index + 1}: kit {one['loop_s']:.1f} s (before {one['before_s']:.1f} s), "
            f"plain {other['loop_s']:.1f} s (before {other['before_s']:.1f} s)",
            flush=True,
        )
    ratio = sum(t["loop_s"] for t in times["kit"]) / sum(t["loop_s"] for t in times["plain"])
    added = statistics.median(t["before_s"] for t in times["kit"]) - statistics.median(
        t["before_s"] for t in times["plain"]
    )
    print(f"loop: kit / plain = {ratio:.3f}; before it the kit takes {added:.1f} s longer")


if __name__ == "__main__":
    main()
