"""Scenes of digits with the class of each pixel, and a small network that tells it."""

from __future__ import annotations

from pathlib import Path

from tflitekit.core.files import write_whole
from tflitekit.optimization.quickstart.scene_files import MASK_LABELS, write_masks, write_parts
from tflitekit.optimization.quickstart.scenes import COUNTS, scenes
from tflitekit.optimization.quickstart.steps import Steps, save

__all__ = ["prepare", "train"]

_SIDE = 96
_WIDTHS = 16, 32, 48, 64
_EPOCHS = 8


def prepare(out: Path, steps: Steps) -> None:
    """Writes scenes, their masks, the labels and a network that is trained on them, as far as they are not there."""
    steps.write(
        "Composing scenes of the digits, with masks",
        out / "scenes",
        lambda folder: write_parts(folder, _SIDE, write_masks),
    )
    write_whole(out / "labels.txt", "\n".join(MASK_LABELS) + "\n")
    steps.train("Training a small segmentation network on them", out / "segmenter.keras", f"{__name__}:train")


def train(*, out: str) -> dict[str, float]:
    """Trains the network and saves it (runs in a worker)."""
    from tflitekit.optimization.quickstart import segmenter

    model = segmenter.network(_SIDE, _WIDTHS)
    loss = segmenter.train(scenes("train", COUNTS["train"], _SIDE), model, epochs=_EPOCHS)
    save(model, out)
    return {"train_loss": loss}
