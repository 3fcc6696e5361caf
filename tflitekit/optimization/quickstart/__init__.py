"""The whole job on data and models that need no download: handwritten digits, and scenes that are composed of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tflitekit.bundling import bundle
from tflitekit.core.files import locked, write_whole
from tflitekit.core.progress import Progress
from tflitekit.optimization.optimize import optimize
from tflitekit.optimization.quickstart import classification, detection, segmentation
from tflitekit.optimization.quickstart.digits import load_digits, write_digits
from tflitekit.optimization.quickstart.steps import Steps
from tflitekit.results import Report

__all__ = ["TASKS", "Recipe", "commands", "load_digits", "prepare", "quickstart", "write_digits"]


@dataclass(frozen=True)
class Recipe:
    """What is done for one task.

    Attributes:
        prepare: Makes the model and its data in a folder.
        model: Its file there.
        data: The folder with the parts ``train`` and ``test``, and ``calibration`` where that is not ``train``.
        schemes: What is made, where that is not the default.
        reader: What makes boxes of the outputs.
    """

    prepare: Callable[[Path, Steps], None]
    model: str
    data: str
    calibration: str = "calibration"
    schemes: tuple[str, ...] | None = None
    reader: str | None = None


TASKS = {
    "classification": Recipe(classification.prepare, "digits.keras", "digits", "train"),
    "detection": Recipe(
        detection.prepare,
        "detector.keras",
        "scenes",
        schemes=("float32", "float16", "dynamic_range", "int8", "repaired", "int16x8"),
        reader="yolov8",
    ),
    "segmentation": Recipe(segmentation.prepare, "segmenter.keras", "scenes"),
}


def quickstart(out: Path, *, task: str = "classification", progress: Progress | None = None) -> Report:
    """Trains a small model on data made of the embedded digits, and optimizes it.

    Writes the data with their labels and the model, everything that `optimize` writes, ``bundle`` for the Android demo
    app, and ``README.md`` with the commands to go on with. What is there already is not made again.

    Args:
        task: One of `TASKS`.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    progress = progress or Progress()
    recipe = TASKS[task]
    prepare(out, task=task, progress=progress)
    report = optimize(
        out / recipe.model,
        data=out / recipe.data / "test",
        calibration=out / recipe.data / recipe.calibration,
        labels=out / "labels.txt",
        preprocess="0-1",
        schemes=recipe.schemes,
        reader=recipe.reader,
        out=out,
        progress=progress,
    )
    chosen = report.recommendation.chosen if report.recommendation else None
    names = [name for name in (chosen, report.baseline) if name is not None]
    if names:
        bundle(
            out / "report.json",
            data=out / recipe.data / "test",
            out=out / "bundle",
            variants=names,
            progress=progress,
        )
    told = "".join(f"{title}:\n\n    {command}\n\n" for title, command in commands(out, task).items())
    write_whole(out / "README.md", f"# {task.capitalize()} of digits\n\n{told}")
    return report


def prepare(out: Path, *, task: str = "classification", progress: Progress) -> None:
    """Writes the data, their labels and a model that is trained on them, as far as they are not there.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    with locked(out):
        TASKS[task].prepare(out, Steps(progress))


def commands(out: Path, task: str) -> dict[str, str]:
    """Returns what can be done from there, and the commands; the first does the same again."""
    recipe = TASKS[task]
    folder, data, model = (shlex.quote(str(path)) for path in (out, out / recipe.data, out / recipe.model))
    schemes = f" --scheme {','.join(recipe.schemes)}" if recipe.schemes is not None else ""
    reader = f" --reader {recipe.reader}" if recipe.reader is not None else ""
    test = f"--data {data}/test --preprocess 0-1"
    optimize = f"tflitekit optimize {model} {test}{reader} --calibration {data}/{recipe.calibration} --labels {folder}/labels.txt --out {folder}"
    return {
        "The same again": optimize + schemes,
        "Where int8 loses accuracy, and why": f"tflitekit explain {folder}/int8.tflite {test}",
        "A file whose losses are repaired": f"{optimize} --scheme int8,repaired",
        "Trained for int8": f"{optimize} --scheme int8,qat --train {data}/train --epochs 2",
    }
