"""The Android app's core makes the same boxes, masks and poses of outputs as Python: of trained networks, and of random outputs of every reader."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from android_jvm import Core
from PIL import Image

import tflitekit as tk
from tflitekit.bundling.contents import (
    Bundle,
    BundledVariant,
    Golden,
    GoldenResult,
    GoldenSample,
    Tolerance,
    Tolerances,
)
from tflitekit.bundling.decoded import decoded
from tflitekit.bundling.entries import ArrayFile, ImageFile
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import open_reader, task_of_reader

TASKS = Path(__file__).resolve().parents[1] / "data" / "tasks"


@pytest.mark.parametrize(("task", "more"), [("detection", {"reader": "yolov8:score=0.05"}), ("segmentation", {})])
def test_golden_scenes_are_decoded_as_on_the_host(core: Core, tmp_path: Path, task: str, more: dict[str, str]) -> None:
    folder, out = TASKS / task, tmp_path / "bundle"
    files = [folder / "float32.tflite", folder / "int8.tflite"]
    found = tk.bundle(
        files,
        data=folder / "scenes" / "images" if task == "detection" else folder / "scenes",
        labels=folder / "labels.txt",
        preprocess="0-1",
        out=out,
        samples=3,
        **more,
    )
    assert found.task == task and found.schema_version == 2
    assert all(result.decoded is not None for sample in found.golden.samples for result in sample.results)
    core.test("verify.RealBundleTest", bundle=out, verification=tmp_path / "verification.json")
    said = json.loads((tmp_path / "verification.json").read_text(encoding="utf-8"))
    assert said["passed"] is True, said["summary"]
    assert core.test("decode.DecoderTest", bundles=out).count("samples decoded: 3") == 1


def test_another_mask_than_the_hosts_fails(core: Core, tmp_path: Path) -> None:
    folder, out = TASKS / "segmentation", tmp_path / "bundle"
    found = tk.bundle(folder / "float32.tflite", data=folder / "scenes", preprocess="0-1", out=out, samples=1)
    entry = found.golden.samples[0].results[0].decoded.mask
    mask = bytearray((out / entry.file).read_bytes())
    mask[7] ^= 1
    (out / entry.file).write_bytes(bytes(mask))
    text = (out / "bundle.json").read_text(encoding="utf-8")
    (out / "bundle.json").write_text(text.replace(entry.sha256, hashlib.sha256(mask).hexdigest()), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"1 of 4096 pixels of the mask that it makes of the host's outputs"):
        core.test("decode.DecoderTest", bundles=out)


def spec(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, shape=(1, *shape), dtype="float32")


SIZE = (32, 24)
"""Height and width of the input."""

ANCHORS = [[0.1 + 0.1 * (i % 8), 0.1 + 0.1 * (i // 8), 0.2, 0.3] for i in range(64)]

READERS = {
    "yolov8:coordinates=pixels": [spec("out", 10, 200)],
    "yolov8:coordinates=normalized,agnostic=true,box=xyxy,iou=0.3": [spec("out", 120, 7)],
    "yolov5:most=5,iou=0.4": [spec("out", 150, 9)],
    "tflite-detection": [spec("boxes", 20, 4), spec("classes", 20), spec("scores", 20), spec("number")],
    "end-to-end:iou=0.5": [spec("out", 30, 6)],
    "boxes:box=yxyx,activation=sigmoid": [spec("boxes", 80, 4), spec("scores", 80, 6)],
    "boxes:box=xywh,activation=none,background=last,coordinates=pixels": [spec("boxes", 80, 4), spec("scores", 80, 6)],
    "detr:background=last,activation=softmax": [spec("boxes", 50, 4), spec("logits", 50, 8)],
    "ssd:anchors=ANCHORS,background=first,activation=softmax": [spec("boxes", 64, 4), spec("scores", 64, 5)],
    "ssd:anchors=ANCHORS,code=xywh,variances=0.2/0.1,activation=sigmoid": [spec("boxes", 64, 4), spec("scores", 64, 5)],
    "mask": [spec("out", 16, 12, 5)],
    "mask:layout=channels_first": [spec("out", 5, 8, 6)],
    "mask:values=foreground,threshold=0.4": [spec("out", 32, 24, 1)],
    "mask:values=classes": [spec("out", 16, 12)],
    "heatmaps": [spec("maps", 16, 12, 17)],
    "keypoints": [spec("points", 1, 17, 3)],
    "keypoints:order=xy,unit=pixels": [spec("points", 21, 2)],
    "keypoints:score=0.5": [spec("points", 6, 56)],
}


def drawn(reader: str, outputs: list[TensorSpec], generator: np.random.Generator) -> list[np.ndarray]:
    """Random outputs: boxes of any form inside of and around the picture, scores with ties, some values that are no numbers."""
    found = []
    for one in outputs:
        values = generator.random(one.shape[1:]).astype(np.float32)
        if (one.name == "out" and "pixels" in reader) or reader.startswith("yolov5"):
            values = values * np.float32(30)
        if one.name in ("scores", "logits") and ("sigmoid" in reader or "softmax" in reader):
            values = values * np.float32(8) - np.float32(4)
        if one.name == "number":
            values = np.float32(15)
        if one.name == "classes" or "values=classes" in reader:
            values = np.floor(values * 4).astype(np.float32)
        if values.ndim == 2 and min(values.shape) > 4 and task_of_reader(reader) == "detection":
            values[generator.integers(len(values)), :] = np.nan
            values = np.where(generator.random(values.shape) < 0.3, np.round(values, 1), values)
        found.append(np.asarray(values, np.float32))
    return found


def written(folder: Path, reader: str, outputs: list[TensorSpec], generator: np.random.Generator) -> None:
    """Writes the description of a bundle whose golden samples hold random outputs; its model is not there."""
    folder.mkdir()
    (anchors := folder / "anchors.json").write_text(json.dumps(ANCHORS), encoding="utf-8")
    preprocessing = Preprocessing(fit="pad" if "pad" in folder.name else "stretch", crop_fraction=0.8)
    source = TensorSpec(name="image", shape=(1, *SIZE, 3), dtype="float32")
    classes = ("a", "b", "c") if outputs[0].shape[1:] == (120, 7) else None  # told by their number
    interface = Interface((source,), tuple(outputs), classes=classes)
    name = reader.replace("ANCHORS", str(anchors))
    task = task_of_reader(name)
    opened = open_reader(interface, task=task, wanted=name)

    def array(file: str, values: np.ndarray) -> ArrayFile:
        (folder / file).write_bytes(values.tobytes())
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        return ArrayFile(file=file, sha256=digest, dtype=values.dtype.name, shape=values.shape)

    samples = []
    for number in range(4):
        size = int(generator.integers(20, 60)), int(generator.integers(20, 60))
        pixels = generator.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        digest = hashlib.sha256((folder / f"{number}.png").read_bytes()).hexdigest()
        image = ImageFile(file=f"{number}.png", sha256=digest, width=size[0], height=size[1])
        values = dict(zip((o.name for o in outputs), drawn(reader, outputs, generator), strict=True))
        with np.errstate(invalid="ignore"):
            said = opened.read([values[n] for n in opened.outputs], preprocessing.frame(size, (*SIZE, 3)))
        entry = array(f"{number}.in", np.zeros((1, *SIZE, 3), np.float32))
        result = GoldenResult(
            variant="float32",
            inputs=(entry,),
            outputs=tuple(array(f"{number}.{n}.out", v[None]) for n, v in values.items()),
            top_k=(),
            decoded=decoded(said, lambda mask, number=number: array(f"{number}.mask", mask), reader),
        )
        samples.append(
            GoldenSample(
                name=str(number),
                key=str(number),
                label=None,
                original=image,
                image=image,
                pixels=entry,
                inputs=(entry,),
                results=(result,),
            )
        )
    free = Tolerance(max_difference=None, unit="real", reason="random")
    variant = BundledVariant(
        name="float32",
        scheme=None,
        file="model.tflite",
        sha256="0" * 64,
        size_bytes=1,
        measured_sha256="0" * 64,
        min_runtime_version=None,
        operators=1,
        integer_op_fraction=None,
        keeps_state=False,
        inputs=(source,),
        outputs=tuple(outputs),
        primary_output=0,
        accuracy=None,
        accuracy_drop=None,
        tolerances=(Tolerances(cpu=free, cpu_builtin=free, gpu=free, nnapi=free),) * len(outputs),
    )
    bundle = Bundle(
        schema_version=2,
        tool={},
        name="random",
        input_kind="image",
        task=task,
        reader=opened.describe(),
        recommended="float32",
        baseline=None,
        preprocessing=preprocessing,
        labels=None,
        output_meaning="values",
        source=None,
        dataset=None,
        variants=(variant,),
        golden=Golden(seed=0, top_k=0, samples=tuple(samples)),
    )
    (folder / "bundle.json").write_text(json.dumps(bundle.model_dump(mode="json")), encoding="utf-8")


def test_random_outputs_of_every_reader(core: Core, tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    folders = []
    for number, (reader, outputs) in enumerate(READERS.items()):
        for fit in ("stretch", "pad"):
            folders.append(tmp_path / f"{number}-{fit}")
            written(folders[-1], reader, outputs, generator)
    printed = core.test("decode.DecoderTest", bundles=os.pathsep.join(map(str, folders)))
    assert f"samples decoded: {4 * len(folders)}" in printed
