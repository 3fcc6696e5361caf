"""`tflitekit setup`: makes an environment for programs of others, or lists them."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from tflitekit.cli.commands import command


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from tflitekit.environments import environments

    del context, parameter
    return [
        CompletionItem(name, help=found.purpose)
        for name, found in environments().items()
        if name.startswith(incomplete)
    ]


@command("tflitekit setup", "tflitekit setup onnx")
@click.argument("name", required=False, shell_complete=_complete)
def setup(name: str | None) -> int:
    """Makes or repairs an environment for programs of others; it needs the network. Without NAME it lists them all."""
    from tflitekit.cli.console import Bars, stdout
    from tflitekit.environments import find_environment, set_up

    if name is None:
        from tflitekit.cli.installation import describe_environments
        from tflitekit.cli.views.environments import show_environments

        show_environments(describe_environments())
        stdout.print("Make or repair one with: tflitekit setup NAME", markup=False)
        return 0
    found = find_environment(name)
    made = set_up(found, Bars())
    said = "is ready" if made else "was ready"
    stdout.print(f"The environment for {found.purpose} {said}: {found.place}", markup=False)
    return 0
