"""Makes the small detector and the small segmentation network in tests/data/tasks: ``python tests/make_task_files.py``.

They are those of ``tflitekit quickstart --task``, but smaller. They are committed, with a dozen scenes each, so that a test
which only reads them needs no TensorFlow.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

from tflitekit import convert
from tflitekit.optimization.quickstart import detector, scene_files, segmenter
from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scenes import scenes

TASKS = Path(__file__).parent / "data" / "tasks"
SIDE = 64
SCENES = 12


def make(task: str, room, widths: tuple[int, ...], write, labels: tuple[str, ...], epochs: int) -> None:
    folder = TASKS / task
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = room.network(SIDE, widths)
    print(task, model.count_params(), "weights;", room.train(scenes("train", 2000, SIDE), model, epochs=epochs))
    model.save(folder / "model.keras")
    write(folder / "scenes", scenes("test", SCENES, SIDE))
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    pictures = np.stack([scene.image for scene in scenes("calibration", 100, SIDE)]).astype(np.float32) / 255
    with tempfile.TemporaryDirectory() as made:
        found = convert(
            folder / "model.keras", schemes=["float32", "int8"], calibration={"x": pictures}, preprocess="raw", out=made
        )
        for variant in found.variants:
            assert variant.path is not None, variant.error
            shutil.copy(variant.path, folder)
            assert variant.path.stat().st_size < 50_000, variant.path.stat().st_size


if __name__ == "__main__":
    wanted = sys.argv[1:] or ("detection", "segmentation")
    if "detection" in wanted:
        make("detection", detector, (8, 12, 16), scene_files.write_coco, LABELS, 30)
    if "segmentation" in wanted:
        make("segmentation", segmenter, (8, 10, 14), scene_files.write_masks, scene_files.MASK_LABELS, 20)
