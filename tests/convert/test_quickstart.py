"""`tflitekit quickstart --task`, from the networks and scenes in tests/data/tasks on: what is there is not made again."""

import shlex
import shutil

import pytest
from conftest import DATA

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
