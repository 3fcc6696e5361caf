"""Readers: how the outputs of a model become boxes, masks or keypoints in the picture. A family of readers is one file in this folder.

Other packages add theirs by an entry point of the group ``tflitekit.readers``; a user names a function of one's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.answers import answering
from tflitekit.core.arguments import meant
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.files import is_file
from tflitekit.core.registry import Registry
from tflitekit.core.user_code import load_function, place
from tflitekit.data.annotations import Poses, TaskName
from tflitekit.data.frame import Frame
from tflitekit.tasks.interface import Interface

__all__ = [
    "Columns",
    "Reader",
    "ReaderKind",
    "columns_of",
    "files_of_reader",
    "open_reader",
    "reader",
    "readers",
    "require_reader",
    "task_of_reader",
]


@runtime_checkable
class Reader(Protocol):
    """Reads the outputs of one sample."""

    @property
    def name(self) -> str:
        """As users name it."""

    @property
    def task(self) -> TaskName:
        """What it reads: 'detection', 'segmentation', 'keypoints'."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that it reads, in the order in which `read` takes them."""

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Any:
        """Returns what the outputs of one sample say.

        Args:
            outputs: Real values without batch.
            frame: Where the picture lies in the model's input.

        Returns:
            `Boxes` with scores, an integer array ``(height, width)``, or `Poses`, in pixels of the picture.
        """

    def describe(self) -> dict[str, Any]:
        """Returns as JSON all that an app needs to do the same; without 'name' where it cannot."""


class Columns(NamedTuple):
    """What the columns of an output are.

    Attributes:
        axis: Along which they lie, batch counted.
        names: Such as 'width' and "score of 'cat'".
    """

    axis: int
    names: tuple[str, ...]


@runtime_checkable
class _Knowing(Protocol):
    """A reader that knows what each column is."""

    def columns(self, classes: Sequence[str] | None) -> Mapping[str, Columns]:
        """Returns the columns by output; ``classes`` are names in the model's order, where they are known."""


Open = Callable[..., Reader | None]
"""From an `Interface` and options by keyword to a reader; None where the outputs are not of that kind."""


@dataclass(frozen=True)
class ReaderKind:
    """A way to read outputs, and its options with their defaults."""

    name: str
    task: TaskName
    open: Open
    options: Mapping[str, Any]

    def opened(self, interface: Interface, given: Mapping[str, Any]) -> Reader | None:
        """Returns the reader for a model; None where its outputs are of another kind."""
        return self.open(interface, **given)


_registry: Registry[ReaderKind] = Registry("reader", __name__, "tflitekit.readers")


def reader(name: str, *, task: TaskName) -> Callable[[Open], Open]:
    """Registers a function that opens readers: ``open(interface, *, option=default, ...) -> Reader | None``.

    Args:
        name: As users name it.
        task: What it reads.
    """

    def register(function: Open) -> Open:
        parameters = inspect.signature(function).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
        kind = ReaderKind(name, task, answering(function, Reader, type(None)), options)
        _registry.add(name, kind, function.__module__)
        return function

    return register


def readers(task: TaskName | None = None) -> dict[str, ReaderKind]:
    """Returns all readers by name, or those of one task."""
    return {name: kind for name, kind in _registry.all().items() if task in (None, kind.task)}


def task_of_reader(wanted: str | None) -> TaskName | None:
    """Returns the task of a reader that is named as `open_reader` takes it; None for none, and for a user's own."""
    kind = readers().get((wanted or "").partition(":")[0])
    return None if kind is None else kind.task


def require_reader(wanted: str) -> None:
    """Raises `UsageError` where there is no reader of that name, or it has no such option, and it cannot be a function of the user's own."""
    name, colon, rest = wanted.partition(":")
    if name in readers():
        _options(readers()[name], rest)
    elif not colon or "=" in rest:
        raise _no_reader(name, list(readers()))


def columns_of(found: Reader, classes: Sequence[str] | None) -> Mapping[str, Columns]:
    """Returns what the columns of each output are, as far as its reader knows; it has a method ``columns`` then."""
    return found.columns(classes) if isinstance(found, _Knowing) else {}


def files_of_reader(wanted: str | None) -> list[Path]:
    """Returns the files that the options of a reader name, such as anchors: what it reads depends on what they hold."""
    values = (part.partition("=")[2].strip() for part in (wanted or "").partition(":")[2].split(","))
    return [Path(value) for value in values if value and is_file(Path(value))]


def open_reader(interface: Interface, *, task: TaskName, wanted: str | None) -> Reader:
    """Returns the reader that is named, else the only one that the model's outputs fit.

    Args:
        wanted: ``NAME``, ``NAME:option=value,option=value``, or ``module:function`` for ``function(outputs, frame)``, where outputs
            are arrays by name.

    Raises:
        UsageError: There is no such reader or option.
        DataError: The outputs fit none, or several.
    """
    if wanted is not None:
        return _named(interface, task, wanted)
    found = [(name, kind.opened(interface, {})) for name, kind in readers(task).items()]
    fitting = {name: one for name, one in found if one is not None}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    told = f"{interface.owner} has the outputs {interface.shown_outputs()}"
    if not fitting:
        raise DataError(
            f"{told}, and no reader of {task} fits them.",
            why=_GRIDS if task == "detection" and _are_grids(interface) else None,
            fix="Read them with a function of your own, --reader my_reader.py:read, or name one of the kit's and its options: "
            f"{', '.join(readers(task))}.",
        )
    names = list(fitting)
    raise DataError(
        f"{told}, which {', '.join(names[:-1])} and {names[-1]} can read, each otherwise.",
        why="Their shapes do not tell which one is right.",
        fix=f"Name it: {' or '.join(f'--reader {name}' for name in names)}.",
    )


_GRIDS = (
    "Outputs that are maps of cells need a decoding that this model leaves to the app; many exporters can include it."
)


def _are_grids(interface: Interface) -> bool:
    """Whether each output is a map over the input, as heads of YOLO and CenterNet without their decoding are."""
    return all(len(spec.shape) >= 4 and min(spec.shape[1:]) != 1 for spec in interface.outputs)


def _named(interface: Interface, task: TaskName, wanted: str) -> Reader:
    name, _, rest = wanted.partition(":")
    if name not in readers():
        if ":" not in wanted or "=" in rest:
            raise _no_reader(name, list(readers(task)), f"For {task}")
        return _Own(wanted, task, tuple(spec.name for spec in interface.outputs), load_function(wanted, "reader"))
    kind = readers()[name]
    if kind.task != task:
        raise UsageError(
            f"The reader '{name}' is for {kind.task}, and the labels are for {task}.",
            fix=f"For {task}: {', '.join(readers(task))}.",
        )
    found = kind.opened(interface, _options(kind, rest))
    if found is None:
        raise DataError(
            f"The reader '{name}' does not fit the outputs {interface.shown_outputs()}.",
            why=(inspect.getdoc(kind.open) or "").partition("\n")[0] or None,
            fix=f"Name another one: {', '.join(other for other in readers(task) if other != name)}, or your own as module:function.",
        )
    return found


def _no_reader(name: str, known: Sequence[str], of: str = "Choose from") -> UsageError:
    own = "or your own as module:function or path/to/file.py:function"
    return UsageError(f"There is no reader '{name}'.", fix=f"{meant(name, known)}{of}: {', '.join(known)}, {own}.")


def _options(kind: ReaderKind, text: str) -> dict[str, Any]:
    given = {}
    for part in filter(None, text.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in kind.options or not equals:
            known = ", ".join(f"{option}={default}" for option, default in kind.options.items())
            raise UsageError(
                f"The reader '{kind.name}' has no option '{key}'.", fix=f"Its options, with their defaults: {known}."
            )
        given[key] = _value(kind, key, value)
    return given


def _value(kind: ReaderKind, key: str, text: str) -> Any:
    """Reads a value of the type that the option's default has; text where that is None."""
    default = kind.options[key]
    if isinstance(default, bool):
        if text in ("true", "false"):
            return text == "true"
    elif isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            pass
    else:
        return text
    wanted = {bool: "true or false", int: "a whole number", float: "a number"}[type(default)]
    raise UsageError(f"'{text}' is not a value of the option {key} of the reader '{kind.name}'.", fix=f"Give {wanted}.")


class _Own:
    """A function of the user's own."""

    def __init__(self, name: str, task: TaskName, outputs: tuple[str, ...], function: Callable[..., Any]) -> None:
        self.name, self.task, self.outputs = name, task, outputs
        self._function = function

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Any:
        try:
            found = self._function(dict(zip(self.outputs, outputs, strict=True)), frame)
        except Exception as error:
            raise DataError(
                f"The reader '{self.name}' failed: {type(error).__name__}: {error}.",
                why=f"At {where}." if (where := place(error)) else None,
                fix="It must be function(outputs, frame), with the arrays of one sample by the output's name.",
            ) from error
        self._check(found)
        return found

    def _check(self, found: Any) -> None:
        """Refuses what is no mask or no poses; boxes are checked where they are judged."""
        mask = isinstance(found, np.ndarray) and found.ndim == 2 and found.dtype.kind in "iu"
        if (self.task == "segmentation" and not mask) or (self.task == "keypoints" and not isinstance(found, Poses)):
            told = (
                f"an array of {found.dtype} {list(found.shape)}"
                if isinstance(found, np.ndarray)
                else type(found).__name__
            )
            wanted = "Poses" if self.task == "keypoints" else "an array of integers (height, width)"
            raise DataError(f"The reader '{self.name}' returned {told}, not {wanted}.", fix=f"Return {wanted}.")

    def describe(self) -> dict[str, Any]:
        return {}
