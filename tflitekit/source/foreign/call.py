"""Calls a converter in the Python environment that it needs.

The converter is a script of ours that does without the kit, started with the file of a request:

| file in the folder | from | what |
|---|---|---|
| ``request.json`` | kit | the ``task`` (``describe`` or ``convert``), the model, ``batch``, ``input_shapes``, ``layout`` (``auto``, ``keep``, ``nhwc``) |
| ``samples.npz`` | kit | to convert: by sample, what the float model takes (``0/in/0``) |
| ``answer.json`` | script | the inputs and which are moved from NCHW to NHWC; of a conversion also the outputs, and what ran the original; or ``refused``, with what, why, fix |
| ``model.tflite`` | script | the float model, whose inputs are ``in0`` and so on, its outputs ``out0`` |
| ``reference.npz`` | script | the samples, and what the original makes of them (``0/out/0``) |
| ``nodes.json`` | script | the nodes of the original, with what tells their values (`tflitekit.source.foreign.names`) |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import CrashError, MissingDependencyError, ModelError, UnreadableError
from tflitekit.core.files import write_json
from tflitekit.core.process.logged import run_logged
from tflitekit.core.structured import read_model
from tflitekit.core.tensor import TensorSpec
from tflitekit.environments.interpreter import command

__all__ = ["Answer", "Layout", "call"]

Layout = Literal["auto", "keep", "nhwc"]
_PROTOCOL = 1


class _Refusal(BaseModel):
    what: str
    why: str = ""
    fix: str = ""


class Answer(BaseModel):
    """What a converter says.

    Attributes:
        inputs: As the float model takes them, with the names that the original has.
        original: What ran the original model, with its version.
        moved: Inputs and outputs that are NCHW in the original and NHWC in the file.
    """

    model_config = ConfigDict(frozen=True)

    protocol: Literal[1]
    refused: _Refusal | None = None
    original: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    parameters: int = 0
    notes: tuple[str, ...] = ()


def call(
    python: Path,
    script: Path,
    model: Path,
    folder: Path,
    *,
    task: Literal["describe", "convert"],
    batch: int,
    input_shapes: Mapping[str, Sequence[int]],
    layout: Layout,
    repair: str,
    timeout_s: float = 1800.0,
) -> Answer:
    """Runs a converter; what it wrote lies in ``folder`` then.

    Args:
        repair: What to do where a package is missing.

    Raises:
        MissingDependencyError: The Python cannot be started, or lacks a package.
        ModelError: The converter refuses the model.
        CrashError: It crashed, hung, or left no answer.
    """
    request = folder / "request.json"
    (folder / "answer.json").unlink(missing_ok=True)
    write_json(request, {
        "protocol": _PROTOCOL, "task": task, "model": str(model.resolve()), "batch": batch, "layout": layout,
        "input_shapes": {name: list(shape) for name, shape in input_shapes.items()},
    })  # fmt: skip
    try:
        ended, words = run_logged(command(python, script, str(request)), folder / "log.txt", timeout_s)
    except OSError as error:
        raise MissingDependencyError(
            f"The Python {python} cannot be started: {error.strerror}.", fix=f"Repair the environment: {repair}"
        ) from error
    if "No module named" in words and not (folder / "answer.json").exists():
        raise MissingDependencyError(
            f"The environment of {python} lacks a package.",
            why=words.splitlines()[-1],
            fix=f"Repair the environment: {repair}",
        )
    if ended is not None:
        raise CrashError(
            f"Converting {model} in the environment of {python} {ended}.",
            why=f"It last printed: {words}" if words else None,
            fix=f"If the model runs where it was made, repair the environment: {repair}",
        )
    try:
        answer = read_model(Answer, folder / "answer.json")
    except UnreadableError as error:
        raise CrashError(
            f"Converting {model} in the environment of {python} left no answer.",
            why=error.what,
            fix=f"Repair the environment: {repair}",
        ) from error
    if answer.refused is not None:
        refused = answer.refused
        raise ModelError(refused.what, why=refused.why or None, fix=refused.fix or None)
    if task == "convert" and not all(
        (folder / name).is_file() for name in ("model.tflite", "reference.npz", "nodes.json")
    ):
        raise CrashError(
            f"Converting {model} in the environment of {python} left no model.", fix=f"Repair the environment: {repair}"
        )
    return answer
