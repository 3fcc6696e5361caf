"""The Android app's Java core against the host: the same pixels, the same inputs, the same answers of the real runtime."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from android_jvm import Core
from conftest import CLASSES, converted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import tflitekit as tk
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.tflite.graph import read_graph

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "android_demo"
sys.path.insert(0, str(DEMO))

import vectors  # noqa: E402


def test_the_committed_vectors_are_what_the_host_computes(tmp_path: Path) -> None:
    vectors.write_vectors(tmp_path, vectors.small_cases())
    for name in ("vectors.json", "vectors.bin"):
        committed = DEMO / "core" / "src" / "test" / "resources" / "vectors" / name
        assert (tmp_path / name).read_bytes() == committed.read_bytes(), (
            "Preprocessing or Pillow changed: python android_demo/vectors.py --out "
            "android_demo/core/src/test/resources/vectors, and change the Java core until its tests pass"
        )


@st.composite
def cases(draw: st.DrawFn) -> vectors.Case:
    """Any image, any preprocessing and any input that the contract allows."""
    channels = draw(st.sampled_from((1, 3, 4)))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    shape = (1, height, width, channels)
    if draw(st.booleans()) and width not in (1, 3, 4):
        shape = (1, channels, height, width)
    each = st.sampled_from((1, channels))
    numbers = st.floats(-200, 200, width=32).map(lambda v: round(v, 3))
    preprocessing = Preprocessing(
        color=draw(st.sampled_from(("rgb", "bgr"))),
        resize=draw(st.sampled_from(vectors.FILTERS)),
        fit=draw(st.sampled_from(vectors.FITS)),
        crop_fraction=draw(st.sampled_from((1.0, 0.875, 0.5)) | st.floats(0.01, 1)),
        divisor=draw(st.sampled_from((1.0, 127.5, 255.0)) | st.floats(0.1, 1000)),
        mean=tuple(draw(numbers) for _ in range(draw(each))),
        std=tuple(draw(st.floats(0.01, 100)) for _ in range(draw(each))),
    )
    dtype = draw(st.sampled_from(("float32", "int8", "uint8", "int16")))
    scale = draw(st.floats(2**-13, 2)) if dtype != "float32" else 0.0
    limits = np.iinfo(dtype) if dtype != "float32" else np.iinfo("int8")
    return vectors.Case(
        width=draw(st.integers(1, 60) | st.integers(1, 700)),
        height=draw(st.integers(1, 60) | st.integers(1, 700)),
        kind=draw(st.sampled_from(("noise", "edges", "gradient"))),
        preprocessing=preprocessing,
        input=vectors.tensor(shape, dtype, scale, draw(st.integers(int(limits.min), int(limits.max)))),
    )


def drawn(count: int) -> list[vectors.Case]:
    """Returns cases that Hypothesis draws; compared by one Java process instead of one each."""
    collected: list[vectors.Case] = []

    @settings(max_examples=count, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def collect(case: vectors.Case) -> None:
        collected.append(case)

    collect()
    return collected


def test_the_same_bytes_for_any_image_and_preprocessing(core: Core, tmp_path: Path) -> None:
    wanted = [*vectors.large_cases(), *drawn(400)]
    vectors.write_vectors(tmp_path, wanted)
    printed = core.test("image.VectorsTest", vectors=tmp_path)
    assert f"vectors compared: {len(wanted)}" in printed


def verified(core: Core, bundle: Path, out: Path) -> dict[str, object]:
    """Replays a bundle on the real runtime from Java; returns the verification's JSON."""
    core.test("verify.RealBundleTest", bundle=bundle, verification=out)
    return json.loads(out.read_text(encoding="utf-8"))


def passes(result: dict[str, object], found: tk.Bundle) -> None:
    """Asserts that every variant gave the host's outputs, on XNNPACK to the bit."""
    assert result["passed"] is True, result["summary"]
    runs = {(run["variant"], run["actual_accelerator"]): run for run in result["runs"]}
    assert set(runs) == {(v.name, kernels) for v in found.variants for kernels in ("cpu", "cpu_builtin")}
    for variant in found.variants:
        assert runs[variant.name, "cpu"]["output_difference"] == 0
        for kernels in ("cpu", "cpu_builtin"):
            run = runs[variant.name, kernels]
            stated = variant.tolerances[[output.name for output in variant.outputs].index(run["output"])]
            assert run["tolerance"]["max_difference"] == getattr(stated, kernels).max_difference
            assert len(runs[variant.name, kernels]["samples"]) == len(found.golden.samples)


def test_golden_images_of_every_scheme(core: Core, variants: Path, shapes: Path, tmp_path: Path) -> None:
    files = sorted(variants.glob("*.tflite"))
    found = tk.bundle(files, data=shapes / "test", labels=CLASSES, out=tmp_path / "bundle", samples=4)
    assert found.input_kind == "image"
    assert len(found.variants) > 4
    result = verified(core, tmp_path / "bundle", tmp_path / "verification.json")
    passes(result, found)
    assert [image["pixel_difference"] for image in result["images"]] == [0] * 4


def test_golden_tensors_of_several_inputs(core: Core, tmp_path: Path) -> None:
    made = converted("two_inputs", tmp_path / "c")
    files = [made / "float32.tflite", made / "float16.tflite"]
    generator = np.random.default_rng(1)
    data = {s.name: generator.random((4, *s.shape[1:])).astype(np.float32) for s in read_graph(files[0]).inputs}
    found = tk.bundle(files, data=data, out=tmp_path / "bundle", samples=2)
    result = verified(core, tmp_path / "bundle", tmp_path / "verification.json")
    passes(result, found)
    assert result["images"] == []


@pytest.mark.real_data
@pytest.mark.slow
def test_resnet8_on_photos(core: Core, shared: Path, tmp_path: Path) -> None:
    """JPEG files in the size of the model, and larger ones in other shapes that are cropped and resized."""
    file = shared / "models" / "resnet8_cifar10_reference_int8.tflite"
    photos = tmp_path / "photos"
    for index, folder in enumerate(sorted(path for path in (shared / "cifar10" / "test").iterdir() if path.is_dir())):
        (photos / folder.name).mkdir(parents=True)
        with Image.open(sorted(folder.iterdir())[index]) as image:
            larger = image.resize((97 + 31 * index, 260 - 19 * index), Image.Resampling.BICUBIC)
        larger.save(photos / folder.name / "photo.jpg", quality=90)
    cropped = PRESETS["raw"].model_copy(update={"name": "cropped", "fit": "center_crop", "crop_fraction": 0.875})
    for data, preprocess in ((shared / "cifar10" / "test", "raw"), (photos, cropped)):
        out = tmp_path / f"bundle-{data.name}"
        found = tk.bundle(file, data=data, out=out, samples=10, preprocess=preprocess)
        result = verified(core, out, tmp_path / f"verification-{data.name}.json")
        passes(result, found)
        assert [image["pixel_difference"] for image in result["images"]] == [0] * 10
