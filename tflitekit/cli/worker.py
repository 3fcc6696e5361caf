"""`tflitekit worker`."""

from __future__ import annotations

import click

from tflitekit.cli.commands import command
from tflitekit.cli.shared import option

__all__ = ["worker"]


@command(
    "tflitekit worker --cluster tcp://scheduler:8786",
    "tflitekit worker --cluster tcp://scheduler:8786 --workers 0 --device adb:SERIAL --device ssh:pi@board",
)
@option("--cluster", required=True, metavar="ADDRESS", help="The scheduler's address, such as tcp://scheduler:8786.")
@option("--workers", type=click.IntRange(min=0), metavar="N", help="How many work at a time. Default: one per core.")
@option(
    "--device",
    "devices",
    multiple=True,
    metavar="TARGET",
    help="Device at this machine, such as adb:SERIAL or ssh:pi@board. Repeatable.",
)
def worker(cluster: str, workers: int | None, devices: tuple[str, ...]) -> int:
    """Lets this machine, and the devices at it, work for a cluster until it is stopped."""
    from tflitekit.cluster.worker import join_cluster

    join_cluster(cluster, workers=workers, devices=devices, note=lambda line: click.echo(line, err=True))
    return 0
