"""The verb *check*: what a piece of hardware would do with a file."""

from __future__ import annotations

from pathlib import Path

from tflitekit.hardware.judgement import Judgement
from tflitekit.hardware.judging import judge
from tflitekit.hardware.library import load_profile
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import read_sidecar

__all__ = ["check"]


def check(file: str | Path, *, on: str, runtime: str | None = None) -> Judgement:
    """Says what a piece of hardware would do with a file, operator by operator, without running it.

    Args:
        file: A ``.tflite`` file. A sidecar beside it tells the names of the model's layers.
        on: The hardware: a name of ``tflitekit hardware``, or the path of a profile of your own (``.toml``).
        runtime: The version of the runtime there, in the numbers of TensorFlow Lite; the one that the profile names when not given.

    Returns:
        Where each operator would run and why, and what follows; ``passes`` says whether it runs there without falling back.

    Raises:
        ModelError: The file cannot be read.
        UsageError: There is no such profile, or it is malformed, or ``runtime`` is not a version.

    Example:
        >>> found = tk.check("build/int8.tflite", on="ethos-u55-128")
        >>> print(found.verdict, found.summary)
    """
    profile, graph, sidecar = load_profile(on), read_graph(file), read_sidecar(Path(file))
    return judge(graph, profile, layers=sidecar.layers if sidecar else (), runtime=runtime)
