"""What several commands take and do."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tflitekit.cli.commands import PanelOption
from tflitekit.core.remote import at_hand, is_url

__all__ = [
    "as_json",
    "data",
    "files",
    "flag",
    "model",
    "option",
    "out",
    "path",
    "progress",
    "start_workers",
    "store_option",
]

_PATH = click.Path(path_type=Path)


class _File(click.Path):
    """A file as a path, or a URL as it is: a path has no two slashes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_url(value) else Path(os.fsdecode(super().convert(value, param, ctx)))


def option(*names: str, panel: str = "Output", **settings: Any) -> Callable[[Any], Any]:
    """Adds an option that is the command line's own."""
    return click.option(*names, cls=PanelOption, panel=panel, **settings)


def flag(*names: str, help: str, panel: str = "Output") -> Callable[[Any], Any]:
    return option(*names, panel=panel, is_flag=True, help=help)


def path(name: str, *, help: str, **settings: Any) -> Callable[[Any], Any]:
    """Adds an argument that names files; of one behind a URL the command gets the copy."""

    def decorate(command: Any) -> Any:
        @functools.wraps(command)
        def run(**values: Any) -> Any:
            given = values[name]
            values[name] = tuple(map(at_hand, given)) if isinstance(given, tuple) else at_hand(given)
            return command(**values)

        return click.argument(name, help=help, type=_File(), **settings)(run)

    return decorate


def out(
    default: str | None, *, help: str = "Folder for the results.", names: tuple[str, ...] = ("--out", "-o")
) -> Callable[[Any], Any]:
    """Adds the folder that is written to."""
    return option(
        *names, "out", type=_PATH, metavar="FOLDER", default=default, show_default=default is not None, help=help
    )


as_json = flag("--json", "as_json", help="Print the result as JSON, and nothing else, on standard output.")
files = path("files", nargs=-1, required=True, help="Any .tflite files.")
model = click.argument(
    "model",
    help="Keras model (.keras, .h5), SavedModel folder or float .tflite file; also behind a URL, as in s3://bucket/model.keras.",
    type=click.Path(),
)
data = option(
    "--data",
    panel="Data",
    required=True,
    metavar="DATA",
    type=click.Path(),
    help="Labelled data: folder of class folders, .npz, .csv, s3://bucket/test, module:function, ... (docs/data.md).",
)
store_option = option(
    "--store",
    required=True,
    metavar="STORE",
    help="A folder of reports, sqlite:///FILE, or the URL of another database.",
)


def progress() -> Any:
    from tflitekit.cli.console import Bars

    return Bars()


_WITH_TENSORFLOW = {
    **dict.fromkeys(("", ".keras", ".h5", ".hdf5"), True),
    **dict.fromkeys((".tflite", ".onnx", ".pt2"), False),
}
"""What the ending of a model's name tells of what its workers import."""


def start_workers(model: str, out: Path) -> None:
    """Starts what forks the workers of a conversion while the command imports its own modules, unless there are results already: then
    none may be needed. A wrong guess costs time only."""
    from tflitekit.core.process.workers import start_early
    from tflitekit.engines.preload import worker_modules

    tensorflow = _WITH_TENSORFLOW.get(Path(model).suffix.lower())
    if tensorflow is not None and Path(model).exists() and not any(out.glob("*.tflite")):
        start_early(worker_modules(tensorflow=tensorflow))
