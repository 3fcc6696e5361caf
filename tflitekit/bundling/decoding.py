"""How the outputs of bundled files are decoded: as the report says, or as the labels of the data ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflitekit.bundling.contents import Task
from tflitekit.bundling.selection import Chosen, Selection
from tflitekit.data.annotations import task_of
from tflitekit.data.dataset import Dataset
from tflitekit.tasks.readers import Reader, open_reader, task_of_reader
from tflitekit.tflite.graph import Graph

__all__ = ["Decoding", "choose_decoding"]

_DECODED: dict[str, Task] = {"detection": "detection", "segmentation": "segmentation", "keypoints": "keypoints"}


@dataclass(frozen=True)
class Decoding:
    """How outputs become boxes, masks or poses.

    Attributes:
        wanted: The reader that the user named.
        description: What an app needs to do the same.
    """

    task: Task
    wanted: str | None
    first: str
    classes: tuple[str, ...] | None
    description: dict[str, Any]

    def reader(self, graph: Graph) -> Reader:
        """Opens the reader for a file of the bundle."""
        interface = graph.interface(first=self.first, classes=self.classes)
        return open_reader(interface, task=self.task, wanted=self.wanted)


def choose_decoding(selection: Selection, dataset: Dataset, named: str | None) -> Decoding | None:
    """Returns how outputs are decoded; None where they are not, or by a function of the user's own, which no app has.

    Args:
        named: The reader that the user names; that of the report when not given.

    Raises:
        DataError: The outputs fit no reader, or several.
    """
    recorded = selection.report.dataset if selection.report is not None else None
    wanted = named
    if wanted is None and recorded is not None and recorded.reader is not None:
        wanted = recorded.reader.get("given")
    sample = next(iter(dataset), None)
    task = (
        task_of_reader(wanted)
        or (recorded.task if recorded is not None else None)
        or (task_of(sample.label) if sample is not None else None)
    )
    if task not in _DECODED:
        return None
    return _described(selection.variants[0], _DECODED[task], wanted, selection.classes)


def _described(chosen: Chosen, task: Task, wanted: str | None, classes: tuple[str, ...] | None) -> Decoding | None:
    first = chosen.contract.outputs[0].name
    interface = chosen.graph.interface(first=first, classes=classes)
    description = open_reader(interface, task=task, wanted=wanted).describe()
    return Decoding(task, wanted, first, classes, description) if "name" in description else None
