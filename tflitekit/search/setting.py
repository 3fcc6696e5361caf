"""What a search is to find, and from what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tflitekit.data.calibration import CalibrationSet
from tflitekit.options.convert import ConvertOptions
from tflitekit.schemes import Recipe, Request
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Prepared
from tflitekit.search.clock import Clock
from tflitekit.source.prepared import Exported, PreparedSource

__all__ = ["SearchLimits", "Selected", "Setting"]

_ACCURACY_LIMIT, _FIDELITY_LIMIT = 0.01, 0.05


@dataclass(frozen=True)
class Selected:
    """What candidates are judged on.

    Attributes:
        calibrated: Whether it is what is calibrated on, too.
    """

    samples: CalibrationSet
    location: str
    calibrated: bool

    @property
    def labels(self) -> list[int] | None:
        """The class of each sample, where all of them have one."""
        assert self.samples.inputs is not None
        labels = [int(label) for label in self.samples.inputs.facts["label"]]
        return labels if min(labels, default=-1) >= 0 else None


@dataclass(frozen=True)
class SearchLimits:
    """What a file may lose, as fractions, and what it may take; the kit's own limits of losses when not given.

    Attributes:
        lost: Of the accuracy, where the model gives classes.
        unlike: Of an output's variance, else; and with ``by_agreement`` of the float model's answers.
        of_class: Of the recall of any class.
        by_agreement: Whether it matters how often the float model's class is kept, not what that costs in accuracy.
    """

    lost: float | None = None
    unlike: float | None = None
    of_class: float | None = None
    by_agreement: bool = False
    size_bytes: int | None = None

    def bounds(self, prepared: Prepared) -> Bounds:
        """Returns those that a model with such outputs is judged by."""
        if prepared.classes is not None and not self.by_agreement:
            lost = _ACCURACY_LIMIT if self.lost is None else self.lost
            return Bounds(loss=lost, class_loss=self.of_class, size_bytes=self.size_bytes)
        return Bounds(loss=_FIDELITY_LIMIT if self.unlike is None else self.unlike, size_bytes=self.size_bytes)


@dataclass(frozen=True)
class Setting:
    """What a search is to find, and from what.

    Attributes:
        folder: For what it needs and finds; a second search with the same folder goes on where the first was stopped.
        output: The one that labels belong to; the first when not given.
        labels: Names of the classes, where they are known.
        clock: Measures latency where it counts; None where that is not known.
    """

    request: Request
    exported: Exported
    source: PreparedSource
    calibration: CalibrationSet
    selected: Selected
    folder: Path
    output: str | None
    labels: tuple[str, ...] | None
    limits: SearchLimits
    options: ConvertOptions
    clock: Clock | None = None

    @property
    def recipe(self) -> Recipe:
        """What holds where a plan says nothing else."""
        assert self.request.scheme.recipe is not None
        return self.request.scheme.recipe(self.request.options)
