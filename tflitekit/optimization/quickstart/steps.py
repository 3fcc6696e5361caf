"""The steps before a model can be optimized; what an earlier run finished is not made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tflitekit.core.files import write_whole
from tflitekit.core.process.workers import WorkerPool, wait_for
from tflitekit.core.progress import Progress

__all__ = ["Steps", "save"]

_TIMEOUT_S = 1800


class Steps:
    """Runs them and says which one is running."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, title: str, folder: Path, write: Callable[[Path], None]) -> None:
        """Fills a folder with data."""
        if not (folder / "done").exists():
            with self._progress.task(title, None):
                write(folder)
            write_whole(folder / "done", "")

    def train(self, title: str, model: Path, function: str) -> None:
        """Trains a model in a worker with ``module:function``, which takes its path as ``out``.

        Raises:
            MissingDependencyError: TensorFlow is not installed.
        """
        if model.exists():
            return
        with WorkerPool(jobs=1, timeout_s=_TIMEOUT_S) as pool, self._progress.task(title, None):
            wait_for(pool.submit(function, {"out": str(model)}, label="train"))


def save(model: object, out: str) -> None:
    """Saves a Keras model so that its file is there whole or not at all."""
    temporary = Path(out).with_suffix(".partial.keras")
    model.save(temporary)  # type: ignore[attr-defined]
    temporary.replace(out)
