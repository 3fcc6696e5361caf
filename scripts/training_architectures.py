"""Writes docs/training-architectures.md: what preflight says about well-known architectures and difficult layers.

python scripts/training_architectures.py [--check] [--only-cases]

With --check nothing is written: the exit code is 1 where the file is not what preflight says. --only-cases leaves the large
architectures as they stand in the file. The models of MLPerf Tiny are looked for in ../shared/data/models, and their
rows left as they stand where they are absent.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "training-architectures.md"
SHARED = ROOT.parent / "shared" / "data" / "models"
PACKAGES = {"Keras 3": "keras", "Keras 2": "tf_keras"}
FILES = ("mobilenet_v1_025_96_vww.h5", "resnet8_cifar10.h5")
APPLICATIONS = {
    "MobileNet (V1)": "MobileNet",
    "MobileNetV2": "MobileNetV2",
    "MobileNetV3-Small": "MobileNetV3Small",
    "EfficientNet-B0": "EfficientNetB0",
}
SIDE = 64

HEAD = """# What can be trained for int8

Written by `scripts/training_architectures.py`; a test fails when it is stale. `tflitekit preflight MODEL` prints the same for your
model, layer by layer, with what to do.

A model is first rebuilt for Keras 2 (`tf_keras`), which is all that tensorflow-model-optimization knows, and compared with the
original. Then layers without an integer form are replaced by some that have one and compute the same; that is compared too.
Tests train each model of this page for two steps and convert it: the file is all integer but for the layers named
under *Left float*.

## Architectures

Random weights, inputs of 64 x 64 pixels (96 x 96 and 32 x 32 for the two files of MLPerf Tiny).

"""
CASES_HEAD = """
## Difficult layers

The same for models of a few layers, each around one difficulty.

"""


def architectures() -> dict[str, Callable[[Any], Any]]:
    """Returns a function of the package (keras or tf_keras) for each architecture."""
    built: dict[str, Callable[[Any], Any]] = {
        name: lambda package, attribute=attribute: getattr(package.applications, attribute)(
            input_shape=(SIDE, SIDE, 3), weights=None, classes=10
        )
        for name, attribute in APPLICATIONS.items()
    }
    return built | {"Pre-activation ResNet": preactivation_resnet}


def preactivation_resnet(package: Any, *, blocks: int = 6, side: int = SIDE) -> Any:
    """Identity mappings (He et al. 2016): BatchNormalization and ReLU before each convolution, none after the addition."""
    layers = package.layers
    inputs = package.Input((side, side, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(x)
    for block in range(blocks):
        y = x
        for half in range(2):
            y = layers.BatchNormalization(name=f"block{block}_bn{half}")(y)
            y = layers.ReLU(name=f"block{block}_relu{half}")(y)
            y = layers.Conv2D(16, 3, padding="same", use_bias=False, name=f"block{block}_conv{half}")(y)
        x = layers.Add(name=f"block{block}_add")([x, y])
    x = layers.BatchNormalization(name="last_bn")(x)
    x = layers.ReLU(name="last_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return package.Model(inputs, layers.Dense(10, activation="softmax", name="class")(x), name="preactivation_resnet")


def cases(package: Any) -> Iterator[tuple[str, Any]]:
    """Yields a title and a small model for each known difficulty."""
    layers = package.layers

    def image(*stack: Any) -> Any:
        return package.Sequential([package.Input((16, 16, 3), name="image"), *stack])

    def series(*stack: Any) -> Any:
        return package.Sequential([package.Input((16, 4), name="series"), *stack])

    yield (
        "Convolution with an activation, then BatchNormalization",
        image(layers.Conv2D(8, 3, activation="relu", name="conv"), layers.BatchNormalization(name="bn")),
    )
    yield (
        "BatchNormalization first, then ReLU and convolution (pre-activation)",
        image(layers.BatchNormalization(name="bn"), layers.ReLU(name="relu"), layers.Conv2D(8, 3, name="conv")),
    )
    yield "Dense, then BatchNormalization", series(
        layers.Flatten(name="flatten"), layers.Dense(8, name="dense"), layers.BatchNormalization(name="bn"),
        layers.ReLU(name="relu"), layers.Dense(3, name="class"),
    )  # fmt: skip
    yield "Separable convolutions", image(
        layers.SeparableConv2D(8, 3, activation="relu", name="first"), layers.SeparableConv2D(8, 3, name="second"),
        layers.BatchNormalization(name="bn"), layers.ReLU(name="relu"),
    )  # fmt: skip
    x = inputs = package.Input((16, 16, 8), name="image")
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Conv2D(4, 1, activation="relu", name="reduce")(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="expand")(gate)
    yield "Squeeze-and-excite", package.Model(inputs, layers.Multiply(name="excite")([x, gate]))
    x = inputs = package.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, name="conv")(x)
    if package.__name__ == "keras":
        x = layers.Activation("hard_swish", name="hard_swish")(x)
    else:  # Keras 2 has none, so models spell it out
        gate = layers.Rescaling(1 / 6, name="sixth")(
            layers.ReLU(6.0, name="relu6")(layers.Rescaling(1.0, 3.0, name="plus3")(x))
        )
        x = layers.Multiply(name="hard_swish")([x, gate])
    yield "Hard-swish", package.Model(inputs, layers.Conv2D(4, 1, name="next")(x))
    yield (
        "Swish and GELU",
        image(
            layers.Conv2D(8, 3, activation="swish", name="first"), layers.Conv2D(8, 3, activation="gelu", name="second")
        ),
    )
    yield (
        "Rescaling and Normalization",
        image(
            layers.Rescaling(1 / 255, name="scale"),
            layers.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.04, 0.05, 0.06], name="normalize"),
            layers.Conv2D(8, 3, name="conv"),
        ),
    )
    yield "Conv1D, MaxPooling1D", series(
        layers.Conv1D(8, 3, padding="causal", activation="relu", name="first"), layers.MaxPooling1D(name="pool"),
        layers.Conv1D(8, 3, use_bias=False, name="second"), layers.BatchNormalization(name="bn"), layers.ReLU(name="relu"),
        layers.GlobalAveragePooling1D(name="mean"), layers.Dense(3, name="class"),
    )  # fmt: skip
    yield (
        "LayerNormalization",
        series(layers.Dense(8, name="first"), layers.LayerNormalization(name="norm"), layers.Dense(3, name="last")),
    )
    yield "Embedding", package.Sequential([
        package.Input((16,), dtype="int32", name="words"), layers.Embedding(40, 8, name="embedding"),
        layers.Conv1D(8, 3, activation="relu", name="conv"), layers.GlobalMaxPooling1D(name="max"),
        layers.Dense(3, name="class"),
    ])  # fmt: skip
    yield "LSTM", series(layers.Conv1D(8, 3, name="conv"), layers.LSTM(8, name="lstm"), layers.Dense(3, name="class"))
    yield "GRU", series(layers.Conv1D(8, 3, name="conv"), layers.GRU(8, name="gru"), layers.Dense(3, name="class"))


def row(title: str, origin: str, model: Any) -> str:
    """Returns one line of the table."""
    from tflitekit.training.preflight import examine_model

    return format_row(title, origin, examine_model(model, convert=False))


def format_row(title: str, origin: str, found: Any) -> str:
    counts = found.counts
    floats = Counter(layer.kind for layer in found.layers if layer.treatment == "left float")
    replaced = Counter(
        f"{layer.kind}: {layer.how[0].lower()}{layer.how[1:].partition(':')[0]}"
        for layer in found.layers
        if layer.treatment == "quantized" and _is_replaced(layer.how)
    )
    cells = (
        title,
        origin,
        str(len(found.layers)),
        str(counts["quantized"]),
        ", ".join(f"{count} {kind}" for kind, count in sorted(floats.items())) or "–",
        "; ".join(f"{count} {text}" for text, count in sorted(replaced.items())) or "–",
    )
    return "| " + " | ".join(cells) + " |"


def _is_replaced(how: str) -> bool:
    return how.startswith(("As ", "Folded", "Step by step", "Two at a time"))


TABLE = "| Model | From | Layers | Quantized | Left float | Replaced by what computes the same |\n|---|---|---|---|---|---|\n"


def page(*, only_cases: bool) -> str:
    """Returns the page as preflight says it now."""
    import importlib

    packages = {title: importlib.import_module(name) for title, name in PACKAGES.items()}
    standing: dict[str, list[str]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines() if FILE.is_file() else ():
        standing.setdefault(line[2:].partition(" | ")[0], []).append(line)
    large = []
    for name, build in architectures().items():
        if only_cases and name in standing:
            large += standing[name]
        else:
            large += merged([row(name, origin, build(package)) for origin, package in packages.items()])
    for name in FILES:
        title = f"`{name}`"
        if (SHARED / name).is_file() and not only_cases:
            from tflitekit.training.preflight import preflight

            large.append(format_row(title, "Keras 2 file", preflight(SHARED / name)))
        else:
            large += standing.get(title, [])
    small = []
    both = {origin: dict(cases(package)) for origin, package in packages.items()}
    for title in both["Keras 3"]:
        small += merged([row(title, origin, models[title]) for origin, models in both.items()])
    return HEAD + TABLE + "\n".join(large) + "\n" + CASES_HEAD + TABLE + "\n".join(small) + "\n"


def merged(rows: list[str]) -> list[str]:
    """Makes one row of two that say the same of Keras 3 and Keras 2."""
    first, second = rows
    same = first.replace(" | Keras 3 | ", " | Keras 2 | ", 1) == second
    return [first.replace(" | Keras 3 | ", " | Keras 3, Keras 2 | ", 1)] if same else rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only-cases", action="store_true")
    options = parser.parse_args()
    content = page(only_cases=options.only_cases)
    if not options.check:
        FILE.write_text(content, encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == content:
        return 0
    print(f"{FILE.name} is not what preflight says: run 'python scripts/training_architectures.py'.")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
