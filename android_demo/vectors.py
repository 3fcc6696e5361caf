"""Writes test vectors for the Android core: images, and what the host makes of them.

``vectors.json`` lists the cases, ``vectors.bin`` holds their arrays. The values are those of `tflitekit.data.preprocessing`
and `tflitekit.tflite.runtime.quantize`; the Java code must give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tflitekit.core.files import write_whole
from tflitekit.core.tensor import Quantization, TensorSpec
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.tflite.runtime import quantize

FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
FITS = ("stretch", "center_crop", "pad")


@dataclass(frozen=True)
class Case:
    """One image and one model input.

    Attributes:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        kind: ``noise``, ``edges`` (0 and 255 only, where filters overshoot), ``gradient``, or ``formula``: opaque, computed
            again by the Java test and not written, for images of any size.
        preprocessing: What the host does.
        input: The model's input, with the batch dimension.
    """

    width: int
    height: int
    kind: str
    preprocessing: Preprocessing
    input: TensorSpec


def tensor(shape: Sequence[int], dtype: str = "float32", scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    """Returns an input; quantized where a scale is given."""
    quantization = Quantization(scale=(scale,), zero_point=(zero_point,)) if scale else None
    return TensorSpec(name="image", shape=tuple(shape), dtype=dtype, quantization=quantization)


def picture(case: Case) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Returns the case's image, ``(height, width, 4)`` RGBA; the same for the same size and kind."""
    generator = np.random.default_rng([case.width, case.height])
    size = (case.height, case.width, 4)
    if case.kind == "gradient":
        y, x = np.mgrid[: case.height, : case.width]
        planes = [x * 255 // max(1, case.width - 1), y * 255 // max(1, case.height - 1), (x + y) % 256, (x ^ y) % 256]
        rgba = np.stack(planes, axis=-1).astype(np.uint8)
    elif case.kind == "formula":
        rgba = np.full(size, 255, np.uint8)
        x = np.arange(case.width)
        for y in range(case.height):
            rgba[y, :, 0], rgba[y, :, 1], rgba[y, :, 2] = (7 * x + 3 * y) & 255, (x ^ y) & 255, (x * y >> 4) & 255
    elif case.kind == "edges":
        rgba = (generator.integers(0, 2, size) * 255).astype(np.uint8)
    else:
        rgba = generator.integers(0, 256, size, dtype=np.uint8)
    return rgba


def write_vectors(folder: Path, cases: Sequence[Case]) -> None:
    """Writes ``vectors.json`` and ``vectors.bin``."""
    blob = bytearray()
    places: dict[bytes, list[int]] = {}

    def place(array: np.ndarray[Any, Any]) -> list[int]:
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        if content not in places:
            places[content] = [len(blob), len(content)]
            blob.extend(content)
        return places[content]

    entries = []
    for case in cases:
        rgba = picture(case)
        shape = case.input.shape[1:]
        pixels = case.preprocessing.pixels(Image.fromarray(rgba), shape)
        stored = quantize(case.preprocessing.normalized(pixels, shape), case.input)
        entries.append(
            {
                "width": case.width,
                "height": case.height,
                "preprocessing": case.preprocessing.model_dump(mode="json"),
                "input": asdict(case.input),
                "rgba": None if case.kind == "formula" else place(rgba),
                "pixels": place(pixels),
                "stored": place(stored),
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "vectors.bin", bytes(blob))
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    write_whole(folder / "vectors.json", f'{{"cases":[\n{lines}\n]}}\n')


def small_cases() -> list[Case]:
    """Returns a few small cases that touch every filter, fit, layout and type of storage."""
    quantized = (
        tensor((1, 8, 8, 3), "int8", 0.0078125, 0),
        tensor((1, 8, 8, 3), "uint8", 1 / 255, 0),
        tensor((1, 8, 8, 3), "int16", 3.0518509447574615e-05, 0),
        tensor((1, 8, 8, 3), "int8", 0.018658362329006195, -14),
        tensor((1, 8, 8, 3), "uint8"),
    )
    cases = [
        Case(width, height, kind, Preprocessing(resize=name), tensor((1, 9, 7, channels)))
        for name in FILTERS
        for channels in (1, 3, 4)
        for width, height, kind in ((1, 1, "noise"), (19, 5, "edges"), (5, 23, "noise"))
    ]
    cases += [
        Case(17, 11, "noise", Preprocessing(resize=name, fit=fit, crop_fraction=crop), tensor((1, 8, 6, 3)))
        for name in ("nearest", "bilinear", "lanczos")
        for fit in FITS
        for crop in (1.0, 0.875, 0.5)
    ]
    cases += [
        Case(12, 10, "noise", preset, spec)
        for preset in PRESETS.values()
        for spec in (*quantized, tensor((1, 8, 8, 3)))
    ]
    cases += [
        Case(10, 14, "noise", PRESETS["imagenet-caffe"], tensor((1, 3, 8, 6))),
        Case(10, 14, "noise", PRESETS["0-1"], tensor((1, 8, 8))),
        Case(8, 8, "noise", PRESETS["0-1"], tensor((1, 4, 8, 8))),
    ]
    return cases


def large_cases() -> list[Case]:
    """Returns cases of real sizes, up- and downscaled, with all filters and fits."""
    sizes = ((1, 1), (1, 7), (3, 500), (17, 23), (224, 224), (640, 480), (4000, 3), (3, 2000), (1280, 721), (31, 999))
    cases = [
        Case(width, height, kind, Preprocessing(resize=name), tensor((1, 224, 224, channels), "uint8"))
        for width, height in sizes
        for name in FILTERS
        for kind, channels in (("noise", 3), ("edges", 3), ("gradient", 1), ("noise", 4))
    ]
    cases += [
        Case(
            width,
            height,
            "noise",
            Preprocessing(resize=name, fit=fit, crop_fraction=crop),
            tensor((1, 96, 64, 3), "uint8"),
        )
        for width, height in sizes
        for name in FILTERS
        for fit in FITS
        for crop in (1.0, 0.875, 0.333)
    ]
    cases += [
        Case(8000, 6000, "formula", PRESETS["imagenet-tf"], tensor((1, 224, 224, 3), "int8", 1 / 127.5, 0)),
        Case(6000, 8000, "formula", Preprocessing(resize="lanczos", fit="pad"), tensor((1, 224, 160, 1), "uint8")),
    ]
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for vectors.json and vectors.bin")
    parser.add_argument("--large", action="store_true", help="cases of real sizes (about a hundred megabytes)")
    arguments = parser.parse_args()
    write_vectors(arguments.out, large_cases() if arguments.large else small_cases())


if __name__ == "__main__":
    main()
