"""PyTorch models in the user's own process: written as a ``.pt2``, which then goes the way of any other."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError, UsageError

__all__ = ["on_disk"]


def on_disk(model: Any, example_inputs: Any, folder: Path) -> Any:
    """Returns the ``.pt2`` of a PyTorch module or exported program; any other model as it is.

    Args:
        example_inputs: What the module is called with: a tensor, or several in their order.
        folder: Where the file goes, under the name of the module's class.

    Raises:
        UsageError: The module has no examples, or another model has some.
        ModelError: `torch.export` refuses it.
    """
    program = _is_a(model, "torch.export", "ExportedProgram")
    if not program and not _is_a(model, "torch.nn", "Module"):
        if example_inputs is not None:
            raise UsageError(
                f"example_inputs have no meaning for {model if isinstance(model, str | Path) else f'a {type(model).__name__}'}.",
                why="They say what a PyTorch module is called with.",
                fix="Leave them out.",
            )
        return model
    if program:
        return _written(model, "program", folder)
    return _written(_exported(model, _arguments(model, example_inputs)), type(model).__name__, folder)


def _is_a(model: Any, package: str, name: str) -> bool:
    """Whether an object is of a class of PyTorch, which need not be installed."""
    return any(base.__name__ == name and base.__module__.startswith(package) for base in type(model).__mro__)


def _arguments(module: Any, given: Any) -> tuple[Any, ...]:
    if given is None or isinstance(given, Mapping):
        raise UsageError(
            f"The PyTorch module {type(module).__name__} needs example_inputs: a tuple of tensors, in the order in which it takes them.",
            why="It is exported by calling it once, and its inputs get their shapes and types.",
            fix="Give them, as in example_inputs=(torch.zeros(1, 3, 224, 224),).",
        )
    return tuple(given) if isinstance(given, Sequence) else (given,)


def _exported(module: Any, arguments: tuple[Any, ...]) -> Any:
    """Exports a copy, so that the user's stays where it is and trains on."""
    import torch

    try:
        whole = copy.deepcopy(module).cpu().eval()
        return torch.export.export(whole, tuple(torch.as_tensor(argument).cpu() for argument in arguments))
    except Exception as error:
        raise ModelError(
            f"PyTorch {torch.__version__} cannot export {type(module).__name__} with these example_inputs.",
            why=f"{type(error).__name__}: {' '.join(str(error).split())[:600]}",
            fix="Call the module with them first. Branches that hang on values cannot be exported: see torch.export.",
        ) from error


def _written(program: Any, name: str, folder: Path) -> Path:
    """Writes the file whole; its own name stands in it, so that the same program is always the same file."""
    import torch

    path = folder / f"{name}.pt2"
    partial = folder / "pt2.partial" / path.name
    partial.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, partial)
    partial.replace(path)
    partial.parent.rmdir()
    return path
