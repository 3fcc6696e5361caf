"""`tflitekit setup`: makes the environment that models of another framework are converted in."""

from __future__ import annotations

import click

from tflitekit.cli.commands import command


@command("tflitekit setup onnx", "tflitekit setup torch")
@click.argument("name", type=click.Choice(["onnx", "torch"]))
def setup(name: str) -> int:
    """Makes the environment that ONNX or PyTorch models are converted in, or repairs it; it needs the network."""
    from tflitekit.cli.console import Bars, stdout
    from tflitekit.source.foreign.environments import environment
    from tflitekit.source.foreign.setup import set_up

    found = environment(name)
    made = set_up(found, Bars())
    said = "is ready" if made else "was ready"
    stdout.print(f"The environment for {found.shown} {said}: {found.folder}", markup=False)
    return 0
