"""What the converters of all frameworks share; they run without the kit, and find this beside them."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Refusal(Exception):
    """What the user is told: what happened, why, and what to do."""

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.words = {"what": what, "why": why, "fix": fix}


def answer(convert: Callable[[dict[str, Any], Path], dict[str, Any]]) -> None:
    """Answers the request that the command line names; what libraries print goes to standard error."""
    request_file = Path(sys.argv[1]).resolve()
    request, folder = json.loads(request_file.read_text()), request_file.parent
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = convert(request, folder)
    except Refusal as refusal:
        found = {"refused": refusal.words}
    (folder / "answer.json").write_text(json.dumps({"protocol": 1, **found}))


def named(given: dict[str, Any], names: list[str], origin: str) -> dict[str, Any]:
    """Returns the shapes that the user gave by the names of the inputs."""
    given = dict(given)
    if "" in given:
        if len(names) != 1:
            raise Refusal(f"{origin} has several inputs.", "", f"Write --input-shape NAME=1,2,3 ({', '.join(names)}).")
        given[names[0]] = given.pop("")
    for name in given:
        if name not in names:
            raise Refusal(f"{origin} has no input '{name}'.", "", f"Its inputs are {', '.join(names)}.")
    return given


def fixed_shapes(shapes: dict[str, list[Any]], request: dict[str, Any]) -> dict[str, list[int]]:
    """Returns the whole shapes of the inputs; sizes that the model leaves open, here texts, are the user's, or else refused."""
    origin = request["model"]
    given = named(request["input_shapes"], list(shapes), origin)
    found, flags = {}, []
    for name, shape in shapes.items():
        found[name] = [request["batch"] if isinstance(size, str) else size for size in shape[:1]] + list(shape[1:])
        if name in given:
            found[name] = _as_given(name, shape, [*found[name][:1], *given[name]], origin)
        elif any(isinstance(size, str) for size in found[name]):
            usual = "320" if len(shape) == 4 else "128"
            sizes = ",".join(usual if isinstance(size, str) else str(size) for size in found[name][1:])
            flags.append(f"--input-shape {shlex.quote(f'{name}={sizes}')}")
    if flags:
        still_open = [name for name in shapes if any(isinstance(size, str) for size in found[name])]
        raise Refusal(
            f"{'The input' if len(flags) == 1 else 'Inputs'} of {origin} {'leaves' if len(flags) == 1 else 'leave'} sizes open: "
            f"{', '.join(f'{name} {_shown(shapes[name])}' for name in still_open)}.",
            "A .tflite file of it needs fixed ones.",
            f"Fix them, as the model has them and without the batch, for instance: {' '.join(flags)}",
        )
    return found


def _as_given(name: str, shape: list[Any], wanted: list[int], origin: str) -> list[int]:
    if len(wanted) == len(shape) and all(isinstance(a, str) or a == b for a, b in zip(shape, wanted, strict=True)):
        return wanted
    raise Refusal(
        f"The input '{name}' of {origin} takes {_shown(shape)}, and --input-shape asks for {wanted}.",
        "Sizes that the model has fixed stay as they are.",
        "Give the shape as the model has it, without the batch.",
    )


def _shown(shape: list[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def is_picture(shape: list[int], layout: str) -> bool:
    """Whether an input is moved from NCHW to NHWC: with 'auto' those of rank 4 that have 1, 3 or 4 channels."""
    return len(shape) == 4 and (layout == "nhwc" or (layout == "auto" and shape[1] in (1, 3, 4)))


def last_shape(shape: list[int]) -> list[int]:
    """Returns the shape with the channels last."""
    return [shape[0], *shape[2:], shape[1]]


def read_samples(folder: Path, moved: list[bool]) -> list[list[Any]]:
    """Returns the samples of the request, as the original takes them: one array per input."""
    import numpy as np

    with np.load(folder / "samples.npz", allow_pickle=False) as arrays:
        rows = [[arrays[f"{i}/in/{place}"] for place in range(len(moved))] for i in range(_count(arrays))]
    return [
        [np.ascontiguousarray(np.moveaxis(v, -1, 1)) if m else v for v, m in zip(row, moved, strict=True)]
        for row in rows
    ]


def write_reference(folder: Path, outputs: list[list[Any]]) -> None:
    """Adds what the original makes of the samples: what the kit compares the file with."""
    import numpy as np

    with np.load(folder / "samples.npz", allow_pickle=False) as arrays:
        found = dict(arrays.items())
    found |= {f"{i}/out/{place}": value for i, row in enumerate(outputs) for place, value in enumerate(row)}
    np.savez(folder / "reference.npz", **found)


def _count(arrays: Any) -> int:
    return sum(name.endswith("/in/0") for name in arrays)


def untyped(name: str, kind: object, origin: str) -> Refusal:
    """Returns the refusal of an input whose type no sample can be drawn of."""
    return Refusal(
        f"The input '{name}' of {origin} is of the type {kind}.",
        "The kit converts models that take numbers: float, int8, uint8, int32, int64 or bool.",
        "Export the model with one of these.",
    )


def line(error: BaseException) -> str:
    """Returns an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
