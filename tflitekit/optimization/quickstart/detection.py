"""Scenes of digits with their boxes, and a small detector that finds them."""

from __future__ import annotations

from pathlib import Path

from tflitekit.core.files import write_whole
from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scene_files import write_coco, write_parts
from tflitekit.optimization.quickstart.scenes import COUNTS, scenes
from tflitekit.optimization.quickstart.steps import Steps, save

__all__ = ["prepare", "train"]

_SIDE = 96
_WIDTHS = 16, 32, 64
_EPOCHS = 10


def prepare(out: Path, steps: Steps) -> None:
    """Writes scenes, their boxes, the labels and a detector that is trained on them, as far as they are not there."""
    steps.write(
        "Composing scenes of the digits, with boxes",
        out / "scenes",
        lambda folder: write_parts(folder, _SIDE, write_coco),
    )
    write_whole(out / "labels.txt", "\n".join(LABELS) + "\n")
    steps.train("Training a small detector on them", out / "detector.keras", f"{__name__}:train")


def train(*, out: str) -> dict[str, float]:
    """Trains the detector and saves it (runs in a worker)."""
    from tflitekit.optimization.quickstart import detector

    model = detector.network(_SIDE, _WIDTHS)
    loss = detector.train(scenes("train", COUNTS["train"], _SIDE), model, epochs=_EPOCHS)
    save(model, out)
    return {"train_loss": loss}
