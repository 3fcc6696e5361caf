"""`tflitekit preflight`."""

from __future__ import annotations

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, flag, progress
from tflitekit.options.preflight import PreflightOptions


@command(
    "tflitekit preflight model.keras",
    "tflitekit preflight model.keras --data photos/test --preprocess 0-1 --strict",
)
@click.argument("model", help="Keras model (.keras or .h5).", type=click.Path())
@takes_options(PreflightOptions, "how")
@flag("--strict", help="Fail if a layer would stay float or is not supported.")
@as_json
def preflight(model: str, how: PreflightOptions, strict: bool, as_json: bool) -> int:
    """Says which layers of a Keras model can be trained for int8, why, and what to do about the rest.

    The untrained model is also converted and run once; exit code 1 where that fails.
    """
    from tflitekit.training.preflight import preflight as run

    with progress().task("Looking at the layers", None):
        found = run(model, **how.given())
    if as_json:
        print_json(found.model_dump(mode="json") | {"counts": found.counts, "clean": found.clean})
    else:
        from tflitekit.cli.views.preflight import show_preflight

        show_preflight(found)
    return 1 if found.problem is not None or (strict and not found.clean) else 0
