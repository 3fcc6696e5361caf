"""The whole job on data and models that need no download: handwritten digits, and scenes that are composed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
        options: Of `optimize`.
    """

    prepare: Callable[[Path, Steps], None]
    model: str
    data: str
    calibration: str = "calibration"
    options: Mapping[str, Any] = field(default_factory=dict)


TASKS = {
    "classification": Recipe(classification.prepare, "digits.keras", "digits", "train"),
    "detection": Recipe(detection.prepare, "detector.keras", "scenes", options={"reader": "yolov8"}),
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
        out=out,
        progress=progress,
        **recipe.options,
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
    data = out / recipe.data
    reader = "".join(f" --{name} {value}" for name, value in recipe.options.items())
    given = f"--labels {out}/labels.txt --preprocess 0-1{reader}"
    test, calibration = f"--data {data}/test {given}", f"--calibration {data}/{recipe.calibration}"
    model = out / recipe.model
    return {
        "The same again": f"tflitekit optimize {model} {test} {calibration} --out {out}",
        "Where int8 loses accuracy, and why": f"tflitekit explain {out}/int8.tflite {test}",
        "A file that is repaired there": f"tflitekit optimize {model} {test} {calibration} --scheme int8,repaired --out {out}",
        "Trained for int8": f"tflitekit optimize {model} {test} {calibration} --train {data}/train --scheme int8,qat --epochs 2 --out {out}",
    }
