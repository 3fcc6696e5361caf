"""`tflitekit quickstart --task`, from the networks and scenes in tests/data/tasks on: what is there is not made again."""

import shlex
import shutil

import numpy as np
import pytest
from conftest import DATA
from scipy.special import softmax

from tflitekit.cli import app
from tflitekit.optimization.quickstart import TASKS, commands
from tflitekit.optimization.quickstart.scene_files import write_coco, write_masks
from tflitekit.optimization.quickstart.scenes import scenes
from tflitekit.results import read_report


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_the_whole_job(task, tmp_path, cli):
    out, made = tmp_path / "q", DATA / "tasks" / task
    shutil.copytree(made, out)
    (out / "model.keras").rename(out / TASKS[task].model)
    (out / "scenes").rename(out / "test")
    (out / "scenes").mkdir()
    (out / "test").rename(out / "scenes" / "test")
    write = {"detection": write_coco, "segmentation": write_masks}[task]
    write(out / "scenes" / "calibration", scenes("calibration", 12, 64))
    (out / "scenes" / "done").touch()
    code, told, err = cli("quickstart", "--task", task, "--out", out)
    assert code in (0, 1), err  # a dozen scenes do not prove that a variant is good enough
    report = read_report(out)
    assert all(variant.status == "ok" for variant in report.variants)
    assert report.variant("float32").accuracy.value > 0.1
    readme = (out / "README.md").read_text()
    for line in commands(out, task).values():
        assert line in readme
        assert line in told


@pytest.mark.parametrize("task", TASKS)
def test_the_commands_to_go_on_with_are_taken(task, tmp_path):
    for line in commands(tmp_path, task).values():
        program, name, *arguments = shlex.split(line)
        assert program == "tflitekit"
        app.load(name).make_context(name, arguments)


def test_the_loss_of_masks_is_the_crossentropy_of_all_classes_in_two_parts():
    from tflitekit.optimization.quickstart.segmenter import segmentation_loss

    generator = np.random.default_rng(2)
    logits = generator.normal(size=(1, 4, 4, 11)).astype(np.float32)
    mask = generator.integers(0, 3, (1, 4, 4))  # no pixel is in two classes
    chances = softmax(logits, axis=-1)
    digit, background = mask > 0, chances[..., 0]
    of_pixels = -np.log(np.where(digit, 1 - background, background)).mean()
    of_classes = -np.log(np.take_along_axis(chances, mask[..., None], -1)).mean()
    labels = np.stack([digit, np.maximum(mask - 1, 0)], axis=-1).astype(np.float32)
    found = float(segmentation_loss(labels, logits)[0])
    assert found == pytest.approx(of_pixels + 0.2 * (of_classes - of_pixels) / digit.mean(), rel=1e-4)
