"""The command line. Each command parses, calls one verb, and shows what it returns.

A command is one file in this folder; the order of the imports below is the order in ``--help``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tflitekit._version import __version__

# isort: off
from tflitekit.cli import optimize as _optimize  # noqa: F401
from tflitekit.cli import convert as _convert  # noqa: F401
from tflitekit.cli import preflight as _preflight  # noqa: F401
from tflitekit.cli import evaluate as _evaluate  # noqa: F401
from tflitekit.cli import benchmark as _benchmark  # noqa: F401
from tflitekit.cli import report as _report  # noqa: F401
from tflitekit.cli import compare as _compare  # noqa: F401
from tflitekit.cli import suite as _suite  # noqa: F401
from tflitekit.cli import bundle as _bundle  # noqa: F401
from tflitekit.cli import information as _information  # noqa: F401
from tflitekit.cli import doctor as _doctor  # noqa: F401

# isort: on
from tflitekit.cli.shared import app

__all__ = ["app"]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tflitekit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version
